import { privateKeyIn, publicKeyIn } from './key-encoding.ts'
import { formOfBytes } from './open-private.ts'
import type { Signing } from './signing.ts'
import { nativeSigning } from './web-crypto-signing.ts'

type Bytes = Uint8Array<ArrayBuffer>

const spec = 'ECC_NIST_EDWARDS25519'
const seedBytes = 32
const signatureBytes = 64
// RFC 8032's rules, not the looser ones of ZIP 215.
const strictly = { zip215: false } as const

const native = nativeSigning(() => 'Ed25519')

/** PureEdDSA. */
export const ed25519: Signing = {
  sign: native.sign,
  // WebCrypto throws where a signature is of another length.
  verify: async (key, message, signature) =>
    signature.length === signatureBytes && native.verify(key, message, signature),
}

/** Ed25519ph over a digest, which KMS takes for the message: it is hashed once more. */
export const ed25519OverDigest: Signing = {
  async sign(key, digest) {
    const { ed25519ph } = await import('./noble-curves.ts')
    return ed25519ph.sign(digest, await key.form(seedForm)) as Bytes
  },

  async verify(key, digest, signature) {
    const publicKey = publicKeyIn(spec, key.spki)
    if (publicKey === null || signature.length !== signatureBytes) return false
    const { ed25519ph } = await import('./noble-curves.ts')
    return ed25519ph.verify(signature, digest, publicKey, strictly)
  },
}

const seedForm = formOfBytes((_, pkcs8) => {
  // An OCTET STRING within the OCTET STRING (RFC 8410).
  const seed = privateKeyIn(spec, pkcs8)?.slice(-seedBytes)
  if (seed === undefined) throw new Error('The material is no Ed25519 key')
  return seed
})
