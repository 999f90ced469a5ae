import { keyArn } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal, refuse, timedOut } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { heldPendingId, withMaterials } from './imported-material.ts'
import type { Imports } from './imports.ts'
import type { KeyCall, KeyRecord, KeySnapshot, RotationType } from './key.ts'
import { flushWaitMs, type KeyCore, peersWaitMs } from './key-core.ts'
import { nextDue, rotationAfter, stateRefusal } from './lifecycle.ts'
import { indexEntry } from './outbox.ts'
import { finishRotation } from './rotation.ts'
import { sharedChangeRefusal } from './shared-key.ts'

/** What befalls a key with time, and rotation on demand: decided on what is stored now, in the block that does it. */
export class DueWork {
  readonly #core: KeyCore
  readonly #imports: Imports

  constructor(core: KeyCore, imports: Imports) {
    this.#core = core
    this.#imports = imports
  }

  async settle(call: Call) {
    const record = await this.#core.serve(call, 'internal:Settle')
    if (isRefusal(record)) {
      if (record.refused !== 'NotFoundException') return record
      // Deleted, and not all may have been told.
      await this.#core.outbox.flushAll()
      return 'nothing'
    }
    if ((await this.#core.standing.check()) === 'unknown') return timedOut('a sweep waits for the index')
    const due = nextDue(record)
    if (due === null || due.at > call.time) {
      // The index said otherwise, so it has an old row.
      this.#core.outbox.add(indexEntry(record))
      await this.#core.outbox.flush()
      return 'nothing'
    }
    if (due.work === 'delete') return this.#delete(call)
    if (due.work === 'expire') return this.#expire(call)
    const rotated = await this.rotateIfDue(call)
    if (isRefusal(rotated)) return rotated
    return rotated === null ? 'nothing' : 'rotated'
  }

  async rotateIfDue(call: Call): Promise<KeySnapshot | Refusal<'DependencyTimeoutException'> | null> {
    const isDue = (record: KeyRecord | null) => {
      const due = record === null ? null : nextDue(record)
      return due?.work === 'rotate' && due.at <= call.time
    }
    const before = this.#core.storage.read()
    if (before === null || !isDue(before)) return null
    const version = await this.#core.newVersion(before)
    if (isRefusal(version)) return version
    const snapshot = this.#core.transaction(() => {
      const record = this.#core.storage.read()
      if (record === null || record.rotation === null || !isDue(record)) return null
      const rotation = { ...record.rotation, nextAt: rotationAfter(record.rotation, call.time) }
      this.#core.storage.addVersion(version)
      return this.#core.commit(this.#rotated({ ...record, rotation }, version.keyMaterialId, call, 'AUTOMATIC'))
    })
    await this.#core.outbox.flushWithin(flushWaitMs)
    return snapshot === null ? null : this.#onceHeld(snapshot)
  }

