import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../src/model/errors.ts'
import { type Region, regions, World } from '../support/regions.ts'
import { keySteps } from '../support/test-worker.ts'
import { dayMs, env } from '../support/workerd.ts'
import { attempt, campaign, failAt, mendAfterEach, type Scenario } from './campaign.ts'
import { newMaterial } from './import.ts'

/** Keys of several Regions whose material is imported: each Region by itself, of what the primary has. */

const [first, second, third] = regions

mendAfterEach()

const asNew = { importType: 'NEW_KEY_MATERIAL' } as const
const refusedOf = (answer: unknown) => (isRefusal(answer) ? answer.refused : null)
const rotate = (world: World, region: string = first) => world.key(region).rotateOnDemand(world.call(region))

/** A replica that has what the primary has. */
async function imported(world: World, region: string): Promise<void> {
  await world.must(world.replicate(first, region))
  await world.must(world.import(region, world.materials[0]))
}

async function pair(): Promise<World> {
  const world = await World.imported()
  await imported(world, second)
  await world.settle()
  return world
}

/** New material waits in the primary, and in `holders`. */
async function waiting(world: World, ...holders: readonly string[]): Promise<void> {
  await world.must(world.import(first, world.materials[1], asNew))
  await world.settle()
  for (const region of holders) await world.must(world.import(region, world.materials[1]))
  await world.settle()
}

async function materialId(world: World): Promise<string> {
  return (await world.pending(first))?.keyMaterialId ?? ''
}

const nothing = async () => {}
const scenarios: readonly Scenario[] = [
  {
    name: 'a replica and its import',
    create: World.imported,
    prepare: nothing,
    act: (world) => imported(world, second),
  },
  {
    name: 'the import into the last Region that lacks what waits',
    create: pair,
    prepare: waiting,
    act: (world) => world.import(second, world.materials[1]),
  },
  {
    name: 'RotateKeyOnDemand to what every Region has',
    create: pair,
    prepare: (world) => waiting(world, second),
    act: (world) => rotate(world),
  },
  {
    name: 'a rotation while a replica deletes what waits',
    create: pair,
    prepare: (world) => waiting(world, second),
    act: async (world) => Promise.allSettled([world.delete(second, await materialId(world)), rotate(world)]),
  },
  {
    name: 'a rotation while what waits expires in a replica',
    create: pair,
    async prepare(world) {
      await waiting(world)
      await world.must(world.import(second, world.materials[1], { expiresAt: world.time + dayMs }))
      world.time += 2 * dayMs
    },
    act: (world) => Promise.allSettled([world.sweep(second), rotate(world)]),
  },
  {
    name: 'a rotation while another replica is made',
    create: pair,
    prepare: (world) => waiting(world, second),
    act: (world) => Promise.allSettled([world.replicate(first, third), rotate(world)]),
  },
  {
    name: 'a rotation while the primary moves',
    create: pair,
    prepare: (world) => waiting(world, second),
    act: (world) => Promise.allSettled([rotate(world), world.move(first, second)]),
  },
  {
    name: 'the primary giving up what waits, for another',
    create: pair,
    prepare: (world) => waiting(world, second),
    async act(world) {
      await world.delete(first, await materialId(world))
      await world.import(first, newMaterial(), asNew)
    },
  },
]

campaign(scenarios, 6)

describe('a replica', () => {
  it('waits for what the primary has, and takes nothing else', async () => {
    const world = await World.imported()
    const { replica } = await world.must(world.replicate(first, second))
    const current = (await world.record(first))?.currentMaterialId
    expect(replica).toMatchObject({ state: 'PendingImport', origin: 'EXTERNAL', currentMaterialId: current })
    expect(await world.record(second)).toMatchObject({ state: 'PendingImport', currentMaterialId: current })
    expect(await world.rotations(second)).toMatchObject([{ keyMaterialId: current, isPresent: false }])
    expect(refusedOf(await world.import(second, newMaterial()))).toBe('IncorrectKeyMaterialException')
    for (const material of [world.materials[0], newMaterial()]) {
      expect(await world.import(second, material, asNew)).toMatchObject({
        refused: 'UnsupportedOperationException',
        message: expect.stringMatching(/is not a multi-region primary key\.$/),
      })
    }
    expect(await world.record(second)).toMatchObject({ state: 'PendingImport' })
    await world.must(world.import(second, world.materials[0]))
    expect(await world.record(second)).toMatchObject({ state: 'Enabled' })
    await world.checkSettled()
  })

  it('without its current material is PendingImport, whatever else it has', async () => {
    const world = await pair()
    await waiting(world, second)
    await world.must(rotate(world))
    await world.settle()
    const [old, current] = (await world.rotations(second)).map(({ keyMaterialId }) => keyMaterialId)
    await world.must(world.replicate(first, third))
    await world.must(world.import(third, world.materials[0]))
    expect(await world.record(third)).toMatchObject({ state: 'PendingImport', currentMaterialId: current })
    await world.must(world.import(third, world.materials[1]))
    expect(await world.record(third)).toMatchObject({ state: 'Enabled' })
    // And by itself: no other Region minds.
    await world.must(world.delete(third, old ?? ''))
    await world.checkSettled()
    const states = await Promise.all(regions.map(async (region) => (await world.record(region))?.state))
    expect(states).toEqual(['Enabled', 'Enabled', 'PendingImport'])
  })

  it('has its own expiry', async () => {
    const world = await World.imported()
    await world.must(world.replicate(first, second))
    await world.must(world.import(second, world.materials[0], { expiresAt: world.time + dayMs }))
    await world.check()
    world.time += 2 * dayMs
    expect(await world.sweep(second)).toBe('expired')
    await world.checkSettled()
    expect(await world.record(second)).toMatchObject({ state: 'PendingImport', materialExpiresAt: null })
    expect(await world.record(first)).toMatchObject({ state: 'Enabled' })
    await world.must(world.import(second, world.materials[0]))
    await world.checkSettled()
  })
})

