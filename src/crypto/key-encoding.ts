import type { AsymmetricSpec } from '../model/key-specs.ts'
import { der, derTag, readSequence } from './der.ts'

type Bytes = Uint8Array<ArrayBuffer>

const zero = der(derTag.integer, Uint8Array.of(0))
const noUnusedBits = Uint8Array.of(0)

const rsaEncryption = der(derTag.sequence, oid('1.2.840.113549.1.1.1'), der(derTag.null))
const mlDsa = '2.16.840.1.101.3.4.3'
const mlKem = '2.16.840.1.101.3.4.4'

/** What an AlgorithmIdentifier says of a key of each spec (RFC 3279, 5480, 8410, 9881, 9935; SEC 2). */
const identifiers: Record<AsymmetricSpec, Bytes> = {
  RSA_2048: rsaEncryption,
  RSA_3072: rsaEncryption,
  RSA_4096: rsaEncryption,
  ECC_NIST_P256: onCurve('1.2.840.10045.3.1.7'),
  ECC_NIST_P384: onCurve('1.3.132.0.34'),
  ECC_NIST_P521: onCurve('1.3.132.0.35'),
  ECC_SECG_P256K1: onCurve('1.3.132.0.10'),
  ECC_NIST_EDWARDS25519: der(derTag.sequence, oid('1.3.101.112')),
  ML_DSA_44: der(derTag.sequence, oid(`${mlDsa}.17`)),
  ML_DSA_65: der(derTag.sequence, oid(`${mlDsa}.18`)),
  ML_DSA_87: der(derTag.sequence, oid(`${mlDsa}.19`)),
  ML_KEM_512: der(derTag.sequence, oid(`${mlKem}.1`)),
  ML_KEM_768: der(derTag.sequence, oid(`${mlKem}.2`)),
  ML_KEM_1024: der(derTag.sequence, oid(`${mlKem}.3`)),
}

/** A public key as SubjectPublicKeyInfo (RFC 5280). */
export function spkiOf(spec: AsymmetricSpec, publicKey: Uint8Array): Bytes {
  return der(derTag.sequence, identifiers[spec], der(derTag.bitString, noUnusedBits, publicKey))
}

/** A private key as PKCS #8 (RFC 5208), without attributes. */
export function pkcs8Of(spec: AsymmetricSpec, privateKey: Uint8Array): Bytes {
  return der(derTag.sequence, zero, identifiers[spec], der(derTag.octetString, privateKey))
}

/** Null: not the SubjectPublicKeyInfo of a key of this spec, as far as its algorithm tells. */
export function publicKeyIn(spec: AsymmetricSpec, spki: Bytes): Bytes | null {
  const [identifier, key, ...others] = readSequence(spki) ?? []
  if (identifier === undefined || key?.tag !== derTag.bitString || others.length > 0) return null
  if (!isEqual(der(identifier.tag, identifier.content), identifiers[spec]) || key.content[0] !== 0) return null
  return key.content.subarray(1)
}

/** Null: not the PKCS #8 of a key of this spec, as far as its algorithm tells, or one with attributes. */
export function privateKeyIn(spec: AsymmetricSpec, pkcs8: Bytes): Bytes | null {
  const [version, identifier, key, ...others] = readSequence(pkcs8) ?? []
  if (version === undefined || identifier === undefined || others.length > 0) return null
  if (!isEqual(der(version.tag, version.content), zero)) return null
  if (!isEqual(der(identifier.tag, identifier.content), identifiers[spec])) return null
  return key?.tag === derTag.octetString ? key.content : null
}

export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && crypto.subtle.timingSafeEqual(a, b)
}

function onCurve(curve: string): Bytes {
  return der(derTag.sequence, oid('1.2.840.10045.2.1'), oid(curve))
}

/** Its numbers in base 128, the first two in one. */
function oid(text: string): Bytes {
  const [first, second, ...numbers] = text.split('.').map(Number) as [number, number, ...number[]]
  return der(derTag.objectIdentifier, Uint8Array.from([first * 40 + second, ...numbers].flatMap(base128)))
}

function base128(number: number): number[] {
  const digits = [number & 0x7f]
  for (let rest = number >> 7; rest > 0; rest >>= 7) digits.unshift((rest & 0x7f) | 0x80)
  return digits
}
