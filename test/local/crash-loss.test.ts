import { setTimeout as sleep } from 'node:timers/promises'
import { CreateKeyCommand, EncryptCommand, TagResourceCommand } from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { disagreements, indexRows, quiet, startFaultyKms } from '../support/faults.ts'
import { kmsClient, temporaryState } from '../support/server.ts'

const isSlow = Boolean(process.env.SLOW)
const rounds = isSlow ? 5 : 1
const modes = isSlow ? (['packed', 'strict'] as const) : (['packed'] as const)
const chains = 16
/** How many are answered before the kill. */
const answers = 500
/** What the isolate keeps before the queue is told. */
const bufferMs = 250

interface Loss {
  readonly acknowledged: number
  readonly lateCalls: number
  readonly missing: number
  /** Missing, and answered so long before the kill that the queue had them. */
  readonly fromQueue: number
  readonly oldestMs: number
}

/** Encrypts and changes until the processes are killed; what is missing of what was answered. */
async function lossOf(audit: 'packed' | 'strict'): Promise<Loss> {
  const state = temporaryState()
  let kms = await startFaultyKms(state, { AUDIT: audit })
  const client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const KeyId = KeyMetadata?.KeyId
  const encrypt = async () => {
    const { $metadata } = await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }))
    return $metadata.requestId ?? ''
  }
  await encrypt()
  await quiet(kms)
  const answered = new Map<string, number>()
  const changed: string[] = []
  let isKilled = false
  const until = async (work: (at: number) => Promise<void>) => {
    for (let at = 0; !isKilled; at++) await work(at)
  }
  const using = Array.from({ length: chains }, () => until(async () => void answered.set(await encrypt(), Date.now())))
  const changing = until(async (at) => {
    const Tags = [{ TagKey: 'at', TagValue: String(at) }]
    const { $metadata } = await client.send(new TagResourceCommand({ KeyId, Tags }))
    changed.push($metadata.requestId ?? '')
  })
  const all = Promise.allSettled([...using, changing])
  while (answered.size < answers) await sleep(10)
  isKilled = true
  const killedAt = Date.now()
  await kms.killTree()
  await all

  kms = await startFaultyKms(state)
  await expect.poll(() => disagreements(state), { timeout: 30_000, interval: 200 }).toEqual([])
  expect(await kms.stop()).toBe(0)
  const changes = indexRows(state, `select body ->> '$.requestID' as id from events`).map(({ id }) => id)
  expect(changed.filter((id) => !changes.includes(id))).toEqual([])
  const rows = indexRows(state, `select value ->> 3 as id from event_batches, json_each(body, '$.events')`)
  const recorded = new Set(rows.map(({ id }) => id))
  const agesOf = (which: (id: string) => boolean) =>
    [...answered].filter(([id]) => which(id)).map(([, at]) => killedAt - at)
  const missing = agesOf((id) => !recorded.has(id))
  return {
    acknowledged: answered.size,
    lateCalls: agesOf(() => true).filter((age) => age <= bufferMs).length,
    missing: missing.length,
    fromQueue: missing.filter((age) => age > bufferMs).length,
    oldestMs: Math.max(0, ...missing),
  }
}

it.each(modes)(
  'AUDIT=%s loses no change in a crash, and this of the rest',
  { timeout: rounds * 60_000 },
  async (audit) => {
    for (let round = 0; round < rounds; round++) {
      const loss = await lossOf(audit)
      console.log(`AUDIT=${audit}: ${JSON.stringify(loss)}`)
      expect(loss.acknowledged).toBeGreaterThan(100)
      // The calls of the first second have long been told.
      expect(loss.missing).toBeLessThan(loss.acknowledged)
    }
  },
)

/** One Encrypt, with the process killed as its record goes to the queue. */
async function cutOff(AUDIT: 'packed' | 'strict') {
  const state = temporaryState()
  let kms = await startFaultyKms(state, { AUDIT })
  const client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const encrypt = new EncryptCommand({ KeyId: KeyMetadata?.KeyId, Plaintext: Buffer.from('x') })
  await client.send(encrypt)
  await quiet(kms)
  await kms.fail({})
  await client.send(encrypt)
  const killAt = ((await quiet(kms)) ?? []).indexOf('before AUDIT_QUEUE.send')
  expect(killAt).toBeGreaterThanOrEqual(0)
  await kms.fail({ killAt })
  const isAnswered = await client.send(encrypt).then(
    () => true,
    () => false,
  )
  expect(await quiet(kms)).toBeNull()
  await kms.killTree()
  kms = await startFaultyKms(state)
  expect(await kms.stop()).toBe(0)
  const [row] = indexRows(state, 'select sum(count) as n from event_batches')
  return { isAnswered, recorded: row?.n }
}

it('answers before the record is in the queue where it is packed, and not where it is strict', async () => {
  // Two before, and the third is lost with the isolate.
  expect(await cutOff('packed')).toEqual({ isAnswered: true, recorded: 2 })
  expect(await cutOff('strict')).toEqual({ isAnswered: false, recorded: 2 })
})
