import type { KeyRecord, KeyRotation, MultiRegion } from '../key/key.ts'
import { stateRefusal } from '../key/lifecycle.ts'
import { isRefusal } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { changed, nothing } from './change.ts'
import { keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { page } from './page.ts'
import { IncludeKeyMaterial, KeyIdType, limitType, MarkerType, RotationPeriodInDaysType } from './types.ts'

const errors = [
  'DisabledException',
  'InvalidArnException',
  'KMSInvalidStateException',
  'NotFoundException',
  'UnsupportedOperationException',
] as const

export const EnableKeyRotation = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType), RotationPeriodInDays: optional(RotationPeriodInDaysType) }),
  needs: { key: need('kms:EnableKeyRotation', keyObjectNamed('KeyId')) },
  errors,
  async handle({ RotationPeriodInDays }, call, { key }, services) {
    return changed(
      key.object.enableRotation(key.call, RotationPeriodInDays ?? limits.rotationPeriodDaysDefault),
      call,
      services,
      nothing,
    )
  },
})

export const DisableKeyRotation = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType) }),
  needs: { key: need('kms:DisableKeyRotation', keyObjectNamed('KeyId')) },
  errors,
  async handle(_input, call, { key }, services) {
    return changed(key.object.disableRotation(key.call), call, services, nothing)
  },
})

export const GetKeyRotationStatus = operation({
  input: shape({ KeyId: required(KeyIdType) }),
  needs: { key: need('kms:GetKeyRotationStatus', keyObjectNamed('KeyId')) },
  errors: ['InvalidArnException', 'KMSInvalidStateException', 'NotFoundException', 'UnsupportedOperationException'],
  async handle(_input, _call, { key }) {
    const record = await key.object.describe(key.call, 'GetKeyRotationStatus')
    if (isRefusal(record)) return record
    const refusal = stateRefusal(record, 'GetKeyRotationStatus')
    if (refusal !== null) return refusal
    const { keyId, rotation, rotating, state } = record
    const underWay = rotating?.type === 'ON_DEMAND' ? { OnDemandRotationStartDate: new Date(rotating.startedAt) } : {}
    // Off while deletion is pending; the schedule is still there for a cancellation.
    const isDeleting = state === 'PendingDeletion' || state === 'PendingReplicaDeletion'
    if (rotation === null || isDeleting) return { KeyId: keyId, KeyRotationEnabled: false, ...underWay }
    return {
      KeyId: keyId,
      ...underWay,
      KeyRotationEnabled: true,
      RotationPeriodInDays: rotation.periodDays,
      NextRotationDate: new Date(rotation.nextAt),
    }
  },
})

export const RotateKeyOnDemand = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType) }),
  needs: { key: need('kms:RotateKeyOnDemand', keyObjectNamed('KeyId')) },
  errors: [...errors, 'ConflictException', 'LimitExceededException'],
  async handle(_input, call, { key }, services) {
    return changed(key.object.rotateOnDemand(key.call), call, services, (record) => ({ KeyId: record.keyId }))
  },
})

export const ListKeyRotations = operation({
  input: shape({
    KeyId: required(KeyIdType),
    IncludeKeyMaterial: optional(IncludeKeyMaterial),
    Limit: optional(limitType(1000)),
    Marker: optional(MarkerType),
  }),
  needs: { key: need('kms:ListKeyRotations', keyObjectNamed('KeyId')) },
  errors: [
    'InvalidArnException',
    'InvalidMarkerException',
    'KMSInvalidStateException',
    'NotFoundException',
    'UnsupportedOperationException',
  ],
  async handle(input, call, { key }, services) {
    const record = await key.object.describe(key.call, 'ListKeyRotations')
    if (isRefusal(record)) return record
    const refusal = stateRefusal(record, 'ListKeyRotations')
    if (refusal !== null) return refusal
    const include = input.IncludeKeyMaterial ?? 'ROTATIONS_ONLY'
    const rotations = await page(input, call, services, {
      query: ['ListKeyRotations', record.keyId, include],
      limitDefault: 100,
      fetch: (place, count) =>
        key.object.rotations(key.call, {
          after: Number(place),
          limit: count,
          isWithFirst: include === 'ALL_KEY_MATERIAL',
        }),
      placeOf: ({ sequence }) => String(sequence),
    })
    if (isRefusal(rotations)) return rotations
    const Rotations = rotations.items.map((rotation) => listEntry(record, rotation, call.time))
    return { Rotations, ...rotations.next }
  },
})

/** KMS's RotationsListEntry structure. */
function listEntry({ keyId, origin, multiRegion }: KeyRecord, material: KeyRotation, time: number) {
  const { keyMaterialId, isCurrent, isPending, rotation } = material
  return {
    KeyId: keyId,
    KeyMaterialId: keyMaterialId,
    ...(origin === 'EXTERNAL' ? imported(material, time) : null),
    KeyMaterialState: isPending ? pendingState(multiRegion) : isCurrent ? 'CURRENT' : 'NON_CURRENT',
    ...(rotation === null ? null : { RotationDate: new Date(rotation.at), RotationType: rotation.type }),
  }
}

function pendingState(multiRegion: MultiRegion | null) {
  return multiRegion?.pending?.isInEveryRegion === false
    ? 'PENDING_MULTI_REGION_IMPORT_AND_ROTATION'
    : 'PENDING_ROTATION'
}

function imported({ isPresent, expiresAt, description }: KeyRotation, time: number) {
  const described = description === null ? null : { KeyMaterialDescription: description }
  if (!isPresent || (expiresAt !== null && expiresAt <= time)) return { ...described, ImportState: 'PENDING_IMPORT' }
  const expiry =
    expiresAt === null
      ? { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' }
      : { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo: new Date(expiresAt) }
  return { ...described, ImportState: 'IMPORTED', ...expiry }
}
