import type { SealedVersion } from '../crypto/symmetric.ts'
import type { Call } from '../model/call.ts'
import type { CommonException, ExceptionName, Refusal } from '../model/errors.ts'
import type { KeySpec, KeyUsage } from '../model/key-specs.ts'

export type KeyState =
  | 'Creating'
  | 'Enabled'
  | 'Disabled'
  | 'PendingDeletion'
  | 'PendingReplicaDeletion'
  | 'PendingImport'
  | 'Unavailable'
  | 'Updating'

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
  readonly origin: 'AWS_KMS'
  readonly manager: 'CUSTOMER'
  readonly description: string
  /** As it was given. */
  readonly policy: string
  /** In the order of their keys. */
  readonly tags: readonly Tag[]
  readonly createdAt: number
  /** Written only by scheduleDeletion and cancelDeletion. */
  readonly deletion: { readonly at: number; readonly windowDays: number } | null
  /** Written only by enableRotation, disableRotation and a rotation that was due. */
  readonly rotation: { readonly periodDays: number; readonly nextAt: number } | null
  readonly onDemandRotations: number
  readonly currentMaterialId: string
}

/** A key as an isolate may remember it for a few seconds. */
export interface KeySnapshot {
  readonly record: KeyRecord
  readonly current: SealedVersion
}

export type RotationType = 'AUTOMATIC' | 'ON_DEMAND'

export interface KeyRotation {
  readonly keyMaterialId: string
  readonly isCurrent: boolean
  /** Null for the material the key was created with. */
  readonly rotation: { readonly at: number; readonly type: RotationType } | null
  /** Ascends with age; the place of a list marker. */
  readonly sequence: number
}

export interface NewKey {
  readonly keyId: string
  readonly spec: KeySpec
  readonly usage: KeyUsage
  readonly description: string
  readonly policy: string
  readonly tags: readonly Tag[]
}

type Reply<Value, Name extends ExceptionName = never> = Promise<
  Value | Refusal<CommonException | 'NotFoundException' | Name>
>
type WrongState = 'KMSInvalidStateException'
type DisabledOrWrongState = 'DisabledException' | WrongState
type WrongOrigin = 'UnsupportedOperationException'

/**
 * One key. Every method authorises the caller by the key's current state, in the same block as what it does.
 * A change answers with the snapshot after it; refusals are values. Methods are only ever added: an old object may be
 * called by a new Worker for minutes.
 */
export interface Key {
  /** Made whole or not at all. Repeating it with the same id and request is the same creation. */
  create(call: Call, key: NewKey): Reply<KeySnapshot>
  snapshot(call: Call): Reply<KeySnapshot>
  /** The version a ciphertext names, by 32 hex digits; null: this key never had it. */
  version(call: Call, versionId: string): Reply<SealedVersion | null>
  /** `operation` is the one it is read for, and authorised as. */
  describe(call: Call, operation: ReadOperation): Reply<KeyRecord>
  rotations(call: Call, page: RotationPage): Reply<KeyRotation[]>
  updateDescription(call: Call, description: string): Reply<KeySnapshot, WrongState>
  enable(call: Call): Reply<KeySnapshot, WrongState>
  disable(call: Call): Reply<KeySnapshot, WrongState>
  putPolicy(call: Call, policy: string): Reply<KeySnapshot>
  /** Adds tags, or gives present ones a new value. */
  tag(call: Call, tags: readonly Tag[]): Reply<KeySnapshot, WrongState | 'TagException'>
  untag(call: Call, tagKeys: readonly string[]): Reply<KeySnapshot, WrongState>
  enableRotation(call: Call, periodDays: number): Reply<KeySnapshot, DisabledOrWrongState | WrongOrigin>
  disableRotation(call: Call): Reply<KeySnapshot, DisabledOrWrongState | WrongOrigin>
  rotateOnDemand(call: Call): Reply<KeySnapshot, DisabledOrWrongState | 'LimitExceededException'>
  scheduleDeletion(call: Call, windowDays: number): Reply<KeySnapshot, WrongState>
  cancelDeletion(call: Call): Reply<KeySnapshot, WrongState>
  /**
   * May an alias point here? Answers once the key's row is in the index, so that the alias can be written on the
   * condition that the row is there.
   */
  acceptAlias(call: Call, operation: 'CreateAlias' | 'UpdateAlias'): Reply<KeyRecord, WrongState>
  /** Does whatever is due at `call.time`: rotates, deletes, or nothing. For this deployment's services alone. */
  settle(call: Call): Reply<Settlement>
}

export interface RotationPage {
  /** The sequence to start behind; 0: from the first. */
  readonly after: number
  readonly limit: number
  /** With the material the key was created with, which no rotation made. */
  readonly isWithFirst: boolean
}

export type Settlement = 'rotated' | 'deleted' | 'nothing'

export type ReadOperation =
  | 'DescribeKey'
  | 'GetKeyPolicy'
  | 'GetKeyRotationStatus'
  | 'ListAliases'
  | 'ListKeyPolicies'
  | 'ListKeyRotations'
  | 'ListResourceTags'
