import type { Grant } from '../access/request.ts'
import type { SealedVersion } from '../crypto/version.ts'
import type { WrappingAlgorithm, WrappingKeySpec } from '../crypto/wrapping-key.ts'
import type { AuditEvent } from '../model/audit-event.ts'
import type { Call } from '../model/call.ts'
import type { CommonException, ExceptionName, Refusal } from '../model/errors.ts'
import type { KeySpec, KeyUsage } from '../model/key-specs.ts'
import type { Rewrapping, RootUse } from '../model/root-use.ts'
import type {
  NewReplica,
  ReplicaStanding,
  Replication,
  ReplicaWanted,
  SharedKey,
  SharedStanding,
  Synchronised,
} from './shared-key.ts'

export type KeyState =
  | 'Creating'
  | 'Enabled'
  | 'Disabled'
  | 'PendingDeletion'
  | 'PendingReplicaDeletion'
  | 'PendingImport'
  | 'Unavailable'
  | 'Updating'

export type KeyOrigin = 'AWS_KMS' | 'EXTERNAL'

/** One of a set of keys that have one id and one material, each in a Region of its own. */
export interface MultiRegion {
  readonly primaryRegion: string
  /** In their order; without the primary's. */
  readonly replicaRegions: readonly string[]
  /** Of what the Regions share: raised by the primary with every change of it, and taken by the replicas. */
  readonly sharedRevision: number
  /** The Region that a primary is handing over to; else null. */
  readonly movingTo: string | null
  /** Null: no imported material waits for a rotation. */
  readonly pending: PendingMaterial | null
}

/** Imported material that the primary waits to be rotated to. */
export interface PendingMaterial {
  readonly keyMaterialId: string
  /** False: the primary, or a replica, has still to import it. */
  readonly isInEveryRegion: boolean
}

/** New material that is not current before every Region holds it. */
export interface Rotating {
  readonly keyMaterialId: string
  readonly type: RotationType
  /** Lifecycle time, and the request that began it. */
  readonly startedAt: number
  readonly requestId: string
}

/** Null: a key of one Region. */
export function multiRegionKeyType({ multiRegion, region }: Pick<KeyRecord, 'multiRegion' | 'region'>) {
  if (multiRegion === null) return null
  return multiRegion.primaryRegion === region ? 'PRIMARY' : 'REPLICA'
}

export interface Tag {
  readonly tagKey: string
  readonly tagValue: string
}

/** Everything about a key but its material. Times are lifecycle milliseconds. */
export interface KeyRecord {
  readonly keyId: string
  readonly account: string
  readonly region: string
  /** Raised by one with every change, and never lowered. */
  readonly revision: number
  readonly state: KeyState
  readonly spec: KeySpec
  readonly usage: KeyUsage
  readonly origin: KeyOrigin
  /** Null: a key of one Region. */
  readonly multiRegion: MultiRegion | null
  /** AWS: kept by this deployment itself, for an integration or for its own use. */
  readonly manager: 'AWS' | 'CUSTOMER'
  readonly description: string
  /** As it was given. */
  readonly policy: string
  /** The unique id that each principal's ARN in the policy stood for when it was written. */
  readonly policyPrincipalIds: Readonly<Record<string, string>>
  /** In the order of their keys. */
  readonly tags: readonly Tag[]
  readonly createdAt: number
  /**
   * Written only by scheduleDeletion and cancelDeletion. Without a date the window begins when a primary's last replica
   * is gone.
   */
  readonly deletion: { readonly at: number | null; readonly windowDays: number } | null
  /** Written only by enableRotation, disableRotation and a rotation that was due. */
  readonly rotation: { readonly periodDays: number; readonly nextAt: number } | null
  readonly onDemandRotations: number
  /** Null: no rotation waits for replicas. */
  readonly rotating: Rotating | null
  /** When the first of the imported materials expires, which ends the use of the key. Null: none does. */
  readonly materialExpiresAt: number | null
  /** When the first wrapping key, or material that waits for a rotation, is to be erased. Null: there is none. */
  readonly leftoverExpiresAt: number | null
  /** Null: the key waits for its first import. */
  readonly currentMaterialId: string | null
}

