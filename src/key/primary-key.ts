import type { RootKeys } from '../crypto/root-keys.ts'
import { rewrapMaterial } from '../crypto/seal.ts'
import type { SealedVersion } from '../crypto/version.ts'
import { keyArn } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { causeOf, isRefusal, refuse, timedOut } from '../model/errors.ts'
import type { LookAgain } from '../model/index-entry.ts'
import { heldPendingId, withMaterials } from './imported-material.ts'
import { type Key, type KeyCall, type KeyRecord, type KeyState, multiRegionKeyType, type Rotating } from './key.ts'
import { creationDenial, lockoutRefusal } from './key-access.ts'
import { type KeyCore, peersWaitMs } from './key-core.ts'
import { stateRefusal } from './lifecycle.ts'
import type { Delivery } from './outbox.ts'
import { finishRotation } from './rotation.ts'
import {
  isSharedAlike,
  type NewReplica,
  notPrimary,
  type ReplicaStanding,
  type ReplicaWanted,
  replicaRecord,
  type SharedKey,
  type Synchronised,
  sharedChangeRefusal,
  withoutReplica,
} from './shared-key.ts'

/** What is known of a replica that has not answered yet. */
const nothingHeld = { heldRevision: 0, heldSequence: 0, heldPendingId: null } as const

/** How often a replica that is gone is sent on by those who are no longer the primary. */
const hopsMax = 8

/**
 * The primary of a multi-Region key: it alone changes what the Regions share, and it brings the replicas to its state
 * until each has answered. Its steps run one at a time, in the lane for peers, and each may be repeated.
 */
export class PrimaryKey {
  readonly #core: KeyCore

  constructor(core: KeyCore) {
    this.#core = core
  }

  async replicate(call: KeyCall, wanted: ReplicaWanted): ReturnType<Key['replicate']> {
    const { region, isLockoutChecked, ...own } = wanted
    const asked = await this.#core.read(call, 'kms:ReplicateKey')
    if (isRefusal(asked)) return asked
    const revisionBefore = await this.#core.indexedRevision(region, asked.keyId)
    if (isRefusal(revisionBefore)) return revisionBefore
    const making: NewReplica = { ...own, createdAt: call.time, createdBy: call.requestId, revisionBefore }
    const changed = await this.#core.change(call, 'ReplicateKey', (record) => {
      const refusal = replicaRefusal(record, region)
      if (refusal !== null) return refusal
      const grown = withReplica(record, region)
      const there = replicaRecord(this.#shared(grown), making, region)
      const { spec, usage, origin } = record
      const wished = { KeySpec: spec, KeyUsage: usage, Origin: origin, MultiRegion: true }
      const callThere = { ...call, region, parameters: { ...call.parameters, ...wished } }
      const denial = creationDenial(callThere, there) ?? (isLockoutChecked ? lockoutRefusal(callThere, there) : null)
      if (denial !== null) return denial
      this.#core.storage.writeReplica({ region, ...nothingHeld, making, lookedFor: null })
      return withMaterials(this.#core, grown)
    })
    if (isRefusal(changed)) return changed
    await this.#core.outbox.peersWithin(peersWaitMs)
    const record = this.#core.storage.read() ?? changed.record
    const isMade = this.#core.storage.replicas().some((replica) => replica.region === region && replica.making === null)
    const replica = replicaRecord(this.#shared(record), making, region)
    return { snapshot: this.#core.snapshotOf(record), replica: isMade ? replica : { ...replica, state: 'Creating' } }
  }

  async updatePrimaryRegion(call: KeyCall, onReplica: KeyCall): ReturnType<Key['updatePrimaryRegion']> {
    const { region } = onReplica
    const record = await this.#core.read(call, 'kms:UpdatePrimaryRegion')
    if (isRefusal(record)) return record
    const refusal = stateRefusal(record, 'UpdatePrimaryRegion') ?? moveRefusal(record, region)
    if (refusal !== null) return refusal
    const accepted = await this.#core
      .peer(record, region)
      .key.acceptPrimary(onReplica)
      .catch((failure: unknown) => timedOut(`the replica does not answer: ${causeOf(failure)}`))
    // As it came it would tie this object to the replica's for as long as the caller holds it.
    if (isRefusal(accepted)) return refuse(accepted.refused, accepted.message, accepted.reason)
    const changed = await this.#core.change(call, 'UpdatePrimaryRegion', (current) => {
      const { multiRegion } = current
      const late = moveRefusal(current, region)
      if (late !== null || multiRegion === null) return late
      return { ...current, state: 'Updating', multiRegion: { ...multiRegion, movingTo: region } }
    })
    if (isRefusal(changed)) return changed
    await this.#core.outbox.peersWithin(peersWaitMs)
    return this.#core.snapshotOf(this.#core.storage.read() ?? changed.record)
  }

