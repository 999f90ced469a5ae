import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { expect, it } from 'vitest'
import worker from '../support/test-worker.ts'
import { env, signed } from '../support/workerd.ts'

async function call(operation: string, input: unknown) {
  const ctx = createExecutionContext()
  const response = await worker.fetch?.((await signed(operation, input)) as never, env, ctx)
  await waitOnExecutionContext(ctx)
  return response?.json() as Promise<Record<string, unknown>>
}

it('creates a key, encrypts, decrypts', async () => {
  const { KeyMetadata } = (await call('CreateKey', {})) as { KeyMetadata: { Arn: string } }
  const { CiphertextBlob } = await call('Encrypt', { KeyId: KeyMetadata.Arn, Plaintext: 'aGVsbG8=' })
  const opened = await call('Decrypt', { CiphertextBlob })
  expect(opened).toMatchObject({ Plaintext: 'aGVsbG8=', KeyId: KeyMetadata.Arn })
})
