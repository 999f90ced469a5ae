import { concat, lengthPrefixed, utf8 } from '../model/bytes.ts'
import type { RootKeys, RootLabel } from './root-keys.ts'

/** A private key wrapped under a version of the root key. */
export interface SealedKey {
  readonly rootVersion: number
  /** nonce 12 ‖ ciphertext ‖ tag 16 */
  readonly sealed: Uint8Array<ArrayBuffer>
}

/** What a sealed key is for. It opens for nothing else. */
export interface KeyBinding {
  readonly label: RootLabel
  /** What the wrapping key is derived for. */
  readonly scope: readonly string[]
  /** What is authenticated with it, besides the root key's version. */
  readonly bound: readonly Uint8Array[]
}

/** How WebCrypto is to import what opens. */
export interface KeyOpening {
  readonly algorithm: Parameters<SubtleCrypto['importKey']>[2]
  readonly usages: string[]
  readonly isExtractable: boolean
}

const nonceBytes = 12

/** Wrapped by WebCrypto, as PKCS #8: the bytes are never visible here. */
export async function sealPrivateKey(roots: RootKeys, binding: KeyBinding, key: CryptoKey): Promise<SealedKey> {
  const rootVersion = roots.current
  const iv = crypto.getRandomValues(new Uint8Array(nonceBytes))
  const wrapping = await roots.wrappingKey(rootVersion, binding.label, binding.scope)
  const algorithm = { name: 'AES-GCM', iv, additionalData: boundTo(rootVersion, binding) }
  const wrapped = await crypto.subtle.wrapKey('pkcs8', key, wrapping, algorithm)
  return { rootVersion, sealed: concat([iv, new Uint8Array(wrapped)]) }
}

/** Throws where it is bound to something else, is damaged, or its root version is missing. */
export async function openPrivateKey(
  roots: RootKeys,
  binding: KeyBinding,
  { rootVersion, sealed }: SealedKey,
  { algorithm, usages, isExtractable }: KeyOpening,
): Promise<CryptoKey> {
  const wrapping = await roots.wrappingKey(rootVersion, binding.label, binding.scope)
  const iv = sealed.subarray(0, nonceBytes)
  const unwrap = { name: 'AES-GCM', iv, additionalData: boundTo(rootVersion, binding) }
  const wrapped = sealed.subarray(nonceBytes)
  return crypto.subtle.unwrapKey('pkcs8', wrapped, wrapping, unwrap, algorithm, isExtractable, usages)
}

function boundTo(rootVersion: number, { bound }: KeyBinding): Uint8Array<ArrayBuffer> {
  return lengthPrefixed([utf8(String(rootVersion)), ...bound])
}
