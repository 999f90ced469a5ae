import { EnvelopeError, type OtherKey } from '../envelope/index.ts'
import { kmsOf, type Target } from './target.ts'

/**
 * Whichever key a message names, in that key's Region: the caller's own permissions say which messages open. For opening
 * alone.
 */
export function whicheverKey(target: Target): OtherKey {
  const decoder = new TextDecoder()
  const cannotWrap = async (): Promise<never> => {
    throw new EnvelopeError('InvalidInput', 'Whichever key a message names opens it, and wraps nothing.')
  }
  return {
    wrapper: () => ({
      keyId: 'whichever key the message names',
      generate: null,
      wrap: cannotWrap,
      canUnwrap: ({ providerId }) => providerId === 'aws-kms',
      async unwrap({ providerInfo, ciphertext }, context) {
        const KeyId = decoder.decode(providerInfo)
        const kms = kmsOf(target, KeyId.split(':')[3] || target.region)
        const answer = await kms.decrypt({ KeyId, CiphertextBlob: ciphertext, EncryptionContext: { ...context } })
        if (answer.KeyId === KeyId) return answer.Plaintext
        throw new EnvelopeError(
          'UnexpectedAnswer',
          `KMS answered with ${answer.KeyId}, which the message does not name.`,
        )
      },
    }),
  }
}
