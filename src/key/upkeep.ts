import { rewrapMaterial } from '../crypto/seal.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, refuse, timedOut } from '../model/errors.ts'
import type { GrantChanges } from './grant-changes.ts'
import { flushWaitMs, type KeyCore } from './key-core.ts'
import { indexEntry, staleGrantEntry } from './outbox.ts'

/** How many versions of a key one transaction seals anew, and how many grants one call tells the index of again. */
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
      this.#core.storage.versionsNotUnder(roots.current, rewrapMax).map(async (before) => {
        const identity = { ...record, keyMaterialId: before.keyMaterialId }
        return { before, after: await rewrapMaterial(roots, identity, before).catch(() => null) }
      }),
    )
    const rewrapping = this.#core.transaction(() => {
      const stored = this.#core.storage.read()
      // Deleted since: there is nothing left to seal.
      if (stored === null) return { rewrapped: 0, left: 0 }
      const done = resealed.filter(({ before, after }) => after !== null && this.#core.storage.reseal(before, after))
      if (done.length > 0) this.#core.commit(stored)
      return { rewrapped: done.length, left: this.#core.storage.countNotUnder(roots.current) }
    })
    await this.#core.outbox.flushWithin(flushWaitMs)
    const failed = resealed.find(({ after }) => after === null)
    if (failed === undefined) return rewrapping
    const { keyMaterialId, rootVersion } = failed.before
    const reason = `material ${keyMaterialId} does not open under root key version ${rootVersion}`
    return refuse('KMSInternalException', null, reason)
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
