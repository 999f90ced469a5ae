import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Region, regions, World } from '../support/regions.ts'
import { faults, keySteps, sealing } from '../support/test-worker.ts'
import { env } from '../support/workerd.ts'

/** What Regions do together, stopped between any two of its steps. */

export interface Scenario {
  readonly name: string
  /** The world it begins with; none: a new key. */
  create?(): Promise<World>
  prepare(world: World): Promise<unknown>
  act(world: World): Promise<unknown>
  /** Where the primary is at the end, how many Regions have the key, and how many versions; none: that depends. */
  readonly end?: readonly [primary: Region, regions: number, versions: number]
}

export function mendAfterEach(): void {
  beforeEach(() => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
  })
  afterEach(() => {
    keySteps.at = null
    sealing.roots = null
    Object.assign(faults, { indexIsDown: false, rootsAreUnproven: false })
    vi.restoreAllMocks()
  })
}

/** Fails the `nth` step from now, and all that follow where the objects are killed there. True once it was reached. */
export function failAt(nth: number, isKilled: boolean): () => boolean {
  let count = 0
  keySteps.at = (step) => {
    count++
    if (count === nth || (isKilled && count > nth)) throw new Error(`no more after ${step}`)
  }
  return () => count >= nth
}

/** What a call answers does not matter here, nor that it fails: what is stored does. */
export async function attempt(doing: Promise<unknown>): Promise<void> {
  await doing.catch(() => {})
}

/** Every step is one to fail at with SLOW; else one in `stride`, in each of the two ways others. */
export function campaign(scenarios: readonly Scenario[], stride: number): void {
  describe.each(scenarios)('$name', ({ create = World.create, prepare, act, end }) => {
    it('comes to its end', async () => {
      const world = await create()
      await prepare(world)
      await world.check()
      await act(world)
      await world.check()
      await world.checkSettled()
      if (end === undefined) return
      const record = (await world.held())[0]?.snapshot.record
      const page = { after: 0, limit: 100, isWithFirst: true }
      const versions = await world.must(world.key(regions[0]).rotations(world.call(regions[0]), page))
      expect([record?.multiRegion?.primaryRegion, (await world.held()).length, versions.length]).toEqual(end)
    })

    it.each([
      ['fails once', false],
      ['is where the objects are killed', true],
    ])('and to the same if any one of its steps %s', { timeout: 600_000 }, async (_, isKilled) => {
      const first = isKilled ? 1 : 1 + stride / 2
      for (let nth = env.SLOW ? 1 : first; ; nth += env.SLOW ? 1 : stride) {
        const world = await create()
        await prepare(world)
        await world.check()
        const isReached = failAt(nth, isKilled)
        await attempt(act(world))
        await world.check()
        keySteps.at = null
        if (isKilled) await world.kill()
        await world.checkSettled()
        if (!isReached()) return
      }
    })
  })
}
