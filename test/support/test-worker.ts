import { auditTrailClass } from '../../src/audit/audit-trail.ts'
import type { RootKeys } from '../../src/crypto/root-keys.ts'
import type { Env } from '../../src/deployment.ts'
import type { Fetch } from '../../src/iam/issuers.ts'
import type { Key } from '../../src/key/key.ts'
import type { KeyObjectParts } from '../../src/key/key-core.ts'
import { keyObjectClass } from '../../src/key/key-object.ts'
import type { KeyEvent } from '../../src/model/key-event.ts'
import { auditTrailParts, createWorker, edgeSeams, keyObjectParts } from '../../src/worker.ts'

/** Clocks that tests move: `wallMs` ahead of the real one, lifecycle time by `lifecycleMs` more. */
export const testClock = { wallMs: 0, lifecycleMs: 0 }

/** What tests break. */
export const faults = { indexIsDown: false, rootsAreUnproven: false, eventsAreRefused: false }

/** Called before and after everything that a key's object waits for; what it throws is a failure there. */
export const keySteps: { at: ((step: string) => unknown) | null } = { at: null }

async function stepped<Value>(step: string, work: () => Promise<Value>): Promise<Value> {
  await keySteps.at?.(`before ${step}`)
  const value = await work()
  try {
    await keySteps.at?.(`after ${step}`)
  } catch (failure) {
    // Nobody will: an answer from another object is held until then.
    if (typeof value === 'object' && value !== null && Symbol.dispose in value) (value as Disposable)[Symbol.dispose]()
    throw failure
  }
  return value
}

/** A stub whose every call is a step. */
function watched(key: Key): Key {
  const call =
    (method: keyof Key) =>
    (...args: unknown[]) =>
      // biome-ignore lint/suspicious/noExplicitAny: any method of the stub.
      stepped(method, () => (key as any)[method](...args))
  return new Proxy(key, { get: (_, method) => call(method as keyof Key) })
}

/** Waited for between an object's reading the index's grants and its own. */
export const meanwhile: { grantsAreRead: (() => Promise<unknown>) | null } = { grantsAreRead: null }

/** The root keys that keys seal with; null: those of the environment. */
export const sealing: { roots: RootKeys | null } = { roots: null }

/** What keys have told other Workers, as often as they did. */
export const eventsSent: KeyEvent[] = []

/** What issuers of web tokens answer, by URL; null: nothing does. */
export const network: { fetch: Fetch | null } = { fetch: null }

export const KeyObject = keyObjectClass<Env>((env): KeyObjectParts => {
  const { index, sealingRoots, sendEvents, peer } = keyObjectParts(env)
  const whileUp = <Value>(step: string, work: () => Promise<Value>) =>
    stepped(step, async () => {
      if (faults.indexIsDown) throw new Error('the index is down')
      return work()
    })
  return {
    index: {
      standing: (region, keyId) => whileUp('standing', () => index.standing(region, keyId)),
      publish: (entries) => whileUp('publish', () => index.publish(entries)),
      retirableGrants: (...asked) =>
        whileUp('retirableGrants', async () => {
          const grants = await index.retirableGrants(...asked)
          await meanwhile.grantsAreRead?.()
          return grants
        }),
      reportRolledBack: (region, keyId) => whileUp('reportRolledBack', () => index.reportRolledBack(region, keyId)),
    },
    sealingRoots: () =>
      stepped('roots', async () => {
        if (faults.rootsAreUnproven) throw new Error('the roots are unproven')
        return sealing.roots ?? sealingRoots()
      }),
    peer: (region, keyId) => watched(peer(region, keyId)),
    async sendEvents(events) {
      if (faults.eventsAreRefused) throw new Error('the queue takes nothing')
      eventsSent.push(...events)
      return sendEvents(events)
    },
  }
})

/** Called before and after everything that a trail waits for; what it throws ends the trail's work there. */
export const trailSteps: { at: ((step: string) => unknown) | null; isBucketLocked: boolean } = {
  at: null,
  isBucketLocked: false,
}

export const AuditTrail = auditTrailClass<Env>((env) => {
  const { archive, sealingRoots } = auditTrailParts(env)
  const stepped = async <Value>(step: string, work: () => Promise<Value>) => {
    await trailSteps.at?.(`before ${step}`)
    const value = await work()
    await trailSteps.at?.(`after ${step}`)
    return value
  }
  const watched = {
    head: (object: string) => stepped('head', () => archive.head(object)),
    put: (...args: Parameters<R2Bucket['put']>) =>
      stepped('put', async () => {
        const isRefused = trailSteps.isBucketLocked && (await archive.head(args[0])) !== null
        if (isRefused) throw new Error('the bucket is locked')
        return archive.put(...args)
      }),
  }
  return { archive: watched as unknown as R2Bucket, sealingRoots: () => stepped('roots', sealingRoots) }
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
