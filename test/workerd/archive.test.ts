import { describe, expect, it } from 'vitest'
import { packEvents } from '../../src/audit/batch.ts'
import type { TrailNamespace, TrailObject } from '../../src/audit/trail-object.ts'
import { trailHead } from '../../src/audit/trail-object.ts'
import { EventBatch } from '../../src/audit/unpack.ts'
import { database } from '../../src/catalog/database.ts'
import { recordChanges } from '../../src/catalog/events.ts'
import { listTrails } from '../../src/catalog/trails.ts'
import { archive, archiveCalls, archiveChanges, archivedThrough, closeTrails } from '../../src/jobs/archive.ts'
import { type AuditEvent, serviceEvent } from '../../src/model/audit-event.ts'
import { checkChain } from '../support/chain.ts'
import { env } from '../support/workerd.ts'

const start = Date.parse('2026-11-23T10:00:00Z')
const db = database(env.DB)
const parts = { database: db, trails: env.AUDIT_TRAIL }
let accounts = 0
let seconds = 0

const newAccount = () => String(800_000_000_000 + ++accounts)

function eventsOf(account: string, count: number, region = 'us-east-1'): AuditEvent[] {
  return Array.from({ length: count }, () =>
    serviceEvent({
      eventName: 'RotateKey',
      time: start + 1000 * ++seconds,
      region,
      requestId: crypto.randomUUID(),
      resource: { accountId: account, type: 'AWS::KMS::Key', ARN: `arn:aws:kms:${region}:${account}:key/1` },
      details: { keyId: '1' },
    }),
  )
}

async function chainOf(account: string, region = 'us-east-1'): Promise<string[]> {
  const head = await trailHead(env.AUDIT_TRAIL, account, region)
  if (head === null) throw new Error('There is no trail')
  return checkChain(account, head)
}

const batchesOf = (events: readonly AuditEvent[]) => packEvents(events).map((text) => new EventBatch(text))
const ids = (events: readonly AuditEvent[]) => events.map(({ eventID }) => eventID)

/** D1, and the trails, through something that may end a run before or after anything that is waited for. */
function stepped(at: (step: string) => void) {
  const around = async (step: string, work: () => Promise<unknown>) => {
    at(`before ${step}`)
    const value = await work()
    at(`after ${step}`)
    return value
  }
  const statement = (made: D1PreparedStatement): D1PreparedStatement =>
    new Proxy(made, {
      get(target, name: 'run' | 'all' | 'raw' | 'bind') {
        if (name === 'bind') return (...values: unknown[]) => statement(target.bind(...values))
        return (...values: []) => around('query', () => target[name](...values))
      },
    })
  const binding = new Proxy(env.DB, {
    get(target, name: 'prepare') {
      if (name === 'prepare') return (query: string) => statement(target.prepare(query))
      return target[name]
    },
  })
  const trails: TrailNamespace = {
    getByName(name, options) {
      const object = env.AUDIT_TRAIL.getByName(name, options)
      return {
        deliver: (...args) => around('deliver', () => object.deliver(...args)),
        close: (time) => around('close', () => object.close(time)),
      } as TrailObject
    },
  }
  return { database: database(binding), trails }
}