describe('new material', () => {
  const isInEveryRegion = async (world: World, region: string) =>
    (await world.record(region))?.multiRegion?.pending?.isInEveryRegion

  it('becomes current once every Region has it, and a replica that is made meanwhile counts', async () => {
    const world = await pair()
    await world.must(world.import(first, world.materials[1], asNew))
    const before = (await world.record(first))?.currentMaterialId
    expect(await rotate(world)).toMatchObject({
      refused: 'KMSInvalidStateException',
      message: expect.stringMatching(/^No available key material pending rotation for the key: arn:.*\.$/),
    })
    await imported(world, third)
    await world.must(world.import(second, world.materials[1]))
    await world.settle()
    expect(refusedOf(await rotate(world))).toBe('KMSInvalidStateException')
    for (const region of regions) expect(await isInEveryRegion(world, region), region).toBe(false)
    await world.must(world.import(third, world.materials[1]))
    await world.settle()
    for (const region of regions) expect(await isInEveryRegion(world, region), region).toBe(true)
    expect(refusedOf(await rotate(world, second))).toBe('UnsupportedOperationException')
    const { record } = await world.must(rotate(world))
    expect(record).toMatchObject({ rotating: null, onDemandRotations: 1, multiRegion: { pending: null } })
    expect(record.currentMaterialId).not.toBe(before)
    await world.checkSettled()
    for (const region of regions) {
      expect(await world.record(region)).toMatchObject({
        state: 'Enabled',
        currentMaterialId: record.currentMaterialId,
      })
    }
  })

  it('may be rotated to as soon as the last replica has answered', async () => {
    const world = await pair()
    await world.must(world.import(first, world.materials[1], asNew))
    await world.settle()
    await world.must(world.import(second, world.materials[1]))
    const { record } = await world.must(rotate(world))
    expect(record).toMatchObject({ rotating: null, onDemandRotations: 1 })
  })

  it('that the primary deletes goes everywhere, and what a replica deletes goes there alone', async () => {
    const world = await pair()
    await waiting(world, second)
    const keyMaterialId = await materialId(world)
    await world.must(world.delete(second, keyMaterialId))
    await world.checkSettled()
    expect(await world.pending(first)).toMatchObject({ keyMaterialId, isPresent: true })
    expect(await world.pending(second)).toMatchObject({ keyMaterialId, isPresent: false })
    expect(await world.record(second)).toMatchObject({ state: 'Enabled' })
    expect(refusedOf(await rotate(world))).toBe('KMSInvalidStateException')
    await world.must(world.import(second, world.materials[1]))
    await world.checkSettled()
    await world.must(world.delete(first, keyMaterialId))
    await world.checkSettled()
    for (const region of [first, second]) expect(await world.pending(region), region).toBeNull()
    expect(refusedOf(await world.import(second, world.materials[1]))).toBe('IncorrectKeyMaterialException')
    // Its place is free for another.
    await world.must(world.import(first, newMaterial(), asNew))
    await world.checkSettled()
  })

  it('is given up by no Region that knows of the rotation, and the rotation where one has done so before', async () => {
    const world = await pair()
    await imported(world, third)
    await waiting(world, second, third)
    const keyMaterialId = await materialId(world)
    let asked = 0
    keySteps.at = (step) => {
      if (step.startsWith('before synchronise') && ++asked > 1) throw new Error('one Region alone is told')
    }
    const { record: before } = await world.must(rotate(world))
    expect(before.rotating).toMatchObject({ keyMaterialId })
    const told = await Promise.all(
      [second, third].map(async (region) => ({ region, isTold: (await world.record(region))?.rotating !== null })),
    )
    expect(told.filter(({ isTold }) => isTold)).toHaveLength(1)
    for (const region of [first, told.find(({ isTold }) => isTold)?.region as string]) {
      expect(await world.delete(region, keyMaterialId), region).toMatchObject({
        refused: 'KMSInvalidStateException',
        message: expect.stringMatching(/^A rotation of arn:.* is in progress\.$/),
      })
    }
    await world.must(world.delete(told.find(({ isTold }) => !isTold)?.region as string, keyMaterialId))
    keySteps.at = null
    await world.checkSettled()
    for (const region of regions) {
      expect(await world.record(region)).toMatchObject({
        state: 'Enabled',
        rotating: null,
        onDemandRotations: 0,
        currentMaterialId: before.currentMaterialId,
        multiRegion: { pending: { keyMaterialId, isInEveryRegion: false } },
      })
    }
  })

  it('waits with the primary that moves, and can be brought to the new one', async () => {
    const world = await pair()
    await waiting(world)
    await world.must(world.move(first, second))
    await world.checkSettled()
    expect(await world.record(second)).toMatchObject({ multiRegion: { primaryRegion: second } })
    expect(await world.pending(second)).toMatchObject({ isPresent: false })
    expect(refusedOf(await rotate(world, second))).toBe('KMSInvalidStateException')
    expect(refusedOf(await world.import(second, newMaterial(), asNew))).toBe('KMSInvalidStateException')
    await world.must(world.import(second, world.materials[1]))
    await world.settle()
    await world.must(rotate(world, second))
    await world.checkSettled()
    expect(await world.record(first)).toMatchObject({ onDemandRotations: 1, multiRegion: { pending: null } })
  })

  it('that expires where it waits in the primary can come back, or be given up', async () => {
    const world = await pair()
    await world.must(world.import(first, world.materials[1], { ...asNew, expiresAt: world.time + dayMs }))
    await world.settle()
    await world.must(world.import(second, world.materials[1]))
    world.time += 2 * dayMs
    expect(refusedOf(await rotate(world))).toBe('KMSInvalidStateException')
    await world.sweep(first)
    await world.checkSettled()
    expect(await world.pending(first)).toMatchObject({ isPresent: false })
    expect(await world.record(first)).toMatchObject({ state: 'Enabled' })
    const keyMaterialId = await materialId(world)
    await world.must(world.delete(first, keyMaterialId))
    await world.checkSettled()
    expect(await world.pending(second)).toBeNull()
  })
})

