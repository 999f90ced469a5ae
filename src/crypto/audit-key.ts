import { concat, lengthPrefixed, utf8 } from '../model/bytes.ts'
import { signatureToDer } from './ecdsa-signature.ts'
import type { RootKeys } from './root-keys.ts'

/** What a sealed key is bound to: it opens for this trail, and beside this public key, alone. */
export interface AuditKeyIdentity {
  readonly account: string
  readonly region: string
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array<ArrayBuffer>
}

/** A private key wrapped under a version of the root key. */
export interface SealedAuditKey {
  readonly rootVersion: number
  /** nonce 12 ‖ ciphertext ‖ tag 16 */
  readonly sealed: Uint8Array<ArrayBuffer>
}

const nonceBytes = 12
const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' } as const

/** A key pair that signs the digests of one trail. The private half is wrapped by WebCrypto and never visible here. */
export async function generateAuditKey(
  roots: RootKeys,
  trail: Pick<AuditKeyIdentity, 'account' | 'region'>,
): Promise<AuditKeyIdentity & SealedAuditKey> {
  const pair = (await crypto.subtle.generateKey(ecdsa, true, ['sign', 'verify'])) as CryptoKeyPair
  const publicKey = new Uint8Array((await crypto.subtle.exportKey('spki', pair.publicKey)) as ArrayBuffer)
  const identity = { account: trail.account, region: trail.region, publicKey }
  return { ...identity, ...(await wrap(roots, identity, pair.privateKey)) }
}

/** Throws where the row is not this identity's, is damaged, or its root version is missing. */
export function openAuditKey(roots: RootKeys, identity: AuditKeyIdentity, sealed: SealedAuditKey): Promise<CryptoKey> {
  return unwrap(roots, identity, sealed, false)
}

/** The same key under the root key's current version. Throws as `openAuditKey` does. */
export async function rewrapAuditKey(
  roots: RootKeys,
  identity: AuditKeyIdentity,
  sealed: SealedAuditKey,
): Promise<SealedAuditKey> {
  return wrap(roots, identity, await unwrap(roots, identity, sealed, true))
}

/** ECDSA over SHA-256, in DER, as everything but WebCrypto has it. */
export async function signDer(key: CryptoKey, text: string): Promise<Uint8Array<ArrayBuffer>> {
  return signatureToDer(new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, utf8(text))))
}

async function wrap(roots: RootKeys, identity: AuditKeyIdentity, key: CryptoKey): Promise<SealedAuditKey> {
  const rootVersion = roots.current
  const iv = crypto.getRandomValues(new Uint8Array(nonceBytes))
  const algorithm = { name: 'AES-GCM', iv, additionalData: boundTo(rootVersion, identity) }
  const wrapped = await crypto.subtle.wrapKey('pkcs8', key, await wrappingKey(roots, rootVersion, identity), algorithm)
  return { rootVersion, sealed: concat([iv, new Uint8Array(wrapped)]) }
}

async function unwrap(
  roots: RootKeys,
  identity: AuditKeyIdentity,
  { rootVersion, sealed }: SealedAuditKey,
  isExtractable: boolean,
): Promise<CryptoKey> {
  const key = await wrappingKey(roots, rootVersion, identity)
  const algorithm = {
    name: 'AES-GCM',
    iv: sealed.subarray(0, nonceBytes),
    additionalData: boundTo(rootVersion, identity),
  }
  const wrapped = sealed.subarray(nonceBytes)
  return crypto.subtle.unwrapKey('pkcs8', wrapped, key, algorithm, ecdsa, isExtractable, ['sign'])
}

function wrappingKey(roots: RootKeys, version: number, { account, region }: AuditKeyIdentity) {
  return roots.wrappingKey(version, 'edge-kms/audit-key', [account, region])
}

function boundTo(rootVersion: number, { account, region, publicKey }: AuditKeyIdentity): Uint8Array<ArrayBuffer> {
  const texts = [String(rootVersion), account, region, 'audit-key'].map(utf8)
  return lengthPrefixed([...texts, publicKey])
}
