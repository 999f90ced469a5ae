import type { SigningAlgorithm } from './key-specs.ts'

/** What a message is when it comes: the message itself, its hash, or ML-DSA's μ (FIPS 204). */
export type MessageType = 'RAW' | 'DIGEST' | 'EXTERNAL_MU'

/** How long a message of each type is that the algorithm takes, in bytes; null: as long as it likes to be. */
type MessageBytes = Readonly<Partial<Record<MessageType, number | null>>>

const sha256: MessageBytes = { RAW: null, DIGEST: 32 }
const sha384: MessageBytes = { RAW: null, DIGEST: 48 }
const sha512: MessageBytes = { RAW: null, DIGEST: 64 }

const messageBytes: Record<SigningAlgorithm, MessageBytes> = {
  RSASSA_PSS_SHA_256: sha256,
  RSASSA_PSS_SHA_384: sha384,
  RSASSA_PSS_SHA_512: sha512,
  RSASSA_PKCS1_V1_5_SHA_256: sha256,
  RSASSA_PKCS1_V1_5_SHA_384: sha384,
  RSASSA_PKCS1_V1_5_SHA_512: sha512,
  ECDSA_SHA_256: sha256,
  ECDSA_SHA_384: sha384,
  ECDSA_SHA_512: sha512,
  ED25519_SHA_512: { RAW: null },
  ED25519_PH_SHA_512: { DIGEST: 64 },
  ML_DSA_SHAKE_256: { RAW: null, EXTERNAL_MU: 64 },
}

export function messageTypesOf(algorithm: SigningAlgorithm): readonly MessageType[] {
  return Object.keys(messageBytes[algorithm]) as MessageType[]
}

/** How long such a message has to be, in bytes; null: any length. Undefined: the algorithm takes no messages of that type. */
export function messageBytesOf(algorithm: SigningAlgorithm, messageType: MessageType): number | null | undefined {
  return messageBytes[algorithm][messageType]
}
