import type { KeySpec } from '../model/key-specs.ts'
import type { Form } from './open-private.ts'
import type { ImportAlgorithm } from './seal.ts'
import type { Signing } from './signing.ts'
import { subtle } from './web-crypto.ts'

type SignAlgorithm = Parameters<SubtleCrypto['sign']>[0]

/** Signing as WebCrypto does it. */
export function nativeSigning(
  importAs: (spec: KeySpec) => ImportAlgorithm,
  signAs: (spec: KeySpec) => SignAlgorithm = (spec) => importAs(spec) as SignAlgorithm,
): Signing {
  const privateForm: Form<CryptoKey> = ({ spec }, reader) => reader.unwrap('pkcs8', importAs(spec), ['sign'])
  const publicForm: Form<CryptoKey> = ({ spec, spki }) =>
    subtle.importKey('spki', spki, importAs(spec), false, ['verify'])
  return {
    async sign(key, message) {
      return new Uint8Array(await subtle.sign(signAs(key.spec), await key.form(privateForm), message))
    },

    async verify(key, message, signature) {
      return subtle.verify(signAs(key.spec), await key.form(publicForm), signature, message)
    },
  }
}
