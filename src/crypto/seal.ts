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

/** Sealed material, which opens in the form that an algorithm asks for. Both throw as `openMaterial` does. */
export interface SealedReader {
  /** Straight into a key that cannot be exported: its bytes are never visible here. */
  unwrap(format: MaterialFormat, algorithm: ImportAlgorithm, usages: string[]): Promise<CryptoKey>
  /** For what WebCrypto lacks. The caller erases them. */
  bytes(): Promise<Uint8Array<ArrayBuffer>>
}

export type MaterialFormat = 'raw' | 'pkcs8'
export type ImportAlgorithm = Parameters<SubtleCrypto['importKey']>[2]

export function sealedReader(roots: RootKeys, identity: MaterialIdentity, sealed: SealedMaterial): SealedReader {
  return {
    unwrap: (format, algorithm, usages) => unwrap(roots, identity, sealed, { format, algorithm, usages }),
    async bytes() {
      const material = await unwrapAnyBytes(roots, identity, sealed)
      return new Uint8Array((await crypto.subtle.exportKey('raw', material)) as ArrayBuffer)
    },
  }
}

/**
 * Opens symmetric material into a key that derives and cannot be exported.
 * Throws where the row is not this identity's, is damaged, or its root version is missing.
 */
export function openMaterial(roots: RootKeys, identity: MaterialIdentity, sealed: SealedMaterial): Promise<CryptoKey> {
  return unwrap(roots, identity, sealed, { format: 'raw', algorithm: 'HKDF', usages: ['deriveBits'] })
}

/**
 * The same material under the root key's current version, bound to another identity where one is given: a replica's. It
 * passes from one wrapping to the other inside WebCrypto.
 * Throws as `openMaterial` does.
 */
export async function rewrapMaterial(
  roots: RootKeys,
  identity: MaterialIdentity,
  sealed: SealedMaterial,
  becoming = identity,
): Promise<SealedMaterial> {
  const material = await unwrapAnyBytes(roots, identity, sealed)
  const iv = crypto.getRandomValues(new Uint8Array(nonceBytes))
  const current = await wrappingKey(roots, roots.current, becoming)
  const wrap = { name: 'AES-GCM', iv, additionalData: boundTo(roots.current, becoming) }
  const wrapped = await crypto.subtle.wrapKey('raw', material, current, wrap)
  return { rootVersion: roots.current, sealed: concat([iv, new Uint8Array(wrapped)]) }
}

/** As an HMAC key, which may hold any bytes and be exported, into a wrapping too. */
function unwrapAnyBytes(roots: RootKeys, identity: MaterialIdentity, sealed: SealedMaterial): Promise<CryptoKey> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  return unwrap(roots, identity, sealed, { format: 'raw', algorithm, usages: ['sign'], isExtractable: true })
}

interface Opening {
  readonly format: MaterialFormat
  readonly algorithm: ImportAlgorithm
  readonly usages: string[]
  readonly isExtractable?: boolean
}

async function unwrap(
  roots: RootKeys,
  identity: MaterialIdentity,
  { rootVersion, sealed }: SealedMaterial,
  { format, algorithm, usages, isExtractable = false }: Opening,
): Promise<CryptoKey> {
  const key = await wrappingKey(roots, rootVersion, identity)
  const wrapping = {
    name: 'AES-GCM',
    iv: sealed.subarray(0, nonceBytes),
    additionalData: boundTo(rootVersion, identity),
  }
  return crypto.subtle.unwrapKey(format, sealed.subarray(nonceBytes), key, wrapping, algorithm, isExtractable, usages)
}

function wrappingKey(roots: RootKeys, version: number, { account, region, keyId }: MaterialIdentity) {
  return roots.wrappingKey(version, 'edge-kms/key-material', [account, region, keyId])
}

function boundTo(rootVersion: number, identity: MaterialIdentity): Uint8Array<ArrayBuffer> {
  const { region, account, keyId, keyMaterialId, spec, usage } = identity
  const arn = keyArn(region, account, keyId)
  return lengthPrefixed([String(rootVersion), arn, keyMaterialId, spec, usage, 'key-material'].map(utf8))
}