it('the primary does not move to a replica that waits for an import', async () => {
  const world = await World.imported()
  await world.must(world.replicate(first, second))
  expect(refusedOf(await world.move(first, second))).toBe('KMSInvalidStateException')
  await world.checkSettled()
  expect(await world.record(first)).toMatchObject({ multiRegion: { primaryRegion: first, movingTo: null } })
})

/** What may happen to such a key, in any order; what is not allowed is refused. */
interface Event {
  readonly do: 'replicate' | 'importFirst' | 'importSecond' | 'importNew' | 'deletePending' | 'rotate' | 'move' | 'kill'
  readonly in: Region
  readonly to: Region
  /** The step at which something fails; 0: nothing does. */
  readonly failsAt: number
  readonly isKilled: boolean
}

const events: Readonly<Record<Event['do'], (world: World, event: Event) => Promise<unknown>>> = {
  replicate: (world, event) => world.replicate(event.in, event.to),
  importFirst: (world, event) => world.import(event.in, world.materials[0]),
  importSecond: (world, event) => world.import(event.in, world.materials[1]),
  importNew: (world, event) => world.import(event.in, world.materials[1], asNew),
  deletePending: async (world, event) =>
    world.delete(event.in, (await world.pending(event.in))?.keyMaterialId ?? '0'.repeat(64)),
  rotate: (world, event) => rotate(world, event.in),
  move: (world, event) => world.move(event.in, event.to),
  kill: (world) => world.kill(),
}

const anEvent: fc.Arbitrary<Event> = fc.record({
  do: fc.constantFrom(...(Object.keys(events) as Event['do'][])),
  in: fc.constantFrom(...regions),
  to: fc.constantFrom(...regions),
  failsAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 })),
  isKilled: fc.boolean(),
})

it('whatever happens in whichever order, and wherever it is stopped', { timeout: 3_600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anEvent, { minLength: 3, maxLength: 12 }), async (happening) => {
      const world = await pair()
      await waiting(world)
      for (const event of happening) {
        if (event.failsAt > 0) failAt(event.failsAt, event.isKilled)
        await attempt(events[event.do](world, event))
        await world.check()
        keySteps.at = null
        if (event.failsAt > 0 && event.isKilled) await world.kill()
      }
      await world.checkSettled()
    }),
    { numRuns: env.SLOW ? 300 : 12 },
  )
})
