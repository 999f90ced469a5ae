import { decrypt, encrypt } from '../crypto/ciphertext.ts'
import type { EncryptionContext } from '../crypto/encryption-context.ts'
import { decryptOaep, encryptOaep } from '../crypto/rsa-oaep.ts'
import type { OpenKey } from '../key/directory.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { type EncryptionAlgorithm, keySpecRow } from '../model/key-specs.ts'
import type { Decryptable } from './needs.ts'
import type { Services } from './operation.ts'
import { invalidCiphertext, privateOf, symmetricOf } from './use.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** Null: the algorithm takes this plaintext, or a plaintext that is not known yet, with this context. */
export function plaintextRefusal(
  { record: { spec } }: OpenKey,
  algorithm: EncryptionAlgorithm,
  plaintext: Bytes | null,
  context: EncryptionContext | undefined,
) {
  if (algorithm !== 'SYMMETRIC_DEFAULT' && context !== undefined) return contextRefusal(algorithm)
  const bytesMax = keySpecRow(spec).plaintextBytesMax[algorithm] ?? 0
  if (plaintext === null || plaintext.length <= bytesMax) return null
  const text = `Algorithm ${algorithm} and key spec ${spec} cannot encrypt data larger than ${bytesMax} bytes.`
  return refuse('ValidationException', text)
}

/** Of a key that may be used with the algorithm, and a plaintext that the algorithm takes. */
export function encryptUnder(
  key: OpenKey,
  algorithm: EncryptionAlgorithm,
  plaintext: Bytes,
  context: EncryptionContext | undefined,
): Promise<Bytes> {
  if (algorithm === 'SYMMETRIC_DEFAULT') return encrypt(symmetricOf(key), plaintext, context)
  return encryptOaep(privateOf(key), algorithm, plaintext)
}

interface Opened {
  readonly plaintext: Bytes
  /** Null: the key has but one material. */
  readonly keyMaterialId: string | null
}

/** Opens a ciphertext. Unknown version, other context and damage read the same outside. */
export async function openCiphertext(
  from: Decryptable,
  algorithm: EncryptionAlgorithm,
  blob: Bytes,
  context: EncryptionContext | undefined,
  call: Call,
  services: Services,
): Promise<Opened | Refusal<'InvalidCiphertextException' | 'ValidationException'> | Refusal<never>> {
  if (algorithm === 'SYMMETRIC_DEFAULT') return openBlob(from, blob, context, call, services)
  if (context !== undefined) return contextRefusal(algorithm)
  const plaintext = await decryptOaep(privateOf(from.key), algorithm, blob)
  return plaintext === null ? invalidCiphertext('the padding does not hold') : { plaintext, keyMaterialId: null }
}

async function openBlob(
  { key, versionId }: Decryptable,
  blob: Bytes,
  context: EncryptionContext | undefined,
  call: Call,
  services: Services,
) {
  const looking = services.keys.material(services.namespace, call, key, versionId ?? '')
  const material = looking instanceof Promise ? await looking : looking
  if (isRefusal(material)) return material as Refusal<never>
  if (material === null) return invalidCiphertext('the key has no such version')
  const plaintext = await decrypt(material, blob, context)
  if (plaintext === null) return invalidCiphertext('the commitment or the tag does not hold')
  return { plaintext, keyMaterialId: material.keyMaterialId }
}

/** To leave a context unbound that somebody asked for would be worse than to refuse it. */
function contextRefusal(algorithm: string) {
  return refuse('ValidationException', `EncryptionContext is not supported with EncryptionAlgorithm ${algorithm}.`)
}
