import { concat, utf8 } from '../model/bytes.ts'
import { encodeContext } from './context.ts'
import { EnvelopeError } from './errors.ts'
import { type EncryptionContext, type EnvelopeKms, given } from './kms.ts'
import {
  checkAnswer,
  isKeyOf,
  type OtherKey,
  owned,
  type SymmetricKey,
  type Wrapper,
  withTokens,
} from './wrapping-key.ts'

/** An RSA key of KMS, with KeyUsage ENCRYPT_DECRYPT. */
export interface RsaKey extends SymmetricKey {
  readonly encryptionAlgorithm: 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256'
  /** SubjectPublicKeyInfo, as GetPublicKey answers it; asked of KMS once where it is left out. With it `keyId` is a key ARN. */
  readonly publicKey?: Uint8Array<ArrayBuffer>
}

/**
 * Encryption asks nobody, decryption asks KMS. As `aws-kms-rsa` of the AWS Cryptographic Material Providers: a digest of
 * the encryption context is wrapped with the data key, since RSA itself binds none.
 */
export function rsaKey(key: RsaKey): OtherKey {
  return { wrapper: (kms) => rsaWrapper(key, key.kms ?? kms) }
}

const digestBytes = 48

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
