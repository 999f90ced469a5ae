import { keyArn } from '../model/arn.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { keySpecRow } from '../model/key-specs.ts'
import { dayMs } from '../model/limits.ts'
import { type KeyRecord, type KeyState, multiRegionKeyType } from './key.ts'

/*
 * Which operation a key allows in which state, and what it answers where it does not: AWS KMS's "Key states of KMS
 * keys" as one table. Columns in the order of `states`.
 */
const states = [
  'Enabled',
  'Disabled',
  'PendingDeletion',
  'PendingReplicaDeletion',
  'PendingImport',
  'Unavailable',
  'Creating',
  'Updating',
] as const satisfies readonly KeyState[]

type Verdict = keyof typeof answers
type Row = readonly [Verdict, Verdict, Verdict, Verdict, Verdict, Verdict, Verdict, Verdict]

const answers = {
  ok: null,
  disabled: ['DisabledException', 'is disabled.'],
  deleting: ['KMSInvalidStateException', 'is pending deletion.'],
  deletingReplica: ['KMSInvalidStateException', 'is pending replica deletion.'],
  notDeleting: ['KMSInvalidStateException', 'is not pending deletion.'],
  /** Only a key that waits for an import is PendingImport. */
  external: ['UnsupportedOperationException', 'origin is EXTERNAL which is not valid for this operation.'],
  importing: ['KMSInvalidStateException', 'is pending import.'],
  unavailable: ['KMSInvalidStateException', 'is unavailable.'],
  creating: ['KMSInvalidStateException', 'is creating.'],
  updating: ['KMSInvalidStateException', 'is updating.'],
} as const

/** A row for each way in which operations look at the state. */
const rows = {
  anyState: ['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'],
  publicKey: ['ok', 'ok', 'deleting', 'deletingReplica', 'importing', 'unavailable', 'creating', 'ok'],
  use: ['ok', 'disabled', 'deleting', 'deletingReplica', 'importing', 'unavailable', 'creating', 'ok'],
  grant: ['ok', 'disabled', 'deleting', 'deletingReplica', 'importing', 'ok', 'creating', 'ok'],
  describeOrName: ['ok', 'ok', 'deleting', 'deletingReplica', 'ok', 'ok', 'ok', 'ok'],
  toggle: ['ok', 'ok', 'deleting', 'deletingReplica', 'importing', 'ok', 'creating', 'updating'],
  changeRotation: ['ok', 'disabled', 'deleting', 'deletingReplica', 'external', 'ok', 'creating', 'ok'],
  rotationStatus: ['ok', 'ok', 'ok', 'ok', 'external', 'ok', 'ok', 'ok'],
  rotateNow: ['ok', 'disabled', 'deleting', 'deletingReplica', 'importing', 'ok', 'creating', 'updating'],
  replicate: ['ok', 'disabled', 'deleting', 'deletingReplica', 'importing', 'unavailable', 'creating', 'updating'],
  movePrimary: ['ok', 'disabled', 'deleting', 'deletingReplica', 'importing', 'unavailable', 'creating', 'ok'],
  schedule: ['ok', 'ok', 'deleting', 'deletingReplica', 'ok', 'ok', 'ok', 'updating'],
  cancel: ['notDeleting', 'notDeleting', 'ok', 'ok', 'notDeleting', 'notDeleting', 'notDeleting', 'notDeleting'],
} as const satisfies Record<string, Row>

