import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateKeyCommand, EncryptCommand, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms'
import { AwsClient } from 'aws4fetch'
import { expect, it } from 'vitest'
import { kmsClient, openIndex, startKms, temporaryState } from '../support/server.ts'

const count = process.env.SLOW ? 10_000 : 100
const atOnce = 16

it(`deletes ${count} keys in one sweep, with bounded memory, while calls are answered`, {
  timeout: 3_600_000,
}, async () => {
  const state = temporaryState()
  const kms = await startKms(['--state', state])
  const client = kmsClient(kms.endpoint)
  const used = (await client.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId
  const doomed = async () => {
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: KeyMetadata?.KeyId, PendingWindowInDays: 7 }))
  }
  for (let made = 0; made < count; made += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - made) }, doomed))
  }
  const before = megabytes(state)
  let most = before
  let isSweeping = true
  let encrypted = 0
  const calling = (async () => {
    while (isSweeping) {
      await client.send(new EncryptCommand({ KeyId: used, Plaintext: Buffer.from('hot') }))
      most = Math.max(most, megabytes(state))
      encrypted++
    }
  })()
  const started = performance.now()
  // Whoever asks may lose patience: what was begun goes on, and who asks again waits for it.
  await moveClock(kms.endpoint, '8d', 1_000)
  let report = null
  while (report === null) report = await moveClock(kms.endpoint, '0d', 240_000)
  const seconds = (performance.now() - started) / 1000
  isSweeping = false
  await calling
  console.log(
    `${count} keys in ${seconds.toFixed(0)} s, ${encrypted} calls meanwhile, workerd ${before} MB before, at most ${most} MB`,
  )
  expect(report).toMatchObject({ deleted: 0, failed: 0 })
  expect(encrypted).toBeGreaterThan(10)
  expect(most).toBeLessThan(before + 400)
  expect(await kms.stop()).toBe(0)
  const index = openIndex(state)
  expect(index.prepare('select count(*) as n from keys where deleted_at is not null').get()).toEqual({ n: count })
  expect(index.prepare(`select count(*) as n from events where name = 'DeleteKey'`).get()).toEqual({ n: count })
  index.close()
})

/** Null: no answer in time. */
async function moveClock(endpoint: string, advance: string, waitMs: number): Promise<object | null> {
  const aws = new AwsClient({ accessKeyId: 'test', secretAccessKey: 'test', service: 'kms', region: 'us-east-1' })
  const request = await aws.sign(`${endpoint}/local/clock`, { method: 'POST', body: JSON.stringify({ advance }) })
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(waitMs) })
    expect(response.status).toBe(200)
    return (await response.json()) as object
  } catch (failure) {
    if ((failure as Error).name !== 'TimeoutError') throw failure
    return null
  }
}

/** Resident, of the state's workerd; 0 where the system does not tell. */
function megabytes(state: string): number {
  try {
    const { workerds } = JSON.parse(readFileSync(join(state, 'lock.json'), 'utf8')) as { workerds: { pid: number }[] }
    // Its bundler is a child of the server, too.
    const workerd = workerds.find(({ pid }) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'workerd')
    const status = readFileSync(`/proc/${workerd?.pid}/status`, 'utf8')
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
  } catch {
    return 0
  }
}
