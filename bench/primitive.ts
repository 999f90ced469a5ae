import { secp256k1 } from '@noble/curves/secp256k1.js'

// What a signature costs by itself: a bare handler that reads the message, signs it, and answers the signature.
// Keys are made by the first request: outside of one there is no randomness.
const rsa = once(() =>
  keyPair({
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
  }),
)
const mlDsa = once(() => keyPair({ name: 'ML-DSA-65' }))
const secretKey = once(() => secp256k1.utils.randomSecretKey())

const signers: Record<string, (message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>> = {
  RSASSA_PKCS1_V1_5_SHA_256: async (message) =>
    new Uint8Array(await crypto.subtle.sign('RSASSA-PKCS1-v1_5', (await rsa()).privateKey, message)),
  ML_DSA_SHAKE_256: async (message) =>
    new Uint8Array(await crypto.subtle.sign('ML-DSA-65', (await mlDsa()).privateKey, message)),
  ECDSA_SHA_256: async (message) => {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', message))
    return secp256k1.sign(digest, secretKey(), { lowS: false, prehash: false, extraEntropy: true, format: 'der' })
  },
}

function keyPair(algorithm: Parameters<SubtleCrypto['generateKey']>[0]): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']) as Promise<CryptoKeyPair>
}

function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined
  return () => {
    made ??= make()
    return made
  }
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { Message, SigningAlgorithm } = (await request.json()) as { Message: string; SigningAlgorithm: string }
    const signature = await signers[SigningAlgorithm]?.(Uint8Array.fromBase64(Message))
    return Response.json({ Signature: signature?.toBase64() })
  },
}
