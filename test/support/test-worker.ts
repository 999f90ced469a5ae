import type { Env } from '../../src/deployment.ts'
import type { Fetch } from '../../src/iam/issuers.ts'
import { type KeyObjectParts, keyObjectClass } from '../../src/key/key-object.ts'
import { createWorker, edgeSeams, keyObjectParts } from '../../src/worker.ts'

/** Clocks that tests move: `wallMs` ahead of the real one, lifecycle time by `lifecycleMs` more. */
export const testClock = { wallMs: 0, lifecycleMs: 0 }

/** What tests break. */
export const faults = { indexIsDown: false, rootsAreUnproven: false }

/** What issuers of web tokens answer, by URL; null: nothing does. */
export const network: { fetch: Fetch | null } = { fetch: null }

export const KeyObject = keyObjectClass<Env>((env): KeyObjectParts => {
  const { index, sealingRoots } = keyObjectParts(env)
  const whileUp = async <Value>(work: () => Promise<Value>) => {
    if (faults.indexIsDown) throw new Error('the index is down')
    return work()
  }
  return {
    index: {
      standing: (region, keyId) => whileUp(() => index.standing(region, keyId)),
      publish: (entries) => whileUp(() => index.publish(entries)),
      reportRolledBack: (region, keyId) => whileUp(() => index.reportRolledBack(region, keyId)),
    },
    sealingRoots: async () => {
      if (faults.rootsAreUnproven) throw new Error('the roots are unproven')
      return sealingRoots()
    },
  }
})

export default createWorker({
  ...edgeSeams,
  async fetch(url, init) {
    if (network.fetch === null) throw new Error('nobody is there')
    return network.fetch(url, init)
  },
  clock() {
    const wallTime = Date.now() + testClock.wallMs
    return { wallTime, time: wallTime + testClock.lifecycleMs }
  },
})
