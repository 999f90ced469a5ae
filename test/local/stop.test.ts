import { setTimeout as sleep } from 'node:timers/promises'
import { CreateKeyCommand, EncryptCommand, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { kmsClient, openIndex, startKms, temporaryState } from '../support/server.ts'

it('keeps every record of what it answered, though queues live in memory', async () => {
  const state = temporaryState()
  const kms = await startKms(['--state', state])
  const client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const KeyId = KeyMetadata?.KeyId
  const answered: string[] = []
  let stopping: Promise<number> | undefined
  const ask = async (at: number) => {
    const encrypted = await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from(`${at}`) }))
    answered.push(encrypted.$metadata.requestId ?? '')
    if (answered.length === 150) stopping = kms.stop()
  }
  // Some are in flight when it stops: those are answered and recorded, or refused.
  const chains = Array.from({ length: 10 }, async (_, chain) => {
    for (let at = 0; at < 30; at++) await ask(chain * 30 + at)
  })
  await Promise.allSettled(chains)
  expect(await stopping).toBe(0)
  expect(answered.length).toBeGreaterThanOrEqual(150)
  const index = openIndex(state)
  const rows = index.prepare(`select value ->> 3 as id from event_batches, json_each(body, '$.events')`).all()
  const recorded = new Set(rows.map(({ id }) => id))
  expect(answered.filter((id) => !recorded.has(id))).toEqual([])
  // The last use is known, too.
  const use = index.prepare('select operation from key_usage where key_id = ?').get(KeyId ?? '')
  expect(use).toEqual({ operation: 'Encrypt' })
  index.close()
  expect(kms.output()).not.toContain('Not everything could be kept')
})

it('keeps them although D1 took nothing for a while', { timeout: 60_000 }, async () => {
  const state = temporaryState()
  const kms = await startKms(['--state', state])
  const client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const index = openIndex(state)
  index.exec('begin immediate')
  for (let at = 0; at < 20; at++) {
    await client.send(new EncryptCommand({ KeyId: KeyMetadata?.KeyId, Plaintext: Buffer.from(`${at}`) }))
    await sleep(100)
  }
  index.exec('rollback')
  expect(await kms.stop()).toBe(0)
  const kept = index.prepare('select sum(count) as n from event_batches').get()
  expect(kept).toEqual({ n: 20 })
  expect(index.prepare('select count(*) as n from dead_letters').get()).toEqual({ n: 0 })
  index.close()
})

it('ends within seconds where D1 takes nothing, and says what is left', { timeout: 60_000 }, async () => {
  const state = temporaryState()
  const kms = await startKms(['--state', state])
  const client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const index = openIndex(state)
  // Who has the one lock on writing keeps the server from it.
  index.exec('begin immediate')
  await client.send(new EncryptCommand({ KeyId: KeyMetadata?.KeyId, Plaintext: Buffer.from('x') }))
  const stopping = kms.stop()
  await expect.poll(() => kms.output(), { timeout: 40_000 }).toContain('Not everything could be kept')
  index.exec('rollback')
  index.close()
  expect(await stopping).toBe(0)
})

it('keeps what is due while it is down', async () => {
  const state = temporaryState()
  let kms = await startKms(['--state', state])
  const client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  await client.send(new ScheduleKeyDeletionCommand({ KeyId: KeyMetadata?.KeyId, PendingWindowInDays: 7 }))
  expect(await kms.stop()).toBe(0)
  kms = await startKms(['--state', state, '--clock', '+8d'])
  expect(await kms.stop()).toBe(0)
  const index = openIndex(state)
  expect(index.prepare('select deleted_at is not null as gone from keys').get()).toEqual({ gone: 1 })
  expect(index.prepare(`select count(*) as n from events where name = 'DeleteKey'`).get()).toEqual({ n: 1 })
  index.close()
})
