import { afterEach, beforeEach, describe, it, vi } from 'vitest'
import { World } from '../support/regions.ts'
import { faults, keySteps, sealing } from '../support/test-worker.ts'
import { env } from '../support/workerd.ts'

/** What Regions do together, stopped between any two of its steps. */

export interface Scenario {
  readonly name: string
  /** The world it begins with; none: a new key. */
  create?(): Promise<World>
  prepare(world: World): Promise<unknown>
  act(world: World): Promise<unknown>
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

/** Without SLOW not every step is one to fail at: in each way others. */
const stride = 6

function firstStep(isKilled: boolean): number {
  return isKilled ? 2 : 5
}

/** What a call answers does not matter here, nor that it fails: what is stored does. */
export async function attempt(doing: Promise<unknown>): Promise<void> {
  await doing.catch(() => {})
}

export function campaign(scenarios: readonly Scenario[]): void {
  describe.each(scenarios)('$name', ({ create = World.create, prepare, act }) => {
    it('comes to its end', async () => {
      const world = await create()
      await prepare(world)
      await world.check()
      await act(world)
      await world.check()
      await world.checkSettled()
    })

    it.each([
      ['fails once', false],
      ['is where the objects are killed', true],
    ])('and to the same if any one of its steps %s', { timeout: 600_000 }, async (_, isKilled) => {
      for (let nth = env.SLOW ? 1 : firstStep(isKilled); ; nth += env.SLOW ? 1 : stride) {
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
