import { runInDurableObject } from 'cloudflare:test'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RootKeys } from '../../src/crypto/root-keys.ts'
import { openAs, type Region, regions, World } from '../support/regions.ts'
import { eventsSent, keySteps, sealing } from '../support/test-worker.ts'
import { dayMs, env, sweepCall } from '../support/workerd.ts'
import { attempt, campaign, failAt, mendAfterEach, type Scenario } from './campaign.ts'

/** Keys of several Regions, stopped between any two steps of what they do together. */

const [first, second, third] = regions

mendAfterEach()

async function replicated(world: World): Promise<void> {
  await world.must(world.replicate(first, second))
  await world.must(world.replicate(first, third))
  await world.settle()
}

async function oneReplica(world: World): Promise<void> {
  await world.must(world.replicate(first, second))
  await world.settle()
}

async function scheduled(world: World, region: string, days = 7): Promise<void> {
  await world.must(world.key(region).scheduleDeletion(world.call(region), days))
}

const scenarios: readonly Scenario[] = [
  { name: 'ReplicateKey', end: [first, 2, 1], prepare: async () => {}, act: (world) => world.replicate(first, second) },
  {
    name: 'ReplicateKey of a key that was rotated',
    end: [first, 3, 2],
    prepare: async (world) => {
      await oneReplica(world)
      await world.must(world.key(first).rotateOnDemand(world.call(first)))
    },
    act: (world) => world.replicate(first, third),
  },
  {
    name: 'RotateKeyOnDemand',
    end: [first, 3, 2],
    prepare: replicated,
    act: (world) => world.key(first).rotateOnDemand(world.call(first)),
  },
  {
    name: 'a rotation that is due',
    end: [first, 3, 2],
    prepare: async (world) => {
      await replicated(world)
      await world.must(world.key(first).enableRotation(world.call(first), 90))
      await world.settle()
      world.time += 91 * dayMs
    },
    act: (world) => Promise.all(regions.map((region) => world.sweep(region))),
  },
  {
    name: 'a rotation while another replica is made',
    end: [first, 3, 2],
    prepare: oneReplica,
    act: (world) =>
      Promise.allSettled([world.replicate(first, third), world.key(first).rotateOnDemand(world.call(first))]),
  },
  { name: 'UpdatePrimaryRegion', end: [second, 3, 1], prepare: replicated, act: (world) => world.move(first, second) },
  {
    name: 'UpdatePrimaryRegion while a rotation is under way',
    end: [second, 3, 2],
    prepare: replicated,
    act: (world) => Promise.allSettled([world.key(first).rotateOnDemand(world.call(first)), world.move(first, second)]),
  },
  {
    name: 'the end of a replica while a rotation is under way',
    end: [first, 2, 2],
    prepare: async (world) => {
      await replicated(world)
      await scheduled(world, third)
      world.time += 8 * dayMs
    },
    act: (world) => Promise.allSettled([world.key(first).rotateOnDemand(world.call(first)), world.sweep(third)]),
  },
  {
    name: 'the end of the last replica of a primary that waits for it',
    end: [first, 1, 1],
    prepare: async (world) => {
      await oneReplica(world)
      await scheduled(world, second)
      await scheduled(world, first)
      world.time += 8 * dayMs
    },
    act: (world) => world.sweep(second),
  },
  {
    name: "the primary's move to its last replica, and that replica's end",
    prepare: async (world) => {
      await oneReplica(world)
      world.time += 8 * dayMs
    },
    act: (world) =>
      Promise.allSettled([
        world.move(first, second),
        world
          .key(second)
          .scheduleDeletion({ ...world.call(second), time: world.time - 8 * dayMs }, 7)
          .then(() => world.sweep(second)),
      ]),
  },
  {
    name: 'a replica that comes back',
    end: [first, 2, 1],
    prepare: async (world) => {
      await oneReplica(world)
      await scheduled(world, second)
      world.time += 8 * dayMs
      await world.must(world.sweep(second))
      await world.settle()
    },
    act: (world) => world.replicate(first, second),
  },
]

campaign(scenarios, 4)

it('comes back to a Region that has not heard that it was left', async () => {
  const world = await World.create()
  await replicated(world)
  // The old primary hears no answer, and the new one does not reach it.
  const isUnheard = (step: string) => step.startsWith('after takeOver') || step.includes(`synchronise ${first}`)
  keySteps.at = (step) => {
    if (isUnheard(step)) throw new Error(`no more after ${step}`)
  }
  await attempt(world.move(first, second))
  const states = async () => (await world.held()).map(({ snapshot: { record } }) => record.state)
  expect(await states()).toEqual(['Updating', 'Enabled', 'Enabled'])
  // Until it asks again, it is where the primary comes back to.
  keySteps.at = (step) => {
    if (step.includes(`takeOver ${second}`)) throw new Error(`no more after ${step}`)
  }
  await world.must(world.move(second, first))
  expect(await states()).toEqual(['Enabled', 'Enabled', 'Enabled'])
  keySteps.at = null
  await world.checkSettled()
})

