import {
  type AsymmetricSpec,
  type DataKeyPairSpec,
  type KeySpec,
  keySpecRow,
  type NistCurveSpec,
  type RsaSpec,
} from '../model/key-specs.ts'
import { keyMaterialIdOf, publicKeyMaterialIdOf } from './ciphertext.ts'
import { curveOf } from './curves.ts'
import { privateKeyIn } from './key-encoding.ts'
import { mlKem512Kind } from './ml-kem.ts'
import { randomBytes } from './random.ts'
import type { ImportAlgorithm } from './seal.ts'
import { secp256k1Kind } from './secp256k1.ts'
import { exported, imported, subtle } from './web-crypto.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** Key material and its public key. */
export interface Material {
  /** As it is sealed: of SYMMETRIC_DEFAULT and HMAC keys nothing but bytes, else PKCS #8; of ML-DSA and ML-KEM the seed. */
  readonly bytes: Bytes
  /** SubjectPublicKeyInfo; null: there is none. */
  readonly publicKey: Bytes | null
}

/** How material of one spec is made, and known. */
export interface MaterialKind {
  generate(): Promise<Material>
  accept(bytes: Bytes): Promise<Material | null>
}

/** What the two halves of a pair do, for WebCrypto. */
interface PairUsages {
  readonly privateKey: string
  readonly publicKey: string
}

const signing: PairUsages = { privateKey: 'sign', publicKey: 'verify' }
const encapsulating: PairUsages = { privateKey: 'decapsulateBits', publicKey: 'encapsulateBits' }

const kinds: Record<KeySpec, MaterialKind> = {
  SYMMETRIC_DEFAULT: bytesOf('SYMMETRIC_DEFAULT'),
  HMAC_224: bytesOf('HMAC_224'),
  HMAC_256: bytesOf('HMAC_256'),
  HMAC_384: bytesOf('HMAC_384'),
  HMAC_512: bytesOf('HMAC_512'),
  RSA_2048: rsa('RSA_2048', 2048),
  RSA_3072: rsa('RSA_3072', 3072),
  RSA_4096: rsa('RSA_4096', 4096),
  ECC_NIST_P256: nistCurve('ECC_NIST_P256'),
  ECC_NIST_P384: nistCurve('ECC_NIST_P384'),
  ECC_NIST_P521: nistCurve('ECC_NIST_P521'),
  ECC_SECG_P256K1: secp256k1Kind,
  ECC_NIST_EDWARDS25519: native('ECC_NIST_EDWARDS25519', 'Ed25519', signing),
  ML_DSA_44: native('ML_DSA_44', 'ML-DSA-44', signing),
  ML_DSA_65: native('ML_DSA_65', 'ML-DSA-65', signing),
  ML_DSA_87: native('ML_DSA_87', 'ML-DSA-87', signing),
  ML_KEM_512: mlKem512Kind,
  ML_KEM_768: native('ML_KEM_768', 'ML-KEM-768', encapsulating),
  ML_KEM_1024: native('ML_KEM_1024', 'ML-KEM-1024', encapsulating),
}

/** New material. The caller erases its bytes. An RSA key blocks the isolate, from 0.1 s to some seconds. */
export function generateMaterial(spec: KeySpec): Promise<Material> {
  return kinds[spec].generate()
}

/**
 * What somebody brings to be imported, as `Material` has it. Null: it is not material of this spec. A private key has to be
 * of this very curve, size or parameter set; its public key, where it tells one, to be its own; an RSA key to be
 * consistent, with the public exponent 65537. The caller erases the bytes.
 */
export function acceptMaterial(spec: KeySpec, bytes: Bytes): Promise<Material | null> {
  return kinds[spec].accept(bytes)
}

/** A pair for GenerateDataKeyPair: PKCS #8, of ML-KEM the seed, and SubjectPublicKeyInfo. The caller erases the first. */
export async function generateDataKeyPair(spec: DataKeyPairSpec): Promise<{ privateKey: Bytes; publicKey: Bytes }> {
  const { bytes, publicKey } = await generateMaterial(spec)
  return { privateKey: bytes, publicKey: publicKey as Bytes }
}

/** The KeyMaterialId: 64 hex digits that name this material under this key id. docs/key-material.md is normative. */
export async function materialIdOf(keyId: string, { bytes, publicKey }: Material): Promise<string> {
  if (publicKey !== null) return publicKeyMaterialIdOf(keyId, publicKey)
  return keyMaterialIdOf(keyId, await subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits']))
}

function bytesOf(spec: KeySpec): MaterialKind {
  const bytes = keySpecRow(spec).materialBytes as number
  return {
    generate: async () => ({ bytes: randomBytes(bytes), publicKey: null }),
    accept: async (material) => (material.length === bytes ? { bytes: material.slice(), publicKey: null } : null),
  }
}

function nistCurve(spec: NistCurveSpec): MaterialKind {
  return native(spec, { name: 'ECDSA', namedCurve: curveOf(spec).namedCurve as string }, signing)
}

function rsa(spec: RsaSpec, modulusLength: number): MaterialKind {
  const algorithm = { name: 'RSA-PSS', hash: 'SHA-256' } as const
  const generation = { ...algorithm, modulusLength, publicExponent: Uint8Array.of(1, 0, 1) }
  return native(spec, algorithm, signing, generation, ({ algorithm }) => {
    const key = algorithm as unknown as typeof generation
    return key.modulusLength === modulusLength && key.publicExponent.toHex() === generation.publicExponent.toHex()
  })
}

/**
 * A pair that WebCrypto makes and knows: it holds a private key against the public one that stands beside it. It would
 * take keys of other algorithms and encodings too, so `privateKeyIn` looks first.
 */
function native(
  spec: AsymmetricSpec,
  algorithm: ImportAlgorithm,
  usages: PairUsages,
  generation: Parameters<SubtleCrypto['generateKey']>[0] = algorithm as never,
  isOfSpec: (key: CryptoKey) => boolean = () => true,
): MaterialKind {
  return {
    async generate() {
      const pair = await subtle.generateKey(generation, true, [usages.privateKey, usages.publicKey])
      const { privateKey, publicKey } = pair as CryptoKeyPair
      return { bytes: await exported('pkcs8', privateKey), publicKey: await exported('spki', publicKey) }
    },

    async accept(pkcs8) {
      if (privateKeyIn(spec, pkcs8) === null) return null
      const privateKey = await imported('pkcs8', pkcs8, algorithm, true, [usages.privateKey])
      if (privateKey === null || !isOfSpec(privateKey)) return null
      const publicKey = await subtle.getPublicKey(privateKey, [usages.publicKey])
      return { bytes: await exported('pkcs8', privateKey), publicKey: await exported('spki', publicKey) }
    },
  }
}