  async rotateOnDemand(call: KeyCall) {
    const record = await this.#core.read(call, 'kms:RotateKeyOnDemand')
    if (isRefusal(record)) return record
    const refusal = stateRefusal(record, 'RotateKeyOnDemand') ?? onDemandRefusal(record)
    if (refusal !== null) return refusal
    if (record.origin === 'EXTERNAL') return this.#rotateToImported(call)
    const version = await this.#core.newVersion(record)
    if (isRefusal(version)) return version
    const snapshot = await this.#core.change(call, 'RotateKeyOnDemand', (current) => {
      const late = onDemandRefusal(current)
      if (late !== null) return late
      this.#core.storage.addVersion(version)
      return this.#rotatedOnDemand(current, version.keyMaterialId, call)
    })
    return isRefusal(snapshot) ? snapshot : this.#onceHeld(snapshot)
  }

  /** The key after its replicas have answered, or as it is where they take long. */
  async #onceHeld(snapshot: KeySnapshot): Promise<KeySnapshot> {
    if (snapshot.record.rotating === null) return snapshot
    await this.#core.outbox.peersWithin(peersWaitMs)
    return this.#core.snapshotOf(this.#core.storage.read() ?? snapshot.record)
  }

  /** What replicas have just imported they say first. */
  async #rotateToImported(call: KeyCall) {
    if (this.#core.storage.replicas().length > 0) await this.#core.outbox.peersWithin(peersWaitMs)
    const snapshot = await this.#core.change(call, 'RotateKeyOnDemand', (record) => {
      const late = onDemandRefusal(record)
      if (late !== null) return late
      const keyMaterialId = heldPendingId(this.#core.imports, call.time)
      const isEverywhere = record.multiRegion?.pending?.isInEveryRegion ?? true
      if (keyMaterialId === null || !isEverywhere) return nothingPending(record)
      return this.#rotatedOnDemand(record, keyMaterialId, call)
    })
    return isRefusal(snapshot) ? snapshot : this.#onceHeld(snapshot)
  }

  /** Decides again on what is stored now, in the block that erases. */
  async #delete(call: Call) {
    const isErased = this.#core.transaction(() => {
      const record = this.#core.storage.read()
      const due = record === null ? null : nextDue(record)
      if (record === null || due?.work !== 'delete' || due.at > call.time) return false
      this.#core.storage.erase()
      this.#core.recordService('DeleteKey', record, call)
      const erased = { ...record, revision: record.revision + 1, deletion: null, rotation: null }
      this.#core.outbox.add(indexEntry(erased, { deletedAt: call.time }))
      this.#core.askPrimary(record, call.time)
      return true
    })
    if (isErased) await this.#core.outbox.flushAll()
    return isErased ? 'deleted' : 'nothing'
  }

  /** What was imported, or waits for an import, and has come to its date. */
  async #expire(call: Call) {
    const isExpired = this.#core.transaction(() => {
      const record = this.#core.storage.read()
      const due = record === null ? null : nextDue(record)
      if (record === null || due?.work !== 'expire' || due.at > call.time) return false
      const expired = this.#imports.expired(record, call)
      this.#core.write(expired.record)
      for (const keyMaterialId of expired.keyMaterialIds) {
        this.#core.recordService('DeleteExpiredKeyMaterial', record, call, { keyMaterialId })
      }
      return true
    })
    if (isExpired) await this.#core.outbox.flush()
    return isExpired ? 'expired' : 'nothing'
  }

  #rotatedOnDemand(record: KeyRecord, keyMaterialId: string, call: Call): KeyRecord {
    return this.#rotated(
      { ...record, onDemandRotations: record.onDemandRotations + 1 },
      keyMaterialId,
      call,
      'ON_DEMAND',
    )
  }

  /** To material that is stored, which is current at once where no other Region has to hold it first. */
  #rotated(record: KeyRecord, keyMaterialId: string, { time, requestId }: Call, type: RotationType): KeyRecord {
    const rotating = { keyMaterialId, type, startedAt: time, requestId }
    if (this.#core.storage.replicas().length === 0) return finishRotation(this.#core, record, rotating)
    return withMaterials(this.#core, { ...record, rotating })
  }
}

/** Null: the key may be rotated now. */
function onDemandRefusal(record: KeyRecord) {
  const { region, account, keyId, onDemandRotations, rotating } = record
  const arn = keyArn(region, account, keyId)
  const refusal = sharedChangeRefusal(record)
  if (refusal !== null) return refusal
  if (rotating !== null) return refuse('ConflictException', `A rotation of ${arn} is in progress.`)
  if (onDemandRotations < limits.onDemandRotationsMax) return null
  return refuse(
    'LimitExceededException',
    `The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: ${arn}`,
  )
}

function nothingPending({ region, account, keyId }: KeyRecord) {
  const text = `No available key material pending rotation for the key: ${keyArn(region, account, keyId)}.`
  return refuse('KMSInvalidStateException', text)
}