/** A key as an isolate may remember it for a few seconds. */
export interface KeySnapshot {
  readonly record: KeyRecord
  /** Null: its material is not here, and its state says why. */
  readonly current: SealedVersion | null
  /** How many entries the index had not been told when this was read. */
  readonly untold: number
}

export type RotationType = 'AUTOMATIC' | 'ON_DEMAND'

export interface KeyRotation {
  readonly keyMaterialId: string
  readonly isCurrent: boolean
  /** True: imported, and not yet rotated to. */
  readonly isPending: boolean
  /** False: imported material that has expired or was deleted. */
  readonly isPresent: boolean
  /** Of imported material. Null: never. */
  readonly expiresAt: number | null
  /** Of imported material. */
  readonly description: string | null
  /** Null for the material the key was created with, and for what waits for a rotation. */
  readonly rotation: { readonly at: number; readonly type: RotationType } | null
  /** Ascends with age; the place of a list marker. */
  readonly sequence: number
}

export interface NewKey {
  readonly keyId: string
  readonly spec: KeySpec
  readonly usage: KeyUsage
  /** EXTERNAL: made without material. */
  readonly origin: KeyOrigin
  /** True: the primary of what may become several. */
  readonly isMultiRegion: boolean
  readonly manager: KeyRecord['manager']
  readonly description: string
  readonly policy: string
  readonly policyPrincipalIds: Readonly<Record<string, string>>
  readonly tags: readonly Tag[]
  /** Null: never by itself. */
  readonly rotationPeriodDays: number | null
  /** Whoever says the same again is told of the same key: the creation's own retry, or a key that is made once. */
  readonly createdBy: string
  readonly isLockoutChecked: boolean
}

/** A call about one key: what its object needs to decide by itself. Plain data. */
export interface KeyCall extends Call {
  /** The account that the key's name means. */
  readonly keyAccount: string
  /** The name as it was given; null: the request names a ciphertext or a grant. */
  readonly keyNamed: string | null
  /** The request's members without its blobs, for the conditions of policies. */
  readonly parameters: Readonly<Record<string, unknown>>
  /** Where a policy of the caller asks for them; else null. */
  readonly aliases: readonly string[] | null
  /** The grants that the request's tokens name. */
  readonly grantIds: readonly string[]
  /** The record of this call, for the object to write with the change; null: the call is no change, or nobody's. */
  readonly event: AuditEvent | null
}

/** A call about a key of that account; what is not said is not there. */
export function keyCall(call: Call, about: Pick<KeyCall, 'keyAccount'> & Partial<KeyCall>): KeyCall {
  return { ...call, keyNamed: null, parameters: {}, aliases: null, grantIds: [], event: null, ...about }
}

/** The grants of one key that name one caller. */
export interface GrantSlice {
  /** The key's, when they were read. */
  readonly revision: number
  readonly grants: readonly Grant[]
  /** False: there are more than were asked for. */
  readonly isWhole: boolean
}

export interface GrantPage {
  /** '' : from the first. */
  readonly after: string
  readonly limit: number
  readonly grantId: string | null
  readonly granteePrincipal: string | null
  readonly granteeServicePrincipal: string | null
}

export type NewGrant = Omit<Grant, 'issuingAccount' | 'createdAt'>

type Reply<Value, Name extends ExceptionName = never> = Promise<
  Value | Refusal<CommonException | 'NotFoundException' | Name>
>
type WrongState = 'KMSInvalidStateException'
type DisabledOrWrongState = 'DisabledException' | WrongState
type DryRun = 'DryRunOperationException'
type WrongImport =
  | 'ExpiredImportTokenException'
  | 'IncorrectKeyMaterialException'
  | 'InvalidCiphertextException'
  | 'InvalidImportTokenException'
type WrongOrigin = 'UnsupportedOperationException'
type NotReplicable = WrongOrigin | 'AlreadyExistsException' | 'MalformedPolicyDocumentException'

/**
 * One key. Every method authorises the caller by the key's current state, in the same block as what it does.
 * A change answers with the snapshot after it; refusals are values. Methods are only ever added: an old object may be
 * called by a new Worker for minutes.
 */