  async lookAgain(call: Call, region: string): ReturnType<Key['lookAgain']> {
    const record = await this.#core.serve(call, 'internal:LookAgain')
    if (isRefusal(record)) return record
    if ((await this.#core.standing.check()) === 'unknown') return timedOut('a primary waits for the index')
    const answer = this.#core.transaction(() => {
      const { storage } = this.#core
      const current = storage.read()
      if (current?.multiRegion == null) return record.region
      const { multiRegion } = current
      if (multiRegionKeyType(current) === 'REPLICA') return multiRegion.primaryRegion
      if (multiRegion.movingTo !== null) return timedOut('the primary is moving')
      const replica = storage.replicas().find((known) => known.region === region)
      if (replica === undefined) return current.region
      const lookedFor = Math.max(call.time, (replica.lookedFor ?? 0) + 1)
      storage.writeReplica({ ...replica, heldRevision: 0, heldSequence: 0, lookedFor })
      this.#core.outbox.wake()
      return current.region
    })
    void this.#core.outbox.flush()
    return answer
  }

  /** What the other Regions have still to be told; null: nothing. */
  next(): Delivery | null {
    const { storage } = this.#core
    const record = storage.read()
    if (record?.multiRegion == null || multiRegionKeyType(record) === 'REPLICA') {
      const [asking] = storage.outbox('peers', 1)
      return asking === undefined ? null : () => this.#askToLook(asking.sequence, asking.entry.body as LookAgain)
    }
    const { movingTo, sharedRevision } = record.multiRegion
    if (movingTo !== null) return () => this.#handOver(record, movingTo)
    const behind = storage
      .replicas()
      .filter(
        ({ heldRevision, making, lookedFor }) => heldRevision < sharedRevision || making !== null || lookedFor !== null,
      )
    return behind.length === 0 ? null : () => this.#synchronise(record, behind)
  }

  /** One that does not answer holds up no other. */
  async #synchronise(record: KeyRecord, behind: readonly ReplicaStanding[]): Promise<void> {
    const materials = this.#core.storage.materials()
    const answers = await Promise.allSettled(
      behind.map(async (replica) => {
        const { key, call } = this.#core.peer(record, replica.region)
        const shared = await this.#sealedFor(replica.region, record, materials, replica.heldSequence)
        const answer = await key.synchronise(call, shared, replica.making)
        if (isRefusal(answer)) throw new Error(`${replica.region} refuses: ${answer.reason}`)
        const held = { revision: shared.revision, sequence: materials.at(-1)?.sequence ?? 0 }
        this.#core.transaction(() => this.#heard(replica, held, answer, call))
      }),
    )
    const failed = answers.find((answer) => answer.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #heard(
    asked: ReplicaStanding,
    held: { readonly revision: number; readonly sequence: number },
    answer: Synchronised,
    call: Call,
  ): void {
    const { storage } = this.#core
    const record = storage.read()
    if (record?.multiRegion == null || multiRegionKeyType(record) !== 'PRIMARY') return
    const { multiRegion } = record
    if (answer.revision > multiRegion.sharedRevision) {
      // This object was restored: what it shares is from before, and another may be the primary by now.
      if (answer.primaryRegion !== record.region) this.#yieldTo(record, answer.primaryRegion, call.time)
      else this.#core.write({ ...record, multiRegion: { ...multiRegion, sharedRevision: answer.revision + 1 } })
      return
    }
    const known = storage.replicas().find(({ region }) => region === asked.region)
    // Whoever has asked to be looked at since then is looked at again.
    if (known === undefined || known.lookedFor !== asked.lookedFor) return
    if (answer.outcome === 'gone') {
      storage.removeReplica(asked.region)
      this.#core.write(withoutReplica(record, multiRegion, asked.region, asked.lookedFor ?? call.time))
    } else if (answer.outcome === 'lacking') {
      storage.writeReplica({ ...known, heldSequence: 0 })
    } else {
      const { revision: heldRevision, sequence: heldSequence } = held
      const { heldPendingId } = answer
      storage.writeReplica({ ...known, heldRevision, heldSequence, heldPendingId, making: null, lookedFor: null })
    }
    this.#goOn()
  }

