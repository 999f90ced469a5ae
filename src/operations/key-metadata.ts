import { type KeyRecord, multiRegionKeyType } from '../key/key.ts'
import { keyArn } from '../model/arn.ts'
import { algorithmsOf, type KeyUsage, keySpecRow } from '../model/key-specs.ts'

export function arnOf({ region, account, keyId }: KeyRecord): string {
  return keyArn(region, account, keyId)
}

/** KMS's KeyMetadata structure. */
export function keyMetadata(record: KeyRecord) {
  return {
    AWSAccountId: record.account,
    KeyId: record.keyId,
    Arn: arnOf(record),
    CreationDate: new Date(record.createdAt),
    Enabled: record.state === 'Enabled',
    Description: record.description,
    KeyUsage: record.usage,
    KeyState: record.state,
    ...deletionDate(record),
    ...(record.state === 'PendingReplicaDeletion' && record.deletion !== null
      ? { PendingDeletionWindowInDays: record.deletion.windowDays }
      : {}),
    ...expiration(record),
    Origin: record.origin,
    KeyManager: record.manager,
    CustomerMasterKeySpec: record.spec,
    KeySpec: record.spec,
    ...algorithmMembers(record),
    MultiRegion: record.multiRegion !== null,
    ...multiRegionConfiguration(record),
    ...currentMaterial(record),
  }
}

/** Of keys that may have several materials. */
function currentMaterial({ spec, currentMaterialId }: KeyRecord) {
  return currentMaterialId === null || !keySpecRow(spec).canRotate ? {} : { CurrentKeyMaterialId: currentMaterialId }
}

/** Of imported material, while it is all there. */
function expiration({ origin, state, currentMaterialId, materialExpiresAt }: KeyRecord) {
  if (origin !== 'EXTERNAL' || state === 'PendingImport' || currentMaterialId === null) return {}
  if (materialExpiresAt === null) return { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' }
  return { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo: new Date(materialExpiresAt) }
}

/** A primary that waits for the end of its replicas has no date yet. */
export function deletionDate({ deletion }: KeyRecord) {
  return typeof deletion?.at === 'number' ? { DeletionDate: new Date(deletion.at) } : {}
}

function multiRegionConfiguration(record: KeyRecord) {
  const { multiRegion, account, keyId } = record
  if (multiRegion === null) return {}
  const named = (region: string) => ({ Arn: keyArn(region, account, keyId), Region: region })
  return {
    MultiRegionConfiguration: {
      MultiRegionKeyType: multiRegionKeyType(record),
      PrimaryKey: named(multiRegion.primaryRegion),
      ReplicaKeys: multiRegion.replicaRegions.map(named),
    },
  }
}

const algorithmsMember: Record<KeyUsage, string> = {
  ENCRYPT_DECRYPT: 'EncryptionAlgorithms',
  SIGN_VERIFY: 'SigningAlgorithms',
  GENERATE_VERIFY_MAC: 'MacAlgorithms',
  KEY_AGREEMENT: 'KeyAgreementAlgorithms',
  ENCAPSULATE_DECAPSULATE: 'EncapsulationAlgorithms',
}

/** What the key can do, under the name that its usage gives it. */
export function algorithmMembers({ spec, usage }: KeyRecord) {
  return { [algorithmsMember[usage]]: algorithmsOf(spec, usage) }
}
