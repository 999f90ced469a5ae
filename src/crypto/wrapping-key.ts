import { keyArn } from '../model/arn.ts'
import { utf8 } from '../model/bytes.ts'
import type { RootKeys } from './root-keys.ts'
import { type KeyBinding, openPrivateKey, type SealedKey, sealPrivateKey } from './sealed-key.ts'

const algorithms = {
  RSAES_OAEP_SHA_1: { hash: 'SHA-1', isDirect: true },
  RSAES_OAEP_SHA_256: { hash: 'SHA-256', isDirect: true },
  RSA_AES_KEY_WRAP_SHA_1: { hash: 'SHA-1', isDirect: false },
  RSA_AES_KEY_WRAP_SHA_256: { hash: 'SHA-256', isDirect: false },
} as const

const modulusBytes = { RSA_2048: 256, RSA_3072: 384, RSA_4096: 512 } as const

/** KMS's, but for those of China's Regions and RSAES_PKCS1_V1_5, which it stopped taking on 2023-10-10. */
export type WrappingAlgorithm = keyof typeof algorithms
export type WrappingKeySpec = keyof typeof modulusBytes

export function isWrappingAlgorithm(text: string): text is WrappingAlgorithm {
  return Object.hasOwn(algorithms, text)
}

export function isWrappingKeySpec(text: string): text is WrappingKeySpec {
  return Object.hasOwn(modulusBytes, text)
}

/** True: RSA encrypts the material itself, which has to be short enough. */
export function isDirect(algorithm: WrappingAlgorithm): boolean {
  return algorithms[algorithm].isDirect
}

/** Everything a wrapping key is bound to. A row that is moved to another of any of these does not open. */
export interface WrappingKeyIdentity {
  readonly region: string
  readonly account: string
  readonly keyId: string
  readonly wrappingKeyId: string
  readonly algorithm: WrappingAlgorithm
  readonly spec: WrappingKeySpec
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array<ArrayBuffer>
}

/** A key pair for one import: the private half sealed. Plain data. */
export interface StoredWrappingKey extends WrappingKeyIdentity, SealedKey {}

/** As the key that it is for keeps it. */
export type WrappingKey = Omit<StoredWrappingKey, 'region' | 'account' | 'keyId'>

/** A key pair under which one import travels. The private half is wrapped by WebCrypto and never visible here. */
export async function generateWrappingKey(
  roots: RootKeys,
  identity: Omit<WrappingKeyIdentity, 'publicKey'>,
): Promise<WrappingKey> {
  const { wrappingKeyId, algorithm, spec } = identity
  const made = {
    ...oaep(algorithm),
    modulusLength: modulusBytes[spec] * 8,
    publicExponent: Uint8Array.of(1, 0, 1),
  }
  const pair = (await crypto.subtle.generateKey(made, true, ['encrypt', 'decrypt'])) as CryptoKeyPair
  const publicKey = new Uint8Array((await crypto.subtle.exportKey('spki', pair.publicKey)) as ArrayBuffer)
  const sealed = await sealPrivateKey(roots, bindingOf({ ...identity, publicKey }), pair.privateKey)
  return { wrappingKeyId, algorithm, spec, publicKey, ...sealed }
}

/**
 * The material that was encrypted under the public half, which the caller erases. Null: it was not, in this way; what is
 * wrong with it is not told. Throws where the wrapping key itself does not open.
 */
export async function unwrapMaterial(
  roots: RootKeys,
  wrappingKey: StoredWrappingKey,
  encrypted: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const { algorithm, spec } = wrappingKey
  const opening = { ...decrypting(algorithm), isExtractable: false }
  const key = await openPrivateKey(roots, bindingOf(wrappingKey), wrappingKey, opening)
  const rsaBytes = algorithms[algorithm].isDirect ? encrypted.length : modulusBytes[spec]
  try {
    const opened = new Uint8Array(await crypto.subtle.decrypt('RSA-OAEP', key, encrypted.subarray(0, rsaBytes)))
    return algorithms[algorithm].isDirect ? opened : await unwrapUnder(opened, encrypted.subarray(rsaBytes))
  } catch {
    return null
  }
}

/** The same key under the root key's current version. Throws as `openPrivateKey` does. */
export async function rewrapWrappingKey(roots: RootKeys, wrappingKey: StoredWrappingKey): Promise<SealedKey> {
  const binding = bindingOf(wrappingKey)
  const opening = { ...decrypting(wrappingKey.algorithm), isExtractable: true }
  return sealPrivateKey(roots, binding, await openPrivateKey(roots, binding, wrappingKey, opening))
}

/** CKM_RSA_AES_KEY_WRAP's second half: AES-256 key wrap with padding (RFC 5649), which WebCrypto lacks. Erases the key. */
async function unwrapUnder(aesKey: Uint8Array<ArrayBuffer>, wrapped: Uint8Array<ArrayBuffer>) {
  try {
    if (aesKey.length !== 32) throw new Error('The key between is AES-256')
    const { aeskwp } = await import('./noble-ciphers.ts')
    return aeskwp(aesKey).decrypt(wrapped) as Uint8Array<ArrayBuffer>
  } finally {
    aesKey.fill(0)
  }
}

function oaep(algorithm: WrappingAlgorithm) {
  return { name: 'RSA-OAEP', hash: algorithms[algorithm].hash }
}

function decrypting(algorithm: WrappingAlgorithm) {
  return { algorithm: oaep(algorithm), usages: ['decrypt'] }
}

function bindingOf(identity: WrappingKeyIdentity): KeyBinding {
  const { region, account, keyId, wrappingKeyId, algorithm, spec, publicKey } = identity
  const texts = [keyArn(region, account, keyId), wrappingKeyId, algorithm, spec, 'import-key'].map(utf8)
  return { label: 'edge-kms/import-key', scope: [account, region, keyId], bound: [...texts, publicKey] }
}