  /** What the answers allow. */
  #goOn(): void {
    const before = this.#core.storage.read()
    if (before === null) return
    const record = withMaterials(this.#core, before)
    const after = record.rotating === null ? record : this.#rotated(record, record.rotating)
    if (!isSharedAlike(before, after)) this.#core.write(after)
  }

  #rotated(record: KeyRecord, rotating: Rotating): KeyRecord {
    return record.origin === 'EXTERNAL'
      ? this.#rotatedOnceImported(record, rotating)
      : this.#rotatedOnceHeld(record, rotating)
  }

  /** New material becomes current here, and then in the replicas, once all of them hold it. */
  #rotatedOnceHeld(record: KeyRecord, rotating: Rotating): KeyRecord {
    const { storage } = this.#core
    const sequence = storage.materials().find(({ keyMaterialId }) => keyMaterialId === rotating.keyMaterialId)?.sequence
    const isHeld = sequence !== undefined && storage.replicas().every(({ heldSequence }) => heldSequence >= sequence)
    return isHeld ? finishRotation(this.#core, record, rotating) : record
  }

  /**
   * Imported material becomes current once every replica has said that it holds it, knowing of the rotation: from then on
   * none gives it away. It waits for another call where one has lost it before.
   */
  #rotatedOnceImported(record: KeyRecord, rotating: Rotating): KeyRecord {
    const { multiRegion, onDemandRotations } = record
    if (multiRegion?.pending?.isInEveryRegion !== true) {
      return withMaterials(this.#core, { ...record, rotating: null, onDemandRotations: onDemandRotations - 1 })
    }
    const { sharedRevision } = multiRegion
    const isKnown = this.#core.storage.replicas().every(({ heldRevision }) => heldRevision >= sharedRevision)
    return isKnown ? finishRotation(this.#core, record, rotating) : record
  }

  /**
   * The new primary takes over in one transaction of its own; until it has said that it did, or never will, nothing that
   * is shared changes here.
   */
  async #handOver(record: KeyRecord, target: string): Promise<void> {
    const { storage } = this.#core
    const materials = storage.materials()
    const others = storage.replicas().filter(({ region }) => region !== target)
    const shared = await this.#sealedFor(target, record, materials, 0)
    const { key, call } = this.#core.peer(record, target)
    const answer = await key.takeOver(call, shared, [
      ...others.map((replica) => ({ ...replica, heldRevision: 0, heldSequence: 0 })),
      {
        ...nothingHeld,
        region: record.region,
        heldPendingId: heldPendingId(this.#core.imports, call.time),
        making: null,
        lookedFor: null,
      },
    ])
    const isGone = isRefusal(answer) && answer.refused === 'NotFoundException'
    if (isRefusal(answer) && !isGone) throw new Error(`${target} refuses: ${answer.reason}`)
    this.#core.transaction(() => {
      const current = storage.read()
      if (current?.multiRegion?.movingTo !== target) return
      if (!isRefusal(answer) && answer.revision > shared.revision) {
        this.#yieldTo(current, answer.primaryRegion, call.time)
      } else {
        const multiRegion = { ...current.multiRegion, movingTo: null }
        const stayed = { ...current, state: stateAfterMove(current.state), multiRegion }
        this.#core.write(withMaterials(this.#core, stayed))
      }
    })
  }

  /** Another Region is the primary now. It is asked to look here, in case it does not know. */
  #yieldTo(record: KeyRecord, primaryRegion: string, at: number): void {
    const { multiRegion, region, account, keyId, state } = record
    if (multiRegion === null) return
    const { primaryRegion: _, ...rest } = multiRegion
    const replicaRegions = [...rest.replicaRegions.filter((other) => other !== primaryRegion), region].sort()
    this.#core.storage.replaceReplicas([])
    this.#core.write({
      ...record,
      state: stateAfterMove(state),
      multiRegion: { ...rest, primaryRegion, replicaRegions, movingTo: null },
    })
    this.#core.outbox.add({ kind: 'lookAgain', body: { account, region, keyId, primaryRegion, at } })
  }

  async #askToLook(sequence: number, { account, region, keyId, primaryRegion, at }: LookAgain): Promise<void> {
    let asked = primaryRegion
    for (let hop = 0; asked !== region; hop++) {
      if (hop === hopsMax) throw new Error(`no Region says that it is the primary of ${region}/${keyId}`)
      const { key, call } = this.#core.peer({ account, keyId }, asked)
      const answer = await key.lookAgain({ ...call, time: at }, region)
      // A Region that has no such key any more is not the primary; the one that is asks by itself.
      if (isRefusal(answer) && answer.refused !== 'NotFoundException') throw new Error(`${asked}: ${answer.reason}`)
      if (isRefusal(answer) || answer === asked) break
      asked = answer
    }
    this.#core.storage.dequeue('peers', sequence)
  }

  #shared(record: KeyRecord): SharedKey {
    const { account, keyId, spec, usage, origin, rotation, onDemandRotations, rotating, currentMaterialId } = record
    const { multiRegion } = record
    const { primaryRegion = record.region, replicaRegions = [], sharedRevision = 0, pending = null } = multiRegion ?? {}
    return {
      account,
      keyId,
      spec,
      usage,
      origin,
      rotation,
      onDemandRotations,
      rotating,
      currentMaterialId,
      primaryRegion,
      replicaRegions,
      revision: sharedRevision,
      pending,
      materials: [],
      sealed: [],
    }
  }

  /** Material passes from this Region's wrapping to the other's inside WebCrypto. Imported material does not pass. */
  async #sealedFor(
    region: string,
    record: KeyRecord,
    materials: ReturnType<KeyCore['storage']['materials']>,
    after: number,
  ): Promise<SharedKey> {
    const roots = await this.#core.sealingRoots()
    if (isRefusal(roots)) throw new Error(roots.reason)
    const passing = record.origin === 'EXTERNAL' ? [] : materials.filter(({ sequence }) => sequence > after)
    return {
      ...this.#shared(record),
      materials: materials.map(({ keyMaterialId, rotation }) => ({ keyMaterialId, rotation })),
      sealed: await Promise.all(passing.map(({ version }) => sealedFor(roots, record, version, region))),
    }
  }
}

