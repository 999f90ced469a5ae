import {
  createExecutionContext,
  createScheduledController,
  evictDurableObject,
  waitOnExecutionContext,
} from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Env } from '../../src/deployment.ts'
import { deliver, heldQueues } from '../support/queues.ts'
import worker, { faults, testClock } from '../support/test-worker.ts'
import { callBy, createKey, dayMs, env, indexRow, region, request, succeed, sweepCall } from '../support/workerd.ts'

beforeEach(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  vi.spyOn(console, 'log').mockImplementation(() => {})
  await env.DB.prepare('delete from keys').run()
  await env.DB.prepare('delete from cursors').run()
})

afterEach(() => {
  Object.assign(testClock, { wallMs: 0, lifecycleMs: 0 })
  Object.assign(faults, { indexIsDown: false, eventsAreRefused: false })
  vi.restoreAllMocks()
})

async function cron(overEnv: Env): Promise<void> {
  const ctx = createExecutionContext()
  await worker.scheduled?.(createScheduledController({ cron: '*/15 * * * *' }) as never, overEnv, ctx)
  await waitOnExecutionContext(ctx)
}

/** D1 that refuses every call while `isDown`. */
function flakyDatabase() {
  const flaky = { isDown: true, env }
  const whileUp =
    <Args extends unknown[], Value>(work: (...args: Args) => Value) =>
    (...args: Args) => {
      if (flaky.isDown) throw new Error('D1_ERROR: refused')
      return work(...args)
    }
  const DB = {
    prepare: whileUp((query: string) => env.DB.prepare(query)),
    batch: whileUp((all: never[]) => env.DB.batch(all)),
  }
  flaky.env = { ...env, DB: DB as unknown as D1Database }
  return flaky
}

async function cursor() {
  const row = await env.DB.prepare(`select place from cursors where name = 'sweep'`).first<{ place: string }>()
  return row === null ? null : (JSON.parse(row.place) as { after: { keyId: string } | null; at: number })
}

async function dueKeys(count: number, { dueInDays = 7 } = {}): Promise<string[]> {
  const keyIds: string[] = []
  for (let at = 0; at < count; at += 15) {
    const made = await Promise.all(Array.from({ length: Math.min(15, count - at) }, () => createKey()))
    await Promise.all(made.map(({ key }) => key.scheduleDeletion(callBy(), dueInDays)))
    keyIds.push(...made.map(({ keyId }) => keyId))
  }
  return keyIds
}

/** Rows without objects, due since a time each of its own. */
async function dueRows(count: number): Promise<void> {
  await env.DB.prepare(
    `with recursive counter(value) as (select 1 union all select value + 1 from counter where value < ?)
     insert into keys (region, key_id, account, revision, state, created_at, due_at)
     select 'us-east-1', printf('%08x-0000-4000-8000-%012x', value, value), '111122223333', 1, 'Enabled', 0, value
     from counter`,
  )
    .bind(count)
    .run()
}

