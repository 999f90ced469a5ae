import type { SealedVersion } from '../crypto/version.ts'
import { keyArn } from '../model/arn.ts'
import { refuse } from '../model/errors.ts'
import { dayMs } from '../model/limits.ts'
import {
  type KeyRecord,
  type KeyRotation,
  type KeySnapshot,
  type MultiRegion,
  multiRegionKeyType,
  type PendingMaterial,
} from './key.ts'

/*
 * What the keys of several Regions have in common, as it goes from the primary's object to a replica's. Plain data. The
 * state is sent and never a change of it, so that any message may be lost, repeated or late.
 */

/** A version of the material, wherever it is held. */
export type SharedMaterial = Pick<KeyRotation, 'keyMaterialId' | 'rotation'>

export interface SharedKey
  extends Pick<
    KeyRecord,
    | 'account'
    | 'keyId'
    | 'spec'
    | 'usage'
    | 'origin'
    | 'rotation'
    | 'onDemandRotations'
    | 'rotating'
    | 'currentMaterialId'
  > {
  readonly primaryRegion: string
  readonly replicaRegions: readonly string[]
  readonly revision: number
  readonly pending: PendingMaterial | null
  /** Every version, oldest first. */
  readonly materials: readonly SharedMaterial[]
  /** Those that the receiver may lack, sealed for the receiver's ARN. None of imported material. */
  readonly sealed: readonly SealedVersion[]
}

/** What a replica does not share: its own from the first. */
export interface NewReplica
  extends Pick<KeyRecord, 'policy' | 'policyPrincipalIds' | 'description' | 'tags' | 'createdAt'> {
  readonly createdBy: string
  /** Of the index row when the replica was asked for; 0: there was none. With a later one it was made, and is gone. */
  readonly revisionBefore: number
}

export interface ReplicaWanted extends Pick<NewReplica, 'policy' | 'policyPrincipalIds' | 'description' | 'tags'> {
  readonly region: string
  readonly isLockoutChecked: boolean
}

/** The primary, and the replica as it is by now: Creating where it has not answered yet. */
export interface Replication {
  readonly snapshot: KeySnapshot
  readonly replica: KeyRecord
}

/** What the primary's object knows of a replica. */
export interface ReplicaStanding {
  readonly region: string
  /** The shared revision that the replica is known to have. */
  readonly heldRevision: number
  /** The place of the newest version that it is known to hold, and with it all that came before. */
  readonly heldSequence: number
  /** The imported material that waits for a rotation, and that it is known to hold; null: none. */
  readonly heldPendingId: string | null
  /** Null: it has been made. */
  readonly making: NewReplica | null
  /** When it asked to be looked at again, in lifecycle time, as it may be gone; later than any before. Null: it did not. */
  readonly lookedFor: number | null
}

/** Whom a key takes for its primary, and as of which shared revision. The higher revision is right. */
export interface SharedStanding {
  readonly primaryRegion: string
  readonly revision: number
}

export interface Synchronised extends SharedStanding {
  /** `lacking`: versions are missing that were not sent. `gone`: there is no such key in the Region, or no longer. */
  readonly outcome: 'held' | 'lacking' | 'gone'
  /** The imported material that waits for a rotation, and is here; null: there is none, or it is not. */
  readonly heldPendingId: string | null
}

/** The record as it is to be written: with another shared revision where a primary changes what is shared. */
export function withSharedRevision(before: KeyRecord | null, changed: KeyRecord): KeyRecord {
  const { multiRegion } = changed
  if (multiRegion === null || multiRegionKeyType(changed) !== 'PRIMARY') return changed
  if (before === null || isSharedAlike(before, changed)) return changed
  return { ...changed, multiRegion: { ...multiRegion, sharedRevision: multiRegion.sharedRevision + 1 } }
}

export function isSharedAlike(one: KeyRecord, other: KeyRecord): boolean {
  return sharedIn(one) === sharedIn(other)
}

function sharedIn({ multiRegion, rotation, onDemandRotations, rotating, currentMaterialId }: KeyRecord): string {
  const { primaryRegion, replicaRegions, movingTo, pending } = multiRegion ?? {}
  return JSON.stringify([
    primaryRegion,
    replicaRegions,
    movingTo,
    pending,
    rotation,
    onDemandRotations,
    rotating,
    currentMaterialId,
  ])
}

/** What a replica takes over of its primary. */
export function sharedProperties(shared: SharedKey) {
  const { spec, usage, origin, rotation, onDemandRotations, rotating, pending } = shared
  const multiRegion: MultiRegion = {
    primaryRegion: shared.primaryRegion,
    replicaRegions: shared.replicaRegions,
    sharedRevision: shared.revision,
    movingTo: null,
    pending,
  }
  return { spec, usage, origin, rotation, onDemandRotations, rotating, multiRegion }
}

/** A replica as it is made. Imported material each Region imports by itself. */
export function replicaRecord(shared: SharedKey, making: NewReplica, region: string): KeyRecord {
  const { createdBy: _, revisionBefore, ...own } = making
  return {
    ...own,
    ...sharedProperties(shared),
    keyId: shared.keyId,
    account: shared.account,
    region,
    revision: revisionBefore + 1,
    state: shared.origin === 'EXTERNAL' ? 'PendingImport' : 'Enabled',
    manager: 'CUSTOMER',
    deletion: null,
    materialExpiresAt: null,
    leftoverExpiresAt: null,
    currentMaterialId: shared.currentMaterialId,
  }
}

/** The primary once a replica is gone; with its last one the window of a deletion begins. */
export function withoutReplica(record: KeyRecord, multiRegion: MultiRegion, region: string, time: number): KeyRecord {
  const replicaRegions = multiRegion.replicaRegions.filter((other) => other !== region)
  const left = { ...record, multiRegion: { ...multiRegion, replicaRegions } }
  const { state, deletion } = record
  if (state !== 'PendingReplicaDeletion' || deletion === null || replicaRegions.length > 0) return left
  return { ...left, state: 'PendingDeletion', deletion: { ...deletion, at: time + deletion.windowDays * dayMs } }
}

/** Of a key that may be replicated and was not yet. */
export function newMultiRegion(primaryRegion: string): MultiRegion {
  return { primaryRegion, replicaRegions: [], sharedRevision: 1, movingTo: null, pending: null }
}

/** Null: a change of what is shared may be made here. */
export function sharedChangeRefusal(record: KeyRecord) {
  const { region, account, keyId, multiRegion } = record
  const arn = keyArn(region, account, keyId)
  if (multiRegionKeyType(record) === 'REPLICA') return notPrimary(arn)
  return multiRegion !== null && multiRegion.movingTo !== null
    ? refuse('KMSInvalidStateException', `${arn} is updating.`)
    : null
}

export function notPrimary(arn: string) {
  return refuse('UnsupportedOperationException', `${arn} is not a multi-region primary key.`)
}
