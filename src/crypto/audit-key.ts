import { concat, utf8 } from '../model/bytes.ts'
import type { RootKeys } from './root-keys.ts'
import { type KeyBinding, openPrivateKey, type SealedKey, sealPrivateKey } from './sealed-key.ts'

/** What a sealed key is bound to: it opens for this trail, and beside this public key, alone. */
export interface AuditKeyIdentity {
  readonly account: string
  readonly region: string
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array<ArrayBuffer>
}

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' } as const
const signing = { algorithm: ecdsa, usages: ['sign'] }

/** A key pair that signs the digests of one trail. The private half is wrapped by WebCrypto and never visible here. */
export async function generateAuditKey(
  roots: RootKeys,
  trail: Pick<AuditKeyIdentity, 'account' | 'region'>,
): Promise<AuditKeyIdentity & SealedKey> {
  const pair = (await crypto.subtle.generateKey(ecdsa, true, ['sign', 'verify'])) as CryptoKeyPair
  const publicKey = new Uint8Array((await crypto.subtle.exportKey('spki', pair.publicKey)) as ArrayBuffer)
  const identity = { account: trail.account, region: trail.region, publicKey }
  return { ...identity, ...(await sealPrivateKey(roots, bindingOf(identity), pair.privateKey)) }
}

/** Throws where the row is not this identity's, is damaged, or its root version is missing. */
export function openAuditKey(roots: RootKeys, identity: AuditKeyIdentity, sealed: SealedKey): Promise<CryptoKey> {
  return openPrivateKey(roots, bindingOf(identity), sealed, { ...signing, isExtractable: false })
}

/** The same key under the root key's current version. Throws as `openAuditKey` does. */
export async function rewrapAuditKey(
  roots: RootKeys,
  identity: AuditKeyIdentity,
  sealed: SealedKey,
): Promise<SealedKey> {
  const binding = bindingOf(identity)
  return sealPrivateKey(
    roots,
    binding,
    await openPrivateKey(roots, binding, sealed, { ...signing, isExtractable: true }),
  )
}

/** ECDSA over SHA-256, in DER, as everything but WebCrypto has it. */
export async function signDer(key: CryptoKey, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const raw = new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, utf8(text)))
  const integers = concat([derInteger(raw.subarray(0, 32)), derInteger(raw.subarray(32))])
  return concat([Uint8Array.of(0x30, integers.length), integers])
}

/** Of at most 33 bytes, so every length fits into one. */
function derInteger(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = bytes.subarray(first < 0 ? bytes.length - 1 : first)
  const sign = (digits[0] as number) < 0x80 ? [] : [0]
  return Uint8Array.of(0x02, sign.length + digits.length, ...sign, ...digits)
}

function bindingOf({ account, region, publicKey }: AuditKeyIdentity): KeyBinding {
  const texts = [account, region, 'audit-key'].map(utf8)
  return { label: 'edge-kms/audit-key', scope: [account, region], bound: [...texts, publicKey] }
}
