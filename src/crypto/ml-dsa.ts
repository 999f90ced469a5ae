import type { MlDsaSpec } from '../model/key-specs.ts'
import { privateKeyIn, publicKeyIn } from './key-encoding.ts'
import { formOfBytes, type OpenPrivate } from './open-private.ts'
import type { Signing } from './signing.ts'
import { nativeSigning } from './web-crypto-signing.ts'

interface ParameterSet {
  readonly name: 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87'
  readonly noble: 'ml_dsa44' | 'ml_dsa65' | 'ml_dsa87'
  readonly signatureBytes: number
}

/** FIPS 204, table 1. */
const parameterSets: Record<MlDsaSpec, ParameterSet> = {
  ML_DSA_44: {
    name: 'ML-DSA-44',
    noble: 'ml_dsa44',
    signatureBytes: 2420,
  },
  ML_DSA_65: {
    name: 'ML-DSA-65',
    noble: 'ml_dsa65',
    signatureBytes: 3309,
  },
  ML_DSA_87: {
    name: 'ML-DSA-87',
    noble: 'ml_dsa87',
    signatureBytes: 4627,
  },
}

const seedBytes = 32

/** The pure algorithm, with the empty context. */
export const mlDsa: Signing = nativeSigning((spec) => parameterSetOf(spec).name)

/** Over μ, in which the caller has bound the public key and the message (FIPS 204, algorithms 7 and 8). */
export const mlDsaOverMu: Signing = {
  async sign(key, mu) {
    const { internal } = await implementation(key)
    return internal.sign(mu, await key.form(secretKeyForm), { externalMu: true })
  },

  async verify(key, mu, signature) {
    const publicKey = publicKeyIn(key.spec as MlDsaSpec, key.spki)
    if (publicKey === null || signature.length !== parameterSetOf(key.spec).signatureBytes) return false
    const { internal } = await implementation(key)
    return internal.verify(signature, mu, publicKey, { externalMu: true })
  },
}

function parameterSetOf(spec: OpenPrivate['spec']): ParameterSet {
  return parameterSets[spec as MlDsaSpec]
}

async function implementation({ spec }: OpenPrivate) {
  return (await import('./noble-lattices.ts'))[parameterSetOf(spec).noble]
}

const secretKeyForm = formOfBytes(async (key, pkcs8) => {
  // [0] and its length stand before the seed (RFC 9881).
  const seed = privateKeyIn(key.spec as MlDsaSpec, pkcs8)?.subarray(-seedBytes)
  if (seed === undefined) throw new Error('The material is no ML-DSA key')
  return (await implementation(key)).keygen(seed).secretKey
})
