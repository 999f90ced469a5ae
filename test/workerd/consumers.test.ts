import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { packEvents } from '../../src/audit/batch.ts'
import { EventIds } from '../../src/audit/event-ids.ts'
import { expandBatch } from '../../src/audit/unpack.ts'
import { setCursor } from '../../src/catalog/cursors.ts'
import { database } from '../../src/catalog/database.ts'
import { deadLetterCount, storeDeadLetter } from '../../src/catalog/dead-letters.ts'
import { findKeyUse } from '../../src/catalog/key-usage.ts'
import type { Env } from '../../src/deployment.ts'
import { retain } from '../../src/jobs/retain.ts'
import type { AuditEvent } from '../../src/model/audit-event.ts'
import { deliver, heldQueues } from '../support/queues.ts'
import { testClock } from '../support/test-worker.ts'
import { account, createKey, dayMs, env, region, signedAdmin } from '../support/workerd.ts'

const db = database(env.DB)

beforeEach(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  vi.spyOn(console, 'log').mockImplementation(() => {})
  for (const table of ['dead_letters', 'events', 'event_batches', 'event_batch_index', 'key_usage', 'cursors']) {
    await env.DB.prepare(`delete from ${table}`).run()
  }
})

afterEach(() => {
  Object.assign(testClock, { wallMs: 0, lifecycleMs: 0 })
  vi.restoreAllMocks()
})

function event(change: Partial<AuditEvent> & { keyId?: string } = {}): AuditEvent {
  const { keyId = 'de305d54-75b4-431b-adb2-eb6b9e546014', ...rest } = change
  return {
    eventVersion: '1.11',
    userIdentity: { type: 'Root', principalId: account, arn: `arn:aws:iam::${account}:root`, accountId: account },
    eventTime: '2026-11-23T10:00:00Z',
    eventSource: 'kms.amazonaws.com',
    eventName: 'Encrypt',
    awsRegion: region,
    sourceIPAddress: '203.0.113.10',
    userAgent: 'test',
    requestParameters: null,
    responseElements: null,
    requestID: crypto.randomUUID(),
    eventID: crypto.randomUUID(),
    readOnly: true,
    resources: [{ accountId: account, type: 'AWS::KMS::Key', ARN: `arn:aws:kms:${region}:${account}:key/${keyId}` }],
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: account,
    eventCategory: 'Management',
    ...rest,
  }
}

/** Of one trail. */
const message = (...events: AuditEvent[]) => packEvents(events).join()
/** Of the version before this, which an older Worker may still have sent. */
const oldMessage = (...events: unknown[]) => JSON.stringify({ v: 1, events })
const stored = async () => {
  const { results } = await env.DB.prepare('select body from event_batches').all<{ body: string }>()
  return results.flatMap(({ body }) => expandBatch(body))
}
const count = (table: string) => env.DB.prepare(`select count(*) as n from ${table}`).first<number>('n')
const audit = 'edge-kms-audit'
const lifecycle = 'edge-kms-lifecycle'

/** D1 that refuses every call. */
const refused = () => {
  throw new Error('D1_ERROR: refused')
}
const down: Env = { ...env, DB: { prepare: refused, batch: refused } as unknown as D1Database }