describe('what a Region holds', () => {
  it('is sealed for its own ARN', async () => {
    const world = await World.create()
    await replicated(world)
    for (const { region, snapshot } of await world.held()) {
      if (snapshot.current === null) throw new Error('no material')
      await openAs(region, snapshot.record, snapshot.current)
      for (const other of regions.filter((another) => another !== region)) {
        await expect(openAs(other, snapshot.record, snapshot.current), `${region} in ${other}`).rejects.toThrow()
      }
    }
  })

  it('is current nowhere while one replica does not answer', async () => {
    const world = await World.create()
    await replicated(world)
    const before = (await world.record(first))?.currentMaterialId
    keySteps.at = (step) => {
      if (step === `before synchronise ${third}`) throw new Error(`${third} cannot be reached`)
    }
    const rotating = await world.must(world.key(first).rotateOnDemand(world.call(first)))
    expect(rotating.record).toMatchObject({ currentMaterialId: before, rotating: { type: 'ON_DEMAND' } })
    const again = await world.key(first).rotateOnDemand(world.call(first))
    expect(again).toMatchObject({ refused: 'ConflictException' })
    for (const region of regions) expect((await world.record(region))?.currentMaterialId, region).toBe(before)
    keySteps.at = null
    await world.checkSettled()
    for (const region of regions) expect((await world.record(region))?.currentMaterialId, region).not.toBe(before)
  })

  it('is made again as it was made first where a replica comes back', async () => {
    const world = await World.create()
    await oneReplica(world)
    await scheduled(world, second)
    world.time += 8 * dayMs
    await world.must(world.sweep(second))
    await world.settle()
    expect(await world.record(second)).toBeNull()
    expect((await world.record(first))?.multiRegion?.replicaRegions).toEqual([])
    await world.must(world.replicate(first, second))
    await world.checkSettled()
    // A row of the index that is older would say that the object was restored.
    await world.kill()
    expect((await world.record(second))?.revision).toBeGreaterThan(1)
    await world.must(world.key(second).disable(world.call(second)))
  })

  it('is on record: a rotation once, in the primary, and what each replica has taken', async () => {
    const world = await World.create()
    await oneReplica(world)
    await world.must(world.key(first).rotateOnDemand(world.call(first)))
    await world.checkSettled()
    const { results } = await env.DB.prepare(
      `select distinct sequence, name, json_extract(body, '$.awsRegion') as region, json_extract(body, '$.eventType') as type
       from events join event_resources as place using (sequence) where resource_name like ? order by sequence`,
    )
      .bind(`%${world.keyId}`)
      .all<{ name: string; region: string; type: string }>()
    expect(results.filter(({ name }) => name === 'RotateKey').map(({ region }) => region)).toEqual([first])
    const taken = results.filter(({ name }) => name === 'SynchronizeMultiRegionKey')
    // Made; the new material held; the new material current.
    expect(taken.map(({ region, type }) => [region, type])).toEqual(Array(3).fill([second, 'AwsServiceEvent']))
    expect(eventsSent.filter(({ resources }) => resources[0]?.endsWith(world.keyId))).toHaveLength(1)
  })

  it('is what the primary has, after a restore that an operator has accepted', async () => {
    const world = await World.create()
    await oneReplica(world)
    const rows = (table: string) =>
      runInDurableObject(world.stub(second), (_, { storage }) => storage.sql.exec(`select * from ${table}`).toArray())
    const before = { kms_key: await rows('kms_key'), material: await rows('material') }
    await world.must(world.key(first).rotateOnDemand(world.call(first)))
    await world.checkSettled()
    await runInDurableObject(world.stub(second), (_, { storage }) => {
      for (const [table, kept] of Object.entries(before)) {
        storage.sql.exec(`delete from ${table}`)
        for (const row of kept) {
          const names = Object.keys(row)
          const places = names.map(() => '?').join()
          storage.sql.exec(`insert into ${table} (${names.join()}) values (${places})`, ...Object.values(row))
        }
      }
    })
    await world.kill()
    expect(await world.key(second).describe(world.call(second), 'DescribeKey')).toMatchObject({
      refused: 'KeyUnavailableException',
    })
    // It may lack what would be rotated to.
    const waiting = await world.must(world.key(first).rotateOnDemand(world.call(first)))
    expect(waiting.record.rotating).not.toBeNull()
    await env.DB.prepare('update keys set is_restore_accepted = 1 where region = ? and key_id = ?')
      .bind(second, world.keyId)
      .run()
    await world.must(world.key(second).describe(world.call(second), 'DescribeKey'))
    await world.checkSettled()
    expect((await world.record(second))?.rotating).toBeNull()
  })

  it('lets the window of a primary begin when its last replica is gone', async () => {
    const world = await World.create()
    await replicated(world)
    await scheduled(world, first, 10)
    expect(await world.record(first)).toMatchObject({
      state: 'PendingReplicaDeletion',
      deletion: { at: null, windowDays: 10 },
    })
    await scheduled(world, second)
    await scheduled(world, third)
    world.time += 8 * dayMs
    await world.must(world.sweep(second))
    await world.settle()
    expect(await world.record(first)).toMatchObject({ state: 'PendingReplicaDeletion' })
    await world.must(world.sweep(third))
    await world.settle()
    const deletion = { at: world.time + 10 * dayMs, windowDays: 10 }
    expect(await world.record(first)).toMatchObject({ state: 'PendingDeletion', deletion })
    world.time += 11 * dayMs
    await world.must(world.sweep(first))
    await world.checkSettled()
    expect(await world.held()).toEqual([])
  })
})

