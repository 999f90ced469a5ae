import { decrypt, type OpenMaterial } from '../crypto/ciphertext.ts'
import type { EncryptionContext } from '../crypto/encryption-context.ts'
import type { OpenKey } from '../key/directory.ts'
import type { KeyRecord } from '../key/key.ts'
import { stateRefusal } from '../key/lifecycle.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { type EncryptionAlgorithm, keySpecRow } from '../model/key-specs.ts'
import { arnOf } from './key-metadata.ts'
import type { Decryptable } from './needs.ts'
import type { Services } from './operation.ts'

type CryptoOperation = 'Decrypt' | 'Encrypt' | 'GenerateDataKey' | 'GenerateDataKeyWithoutPlaintext' | 'ReEncrypt'

/** What every use of a key may answer. */
export const useErrors = [
  'DisabledException',
  'DryRunOperationException',
  'InvalidGrantTokenException',
  'InvalidKeyUsageException',
  'KMSInvalidStateException',
  'NotFoundException',
] as const

/** Null: the key may do this now, with this algorithm. */
export function useRefusal(record: KeyRecord, operation: CryptoOperation, algorithm: string | undefined) {
  const refusal = stateRefusal(record, operation)
  if (refusal !== null) return refusal
  if (record.spec !== 'SYMMETRIC_DEFAULT') {
    const text = `${arnOf(record)} key usage is ${record.usage} which is not valid for ${operation}.`
    return refuse('InvalidKeyUsageException', text)
  }
  const { encryptionAlgorithms } = keySpecRow(record.spec)
  if (algorithm === undefined || encryptionAlgorithms.includes(algorithm as EncryptionAlgorithm)) return null
  return refuse('InvalidKeyUsageException', `Algorithm ${algorithm} is incompatible with key spec ${record.spec}.`)
}

/** The material of a key that its state lets be used. */
export function currentOf({ record, current }: OpenKey): OpenMaterial {
  if (current === null) throw new Error(`${record.keyId} is ${record.state} and has no material`)
  return current
}

/** For now: no enclave can be answered. */
export function recipientRefusal(recipient: unknown) {
  if (recipient === undefined) return null
  return refuse('UnsupportedOperationException', 'Recipient is not supported: attested enclaves are not served.')
}

interface Opened {
  readonly plaintext: Uint8Array<ArrayBuffer>
  readonly keyMaterialId: string
}

/** Opens a blob under the version it names. Unknown version, other context and damage read the same outside. */
export async function openCiphertext(
  { key, versionId }: Decryptable,
  blob: Uint8Array<ArrayBuffer>,
  context: EncryptionContext | undefined,
  call: Call,
  services: Services,
): Promise<Opened | Refusal<'InvalidCiphertextException'> | Refusal<never>> {
  const looking = services.keys.material(services.namespace, call, key, versionId ?? '')
  const material = looking instanceof Promise ? await looking : looking
  if (isRefusal(material)) return material as Refusal<never>
  if (material === null) return invalidCiphertext('the key has no such version')
  const plaintext = await decrypt(material, blob, context)
  if (plaintext === null) return invalidCiphertext('the commitment or the tag does not hold')
  return { plaintext, keyMaterialId: material.keyMaterialId }
}

function invalidCiphertext(reason: string) {
  return refuse('InvalidCiphertextException', null, reason)
}