describe('the audit consumer', () => {
  it('writes each record once, however often its message comes', async () => {
    const events = [event(), event({ eventName: 'Decrypt' })]
    for (let times = 0; times < 2; times++) {
      expect(await deliver(audit, message(...events))).toMatchObject({ isAcked: true })
      expect(await stored()).toEqual(events)
    }
    expect(await env.DB.prepare('select count, total from event_batches').first()).toEqual({ count: 2, total: 2 })
  })

  it('finds a message by each attribute and value once, and by what its ids begin with', async () => {
    const ids = new EventIds()
    await deliver(audit, message(...Array.from({ length: 50 }, () => event({ eventID: ids.next() }))))
    expect(await count('event_batch_index')).toBe(8)
    await deliver(audit, message(...Array.from({ length: 50 }, () => event())))
    expect(await count('event_batch_index')).toBe(8 + 7 + 50)
  })

  it('takes what an older Worker has sent', async () => {
    const [one, other] = [event(), event({ awsRegion: 'eu-west-1', sharedEventID: crypto.randomUUID() })]
    for (let times = 0; times < 2; times++) {
      expect(await deliver(audit, oldMessage(one, other))).toMatchObject({ isAcked: true })
      expect(await stored()).toEqual([one, other])
    }
  })

  it('keeps the newest use of each key, of what counts as a use', async () => {
    const { keyId } = await createKey()
    const at = (second: number) => ({ keyId, eventTime: `2026-11-23T10:00:0${second}Z` })
    const newest = event({ ...at(3), eventName: 'Decrypt' })
    const told = [
      event(at(1)),
      newest,
      event(at(2)),
      event({ ...at(4), eventName: 'DescribeKey' }),
      event({ ...at(5), errorCode: 'AccessDenied' }),
      event({ ...at(6), eventSource: 'sts.amazonaws.com' }),
      // The caller's copy of a call across accounts.
      event({ ...at(7), recipientAccountId: '444455556666' }),
    ]
    for (const text of packEvents(told)) await deliver(audit, text)
    const { eventID: eventId, requestID: requestId } = newest
    const usedAt = Date.parse('2026-11-23T10:00:03Z') / 1000
    const use = { region, keyId, operation: 'Decrypt', usedAt, eventId, requestId }
    expect(await findKeyUse(db, region, keyId)).toEqual(use)
    await deliver(audit, message(event(at(0))))
    expect(await findKeyUse(db, region, keyId)).toEqual(use)
  })

  it('tries again while D1 refuses, later each time', async () => {
    const body = message(event())
    expect(await deliver(audit, body, down)).toEqual({ queue: audit, isAcked: false, retrySeconds: 1 })
    expect(await deliver(audit, body, down, { attempts: 4 })).toMatchObject({ retrySeconds: 8 })
    expect(await deliver(audit, body, down, { attempts: 30 })).toMatchObject({ retrySeconds: 300 })
    expect(await deliver(audit, body, env, { attempts: 31 })).toMatchObject({ isAcked: true })
    expect(await stored()).toHaveLength(1)
    expect(await deadLetterCount(db)).toBe(0)
  })
})

const key = { account, region, keyId: 'de305d54-75b4-431b-adb2-eb6b9e546014' }
const packed = (change: object) => JSON.stringify({ ...JSON.parse(message(event())), ...change })
const unfit: readonly (readonly [what: string, queue: string, body: unknown, reason: RegExp])[] = [
  ['no JSON', audit, 'hello', /no version/],
  ['nothing', audit, null, /no version/],
  ['a newer version', audit, JSON.stringify({ v: 3, events: [] }), /^version 3 is newer/],
  ['no events', audit, oldMessage(), /no events/],
  ['an event that is none', audit, oldMessage(event(), { eventID: 'x' }), /one of its events is none/],
  ['a time that is none', audit, oldMessage(event({ eventTime: 'yesterday' })), /one of its events is none/],
  ['an event of nothing in common', audit, packed({ events: [[1, 0, 0, 'x', 'y']] }), /one of its events is none/],
  ['an event without an id', audit, packed({ events: [[0, 0, 0, 'x']] }), /one of its events is none/],
  ['an event beyond time', audit, packed({ events: [[0, 0, 1e15, 'x', 'y']] }), /one of its events is none/],
  ['parameters that are no JSON', audit, packed({ parameters: ['}'] }), /one of its events is none/],
  ['an event of another account', audit, packed({ account: '123412341234' }), /one of its events is none/],
  ['a newer version', lifecycle, { v: 9, keys: [key] }, /^version 9 is newer/],
  ['a number', lifecycle, 7, /no version/],
  ['no keys', lifecycle, { v: 1, keys: [] }, /neither keys nor a place/],
  ['a key id that is none', lifecycle, { v: 1, keys: [{ ...key, keyId: '../x' }] }, /neither keys/],
  ['a Region that is none', lifecycle, { v: 1, keys: [{ ...key, region: 'moon-1' }] }, /neither keys/],
  ['a place without a date', lifecycle, { v: 1, after: key }, /neither keys/],
]