describe('the root key', () => {
  it('rotates in each Region by itself, and what is shared after it is sealed under the new one', async () => {
    const world = await World.create()
    await oneReplica(world)
    await world.encrypt()
    const both = await RootKeys.parse(`${env.ROOT_KEYS} 2:${btoa('b'.repeat(32))}`)
    if (typeof both === 'string') throw new Error(both)
    sealing.roots = both
    // The replica is sealed anew before the primary; what the primary then sends is under the new version.
    await world.must(world.key(second).rewrap(sweepCall({ region: second })))
    await world.must(world.key(first).rotateOnDemand(world.call(first)))
    await world.must(world.replicate(first, third))
    for (const region of [second, third] as const) {
      const { rootVersions } = await world.must(world.key(region).rootVersions(sweepCall({ region })))
      expect(rootVersions, region).toEqual([2])
    }
    await world.must(world.key(first).rewrap(sweepCall({ region: first })))
  })
})

/** What may happen to a multi-Region key, in any order; what is not allowed is refused. */
interface Event {
  readonly do:
    | 'replicate'
    | 'rotate'
    | 'move'
    | 'delete'
    | 'cancel'
    | 'sweep'
    | 'enable'
    | 'disable'
    | 'schedule'
    | 'kill'
  readonly in: Region
  readonly to: Region
  readonly days: number
  /** The step at which something fails; 0: nothing does. */
  readonly failsAt: number
  readonly isKilled: boolean
}

const events: Readonly<Record<Event['do'], (world: World, event: Event) => Promise<unknown>>> = {
  replicate: (world, event) => world.replicate(event.in, event.to),
  rotate: (world, event) => world.key(event.in).rotateOnDemand(world.call(event.in)),
  move: (world, event) => world.move(event.in, event.to),
  delete: (world, event) => world.key(event.in).scheduleDeletion(world.call(event.in), 7),
  cancel: (world, event) => world.key(event.in).cancelDeletion(world.call(event.in)),
  sweep: async (world, { days }) => {
    world.time += days * dayMs
    await Promise.allSettled(regions.map((region) => world.sweep(region)))
  },
  enable: (world, event) => world.key(event.in).enable(world.call(event.in)),
  disable: (world, event) => world.key(event.in).disable(world.call(event.in)),
  schedule: (world, event) => world.key(event.in).enableRotation(world.call(event.in), 90),
  kill: (world) => world.kill(),
}

const anEvent: fc.Arbitrary<Event> = fc.record({
  do: fc.constantFrom(...(Object.keys(events) as Event['do'][])),
  in: fc.oneof({ weight: 3, arbitrary: fc.constant(first) }, { weight: 2, arbitrary: fc.constantFrom(...regions) }),
  to: fc.constantFrom(...regions),
  days: fc.constantFrom(1, 8, 100),
  failsAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 })),
  isKilled: fc.boolean(),
})

it('whatever happens in whichever order, and wherever it is stopped', { timeout: 3_600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anEvent, { minLength: 3, maxLength: 12 }), async (happening) => {
      const world = await World.create()
      await attempt(world.replicate(first, second))
      for (const event of happening) {
        if (event.failsAt > 0) failAt(event.failsAt, event.isKilled)
        await attempt(events[event.do](world, event))
        await world.check()
        keySteps.at = null
        if (event.failsAt > 0 && event.isKilled) await world.kill()
      }
      await world.checkSettled()
    }),
    { numRuns: env.SLOW ? 1_000 : 20 },
  )
})
