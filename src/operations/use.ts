import type { OpenMaterial } from '../crypto/ciphertext.ts'
import type { OpenPrivate } from '../crypto/open-private.ts'
import type { OpenKey } from '../key/directory.ts'
import type { KeyRecord } from '../key/key.ts'
import { stateRefusal } from '../key/lifecycle.ts'
import { keyArn } from '../model/arn.ts'
import { refuse } from '../model/errors.ts'
import { algorithmsOf, type KeyUsage } from '../model/key-specs.ts'

/** What a key has to be for, by what is done with it. */
const usages = {
  Decapsulate: 'ENCAPSULATE_DECAPSULATE',
  Decrypt: 'ENCRYPT_DECRYPT',
  DeriveSharedSecret: 'KEY_AGREEMENT',
  Encapsulate: 'ENCAPSULATE_DECAPSULATE',
  Encrypt: 'ENCRYPT_DECRYPT',
  GenerateDataKey: 'ENCRYPT_DECRYPT',
  GenerateDataKeyPair: 'ENCRYPT_DECRYPT',
  GenerateDataKeyPairWithoutPlaintext: 'ENCRYPT_DECRYPT',
  GenerateDataKeyWithoutPlaintext: 'ENCRYPT_DECRYPT',
  GenerateMac: 'GENERATE_VERIFY_MAC',
  ReEncrypt: 'ENCRYPT_DECRYPT',
  Sign: 'SIGN_VERIFY',
  Verify: 'SIGN_VERIFY',
  VerifyMac: 'GENERATE_VERIFY_MAC',
} as const satisfies Record<string, KeyUsage>

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
export function useRefusal(record: KeyRecord, operation: keyof typeof usages, algorithm: string) {
  const refusal = stateRefusal(record, operation)
  if (refusal !== null) return refusal
  const { region, account, keyId, spec, usage } = record
  if (usage !== usages[operation]) {
    const text = `${keyArn(region, account, keyId)} key usage is ${usage} which is not valid for ${operation}.`
    return refuse('InvalidKeyUsageException', text)
  }
  if (algorithmsOf(spec, usage).includes(algorithm)) return null
  return refuse('InvalidKeyUsageException', `Algorithm ${algorithm} is incompatible with key spec ${spec}.`)
}

/** The current material of a symmetric key that may be used. */
export function symmetricOf({ record, current }: OpenKey): OpenMaterial {
  if (current === null || !('material' in current)) throw new Error(`${record.keyId} has no symmetric material`)
  return current
}

/** The material of a key of any other spec that may be used. */
export function privateOf({ record, current }: OpenKey): OpenPrivate {
  if (current === null || 'material' in current) throw new Error(`${record.keyId} has no private key`)
  return current
}

/** For now: no enclave can be answered. */
export function recipientRefusal(recipient: unknown) {
  if (recipient === undefined) return null
  return refuse('UnsupportedOperationException', 'Recipient is not supported: attested enclaves are not served.')
}

export function invalidCiphertext(reason: string) {
  return refuse('InvalidCiphertextException', null, reason)
}