describe('a message that nothing can be done with', () => {
  it.each(unfit)('%s on %s becomes a dead letter, once', async (_what, queue, body, reason) => {
    const id = crypto.randomUUID()
    expect(await deliver(queue, body, env, { id })).toMatchObject({ isAcked: true, retrySeconds: null })
    await deliver(queue, body, env, { id })
    const [letter, ...others] = (await env.DB.prepare('select * from dead_letters').all()).results
    expect(others).toEqual([])
    expect(letter).toMatchObject({ message_id: id, queue, body: JSON.stringify(body) })
    expect(letter?.reason).toMatch(reason)
  })

  it('waits where D1 does not take the letter', async () => {
    expect(await deliver(lifecycle, 7, down)).toMatchObject({ isAcked: false, retrySeconds: 1 })
  })

  it.each([audit, lifecycle])('that was given up on %s is a letter of that queue', async (queue) => {
    expect(await deliver(`${queue}-dead`, { v: 1 }, down)).toMatchObject({ isAcked: false, retrySeconds: 10 })
    expect(await deliver(`${queue}-dead`, { v: 1 })).toMatchObject({ isAcked: true })
    expect(await env.DB.prepare('select queue, reason from dead_letters').first()).toMatchObject({
      queue,
      reason: expect.stringMatching(/^given up/),
    })
  })

  it('is kept in bounded numbers: the oldest go, counted', async () => {
    const letter = (at: number) => ({ messageId: `m${at}`, queue: audit, receivedAt: at, body: '1', reason: 'test' })
    for (const at of [3, 1, 2]) expect(await storeDeadLetter(db, letter(at), 3)).toBe(0)
    expect(await storeDeadLetter(db, letter(4), 3)).toBe(1)
    expect(await storeDeadLetter(db, letter(4), 3)).toBe(0)
    const { results } = await env.DB.prepare('select message_id from dead_letters order by 1').all()
    expect(results.map((row) => row.message_id)).toEqual(['m2', 'm3', 'm4'])
  })
})

describe('an operator', () => {
  const tend = (input: object, overEnv: Env = env) => signedAdmin('dead-letters', input, overEnv)

  it('lists letters, replays one once what it needs is there, and drops another', async () => {
    const held = heldQueues()
    const [later, never] = [crypto.randomUUID(), crypto.randomUUID()]
    const good = event()
    // A consumer that is older than the message; then it is deployed, which here is the message growing older.
    await deliver(audit, message(good).replace('"v":2', '"v":3'), env, { id: later })
    await deliver(lifecycle, 'rubbish', env, { id: never })
    const { body } = await tend({ action: 'list' })
    expect(body).toMatchObject({ done: 2, left: 2, letters: [{ messageId: later }, { messageId: never }] })
    await env.DB.prepare(`update dead_letters set body = replace(body, '\\"v\\":3', '\\"v\\":2')`).run()
    expect((await tend({ action: 'replay', ids: [later] }, held.env)).body).toEqual({ done: 1, left: 1 })
    // The row is gone: a repetition replays nothing.
    expect((await tend({ action: 'replay', ids: [later] }, held.env)).body).toEqual({ done: 0, left: 1 })
    expect(held.sent).toHaveLength(1)
    expect(await held.deliver()).toMatchObject([{ queue: audit, isAcked: true }])
    expect(await stored()).toEqual([good])
    expect((await tend({ action: 'drop', ids: [never] })).body).toEqual({ done: 1, left: 0 })
    expect((await tend({ action: 'drop' })).body).toEqual({ done: 0, left: 0 })
  })

  it('keeps a letter that the queue does not take', async () => {
    const held = heldQueues()
    await deliver(lifecycle, 'rubbish')
    held.isRefusing = true
    expect((await tend({ action: 'replay' }, held.env)).status).toBe(500)
    expect(await deadLetterCount(db)).toBe(1)
  })

  it('is told what is wrong', async () => {
    expect(await tend({ action: 'burn' })).toMatchObject({ status: 400, body: { __type: 'ValidationException' } })
    expect(await tend({ action: 'drop', ids: 'all' })).toMatchObject({ status: 400 })
  })
})

