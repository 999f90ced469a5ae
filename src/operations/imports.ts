import { isWrappingAlgorithm, isWrappingKeySpec } from '../crypto/wrapping-key.ts'
import type { MaterialChange } from '../key/key.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { keySpecRow } from '../model/key-specs.ts'
import { dayMs, limits } from '../model/limits.ts'
import { optional, type Parsed, required, shape } from '../model/shapes.ts'
import { arnOf } from './key-metadata.ts'
import { keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import {
  AlgorithmSpec,
  BackingKeyIdType,
  CiphertextType,
  DateType,
  ExpirationModelType,
  ImportTypeType,
  KeyIdType,
  KeyMaterialDescriptionType,
  WrappingKeySpecType,
} from './types.ts'

const errors = [
  'InvalidArnException',
  'KMSInvalidStateException',
  'NotFoundException',
  'UnsupportedOperationException',
] as const

export const GetParametersForImport = operation({
  changes: 'key',
  input: shape({
    KeyId: required(KeyIdType),
    WrappingAlgorithm: required(AlgorithmSpec),
    WrappingKeySpec: required(WrappingKeySpecType),
  }),
  needs: { key: need('kms:GetParametersForImport', keyObjectNamed('KeyId')) },
  errors,
  async handle({ WrappingAlgorithm, WrappingKeySpec }, { wallTime }, { key }, { keys }) {
    if (!isWrappingAlgorithm(WrappingAlgorithm)) return unsupported(`WrappingAlgorithm ${WrappingAlgorithm}`)
    if (!isWrappingKeySpec(WrappingKeySpec)) return unsupported(`WrappingKeySpec ${WrappingKeySpec}`)
    const wanted = { algorithm: WrappingAlgorithm, spec: WrappingKeySpec }
    const parameters = await key.object.parametersForImport(key.call, wanted)
    if (isRefusal(parameters)) return parameters
    const { importToken, publicKey, expiresAt, snapshot } = parameters
    await keys.keep(snapshot, wallTime)
    return {
      KeyId: arnOf(snapshot.record),
      ImportToken: importToken,
      PublicKey: publicKey,
      ParametersValidTo: new Date(expiresAt),
    }
  },
})

const importMembers = {
  KeyId: required(KeyIdType),
  ImportToken: required(CiphertextType),
  EncryptedKeyMaterial: required(CiphertextType),
  ValidTo: optional(DateType),
  ExpirationModel: optional(ExpirationModelType),
  ImportType: optional(ImportTypeType),
  KeyMaterialDescription: optional(KeyMaterialDescriptionType),
  KeyMaterialId: optional(BackingKeyIdType),
} as const

export const ImportKeyMaterial = operation({
  changes: 'key',
  input: shape(importMembers),
  needs: { key: need('kms:ImportKeyMaterial', keyObjectNamed('KeyId')) },
  errors: [
    ...errors,
    'ExpiredImportTokenException',
    'IncorrectKeyMaterialException',
    'InvalidCiphertextException',
    'InvalidImportTokenException',
  ],
  async handle(input, { time, wallTime }, { key }, { keys }) {
    const expiresAt = expiryOf(input, time)
    if (isRefusal(expiresAt)) return expiresAt
    const { ImportToken, EncryptedKeyMaterial, ImportType, KeyMaterialDescription, KeyMaterialId } = input
    if (ImportType === 'NEW_KEY_MATERIAL' && KeyMaterialId !== undefined) {
      return refuse('ValidationException', 'KeyMaterialId cannot be specified when ImportType is NEW_KEY_MATERIAL.')
    }
    const imported = await key.object.importMaterial(key.call, {
      importToken: ImportToken,
      encrypted: EncryptedKeyMaterial,
      expiresAt,
      importType: ImportType ?? null,
      description: KeyMaterialDescription ?? null,
      keyMaterialId: KeyMaterialId ?? null,
    })
    if (isRefusal(imported)) return imported
    await keys.keep(imported.snapshot, wallTime)
    return answered(imported)
  },
})

export const DeleteImportedKeyMaterial = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType), KeyMaterialId: optional(BackingKeyIdType) }),
  needs: { key: need('kms:DeleteImportedKeyMaterial', keyObjectNamed('KeyId')) },
  errors,
  async handle({ KeyMaterialId }, { wallTime }, { key }, { keys }) {
    const deleted = await key.object.deleteMaterial(key.call, KeyMaterialId ?? null)
    if (isRefusal(deleted)) return deleted
    await keys.keep(deleted.snapshot, wallTime)
    return answered(deleted)
  },
})

/** Only symmetric keys, which may have several materials, have ids for them that are shown. */
function answered({ keyMaterialId, snapshot: { record } }: MaterialChange) {
  const isShown = keyMaterialId !== null && keySpecRow(record.spec).canRotate
  return { KeyId: arnOf(record), ...(isShown ? { KeyMaterialId: keyMaterialId } : null) }
}

/** Null: never. The default expires. */
function expiryOf({ ValidTo, ExpirationModel }: Parsed<typeof importMembers>, time: number) {
  if (ExpirationModel === 'KEY_MATERIAL_DOES_NOT_EXPIRE') {
    if (ValidTo === undefined) return null
    return refuse(
      'ValidationException',
      'A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE',
    )
  }
  if (ValidTo === undefined) {
    return refuse('ValidationException', 'A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES')
  }
  const at = ValidTo.getTime()
  if (at <= time) return refuse('ValidationException', 'ValidTo must be in the future')
  if (at <= time + limits.importedMaterialDaysMax * dayMs) return at
  return refuse('ValidationException', `ValidTo must be at most ${limits.importedMaterialDaysMax} days from now`)
}

function unsupported(what: string) {
  return refuse('UnsupportedOperationException', `${what} is not supported.`)
}
