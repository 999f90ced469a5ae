import { rewrapMaterial } from '../crypto/seal.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, refuse, timedOut } from '../model/errors.ts'
import type { GrantChanges } from './grant-changes.ts'
import { flushWaitMs, type KeyCore } from './key-core.ts'
import { indexEntry } from './outbox.ts'

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
