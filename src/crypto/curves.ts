import type { KeySpec, WeierstrassSpec } from '../model/key-specs.ts'
import { der, derTag, readDer, readSequence } from './der.ts'
import { pkcs8Of, privateKeyIn } from './key-encoding.ts'

type Bytes = Uint8Array<ArrayBuffer>
type NobleCurve = 'p256' | 'p384' | 'p521' | 'secp256k1'

/** An elliptic curve y² = x³ + ax + b, as KMS uses it. */
export interface Curve {
  readonly spec: WeierstrassSpec
  /** WebCrypto's name; null: it does not have the curve. */
  readonly namedCurve: 'P-256' | 'P-384' | 'P-521' | null
  readonly noble: NobleCurve
  /** What the one signing algorithm of the curve hashes with. */
  readonly hash: 'SHA-256' | 'SHA-384' | 'SHA-512'
  /** Of a coordinate, of the order, and so of a private key. */
  readonly bytes: number
}

const curves: Record<WeierstrassSpec, Curve> = {
  ECC_NIST_P256: {
    spec: 'ECC_NIST_P256',
    namedCurve: 'P-256',
    noble: 'p256',
    hash: 'SHA-256',
    bytes: 32,
  },
  ECC_NIST_P384: {
    spec: 'ECC_NIST_P384',
    namedCurve: 'P-384',
    noble: 'p384',
    hash: 'SHA-384',
    bytes: 48,
  },
  ECC_NIST_P521: {
    spec: 'ECC_NIST_P521',
    namedCurve: 'P-521',
    noble: 'p521',
    hash: 'SHA-512',
    bytes: 66,
  },
  ECC_SECG_P256K1: {
    spec: 'ECC_SECG_P256K1',
    namedCurve: null,
    noble: 'secp256k1',
    hash: 'SHA-256',
    bytes: 32,
  },
}

export function curveOf(spec: KeySpec): Curve {
  return curves[spec as WeierstrassSpec]
}

export async function nobleCurve({ noble }: Curve) {
  return (await import('./noble-curves.ts'))[noble]
}

const version = der(derTag.integer, Uint8Array.of(1))
const tagged = { parameters: 0xa0, publicKey: 0xa1 } as const

/** PKCS #8 around an ECPrivateKey (RFC 5915) with its public point, as OpenSSL writes it. */
export function ecPkcs8(curve: Curve, scalar: Uint8Array, point: Uint8Array): Bytes {
  const publicKey = der(tagged.publicKey, der(derTag.bitString, Uint8Array.of(0), point))
  return pkcs8Of(curve.spec, der(derTag.sequence, version, der(derTag.octetString, scalar), publicKey))
}

/** What an ECPrivateKey says of itself. `point` is null where it does not tell its public key. */
export interface EcPrivateKey {
  readonly scalar: Bytes
  readonly point: Bytes | null
}

/** Null: not the PKCS #8 of a private key of this curve. Whether scalar and point belong together is not looked at. */
export function ecPrivateKeyIn(curve: Curve, pkcs8: Bytes): EcPrivateKey | null {
  const privateKey = privateKeyIn(curve.spec, pkcs8)
  const [version, scalar, ...optional] = (privateKey && readSequence(privateKey)) ?? []
  if (version?.tag !== derTag.integer || version.content.length !== 1 || version.content[0] !== 1) return null
  if (scalar?.tag !== derTag.octetString || scalar.content.length !== curve.bytes) return null
  // The curve stands in the AlgorithmIdentifier, which has been compared; here it may be said again.
  const [publicKey, ...others] = optional[0]?.tag === tagged.parameters ? optional.slice(1) : optional
  if (publicKey === undefined) return { scalar: scalar.content, point: null }
  if (publicKey.tag !== tagged.publicKey || others.length > 0) return null
  const [point, ...rest] = readDer(publicKey.content) ?? []
  if (point?.tag !== derTag.bitString || point.content[0] !== 0 || rest.length > 0) return null
  return { scalar: scalar.content, point: point.content.subarray(1) }
}
