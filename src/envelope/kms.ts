import { EnvelopeError } from './errors.ts'

type Context = Readonly<Record<string, string>>

/**
 * What an envelope asks of KMS, in KMS's own members. `createKms` of edge-kms/sdk fits, and so does the class `KMS` of
 * @aws-sdk/client-kms. Each method rejects with KMS's exception.
 */
export interface EnvelopeKms {
  generateDataKey(input: {
    KeyId: string
    NumberOfBytes: number
    EncryptionContext: Record<string, string>
    GrantTokens?: string[]
  }): Promise<{
    KeyId?: string | undefined
    Plaintext?: Uint8Array | undefined
    CiphertextBlob?: Uint8Array | undefined
  }>
  encrypt(input: {
    KeyId: string
    Plaintext: Uint8Array
    EncryptionContext: Record<string, string>
    GrantTokens?: string[]
  }): Promise<{ KeyId?: string | undefined; CiphertextBlob?: Uint8Array | undefined }>
  decrypt(input: {
    KeyId: string
    CiphertextBlob: Uint8Array
    EncryptionContext?: Record<string, string>
    EncryptionAlgorithm?: 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256'
    GrantTokens?: string[]
  }): Promise<{ KeyId?: string | undefined; Plaintext?: Uint8Array | undefined }>
  getPublicKey(input: { KeyId: string }): Promise<{ KeyId?: string | undefined; PublicKey?: Uint8Array | undefined }>
}

export type EncryptionContext = Context

/** The member of an answer, which KMS always gives. Throws `UnexpectedAnswer`: what answered is no KMS. */
export function given<T>(value: T | undefined, member: string): T {
  if (value !== undefined) return value
  throw new EnvelopeError('UnexpectedAnswer', `The answer has no ${member}: is that endpoint a KMS?`)
}
