import { curveOf, ecPrivateKeyIn, nobleCurve } from './curves.ts'
import { signatureFromDer, signatureToDer } from './ecdsa-signature.ts'
import { publicKeyIn } from './key-encoding.ts'
import { formOfBytes, type OpenPrivate } from './open-private.ts'
import type { Signing } from './signing.ts'
import { subtle } from './web-crypto.ts'
import { nativeSigning } from './web-crypto-signing.ts'

type Bytes = Uint8Array<ArrayBuffer>

// KMS makes and takes signatures with an s of either half.
const asGiven = { prehash: false, lowS: false } as const

/** ECDSA over a digest, which is not hashed again. */
export const ecdsaOverDigest: Signing = inDer({
  async sign(key, digest) {
    const curve = await nobleCurve(curveOf(key.spec))
    return curve.sign(digest, await key.form(scalarForm), { ...asGiven, extraEntropy: true }) as Bytes
  },

  async verify(key, digest, signature) {
    const curve = curveOf(key.spec)
    const point = publicKeyIn(curve.spec, key.spki)
    return point !== null && (await nobleCurve(curve)).verify(signature, digest, point, asGiven)
  },
})

const native = inDer(
  nativeSigning(
    (spec) => ({ name: 'ECDSA', namedCurve: curveOf(spec).namedCurve as string }),
    (spec) => ({ name: 'ECDSA', hash: curveOf(spec).hash }),
  ),
)

/** Of a curve that WebCrypto lacks, only hashing is WebCrypto's. */
const hashedFirst: Signing = {
  sign: async (key, message) => ecdsaOverDigest.sign(key, await hashed(key, message)),
  verify: async (key, message, signature) => ecdsaOverDigest.verify(key, await hashed(key, message), signature),
}

/** ECDSA over a message. */
export const ecdsa: Signing = {
  sign: (key, message) => rawSigning(key).sign(key, message),
  verify: (key, message, signature) => rawSigning(key).verify(key, message, signature),
}

function rawSigning({ spec }: OpenPrivate): Signing {
  return curveOf(spec).namedCurve === null ? hashedFirst : native
}

/** What signs as `r ‖ s`, with its signatures in DER. */
function inDer(fixed: Signing): Signing {
  return {
    sign: async (key, message) => signatureToDer(await fixed.sign(key, message)),
    async verify(key, message, signature) {
      const numbers = signatureFromDer(signature, curveOf(key.spec).bytes)
      return numbers !== null && fixed.verify(key, message, numbers)
    },
  }
}

async function hashed({ spec }: OpenPrivate, message: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle.digest(curveOf(spec).hash, message))
}

const scalarForm = formOfBytes(({ spec }, pkcs8) => {
  const scalar = ecPrivateKeyIn(curveOf(spec), pkcs8)?.scalar
  if (scalar === undefined) throw new Error('The material is no key of its curve')
  return scalar.slice()
})