describe('retention', () => {
  const insert = (times: readonly number[]) =>
    env.DB.batch(
      times.map((time) =>
        env.DB.prepare(
          `insert into events (event_id, account, region, time, source, name, is_read_only, body, is_change)
           values (?, ?, ?, ?, 's', 'n', 0, '{}', 1)`,
        ).bind(crypto.randomUUID(), account, region, time),
      ),
    )
  const days = (count: number) => count * dayMs

  it('removes changes of 90 days ago, none on the day that it came, and none that the archive lacks', async () => {
    const day = 1_800_000_000_000
    const clock = (wallDays: number, movedDays = 0) => ({
      wallTime: day + days(wallDays),
      time: day + days(wallDays + movedDays),
    })
    await setCursor(db, 'archive', '1000000')
    await retain(db, clock(0), 10)
    await insert([day / 1000, day / 1000 + 60])
    expect(await retain(db, clock(0.5, 366), 10)).toEqual({ changes: 0, calls: 0 })
    await insert([(day + days(366)) / 1000])
    expect(await retain(db, clock(1.1, 366), 10)).toEqual({ changes: 0, calls: 0 })
    expect(await retain(db, clock(2.2, 366), 10)).toEqual({ changes: 2, calls: 0 })
    expect(await count('events')).toBe(1)
    await retain(db, clock(60, 366), 10)
    expect(await retain(db, clock(89, 366), 10)).toEqual({ changes: 0, calls: 0 })
    await setCursor(db, 'archive', '0')
    expect(await retain(db, clock(91, 366), 10)).toEqual({ changes: 0, calls: 0 })
    await setCursor(db, 'archive', '1000000')
    expect(await retain(db, clock(91, 366), 10)).toEqual({ changes: 1, calls: 0 })
  })

  it('keeps the newest calls, as many as it is told, and their batches whole', async () => {
    const clock = { wallTime: days(1), time: days(1) }
    const events = Array.from({ length: 12 }, () => event())
    const left = async () => (await stored()).map(({ eventID }) => events.findIndex((one) => one.eventID === eventID))
    for (const [from, to] of [
      [0, 3],
      [3, 5],
      [5, 6],
      [6, 9],
    ])
      await deliver(audit, message(...events.slice(from, to)))
    await insert([4])
    expect(await retain(db, clock, 9)).toEqual({ changes: 0, calls: 0 })
    expect(await retain(db, clock, 5)).toEqual({ changes: 0, calls: 3 })
    expect(await left()).toEqual([3, 4, 5, 6, 7, 8])
    await deliver(audit, message(...events.slice(9)))
    expect(await retain(db, clock, 4)).toEqual({ changes: 0, calls: 3 })
    expect(await left()).toEqual([6, 7, 8, 9, 10, 11])
    expect(await retain(db, clock, 0)).toEqual({ changes: 0, calls: 6 })
    expect([await count('event_batches'), await count('event_batch_index'), await count('events')]).toEqual([0, 0, 1])
    await deliver(audit, message(...events.slice(0, 2)))
    expect(await retain(db, clock, 2)).toEqual({ changes: 0, calls: 0 })
  })
})
