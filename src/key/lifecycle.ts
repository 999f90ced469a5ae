import { keyArn } from '../model/arn.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { keySpecRow } from '../model/key-specs.ts'
import { dayMs } from '../model/limits.ts'
import { type KeyOrigin, type KeyRecord, type KeyState, multiRegionKeyType } from './key.ts'

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
  import: ['ok', 'ok', 'deleting', 'deletingReplica', 'ok', 'unavailable', 'creating', 'ok'],
  prepareImport: ['ok', 'ok', 'deleting', 'deletingReplica', 'ok', 'unavailable', 'creating', 'updating'],
  deleteMaterial: ['ok', 'ok', 'ok', 'ok', 'ok', 'unavailable', 'creating', 'updating'],
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
  DeleteImportedKeyMaterial: rows.deleteMaterial,
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
  GetParametersForImport: rows.prepareImport,
  // AWS's own table says that a disabled key refuses it; AWS does not.
  GetPublicKey: rows.publicKey,
  ImportKeyMaterial: rows.import,
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

/** Operations on keys of one origin alone. */
const origins: { readonly [Operation in StatefulOperation]?: KeyOrigin } = {
  DeleteImportedKeyMaterial: 'EXTERNAL',
  DisableKeyRotation: 'AWS_KMS',
  EnableKeyRotation: 'AWS_KMS',
  GetKeyRotationStatus: 'AWS_KMS',
  GetParametersForImport: 'EXTERNAL',
  ImportKeyMaterial: 'EXTERNAL',
}

type AnswerOf<Operation extends StatefulOperation> = NonNullable<(typeof answers)[(typeof table)[Operation][number]]>

/** What only a key that can have another material than its first is asked for. */
const rotationOperations: ReadonlySet<StatefulOperation> = new Set([
  'DisableKeyRotation',
  'EnableKeyRotation',
  'GetKeyRotationStatus',
  'ListKeyRotations',
  'RotateKeyOnDemand',
])

/** Null: the key's kind, its origin and its state allow the operation. */
export function stateRefusal<const Operation extends StatefulOperation>(
  { state, origin, region, account, keyId, spec }: KeyRecord,
  operation: Operation,
): Refusal<AnswerOf<Operation>[0] | 'UnsupportedOperationException'> | null {
  if (rotationOperations.has(operation) && !keySpecRow(spec).canRotate) {
    return refuse('UnsupportedOperationException', null, `${spec} keys do not rotate`)
  }
  if ((origins[operation] ?? origin) !== origin) {
    const text = `${keyArn(region, account, keyId)} origin is ${origin} which is not valid for this operation.`
    return refuse('UnsupportedOperationException', text)
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
 * its primary alone. What was imported expires whatever the state, and so does what an import needs.
 */
export function nextDue(record: KeyRecord): Due | null {
  const { state, deletion, rotation, rotating, materialExpiresAt, leftoverExpiresAt } = record
  const dues: Due[] = []
  if (state === 'PendingDeletion' && typeof deletion?.at === 'number') dues.push({ work: 'delete', at: deletion.at })
  if (materialExpiresAt !== null) dues.push({ work: 'expire', at: materialExpiresAt })
  if (leftoverExpiresAt !== null) dues.push({ work: 'expire', at: leftoverExpiresAt })
  const isRotatedHere = state === 'Enabled' && rotating === null && multiRegionKeyType(record) !== 'REPLICA'
  if (isRotatedHere && rotation !== null) dues.push({ work: 'rotate', at: rotation.nextAt })
  return dues.length === 0 ? null : dues.reduce((first, due) => (due.at < first.at ? due : first))
}

/** The state of a key whose material has expired: it waits for an import, unless it waits for its end. */
export function stateWithoutMaterial(state: KeyState): KeyState {
  return state === 'PendingDeletion' || state === 'PendingReplicaDeletion' ? state : 'PendingImport'
}

/** The key as it is at `time`: material that has come to its date is not used, whether or not a sweep has been here. */
export function recordAt(record: KeyRecord, time: number): KeyRecord {
  const { materialExpiresAt, state } = record
  if (materialExpiresAt === null || materialExpiresAt > time) return record
  return { ...record, state: stateWithoutMaterial(state) }
}

/** The first date of the schedule after `time`: a sweep that comes late does not move the schedule. */
export function rotationAfter({ periodDays, nextAt }: NonNullable<KeyRecord['rotation']>, time: number): number {
  const periodMs = periodDays * dayMs
  const missed = Math.floor((time - nextAt) / periodMs)
  return nextAt + (missed + 1) * periodMs
}
