import { versionIdOf } from '../crypto/ciphertext.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, timedOut } from '../model/errors.ts'
import { heldPendingId, withMaterials } from './imported-material.ts'
import { type Key, type KeyCall, type KeyRecord, type MultiRegion, multiRegionKeyType } from './key.ts'
import type { KeyCore } from './key-core.ts'
import { stateRefusal } from './lifecycle.ts'
import { indexEntry } from './outbox.ts'
import { stateAfterMove } from './primary-key.ts'
import {
  type NewReplica,
  type ReplicaStanding,
  replicaRecord,
  type SharedKey,
  type SharedStanding,
  type Synchronised,
  sharedProperties,
} from './shared-key.ts'

/** A replica of a multi-Region key: it takes what its primary shares, and the primary's place where it is told to. */
export class ReplicaKey {
  readonly #core: KeyCore

  constructor(core: KeyCore) {
    this.#core = core
  }

  async acceptPrimary(call: KeyCall): ReturnType<Key['acceptPrimary']> {
    const record = await this.#core.read(call, 'kms:UpdatePrimaryRegion')
    return isRefusal(record) ? record : (stateRefusal(record, 'UpdatePrimaryRegion') ?? record)
  }

  async synchronise(call: Call, shared: SharedKey, making: NewReplica | null): ReturnType<Key['synchronise']> {
    const record = await this.#core.serve(call, 'internal:Synchronise')
    const isAbsent = isRefusal(record) && record.refused === 'NotFoundException'
    if (isRefusal(record) && !isAbsent) return record
    const refusal = (await this.#indexRefusal()) ?? (await this.#sealRefusal(shared))
    if (refusal !== null) return refusal
    return isAbsent ? this.#make(call, shared, making) : this.#takeShared(call, shared)
  }

  async takeOver(call: Call, shared: SharedKey, replicas: readonly ReplicaStanding[]): ReturnType<Key['takeOver']> {
    const record = await this.#core.serve(call, 'internal:TakeOver')
    if (isRefusal(record)) return record
    const refusal = (await this.#indexRefusal()) ?? (await this.#sealRefusal(shared))
    if (refusal !== null) return refusal
    const answer = this.#core.transaction(() => {
      const { storage } = this.#core
      const current = storage.read()
      if (current?.multiRegion == null) return timedOut('the replica has changed meanwhile')
      if (shared.revision <= current.multiRegion.sharedRevision) return standingOf(current)
      const taken = this.#taken(current, shared)
      const { multiRegion } = taken
      const isFit = stateRefusal(taken, 'UpdatePrimaryRegion') === null && this.#canGoOn(shared, call)
      // Having this revision, a replica that is not fit will not take over later by a copy of this call, either.
      const written = !isFit || multiRegion === null ? taken : asPrimary(taken, multiRegion, shared.primaryRegion)
      if (written !== taken) {
        storage.replaceReplicas(replicas)
        // It would ask itself.
        storage.dequeue('peers', Number.MAX_SAFE_INTEGER)
      }
      this.#core.recordService('SynchronizeMultiRegionKey', current, call)
      // What waits for a rotation depends on the replicas.
      return standingOf(this.#core.write(withMaterials(this.#core, written)))
    })
    void this.#core.outbox.flush()
    return answer
  }

  /** `making` null: there is a replica as far as the primary knows. */
  async #make(call: Call, shared: SharedKey, making: NewReplica | null) {
    const { primaryRegion, revision } = shared
    const gone: Synchronised = { outcome: 'gone', primaryRegion, revision, heldPendingId: null }
    // Whoever hears that it is gone may rely on the index to have its tombstone.
    if (!(await this.#core.outbox.flush())) return timedOut('the index does not answer')
    if (making === null) return gone
    const indexed = await this.#core.indexedRevision(call.region, shared.keyId)
    if (isRefusal(indexed)) return indexed
    if (indexed > making.revisionBefore) return gone
    const made = this.#core.transaction(() => {
      if (this.#core.storage.read() !== null) return timedOut('the replica is being made')
      const record = replicaRecord(shared, making, call.region)
      this.#core.storage.create(record, null, making.createdBy)
      this.#takeMaterials(shared)
      if (this.#isLacking(shared)) throw new Error('a replica is made with all of its material')
      this.#core.outbox.add(indexEntry(record))
      this.#core.recordService('SynchronizeMultiRegionKey', record, call)
      return { outcome: 'held', primaryRegion, revision, heldPendingId: null } as const
    })
    this.#core.standing.isCurrent()
    void this.#core.outbox.flush()
    return made
  }

  #takeShared(call: Call, shared: SharedKey) {
    const answer = this.#core.transaction(() => {
      const current = this.#core.storage.read()
      if (current?.multiRegion == null) return timedOut('the replica has changed meanwhile')
      const { sharedRevision } = current.multiRegion
      const answerOf = (outcome: 'held' | 'lacking', record: KeyRecord): Synchronised => ({
        outcome,
        ...standingOf(record),
        heldPendingId: heldPendingId(this.#core.imports, call.time),
      })
      if (shared.revision < sharedRevision) return answerOf('held', current)
      const isNews = shared.revision > sharedRevision
      const taken = this.#taken(current, shared)
      if (this.#isLacking(shared)) return answerOf('lacking', current)
      if (!isNews) return answerOf('held', current)
      // The higher revision is right: one that was the primary, or believes to be, is no longer.
      this.#core.storage.replaceReplicas([])
      this.#core.recordService('SynchronizeMultiRegionKey', current, call)
      const state = multiRegionKeyType(current) === 'PRIMARY' ? stateAfterMove(taken.state) : taken.state
      return answerOf('held', this.#core.write({ ...taken, state }))
    })
    void this.#core.outbox.flush()
    return answer
  }

  /**
   * The record with what is shared, its material stored. What this Region does not hold is not current here, unless it is
   * this Region's to import.
   */
  #taken(current: KeyRecord, shared: SharedKey): KeyRecord {
    this.#takeMaterials(shared)
    const { currentMaterialId, origin } = shared
    const isHeld = currentMaterialId !== null && this.#core.storage.version(versionIdOf(currentMaterialId)) !== null
    return withMaterials(this.#core, {
      ...current,
      ...sharedProperties(shared),
      currentMaterialId: isHeld || origin === 'EXTERNAL' ? currentMaterialId : current.currentMaterialId,
    })
  }

