import type { RootKeys } from '../crypto/root-keys.ts'
import { rewrapMaterial } from '../crypto/seal.ts'
import { rewrapWrappingKey } from '../crypto/wrapping-key.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, refuse, timedOut } from '../model/errors.ts'
import type { GrantChanges } from './grant-changes.ts'
import type { KeyRecord } from './key.ts'
import { flushWaitMs, type KeyCore } from './key-core.ts'
import { indexEntry, staleGrantEntry } from './outbox.ts'

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
          const after = await rewrapWrappingKey(roots, { ...before, account, region, keyId })
          return () => imports.resealWrappingKey(before, after)
        },
      }),
    )
    return [...versions, ...wrappingKeys]
  }

  async republish(call: Call, after: string) {
    const asked = await this.#core.serve(call, 'internal:Republish')
    if (isRefusal(asked)) return asked
    const { grants, index, outbox, storage } = this.#core
    const indexed = await index.retirableGrants(asked.region, asked.keyId, after, republishMax).catch(() => null)
    if (indexed === null) return timedOut('the index does not answer')
    const next = this.#core.transaction(() => {
      const record = storage.read()
      // Deleted since: its tombstone takes the grants along.
      if (record === null) return null
      const told = grants.retirable(after, republishMax)
      // The index had it before it was read, and no id is given again: what is not here now is gone for good.
      const stale = indexed.filter(({ grantId }) => grants.find(grantId) === null)
      if (after === '') outbox.add(indexEntry(record))
      for (const grant of told) this.#grants.tell(record, grant, false)
      for (const grant of stale) outbox.add(staleGrantEntry(record, grant))
      return nextPlace(told, indexed)
    })
    return (await outbox.flush()) ? next : timedOut('the index does not answer')
  }
}

/** How far both lists have been gone through; null: to the end of both. */
function nextPlace(...pages: readonly (readonly { readonly grantId: string }[])[]): string | null {
  const ends = pages.flatMap((page) => (page.length < republishMax ? [] : (page.at(-1)?.grantId ?? [])))
  return ends.sort()[0] ?? null
}

/** Something sealed under the root key. */
interface Rewrappable {
  readonly what: string
  readonly rootVersion: number
  /** Seals it anew and answers how to store that, where it is still as it was. Throws where it does not open. */
  rewrap(roots: RootKeys): Promise<() => boolean>
}
