import { fromUtf8, utf8 } from '../model/bytes.ts'
import { EnvelopeError } from './errors.ts'
import type { EncryptedDataKey } from './header.ts'
import { type EncryptionContext, type EnvelopeKms, given } from './kms.ts'

/** A key of KMS that wraps data keys. A string is short for `{ keyId }`. */
export type WrappingKey = string | SymmetricKey | OtherKey

export interface SymmetricKey {
  /** A key ARN, key id, alias or alias ARN. Only a key ARN is known without asking KMS to be the key of a message. */
  readonly keyId: string
  /** Of the key's Region; the envelope's own where it is left out. */
  readonly kms?: EnvelopeKms
  readonly grantTokens?: readonly string[]
}

/** A key that wraps in a way of its own: what `rsaKey` makes. */
export interface OtherKey {
  /** Over the envelope's own KMS. */
  readonly wrapper: (kms: EnvelopeKms) => Wrapper
}

export type DataKey = Uint8Array<ArrayBuffer>

/** One key, whichever kind it is. */
export interface Wrapper {
  readonly keyId: string
  /** A new data key, wrapped. Null: this kind of key makes none. */
  readonly generate:
    | ((bytes: number, context: EncryptionContext) => Promise<{ dataKey: DataKey; wrapped: EncryptedDataKey }>)
    | null
  wrap(dataKey: DataKey, context: EncryptionContext): Promise<EncryptedDataKey>
  /** False: the wrapped key is another's. */
  canUnwrap(wrapped: EncryptedDataKey): boolean
  /** Rejects with KMS's exception, or `UnexpectedAnswer`. */
  unwrap(wrapped: EncryptedDataKey, context: EncryptionContext): Promise<DataKey>
}

export function wrapperOf(key: WrappingKey, kms: EnvelopeKms): Wrapper {
  if (typeof key === 'string') return symmetricWrapper({ keyId: key }, kms)
  return 'wrapper' in key ? key.wrapper(kms) : symmetricWrapper(key, key.kms ?? kms)
}

/** `aws-kms` of the AWS Encryption SDK, aware of multi-Region keys. */
function symmetricWrapper({ keyId, grantTokens }: SymmetricKey, kms: EnvelopeKms): Wrapper {
  const providerId = 'aws-kms'
  const common = { KeyId: keyId, ...withTokens(grantTokens) }
  const entry = (answer: { KeyId?: string | undefined; CiphertextBlob?: Uint8Array | undefined }) => ({
    providerId,
    providerInfo: utf8(given(answer.KeyId, 'KeyId')),
    ciphertext: given(answer.CiphertextBlob, 'CiphertextBlob'),
  })
  return {
    keyId,
    async generate(bytes, context) {
      const answer = await kms.generateDataKey({ ...common, NumberOfBytes: bytes, EncryptionContext: { ...context } })
      return { dataKey: owned(given(answer.Plaintext, 'Plaintext')), wrapped: entry(answer) }
    },
    async wrap(dataKey, context) {
      return entry(await kms.encrypt({ ...common, Plaintext: dataKey, EncryptionContext: { ...context } }))
    },
    canUnwrap: (wrapped) => wrapped.providerId === providerId && isKeyOf(wrapped, keyId),
    async unwrap(wrapped, context) {
      const EncryptionContext = { ...context }
      const answer = await kms.decrypt({ ...common, CiphertextBlob: wrapped.ciphertext, EncryptionContext })
      checkAnswer(answer.KeyId, wrapped)
      return owned(given(answer.Plaintext, 'Plaintext'))
    },
  }
}

export function withTokens(grantTokens: readonly string[] | undefined): { GrantTokens?: string[] } {
  return grantTokens === undefined ? {} : { GrantTokens: [...grantTokens] }
}

/** An alias may be any key: KMS says. */
export function isKeyOf({ providerInfo }: EncryptedDataKey, keyId: string): boolean {
  const keyArn = fromUtf8(providerInfo) ?? ''
  if (keyId.startsWith('alias/') || keyId.includes(':alias/')) return true
  return keyId.startsWith('arn:') ? isSameKey(keyArn, keyId) : keyArn.endsWith(`:key/${keyId}`)
}

/** Equal, or the same multi-Region key in two Regions: aws-kms-mrk-match-for-decrypt of the AWS Encryption SDK. */
function isSameKey(a: string, b: string): boolean {
  if (a === b) return true
  const [first, second] = [a, b].map((arn) => arn.split(':').toSpliced(3, 1).join(':'))
  return first === second && /^[^:]+:[^:]+:kms:[^:]*:key\/mrk-/.test(first ?? '')
}

export function checkAnswer(keyArn: string | undefined, { providerInfo }: EncryptedDataKey): void {
  if (isSameKey(given(keyArn, 'KeyId'), fromUtf8(providerInfo) ?? '')) return
  throw new EnvelopeError('UnexpectedAnswer', `KMS answered with ${keyArn}, which the message does not name.`)
}

export function owned(bytes: Uint8Array): DataKey {
  return bytes as DataKey
}
