import { keyArn } from '../model/arn.ts'
import { concat, lengthPrefixed, utf8 } from '../model/bytes.ts'
import type { RootKeys } from './root-keys.ts'

/** Everything a sealed row is bound to. A row that is moved to another of any of these does not open. */
export interface MaterialIdentity {
  readonly region: string
  readonly account: string
  readonly keyId: string
  readonly keyMaterialId: string
  readonly spec: string
  readonly usage: string
}

/** Key material wrapped under a version of the root key. Plain data: stored, and sent over RPC. */
export interface SealedMaterial {
  readonly rootVersion: number
  /** nonce 12 ‖ ciphertext ‖ tag 16 */
  readonly sealed: Uint8Array<ArrayBuffer>
}

const nonceBytes = 12

export async function sealMaterial(
  roots: RootKeys,
  identity: MaterialIdentity,
  material: Uint8Array<ArrayBuffer>,
): Promise<SealedMaterial> {
  const rootVersion = roots.current
  const iv = crypto.getRandomValues(new Uint8Array(nonceBytes))
  const key = await wrappingKey(roots, rootVersion, identity)
  const additionalData = boundTo(rootVersion, identity)
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, key, material)
  return { rootVersion, sealed: concat([iv, new Uint8Array(sealed)]) }
}

/**
 * Opens symmetric material straight into a key that derives and cannot be exported: its bytes are never visible here.
 * Throws where the row is not this identity's, is damaged, or its root version is missing.
 */
export async function openMaterial(
  roots: RootKeys,
  identity: MaterialIdentity,
  { rootVersion, sealed }: SealedMaterial,
): Promise<CryptoKey> {
  const key = await wrappingKey(roots, rootVersion, identity)
  const unwrap = { name: 'AES-GCM', iv: sealed.subarray(0, nonceBytes), additionalData: boundTo(rootVersion, identity) }
  return crypto.subtle.unwrapKey('raw', sealed.subarray(nonceBytes), key, unwrap, 'HKDF', false, ['deriveBits'])
}

/**
 * The same material under the root key's current version, bound to another identity where one is given: a replica's. It
 * passes from one wrapping to the other inside WebCrypto: as
 * an HMAC key, which may hold any bytes and be exported into a wrapping, while a key that derives may not.
 * Throws as `openMaterial` does.
 */
export async function rewrapMaterial(
  roots: RootKeys,
  identity: MaterialIdentity,
  { rootVersion, sealed }: SealedMaterial,
  becoming = identity,
): Promise<SealedMaterial> {
  const old = await wrappingKey(roots, rootVersion, identity)
  const unwrap = { name: 'AES-GCM', iv: sealed.subarray(0, nonceBytes), additionalData: boundTo(rootVersion, identity) }
  const anyBytes = { name: 'HMAC', hash: 'SHA-256' }
  const material = await crypto.subtle.unwrapKey('raw', sealed.subarray(nonceBytes), old, unwrap, anyBytes, true, [
    'sign',
  ])
  const iv = crypto.getRandomValues(new Uint8Array(nonceBytes))
  const current = await wrappingKey(roots, roots.current, becoming)
  const wrap = { name: 'AES-GCM', iv, additionalData: boundTo(roots.current, becoming) }
  const wrapped = await crypto.subtle.wrapKey('raw', material, current, wrap)
  return { rootVersion: roots.current, sealed: concat([iv, new Uint8Array(wrapped)]) }
}

function wrappingKey(roots: RootKeys, version: number, { account, region, keyId }: MaterialIdentity) {
  return roots.wrappingKey(version, 'edge-kms/key-material', [account, region, keyId])
}

function boundTo(rootVersion: number, identity: MaterialIdentity): Uint8Array<ArrayBuffer> {
  const { region, account, keyId, keyMaterialId, spec, usage } = identity
  const arn = keyArn(region, account, keyId)
  return lengthPrefixed([String(rootVersion), arn, keyMaterialId, spec, usage, 'key-material'].map(utf8))
}
