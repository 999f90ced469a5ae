import { concat, fromHex, toHex, utf8 } from '../model/bytes.ts'
import { type EncryptionContext, withCanonicalContext } from './encryption-context.ts'

// Reading it from `crypto` is a call into the runtime each time.
const { subtle } = crypto

/*
 * The ciphertext blob, version 1. docs/ciphertext.md is normative; the offsets below are its table.
 *   version 1 ‖ suite 1 ‖ keyId 16 ‖ versionId 16 ‖ salt 32 ‖ commitment 32 ‖ ciphertext ‖ tag 16
 */
const formatVersion = 1
const suite = 1
const multiRegionBit = 0x80
const versionIdAt = 18
const saltAt = 34
const commitmentAt = 66
const headerBytes = 98
const tagBytes = 16

const messageLabel = utf8('edge-kms/v1/message')
const materialIdLabel = utf8('edge-kms/v1/key-material-id')
const publicKeyMaterialIdLabel = utf8('edge-kms/v1/public-key-material-id')
// A key seals exactly one message, so the nonce has nothing to tell apart.
const nonce = new Uint8Array(12)

/** One version of a key's material, opened, with what every message under it begins with. */
export interface OpenMaterial {
  readonly keyMaterialId: string
  readonly material: CryptoKey
  /** The first 34 bytes of its headers. */
  readonly headerPrefix: Uint8Array<ArrayBuffer>
  /** The label of the derivation, and `headerPrefix`. */
  readonly infoPrefix: Uint8Array<ArrayBuffer>
}

export interface CiphertextHeader {
  readonly keyId: string
  /** 32 hex digits: the first half of the KeyMaterialId. */
  readonly versionId: string
}

export function versionIdOf(keyMaterialId: string): string {
  return keyMaterialId.slice(0, 32)
}

/** KeyMaterialId as KMS shows it: 64 hex digits that name this material under this key id, in every Region. */
export function keyMaterialIdOf(keyId: string, material: CryptoKey): Promise<string> {
  return idOf(materialIdLabel, keyId, material)
}

/** The same of a pair, which its public key names: SubjectPublicKeyInfo. */
export async function publicKeyMaterialIdOf(keyId: string, spki: Uint8Array<ArrayBuffer>): Promise<string> {
  const publicKey = await subtle.importKey('raw', spki, 'HKDF', false, ['deriveBits'])
  return idOf(publicKeyMaterialIdLabel, keyId, publicKey)
}

async function idOf(label: Uint8Array, keyId: string, material: CryptoKey): Promise<string> {
  const info = concat([label, keyPrefix(keyId)])
  const bits = await subtle.deriveBits(hkdf(new Uint8Array(0), info), material, 256)
  return toHex(new Uint8Array(bits))
}

/** What `encrypt` and `decrypt` need of a version: the material must open into a key that derives bits. */
export function openedMaterial(keyId: string, keyMaterialId: string, material: CryptoKey): OpenMaterial {
  const versionId = fromHex(versionIdOf(keyMaterialId))
  if (versionId?.length !== 16) throw new Error('A KeyMaterialId is 64 hex digits')
  const headerPrefix = concat([keyPrefix(keyId), versionId])
  return { keyMaterialId, material, headerPrefix, infoPrefix: concat([messageLabel, headerPrefix]) }
}

/** Null: not a version 1 blob, or too short to be one. */
export function parseHeader(blob: Uint8Array): CiphertextHeader | null {
  if (blob.length <= headerBytes + tagBytes || blob[0] !== formatVersion) return null
  const suiteByte = blob[1] as number
  if ((suiteByte & ~multiRegionBit) !== suite) return null
  const hex = toHex(blob.subarray(2, versionIdAt))
  const keyId = (suiteByte & multiRegionBit) !== 0 ? `mrk-${hex}` : uuid(hex)
  return { keyId, versionId: toHex(blob.subarray(versionIdAt, saltAt)) }
}

export async function encrypt(
  version: OpenMaterial,
  plaintext: Uint8Array<ArrayBuffer>,
  context: EncryptionContext | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const blob = new Uint8Array(headerBytes + plaintext.length + tagBytes)
  blob.set(version.headerPrefix)
  const salt = crypto.getRandomValues(blob.subarray(saltAt, commitmentAt))
  const derived = new Uint8Array(await deriveMessage(version, salt, context))
  blob.set(derived.subarray(32), commitmentAt)
  const key = await subtle.importKey('raw', derived.subarray(0, 32), 'AES-GCM', false, ['encrypt'])
  const additionalData = blob.subarray(0, headerBytes)
  const body = await subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData }, key, plaintext)
  blob.set(new Uint8Array(body), headerBytes)
  return blob
}

/** Null: the blob, the context or the material is not the one it was made with. Which of them is not told. */
export async function decrypt(
  version: OpenMaterial,
  blob: Uint8Array<ArrayBuffer>,
  context: EncryptionContext | undefined,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const derived = new Uint8Array(await deriveMessage(version, blob.subarray(saltAt, commitmentAt), context))
  const isCommitted = subtle.timingSafeEqual(derived.subarray(32), blob.subarray(commitmentAt, headerBytes))
  if (!isCommitted) return null
  const key = await subtle.importKey('raw', derived.subarray(0, 32), 'AES-GCM', false, ['decrypt'])
  const additionalData = blob.subarray(0, headerBytes)
  try {
    const body = blob.subarray(headerBytes)
    return new Uint8Array(await subtle.decrypt({ name: 'AES-GCM', iv: nonce, additionalData }, key, body))
  } catch {
    return null
  }
}

/** Message key 32 ‖ commitment 32. The context enters here, and so reaches both. */
function deriveMessage(
  { material, infoPrefix }: OpenMaterial,
  salt: Uint8Array<ArrayBuffer>,
  context: EncryptionContext | undefined,
): Promise<ArrayBuffer> {
  return subtle.deriveBits(hkdf(salt, withCanonicalContext(infoPrefix, context)), material, 512)
}

function hkdf(salt: Uint8Array<ArrayBuffer>, info: Uint8Array<ArrayBuffer>) {
  return { name: 'HKDF', hash: 'SHA-512', salt, info }
}

/** Header bytes 0 to 17. */
function keyPrefix(keyId: string): Uint8Array<ArrayBuffer> {
  const isMultiRegion = keyId.startsWith('mrk-')
  const id = fromHex(isMultiRegion ? keyId.slice(4) : keyId.replaceAll('-', ''))
  if (id?.length !== 16) throw new Error('A key id has 32 hex digits')
  return concat([Uint8Array.of(formatVersion, isMultiRegion ? suite | multiRegionBit : suite), id])
}

function uuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