describe('the sweep', () => {
  it('rotates and deletes what is due, past a key that cannot be', async () => {
    const [rotating, deleting, bad] = [await createKey(), await createKey(), await createKey()]
    await rotating.key.enableRotation(callBy(), 365)
    await deleting.key.scheduleDeletion(callBy(), 7)
    await bad.key.enableRotation(callBy(), 90)
    // An index that is ahead of its object: the key refuses, first in line.
    await env.DB.prepare('update keys set revision = 99 where key_id = ?').bind(bad.keyId).run()
    await evictDurableObject(bad.stub)
    testClock.lifecycleMs = 366 * dayMs
    const held = heldQueues()
    await cron(held.env)
    expect(held.sent).toHaveLength(1)
    expect(await held.deliver()).toMatchObject([{ isAcked: true, retrySeconds: null }])
    const rotations = await succeed('ListKeyRotations', { KeyId: rotating.keyId })
    expect(rotations.Rotations).toMatchObject([{ RotationType: 'AUTOMATIC', KeyMaterialState: 'CURRENT' }])
    expect(await request('DescribeKey', { KeyId: deleting.keyId })).toMatchObject({
      body: {
        __type: 'NotFoundException',
        message: `Key 'arn:aws:kms:${region}:111122223333:key/${deleting.keyId}' does not exist`,
      },
    })
    // Only the bad one is due again, and each sweep asks it again.
    await cron(held.env)
    expect(held.sent).toMatchObject([{ body: { v: 1, keys: [{ keyId: bad.keyId }] } }])
    await held.deliver()
    expect((await succeed('ListKeyRotations', { KeyId: rotating.keyId })).Rotations).toHaveLength(1)
  })

  it('goes by the platform’s own queue', async () => {
    const { keyId, key } = await createKey()
    await key.scheduleDeletion(callBy(), 7)
    testClock.lifecycleMs = 8 * dayMs
    await cron(env)
    await expect.poll(() => indexRow(keyId), { timeout: 15_000 }).toMatchObject({ deleted_at: expect.any(Number) })
  })

  it('does nothing twice where a message is delivered twice, or two crons find the same', async () => {
    const { keyId, key } = await createKey()
    await key.enableRotation(callBy(), 365)
    testClock.lifecycleMs = 366 * dayMs
    const held = heldQueues()
    await cron(held.env)
    await cron(held.env)
    held.sent.push(...held.sent)
    expect(held.sent).toHaveLength(4)
    await held.deliver()
    expect((await succeed('ListKeyRotations', { KeyId: keyId })).Rotations).toHaveLength(1)
  })

  it('catches up with missed crons, and a period that was slept through is one rotation', async () => {
    const { keyId, key } = await createKey()
    await key.enableRotation(callBy(), 90)
    const held = heldQueues()
    testClock.lifecycleMs = 366 * dayMs
    await cron(held.env)
    await held.deliver()
    expect((await succeed('ListKeyRotations', { KeyId: keyId })).Rotations).toHaveLength(1)
    testClock.lifecycleMs = 366 * dayMs + 89 * dayMs
    await cron(held.env)
    await held.deliver()
    expect((await succeed('ListKeyRotations', { KeyId: keyId })).Rotations).toHaveLength(2)
  })

  it('leaves a cancelled deletion alone, and tells a cancellation that it is late', async () => {
    const [early, late] = [await createKey(), await createKey()]
    await early.key.scheduleDeletion(callBy(), 7)
    await late.key.scheduleDeletion(callBy(), 7)
    testClock.lifecycleMs = 8 * dayMs
    const held = heldQueues()
    await cron(held.env)
    // Due, and already on the queue.
    await succeed('CancelKeyDeletion', { KeyId: early.keyId })
    await held.deliver()
    expect(await succeed('DescribeKey', { KeyId: early.keyId })).toMatchObject({
      KeyMetadata: { KeyState: 'Disabled' },
    })
    expect(await request('CancelKeyDeletion', { KeyId: late.keyId })).toMatchObject({
      status: 400,
      body: { __type: 'NotFoundException' },
    })
  })

  // Of 10,000: test/local/sweep.test.ts. Here objects stay in memory.
  it('settles 500 keys, each once, and leaves nothing', { timeout: 120_000 }, async () => {
    const count = 500
    const keyIds = await dueKeys(count)
    testClock.lifecycleMs = 8 * dayMs
    const held = heldQueues()
    await cron(held.env)
    expect(held.sent.length).toBeLessThanOrEqual(101)
    await held.deliver()
    const left = await env.DB.prepare('select count(*) as left from keys where deleted_at is null').first('left')
    expect(left).toBe(0)
    for (const keyId of keyIds.slice(0, 50)) expect(await indexRow(keyId)).toMatchObject({ due_at: null, revision: 3 })
    const records = await env.DB.prepare(`select count(*) as records from events where name = 'DeleteKey'`).first(
      'records',
    )
    expect(records).toBeGreaterThanOrEqual(count)
    await cron(held.env)
    expect(held.sent).toEqual([])
  })
})

