import { utf8 } from '../model/bytes.ts'
import { signatureToDer } from './ecdsa-signature.ts'
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
  return signatureToDer(new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, utf8(text))))
}

function bindingOf({ account, region, publicKey }: AuditKeyIdentity): KeyBinding {
  const texts = [account, region, 'audit-key'].map(utf8)
  return { label: 'edge-kms/audit-key', scope: [account, region], bound: [...texts, publicKey] }
}
