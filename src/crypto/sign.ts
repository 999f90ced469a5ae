import type { SigningAlgorithm } from '../model/key-specs.ts'
import type { MessageType } from '../model/signing-algorithms.ts'
import { ecdsa, ecdsaOverDigest } from './ecdsa.ts'
import { ed25519, ed25519OverDigest } from './ed25519.ts'
import { mlDsa, mlDsaOverMu } from './ml-dsa.ts'
import type { OpenPrivate } from './open-private.ts'
import { pkcs1OverDigest, pssOverDigest, type RsaHash } from './rsa-digest-signing.ts'
import type { Signing } from './signing.ts'
import { nativeSigning } from './web-crypto-signing.ts'

type Bytes = Uint8Array<ArrayBuffer>
type ByMessageType = Readonly<Partial<Record<MessageType, Signing>>>

/** The message types are those of `model/signing-algorithms.ts`. */
const signings: Record<SigningAlgorithm, ByMessageType> = {
  RSASSA_PSS_SHA_256: pss('SHA-256', 32),
  RSASSA_PSS_SHA_384: pss('SHA-384', 48),
  RSASSA_PSS_SHA_512: pss('SHA-512', 64),
  RSASSA_PKCS1_V1_5_SHA_256: pkcs1('SHA-256'),
  RSASSA_PKCS1_V1_5_SHA_384: pkcs1('SHA-384'),
  RSASSA_PKCS1_V1_5_SHA_512: pkcs1('SHA-512'),
  ECDSA_SHA_256: { RAW: ecdsa, DIGEST: ecdsaOverDigest },
  ECDSA_SHA_384: { RAW: ecdsa, DIGEST: ecdsaOverDigest },
  ECDSA_SHA_512: { RAW: ecdsa, DIGEST: ecdsaOverDigest },
  ED25519_SHA_512: { RAW: ed25519 },
  ED25519_PH_SHA_512: { DIGEST: ed25519OverDigest },
  ML_DSA_SHAKE_256: { RAW: mlDsa, EXTERNAL_MU: mlDsaOverMu },
}

/**
 * A signature as KMS makes it: ECDSA's in DER, PSS's with a salt as long as the digest. The algorithm is one of the
 * key's, and the message as long as `messageBytesOf` says.
 */
export function sign(
  key: OpenPrivate,
  algorithm: SigningAlgorithm,
  messageType: MessageType,
  message: Bytes,
): Promise<Bytes> {
  return signingOf(algorithm, messageType).sign(key, message)
}

/** False for whatever is no valid signature, however malformed. Of an ECDSA signature (r, s), (r, n − s) is valid too. */
export function verify(
  key: OpenPrivate,
  algorithm: SigningAlgorithm,
  messageType: MessageType,
  message: Bytes,
  signature: Bytes,
): Promise<boolean> {
  return signingOf(algorithm, messageType).verify(key, message, signature)
}

function signingOf(algorithm: SigningAlgorithm, messageType: MessageType): Signing {
  const signing = signings[algorithm][messageType]
  if (signing === undefined) throw new Error(`${algorithm} takes no messages of type ${messageType}`)
  return signing
}

function pss(hash: RsaHash, saltLength: number): ByMessageType {
  const name = 'RSA-PSS'
  return {
    RAW: nativeSigning(
      () => ({ name, hash }),
      () => ({ name, saltLength }),
    ),
    DIGEST: pssOverDigest(hash),
  }
}

function pkcs1(hash: RsaHash): ByMessageType {
  return { RAW: nativeSigning(() => ({ name: 'RSASSA-PKCS1-v1_5', hash })), DIGEST: pkcs1OverDigest(hash) }
}