async function sealedFor(roots: RootKeys, record: KeyRecord, version: SealedVersion, region: string) {
  const identity = { ...record, keyMaterialId: version.keyMaterialId }
  return { ...version, ...(await rewrapMaterial(roots, identity, version, { ...identity, region })) }
}

function withReplica(record: KeyRecord, region: string): KeyRecord {
  const { multiRegion } = record
  if (multiRegion === null) return record
  const replicaRegions = [...multiRegion.replicaRegions, region].sort()
  return { ...record, multiRegion: { ...multiRegion, replicaRegions } }
}

/** A primary is Updating while it moves, and was Enabled before. */
export function stateAfterMove(state: KeyState): KeyState {
  return state === 'Updating' ? 'Enabled' : state
}

/** Null: the key may be replicated into the Region. */
function replicaRefusal(record: KeyRecord, region: string) {
  const { multiRegion, account, keyId } = record
  if (multiRegion === null) return notPrimary(keyArn(record.region, account, keyId))
  const refusal = sharedChangeRefusal(record)
  if (refusal !== null) return refusal
  const isThere = region === record.region || multiRegion.replicaRegions.includes(region)
  return isThere ? refuse('AlreadyExistsException', `${keyArn(region, account, keyId)} already exists.`) : null
}

/** Null: the Region has a replica, which may become the primary. */
function moveRefusal(record: KeyRecord, region: string) {
  const { multiRegion, account, keyId } = record
  if (multiRegion === null) return notPrimary(keyArn(record.region, account, keyId))
  const refusal = sharedChangeRefusal(record)
  if (refusal !== null || multiRegion.replicaRegions.includes(region)) return refusal
  return refuse('NotFoundException', `Key '${keyArn(region, account, keyId)}' is not a replica of the primary key.`)
}