const table = {
  CancelKeyDeletion: rows.cancel,
  CreateAlias: rows.describeOrName,
  CreateGrant: rows.grant,
  Decapsulate: rows.use,
  Decrypt: rows.use,
  DeleteAlias: rows.anyState,
  DeriveSharedSecret: rows.use,
  DescribeKey: rows.anyState,
  DisableKey: rows.toggle,
  DisableKeyRotation: rows.changeRotation,
  EnableKey: rows.toggle,
  EnableKeyRotation: rows.changeRotation,
  Encapsulate: rows.use,
  Encrypt: rows.use,
  GenerateDataKey: rows.use,
  GenerateDataKeyPair: rows.use,
  GenerateDataKeyPairWithoutPlaintext: rows.use,
  GenerateDataKeyWithoutPlaintext: rows.use,
  GenerateMac: rows.use,
  GetKeyPolicy: rows.anyState,
  GetKeyRotationStatus: rows.rotationStatus,
  // AWS's own table says that a disabled key refuses it; AWS does not.
  GetPublicKey: rows.publicKey,
  ListGrants: rows.anyState,
  ListKeyPolicies: rows.anyState,
  ListKeyRotations: rows.anyState,
  ListResourceTags: rows.anyState,
  PutKeyPolicy: rows.anyState,
  ReEncrypt: rows.use,
  ReplicateKey: rows.replicate,
  RetireGrant: rows.anyState,
  RevokeGrant: rows.anyState,
  RotateKeyOnDemand: rows.rotateNow,
  ScheduleKeyDeletion: rows.schedule,
  Sign: rows.use,
  TagResource: rows.describeOrName,
  UntagResource: rows.describeOrName,
  UpdateAlias: rows.describeOrName,
  UpdateKeyDescription: rows.describeOrName,
  UpdatePrimaryRegion: rows.movePrimary,
  Verify: rows.use,
  VerifyMac: rows.use,
} as const satisfies Record<string, Row>

export type StatefulOperation = keyof typeof table

type AnswerOf<Operation extends StatefulOperation> = NonNullable<(typeof answers)[(typeof table)[Operation][number]]>

/** What only a key that can have another material than its first is asked for. */
const rotationOperations = [
  'DisableKeyRotation',
  'EnableKeyRotation',
  'GetKeyRotationStatus',
  'ListKeyRotations',
  'RotateKeyOnDemand',
] as const satisfies readonly StatefulOperation[]

type KindRefusal<Operation> = Operation extends (typeof rotationOperations)[number]
  ? Refusal<'UnsupportedOperationException'>
  : never

/** Null: the key's kind and its state allow the operation. */
export function stateRefusal<const Operation extends StatefulOperation>(
  { state, region, account, keyId, spec }: KeyRecord,
  operation: Operation,
): Refusal<AnswerOf<Operation>[0]> | KindRefusal<Operation> | null {
  const isAboutRotation = (rotationOperations as readonly string[]).includes(operation)
  if (isAboutRotation && !keySpecRow(spec).canRotate) {
    return refuse('UnsupportedOperationException', null, `${spec} keys do not rotate`) as KindRefusal<Operation>
  }
  const answer = answers[table[operation][states.indexOf(state)] as Verdict]
  if (answer === null) return null
  const [name, text] = answer
  return refuse(name as AnswerOf<Operation>[0], `${keyArn(region, account, keyId)} ${text}`)
}

export interface Due {
  readonly work: 'delete' | 'expire' | 'rotate'
  readonly at: number
}

/**
 * What falls due on a key by itself, and when; null: nothing. A key that is not enabled is not rotated, and a replica by
 * its primary alone. Imported material expires whatever the state.
 */
export function nextDue(record: KeyRecord): Due | null {
  const { state, deletion, rotation, rotating, materialExpiresAt } = record
  const dues: Due[] = []
  if (state === 'PendingDeletion' && typeof deletion?.at === 'number') dues.push({ work: 'delete', at: deletion.at })
  if (materialExpiresAt !== null) dues.push({ work: 'expire', at: materialExpiresAt })
  const isRotatedHere = state === 'Enabled' && rotating === null && multiRegionKeyType(record) !== 'REPLICA'
  if (isRotatedHere && rotation !== null) dues.push({ work: 'rotate', at: rotation.nextAt })
  return dues.length === 0 ? null : dues.reduce((first, due) => (due.at < first.at ? due : first))
}

/** The state of a key whose material has expired: it waits for an import, unless it waits for its end. */
export function stateWithoutMaterial(state: KeyState): KeyState {
  return state === 'PendingDeletion' || state === 'PendingReplicaDeletion' ? state : 'PendingImport'
}

/** The first date of the schedule after `time`: a sweep that comes late does not move the schedule. */
export function rotationAfter({ periodDays, nextAt }: NonNullable<KeyRecord['rotation']>, time: number): number {
  const periodMs = periodDays * dayMs
  const missed = Math.floor((time - nextAt) / periodMs)
  return nextAt + (missed + 1) * periodMs
}