describe('a pass', () => {
  it('is bounded: a run hands over 10,000 keys, and a message comes back for the rest', {
    timeout: 60_000,
  }, async () => {
    await dueRows(20_150)
    const held = heldQueues()
    await cron(held.env)
    expect(held.sent).toHaveLength(101)
    expect(new Set(keysIn(held.sent)).size).toBe(10_000)
    expect(held.sent.at(-1)?.body).toMatchObject({ v: 1, after: { dueAt: 10_000 } })
    // Cron leaves a pass alone that is under way.
    await cron(held.env)
    expect(held.sent).toHaveLength(101)
    const handed = keysIn(held.sent)
    const rest = held.sent.splice(0).slice(-1)
    for (let next = rest.pop(); next !== undefined; next = held.sent.splice(0).findLast(isContinuation)) {
      held.sent.push(next)
      await deliverFirst(held)
      handed.push(...keysIn(held.sent))
    }
    expect(new Set(handed).size).toBe(20_150)
    expect(handed).toHaveLength(20_150)
    expect(await cursor()).toMatchObject({ after: null })
  })

  it('is taken up by cron where its message was lost, and a message that is late changes nothing', async () => {
    await dueRows(10_150)
    const held = heldQueues()
    await cron(held.env)
    const [lost] = held.sent.splice(0).slice(-1)
    testClock.wallMs = 11 * 60_000
    await cron(held.env)
    expect(keysIn(held.sent)).toHaveLength(150)
    held.sent.splice(0)
    held.sent.push(lost as (typeof held.sent)[number])
    await held.deliver()
    expect(held.sent).toEqual([])
  })

  it('that the queue refuses stops there, and the next cron goes on', async () => {
    await dueRows(250)
    const held = heldQueues()
    const taken: unknown[] = []
    const { LIFECYCLE_QUEUE } = held.env
    const twice = {
      async send(body: unknown) {
        if (taken.length === 2) throw new Error('the queue takes nothing')
        taken.push(body)
      },
    }
    await expect(cron({ ...held.env, LIFECYCLE_QUEUE: twice as unknown as Queue })).rejects.toThrow('takes nothing')
    await cron({ ...held.env, LIFECYCLE_QUEUE })
    expect(keysIn(held.sent)).toHaveLength(50)
  })

  it('that D1 refuses is made up for by the next cron', async () => {
    const { keyId, key } = await createKey()
    await key.scheduleDeletion(callBy(), 7)
    testClock.lifecycleMs = 8 * dayMs
    const flaky = flakyDatabase()
    const held = heldQueues(flaky.env)
    await expect(cron(held.env)).rejects.toThrow()
    flaky.isDown = false
    await cron(held.env)
    // D1 goes away between cron and the object, which waits for it.
    faults.indexIsDown = true
    await evictDurableObject(env.KEYS.getByName(`${region}/${keyId}`))
    await held.deliver()
    expect(await key.snapshot(sweepCall())).not.toHaveProperty('refused')
    faults.indexIsDown = false
    await cron(held.env)
    await held.deliver()
    expect(await key.snapshot(sweepCall())).toMatchObject({ refused: 'NotFoundException' })
  })
})

type Held = ReturnType<typeof heldQueues>

function keysIn(sent: Held['sent']): string[] {
  return sent.flatMap(({ body }) => (body as { keys?: { keyId: string }[] }).keys ?? []).map(({ keyId }) => keyId)
}

function isContinuation({ body }: Held['sent'][number]): boolean {
  return Object.hasOwn(body as object, 'after')
}

/** Delivers the first message only, and leaves what that sends. */
async function deliverFirst(held: Held): Promise<void> {
  const first = held.sent.shift()
  if (first !== undefined) await deliver(first.queue, first.body, held.env)
}
