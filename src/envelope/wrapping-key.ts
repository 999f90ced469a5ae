import { concat, fromUtf8, utf8 } from '../model/bytes.ts'
import { encodeContext } from './context.ts'
import { EnvelopeError } from './errors.ts'
import type { EncryptedDataKey } from './header.ts'
import { type EncryptionContext, type EnvelopeKms, given } from './kms.ts'

/** A key of KMS that wraps data keys. A string is short for `{ keyId }`. */
export type WrappingKey = string | SymmetricKey | RsaKey

export interface SymmetricKey {
  /** A key ARN, key id, alias or alias ARN. Only a key ARN is known without asking KMS to be the key of a message. */
  readonly keyId: string
  /** Of the key's Region; the envelope's own where it is left out. */
  readonly kms?: EnvelopeKms
  readonly grantTokens?: readonly string[]
}

/** An RSA key of KMS, with KeyUsage ENCRYPT_DECRYPT. Encryption asks nobody, decryption asks KMS. */
export interface RsaKey extends SymmetricKey {
  readonly encryptionAlgorithm: 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256'
  /** SubjectPublicKeyInfo, as GetPublicKey answers it; asked of KMS once where it is left out. With it `keyId` is a key ARN. */
  readonly publicKey?: Uint8Array<ArrayBuffer>
}

type DataKey = Uint8Array<ArrayBuffer>

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
  const named = typeof key === 'string' ? { keyId: key } : key
  return isRsa(named) ? rsaWrapper(named, named.kms ?? kms) : symmetricWrapper(named, named.kms ?? kms)
}

function isRsa(key: SymmetricKey | RsaKey): key is RsaKey {
  return 'encryptionAlgorithm' in key
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

const digestBytes = 48

/** `aws-kms-rsa` of the AWS Cryptographic Material Providers: a digest of the context goes before the data key. */
function rsaWrapper({ keyId, encryptionAlgorithm, publicKey, grantTokens }: RsaKey, kms: EnvelopeKms): Wrapper {
  const providerId = 'aws-kms-rsa'
  if (publicKey !== undefined && !keyId.includes(':key/')) {
    throw new EnvelopeError(
      'InvalidInput',
      `With its public key, an RSA key is named by its key ARN, not by "${keyId}".`,
    )
  }
  const hash = encryptionAlgorithm === 'RSAES_OAEP_SHA_1' ? 'SHA-1' : 'SHA-256'
  let loading: Promise<{ keyArn: string; key: CryptoKey }> | null = null
  const load = async () => {
    const answer =
      publicKey === undefined ? await kms.getPublicKey({ KeyId: keyId }) : { KeyId: keyId, PublicKey: publicKey }
    const spki = owned(given(answer.PublicKey, 'PublicKey'))
    const key = await crypto.subtle.importKey('spki', spki, { name: 'RSA-OAEP', hash }, false, ['encrypt'])
    return { keyArn: given(answer.KeyId, 'KeyId'), key }
  }
  return {
    keyId,
    generate: null,
    async wrap(dataKey, context) {
      loading ??= load()
      const { keyArn, key } = await loading.catch((failure) => {
        loading = null
        throw failure
      })
      const bound = concat([await contextDigest(context), dataKey])
      const ciphertext = new Uint8Array(await crypto.subtle.encrypt('RSA-OAEP', key, bound))
      return { providerId, providerInfo: utf8(keyArn), ciphertext }
    },
    canUnwrap: (wrapped) => wrapped.providerId === providerId && isKeyOf(wrapped, keyId),
    async unwrap(wrapped, context) {
      const answer = await kms.decrypt({
        KeyId: keyId,
        CiphertextBlob: wrapped.ciphertext,
        EncryptionAlgorithm: encryptionAlgorithm,
        ...withTokens(grantTokens),
      })
      checkAnswer(answer.KeyId, wrapped)
      const bound = owned(given(answer.Plaintext, 'Plaintext'))
      const digest = await contextDigest(context)
      if (bound.length > digestBytes && digest.every((byte, at) => byte === bound[at])) return bound.slice(digestBytes)
      throw new EnvelopeError('WrongEncryptionContext', 'The data key was wrapped for another encryption context.')
    },
  }
}

async function contextDigest(context: EncryptionContext): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-384', encodeContext(context)))
}

function withTokens(grantTokens: readonly string[] | undefined): { GrantTokens?: string[] } {
  return grantTokens === undefined ? {} : { GrantTokens: [...grantTokens] }
}

/** An alias may be any key: KMS says. */
function isKeyOf({ providerInfo }: EncryptedDataKey, keyId: string): boolean {
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

function checkAnswer(keyArn: string | undefined, { providerInfo }: EncryptedDataKey): void {
  if (isSameKey(given(keyArn, 'KeyId'), fromUtf8(providerInfo) ?? '')) return
  throw new EnvelopeError(
    'UnexpectedAnswer',
    `KMS opened the data key with ${keyArn}, which the message does not name.`,
  )
}

function owned(bytes: Uint8Array): DataKey {
  return bytes as DataKey
}
