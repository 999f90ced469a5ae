import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { CreateKeyCommand, EnableKeyRotationCommand, EncryptCommand } from '@aws-sdk/client-kms'
import { AwsClient } from 'aws4fetch'
import { expect, it } from 'vitest'
import { kmsClient, project, startKms, temporaryState } from '../support/server.ts'

const account = '000000000000'

function verify(args: readonly string[]) {
  return new Promise<{ code: number; text: string }>((resolve) => {
    const argv = [join(project, 'src/verify/main.ts'), ...args]
    execFile(process.execPath, argv, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), text: stdout + stderr })
    })
  })
}

async function advance(endpoint: string, distance: string): Promise<void> {
  const aws = new AwsClient({ accessKeyId: 'test', secretAccessKey: 'test', service: 'kms', region: 'us-east-1' })
  const body = JSON.stringify({ advance: distance })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(await aws.sign(`${endpoint}/local/clock`, { method: 'POST', headers, body }))
  expect(await response.text()).toContain('"archived"')
}

it('archives what is called and what is done by itself, and proves it while it runs, is stopped, and after a kill', async () => {
  const state = temporaryState()
  let kms = await startKms(['--state', state])
  let client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const KeyId = KeyMetadata?.KeyId
  await client.send(new EnableKeyRotationCommand({ KeyId }))
  const encrypt = async (count: number) => {
    for (let at = 0; at < count; at++) await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }))
  }
  await encrypt(5)
  await advance(kms.endpoint, '366d')
  await encrypt(5)
  await advance(kms.endpoint, '1h')
  const running = await verify(['--state', state, '--endpoint', kms.endpoint])
  expect(running.text).toContain('Everything is as it was written.')
  expect(running.code).toBe(0)
  const aws = new AwsClient({ accessKeyId: 'test', secretAccessKey: 'test', service: 'kms', region: 'us-east-1' })
  const head = await (await aws.fetch(`${kms.endpoint}/audit/head?account=${account}&region=us-east-1`)).json()
  const { number, hash, publicKey } = head as { number: number; hash: string; publicKey: string }
  expect(number).toBeGreaterThanOrEqual(1)
  const pinned = ['--state', state, '--public-key', publicKey, '--head', `${number}:${hash}`]
  await encrypt(5)
  await kms.killTree()
  expect(await verify(pinned)).toMatchObject({ code: 0 })
  kms = await startKms(['--state', state])
  client = kmsClient(kms.endpoint)
  await encrypt(5)
  await advance(kms.endpoint, '1h')
  const after = await verify(['--state', state, '--endpoint', kms.endpoint, '--public-key', publicKey])
  expect(after.text).toContain('Everything is as it was written.')
  expect(await kms.stop()).toBe(0)
  const stopped = await verify(pinned)
  expect(stopped.text).toContain('Everything is as it was written.')
  expect(await verify([...pinned.slice(0, -1), `${number}:${'0'.repeat(64)}`])).toMatchObject({ code: 1 })
  expect(await verify([...pinned.slice(0, -1), `${number + 100}:${hash}`])).toMatchObject({ code: 1 })
})