export interface Key {
  /** Made whole or not at all. Repeating it with the same id and `createdBy` is the same creation. */
  create(call: KeyCall, key: NewKey): Reply<KeySnapshot, 'MalformedPolicyDocumentException'>
  /** The key as an isolate may hold it. What may be done with it is for the isolate to decide. For services alone. */
  snapshot(call: Call): Reply<KeySnapshot>
  /** The version a ciphertext names, by 32 hex digits; null: this key never had it. For services alone. */
  version(call: Call, versionId: string): Reply<SealedVersion | null>
  /** At most `limit` grants that name one of these ids. For services alone. */
  grantsNaming(call: Call, granteeIds: readonly string[], limit: number): Reply<GrantSlice>
  /** The grants by which the asker may do this, one of each kind, where they are too many for an isolate to hold. For services alone. */
  grantsAllowing(call: Call, asker: KeyCall, action: string): Reply<readonly Grant[]>
  /** `operation` is the one it is read for, and authorised as. */
  describe(call: KeyCall, operation: ReadOperation): Reply<KeyRecord>
  rotations(call: KeyCall, page: RotationPage): Reply<KeyRotation[]>
  updateDescription(call: KeyCall, description: string): Reply<KeySnapshot, WrongState>
  enable(call: KeyCall): Reply<KeySnapshot, WrongState>
  disable(call: KeyCall): Reply<KeySnapshot, WrongState>
  putPolicy(call: KeyCall, policy: NewPolicy): Reply<KeySnapshot, 'MalformedPolicyDocumentException'>
  /** Adds tags, or gives present ones a new value. */
  tag(call: KeyCall, tags: readonly Tag[]): Reply<KeySnapshot, WrongState | 'TagException'>
  untag(call: KeyCall, tagKeys: readonly string[]): Reply<KeySnapshot, WrongState>
  enableRotation(call: KeyCall, periodDays: number): Reply<KeySnapshot, DisabledOrWrongState | WrongOrigin>
  disableRotation(call: KeyCall): Reply<KeySnapshot, DisabledOrWrongState | WrongOrigin>
  /**
   * To new material; of imported material, to the one that waits for it. A key with replicas answers with the rotation under
   * way where not all of them have answered yet. It is given up where one of them has lost meanwhile what was imported.
   */
  rotateOnDemand(
    call: KeyCall,
  ): Reply<KeySnapshot, DisabledOrWrongState | WrongOrigin | 'ConflictException' | 'LimitExceededException'>
  /** A key pair under which material can travel here for a day. */
  parametersForImport(call: KeyCall, wanted: WantedParameters): Reply<ImportParameters, WrongState | WrongOrigin>
  importMaterial(call: KeyCall, material: NewMaterial): Reply<MaterialChange, WrongState | WrongOrigin | WrongImport>
  /** `keyMaterialId` null: the current one. */
  deleteMaterial(call: KeyCall, keyMaterialId: string | null): Reply<MaterialChange, WrongState | WrongOrigin>
  scheduleDeletion(call: KeyCall, windowDays: number): Reply<KeySnapshot, WrongState>
  cancelDeletion(call: KeyCall): Reply<KeySnapshot, WrongState>
  /** Answers the grant: the one of the same name and content where there is one. `isDryRun`: all but the writing. */
  createGrant(
    call: KeyCall,
    grant: NewGrant,
    isDryRun: boolean,
  ): Reply<GrantChange, DisabledOrWrongState | DryRun | 'LimitExceededException'>
  listGrants(call: KeyCall, page: GrantPage): Reply<readonly Grant[], 'InvalidGrantIdException'>
  /** By whoever the grant, or the account of the key, lets retire it. */
  retireGrant(call: KeyCall, grantId: string, isDryRun: boolean): Reply<KeySnapshot, DryRun>
  revokeGrant(call: KeyCall, grantId: string, isDryRun: boolean): Reply<KeySnapshot, DryRun>
  /**
   * May an alias point here? Answers once the key's row is in the index, so that the alias can be written on the
   * condition that the row is there.
   */
  acceptAlias(call: KeyCall, operation: 'CreateAlias' | 'UpdateAlias'): Reply<KeyRecord, WrongState>
  /**
   * Makes a replica in another Region. The caller needs kms:ReplicateKey here, and there what creating a key needs. Once
   * it has answered the replica will be, whatever happens.
   */
  replicate(call: KeyCall, replica: ReplicaWanted): Reply<Replication, DisabledOrWrongState | NotReplicable>
  /** Hands over to the replica in the Region of `onReplica`, which is the same call as that replica is to judge it. */
  updatePrimaryRegion(
    call: KeyCall,
    onReplica: KeyCall,
  ): Reply<KeySnapshot, DisabledOrWrongState | 'NotFoundException' | WrongOrigin>
  /** May the caller make this replica the primary, and is it fit to be? */
  acceptPrimary(call: KeyCall): Reply<KeyRecord, DisabledOrWrongState>
  /**
   * From the primary to a replica: everything that they share, with the material sealed for this Region. What is older
   * than what is known here changes nothing. `making`: the replica is made, unless it was already. For services alone.
   */
  synchronise(call: Call, shared: SharedKey, making: NewReplica | null): Reply<Synchronised>
  /** From the primary to the replica that is to be it, with all other Regions. For services alone. */
  takeOver(call: Call, shared: SharedKey, replicas: readonly ReplicaStanding[]): Reply<SharedStanding>
  /**
   * From a replica that is gone, holds other imported material, or was restored by an operator, to its primary, which then
   * asks it what it holds.
   * Answers the primary's Region: where it is another, that one is to be told. For services alone.
   */
  lookAgain(call: Call, region: string): Reply<string>
  /** Does whatever is due at `call.time`: rotates, deletes, lets imported material expire, or nothing. For this deployment's services alone. */
  settle(call: Call): Reply<Settlement>
  /** Which versions of the root key open this key's material, of all its versions. For services alone. */
  rootVersions(call: Call): Reply<RootUse>
  /** Seals some of what another version of the root key has sealed under the current one, in one transaction. For services alone. */
  rewrap(call: Call): Reply<Rewrapping>
  /**
   * Tells the index of the key again, and of a page of the grants that somebody may retire: of those that it has, and of
   * those that the index alone has. Answers the place behind which there are more of them, or null. For services alone.
   */
  republish(call: Call, after: string): Reply<string | null>
}

