import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'

export const wrappingAlgorithms = [
  'RSAES_OAEP_SHA_1',
  'RSAES_OAEP_SHA_256',
  'RSA_AES_KEY_WRAP_SHA_1',
  'RSA_AES_KEY_WRAP_SHA_256',
] as const
export const wrappingKeySpecs = ['RSA_2048', 'RSA_3072', 'RSA_4096'] as const
export type WrappingAlgorithm = (typeof wrappingAlgorithms)[number]

/** Key material under the wrapping key of GetParametersForImport, as its owner wraps it with OpenSSL. */
export function wrapMaterial(algorithm: WrappingAlgorithm, publicKey: Uint8Array, material: Uint8Array): Buffer {
  if (algorithm.startsWith('RSAES')) return underRsa(algorithm, publicKey, material)
  const between = randomBytes(32)
  return Buffer.concat([underRsa(algorithm, publicKey, between), underAes(between, material)])
}

export function underRsa(algorithm: WrappingAlgorithm, publicKey: Uint8Array, plaintext: Uint8Array): Buffer {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' })
  const oaepHash = algorithm.endsWith('SHA_1') ? 'sha1' : 'sha256'
  return publicEncrypt({ key, oaepHash, padding: constants.RSA_PKCS1_OAEP_PADDING }, plaintext)
}

/** RFC 5649. */
export function underAes(key: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv(`id-aes${key.length * 8}-wrap-pad`, key, Buffer.from('a65959a6', 'hex'))
  return Buffer.concat([cipher.update(plaintext), cipher.final()])
}
