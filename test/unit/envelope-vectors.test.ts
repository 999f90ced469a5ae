import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createEnvelope } from '../../src/envelope/index.ts'
import { softKms } from '../support/soft-kms.ts'

/** Messages that open forever: of every suite, by AWS's client and by ours. */
const { secret, key, plaintext, encryptionContext, vectors } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/envelope-v1.json'), 'utf8'),
) as {
  secret: string
  key: string
  plaintext: string
  encryptionContext: Record<string, string>
  vectors: { by: string; suite: string; message: string }[]
}

it('has every suite', () => {
  expect(new Set(vectors.map(({ suite }) => suite)).size).toBe(11)
})

it.each(vectors)('$suite by $by', async ({ suite, message }) => {
  const envelope = createEnvelope({ kms: softKms('us-east-1', secret), keys: [key], allowUncommitted: true })
  const opened = await envelope.decrypt(new Uint8Array(Buffer.from(message, 'base64')), { encryptionContext })
  expect(new TextDecoder().decode(opened.plaintext)).toBe(plaintext)
  expect(opened.suite).toBe(suite)
  expect(opened.encryptionContext).toMatchObject(encryptionContext)
})
