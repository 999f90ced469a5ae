import type { MlKemSpec } from '../model/key-specs.ts'
import { der } from './der.ts'
import { pkcs8Of, privateKeyIn, publicKeyIn, spkiOf } from './key-encoding.ts'
import type { Material, MaterialKind } from './material.ts'
import { type Form, formOfBytes, type OpenPrivate } from './open-private.ts'
import { randomBytes } from './random.ts'
import { subtle } from './web-crypto.ts'

type Bytes = Uint8Array<ArrayBuffer>

export interface Encapsulated {
  /** 32 bytes. */
  readonly sharedSecret: Bytes
  readonly ciphertext: Bytes
}

interface ParameterSet {
  readonly ciphertextBytes: number
  encapsulate(key: OpenPrivate): Promise<Encapsulated>
  decapsulate(key: OpenPrivate, ciphertext: Bytes): Promise<Bytes>
}

/** FIPS 203, table 3. WebCrypto lacks the smallest. */
const parameterSets: Record<MlKemSpec, ParameterSet> = {
  ML_KEM_512: { ciphertextBytes: 768, encapsulate: encapsulate512, decapsulate: decapsulate512 },
  ML_KEM_768: { ciphertextBytes: 1088, ...native('ML-KEM-768') },
  ML_KEM_1024: { ciphertextBytes: 1568, ...native('ML-KEM-1024') },
}

/** A new shared secret, and the ciphertext that opens to it. */
export function encapsulate(key: OpenPrivate): Promise<Encapsulated> {
  return parameterSetOf(key).encapsulate(key)
}

/**
 * The shared secret, of 32 bytes. A ciphertext that was made for no such key opens to bytes that nobody can foresee, the
 * same each time, as FIPS 203 says. Null: it has another length.
 */
export async function decapsulate(key: OpenPrivate, ciphertext: Bytes): Promise<Bytes | null> {
  const { ciphertextBytes, decapsulate } = parameterSetOf(key)
  return ciphertext.length === ciphertextBytes ? decapsulate(key, ciphertext) : null
}

function parameterSetOf({ spec }: OpenPrivate): ParameterSet {
  return parameterSets[spec as MlKemSpec]
}

function native(name: 'ML-KEM-768' | 'ML-KEM-1024') {
  const privateForm: Form<CryptoKey> = (_, reader) => reader.unwrap('pkcs8', name, ['decapsulateBits'])
  const publicForm: Form<CryptoKey> = ({ spki }) => subtle.importKey('spki', spki, name, false, ['encapsulateBits'])
  return {
    async encapsulate(key: OpenPrivate): Promise<Encapsulated> {
      const { sharedKey, ciphertext } = await subtle.encapsulateBits(name, await key.form(publicForm))
      return { sharedSecret: new Uint8Array(sharedKey), ciphertext: new Uint8Array(ciphertext) }
    },
    async decapsulate(key: OpenPrivate, ciphertext: Bytes): Promise<Bytes> {
      return new Uint8Array(await subtle.decapsulateBits(name, await key.form(privateForm), ciphertext))
    },
  }
}

const spec512 = 'ML_KEM_512'
const seedBytes = 64
/** [0]: of the choices that a private key has, the seed (RFC 9935). */
const seedTag = 0x80

async function noble512() {
  return (await import('./noble-lattices.ts')).ml_kem512
}

async function encapsulate512({ spki }: OpenPrivate): Promise<Encapsulated> {
  const publicKey = publicKeyIn(spec512, spki)
  if (publicKey === null) throw new Error('The public key is none of ML-KEM-512')
  const { sharedSecret, cipherText } = (await noble512()).encapsulate(publicKey)
  return { sharedSecret: sharedSecret as Bytes, ciphertext: cipherText as Bytes }
}

async function decapsulate512(key: OpenPrivate, ciphertext: Bytes): Promise<Bytes> {
  return (await noble512()).decapsulate(ciphertext, await key.form(secretKeyForm)) as Bytes
}

const secretKeyForm = formOfBytes(async (_, pkcs8) => {
  const seed = seedIn(pkcs8)
  if (seed === null) throw new Error('The material is no seed of ML-KEM-512')
  return (await noble512()).keygen(seed).secretKey
})

/** The parameter set that WebCrypto lacks. */
export const mlKem512Kind: MaterialKind = {
  async generate() {
    const seed = randomBytes(seedBytes)
    try {
      return await ofSeed(seed)
    } finally {
      seed.fill(0)
    }
  },

  async accept(pkcs8) {
    const seed = seedIn(pkcs8)
    return seed && ofSeed(seed)
  },
}

async function ofSeed(seed: Bytes): Promise<Material> {
  const { publicKey, secretKey } = (await noble512()).keygen(seed)
  secretKey.fill(0)
  return { bytes: pkcs8Of(spec512, der(seedTag, seed)), publicKey: spkiOf(spec512, publicKey) }
}

function seedIn(pkcs8: Bytes): Bytes | null {
  const privateKey = privateKeyIn(spec512, pkcs8)
  const isSeed = privateKey?.length === 2 + seedBytes && privateKey[0] === seedTag && privateKey[1] === seedBytes
  return isSeed ? privateKey.subarray(2) : null
}