describe('changes', () => {
  it('come to the trails of their accounts and Regions, each once', async () => {
    const [one, other] = [newAccount(), newAccount()]
    const [ofOne, ofOther, elsewhere] = [eventsOf(one, 450), eventsOf(other, 30), eventsOf(other, 5, 'eu-west-1')]
    await recordChanges(db, [...ofOne, ...ofOther, ...elsewhere])
    expect(await archive(parts, start)).toEqual({ changes: 485, digests: 3, failed: 0 })
    expect(await chainOf(one)).toEqual(ids(ofOne))
    const there = await trailHead(env.AUDIT_TRAIL, other, 'eu-west-1')
    expect(there).toMatchObject({ number: 1, region: 'eu-west-1' })
    expect(await archive(parts, start)).toEqual({ changes: 0, digests: 0, failed: 0 })
    expect(await listTrails(db)).toEqual(
      expect.arrayContaining([
        { account: other, region: 'eu-west-1', number: 1 },
        { account: other, region: 'us-east-1', number: 1 },
      ]),
    )
  })

  it('of two runs at once come once', async () => {
    const account = newAccount()
    const events = eventsOf(account, 450)
    await recordChanges(db, events)
    await Promise.all([archiveChanges(parts, start), archiveChanges(parts, start), archiveChanges(parts, start)])
    await closeTrails(parts, start)
    expect((await chainOf(account)).sort()).toEqual(ids(events).sort())
  })

  it('come once, wherever a run ends, whatever arrives before the next', async () => {
    const ended: string[] = []
    for (let n = 1; ; n++) {
      const account = newAccount()
      const events = eventsOf(account, 5)
      await recordChanges(db, events)
      let steps = 0
      let isEnded = false
      const faulty = stepped((step) => {
        if (++steps !== n) return
        isEnded = true
        ended.push(step)
        throw new Error('ended')
      })
      await archiveChanges(faulty, start).catch(() => {})
      const later = eventsOf(account, 3)
      await recordChanges(db, later)
      const report = await archive(parts, start)
      expect(report.failed).toBe(0)
      expect(await chainOf(account)).toEqual(ids([...events, ...later]))
      if (!isEnded) break
    }
    expect(ended.filter((step) => step.endsWith('deliver'))).toHaveLength(2)
    expect(ended.length).toBeGreaterThan(10)
  })

  it('are not passed over', async () => {
    const last = await archivedThrough(db)
    await recordChanges(db, eventsOf(newAccount(), 2))
    expect(await archivedThrough(db)).toBe(last)
    await archive(parts, start)
    expect(await archivedThrough(db)).toBeGreaterThanOrEqual(last + 2)
  })
})

describe('calls', () => {
  it('come once, however often and under whatever id their message comes', async () => {
    const [one, other] = [newAccount(), newAccount()]
    const [ofOne, ofOther] = [eventsOf(one, 20), eventsOf(other, 10)]
    const message = batchesOf([...ofOne, ...ofOther])
    await Promise.all([archiveCalls(parts, message, start), archiveCalls(parts, message, start + 60_000)])
    await closeTrails(parts, start)
    await archiveCalls(parts, message, start + 120_000)
    await closeTrails(parts, start)
    expect(await chainOf(one)).toEqual(ids(ofOne))
    expect(await chainOf(other)).toEqual(ids(ofOther))
  })

  it('fail as a whole where one trail does not take them, and the others have them once all the same', async () => {
    const [one, other] = [newAccount(), newAccount()]
    const [ofOne, ofOther] = [eventsOf(one, 2), eventsOf(other, 2)]
    const trails: TrailNamespace = {
      getByName(name, options) {
        const object = env.AUDIT_TRAIL.getByName(name, options)
        if (!name.startsWith(one)) return object
        const refusal = { refused: 'DependencyTimeoutException', message: null, reason: 'the bucket takes nothing' }
        return { deliver: async () => refusal } as unknown as TrailObject
      },
    }
    const message = batchesOf([...ofOne, ...ofOther])
    await expect(archiveCalls({ database: db, trails }, message, start)).rejects.toThrow('the bucket takes nothing')
    await archiveCalls(parts, message, start)
    await closeTrails(parts, start)
    expect(await chainOf(one)).toEqual(ids(ofOne))
    expect(await chainOf(other)).toEqual(ids(ofOther))
  })
})

it('closes the others where one trail fails', async () => {
  const [one, other] = [newAccount(), newAccount()]
  await archiveCalls(parts, batchesOf([...eventsOf(one, 1), ...eventsOf(other, 1)]), start)
  const trails: TrailNamespace = {
    getByName(name, options) {
      if (name.startsWith(one)) throw new Error('away')
      return env.AUDIT_TRAIL.getByName(name, options)
    },
  }
  expect(await closeTrails({ database: db, trails }, start)).toEqual({ digests: 1, failed: 1 })
  expect(await closeTrails(parts, start)).toEqual({ digests: 1, failed: 0 })
})