export interface NewPolicy {
  readonly policy: string
  readonly policyPrincipalIds: Readonly<Record<string, string>>
  /** False: the caller gives up the check that keeps the key manageable. */
  readonly isLockoutChecked: boolean
}

export interface GrantChange {
  readonly grantId: string
  readonly snapshot: KeySnapshot
}

export interface WantedParameters {
  readonly algorithm: WrappingAlgorithm
  readonly spec: WrappingKeySpec
}

export interface ImportParameters {
  readonly importToken: Uint8Array<ArrayBuffer>
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array<ArrayBuffer>
  /** Lifecycle time. */
  readonly expiresAt: number
  readonly snapshot: KeySnapshot
}

/** What ImportKeyMaterial brings. Null: the request does not say. */
export interface NewMaterial {
  readonly importToken: Uint8Array<ArrayBuffer>
  readonly encrypted: Uint8Array<ArrayBuffer>
  /** Lifecycle time; null: it does not expire. */
  readonly expiresAt: number | null
  readonly importType: 'EXISTING_KEY_MATERIAL' | 'NEW_KEY_MATERIAL' | null
  readonly description: string | null
  readonly keyMaterialId: string | null
}

export interface MaterialChange {
  /** Null: there was none to delete. */
  readonly keyMaterialId: string | null
  readonly snapshot: KeySnapshot
}

export interface RotationPage {
  /** The sequence to start behind; 0: from the first. */
  readonly after: number
  readonly limit: number
  /** With the material the key was created with, which no rotation made. */
  readonly isWithFirst: boolean
}

export type Settlement = 'rotated' | 'deleted' | 'expired' | 'nothing'

export type ReadOperation =
  | 'DeleteAlias'
  | 'DescribeKey'
  | 'GetKeyLastUsage'
  | 'GetKeyPolicy'
  | 'GetKeyRotationStatus'
  | 'ListKeyPolicies'
  | 'ListKeyRotations'
  | 'ListResourceTags'
  | 'UpdateAlias'