  #takeMaterials({ origin, sealed, materials, pending }: SharedKey): void {
    const { storage, imports } = this.#core
    for (const version of sealed) storage.addVersion(version)
    if (origin === 'EXTERNAL') {
      const keyMaterialIds = materials.map(({ keyMaterialId }) => keyMaterialId)
      imports.keepPlaces(keyMaterialIds, pending?.keyMaterialId ?? null)
    }
    for (const { keyMaterialId, rotation } of materials) {
      if (rotation !== null) storage.setRotation(keyMaterialId, rotation)
    }
  }

  #isLacking({ origin, materials }: SharedKey): boolean {
    if (origin === 'EXTERNAL') return false
    return materials.some(({ keyMaterialId }) => this.#core.storage.version(versionIdOf(keyMaterialId)) === null)
  }

  /** A rotation to imported material is gone on with by who holds that. */
  #canGoOn(shared: SharedKey, { time }: Call): boolean {
    const { origin, rotating } = shared
    if (origin !== 'EXTERNAL') return !this.#isLacking(shared)
    return rotating === null || heldPendingId(this.#core.imports, time) === rotating.keyMaterialId
  }

  async #indexRefusal() {
    return (await this.#core.standing.check()) === 'unknown' ? timedOut('a replica waits for the index') : null
  }

  /** What is held can be opened, and an old version of the root key is not needed for it once it was retired. */
  async #sealRefusal({ sealed }: SharedKey) {
    if (sealed.length === 0) return null
    const roots = await this.#core.sealingRoots()
    if (isRefusal(roots)) return roots
    const isCurrent = sealed.every(({ rootVersion }) => rootVersion === roots.current)
    return isCurrent ? null : timedOut('sealed under another version of the root key than the current one')
  }
}

function standingOf({ multiRegion, region }: KeyRecord): SharedStanding {
  const { primaryRegion = region, sharedRevision = 0 } = multiRegion ?? {}
  return { primaryRegion, revision: sharedRevision }
}

function asPrimary(record: KeyRecord, multiRegion: MultiRegion, before: string): KeyRecord {
  const { region } = record
  const replicaRegions = [...multiRegion.replicaRegions.filter((other) => other !== region), before].sort()
  return {
    ...record,
    multiRegion: { ...multiRegion, primaryRegion: region, replicaRegions },
  }
}
