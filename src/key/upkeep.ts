import type { RootKeys } from '../crypto/root-keys.ts'
import { rewrapMaterial } from '../crypto/seal.ts'
import { rewrapWrappingKey } from '../crypto/wrapping-key.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, refuse, timedOut } from '../model/errors.ts'
import type { GrantChanges } from './grant-changes.ts'
import type { KeyRecord } from './key.ts'
import { flushWaitMs, type KeyCore } from './key-core.ts'
import { indexEntry } from './outbox.ts'

/** How many versions and wrapping keys of a key one transaction seals anew, and how many grants one call tells the index of again. */
const rewrapMax = 25
const republishMax = 200

/** What an operator's jobs ask of a key. */
export class Upkeep {
  readonly #core: KeyCore
  readonly #grants: GrantChanges

  constructor(core: KeyCore, grants: GrantChanges) {
    this.#core = core
    this.#grants = grants
  }

  async rootVersions(call: Call) {
    const record = await this.#core.serve(call, 'internal:RootVersions')
    if (isRefusal(record)) return record
    return { name: `${record.region}/${record.keyId}`, rootVersions: this.#core.storage.rootVersions() }
  }

  async rewrap(call: Call) {
    const record = await this.#core.serve(call, 'internal:Rewrap')
    if (isRefusal(record)) return record
    if ((await this.#core.standing.check()) === 'unknown') return timedOut('a re-wrapping waits for the index')
    const roots = await this.#core.sealingRoots()
    if (isRefusal(roots)) return roots
    const resealed = await Promise.all(
      this.#notUnder(roots.current, record).map(async ({ what, rootVersion, rewrap }) => {
        const reseal = await rewrap(roots).catch(() => null)
        return { what, rootVersion, reseal }
      }),
    )
    const rewrapping = this.#core.transaction(() => {
      const stored = this.#core.storage.read()
      // Deleted since: there is nothing left to seal.
      if (stored === null) return { rewrapped: 0, left: 0 }
      const done = resealed.filter(({ reseal }) => reseal?.() === true)
      if (done.length > 0) this.#core.commit(stored)
      return { rewrapped: done.length, left: this.#core.storage.countNotUnder(roots.current) }
    })
    await this.#core.outbox.flushWithin(flushWaitMs)
    const failed = resealed.find(({ reseal }) => reseal === null)
    if (failed === undefined) return rewrapping
    const reason = `${failed.what} does not open under root key version ${failed.rootVersion}`
    return refuse('KMSInternalException', null, reason)
  }

  /** At most `rewrapMax` of what another version of the root key opens. */
  #notUnder(rootVersion: number, record: KeyRecord): Rewrappable[] {
    const { storage, imports } = this.#core
    const versions = storage.versionsNotUnder(rootVersion, rewrapMax).map(
      (before): Rewrappable => ({
        what: `material ${before.keyMaterialId}`,
        rootVersion: before.rootVersion,
        async rewrap(roots) {
          const after = await rewrapMaterial(roots, { ...record, keyMaterialId: before.keyMaterialId }, before)
          return () => storage.reseal(before, after)
        },
      }),
    )
    const { account, region, keyId } = record
    const wrappingKeys = imports.wrappingKeysNotUnder(rootVersion, rewrapMax - versions.length).map(
      (before): Rewrappable => ({
        what: `wrapping key ${before.wrappingKeyId}`,
        rootVersion: before.rootVersion,
        async rewrap(roots) {
          const after = await rewrapWrappingKey(roots, { ...before, account, region, keyId }, before)
          return () => imports.resealWrappingKey(before, after)
        },
      }),
    )
    return [...versions, ...wrappingKeys]
  }

  async republish(call: Call, after: string) {
    const record = await this.#core.serve(call, 'internal:Republish')
    if (isRefusal(record)) return record
    const grants = this.#core.transaction(() => {
      const told = this.#core.grants.retirable(after, republishMax)
      if (after === '') this.#core.outbox.add(indexEntry(record))
      for (const grant of told) this.#grants.tell(record, grant, false)
      return told
    })
    if (!(await this.#core.outbox.flush())) return timedOut('the index does not answer')
    return grants.length < republishMax ? null : (grants.at(-1)?.grantId ?? null)
  }
}

/** Something sealed under the root key. */
interface Rewrappable {
  readonly what: string
  readonly rootVersion: number
  /** Seals it anew and answers how to store that, where it is still as it was. Throws where it does not open. */
  rewrap(roots: RootKeys): Promise<() => boolean>
}
