import { EnvelopeError } from './errors.ts'
import type { Signature } from './suites.ts'

/*
 * Signed messages carry a public key as a compressed point (SEC 1, 2.3.3) in base64, and a signature in DER (SEC 1,
 * C.5). WebCrypto speaks of uncompressed points and of r and s side by side.
 */

const compressedEven = 2
const compressedOdd = 3
const uncompressed = 4

export interface SigningKey {
  readonly privateKey: CryptoKey
  /** As the header has it. */
  readonly publicKey: string
}

/** A key pair for one message, or for those that share a cached data key. */
export async function newSigningKey({ namedCurve, fieldBytes }: Signature): Promise<SigningKey> {
  const pair = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, false, [
    'sign',
    'verify',
  ])) as CryptoKeyPair
  const point = new Uint8Array((await crypto.subtle.exportKey('raw', pair.publicKey)) as ArrayBuffer)
  const compressed = point.slice(0, 1 + fieldBytes)
  compressed[0] = ((point.at(-1) ?? 0) & 1) === 0 ? compressedEven : compressedOdd
  return { privateKey: pair.privateKey, publicKey: btoa(String.fromCharCode(...compressed)) }
}

/** The DER of a signature of `message`. */
export async function sign(
  { hash, fieldBytes }: Signature,
  { privateKey }: SigningKey,
  message: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const raw = new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash }, privateKey, message))
  const integers = [...derInteger(raw.subarray(0, fieldBytes)), ...derInteger(raw.subarray(fieldBytes))]
  return new Uint8Array([sequenceTag, integers.length, ...integers])
}

/** Throws `TamperedMessage` unless the signature of `message` holds. */
export async function verifySignature(
  signature: Signature,
  publicKey: string,
  message: Uint8Array<ArrayBuffer>,
  der: Uint8Array,
): Promise<void> {
  const { namedCurve, hash, fieldBytes } = signature
  const raw = parseDer(der, fieldBytes)
  const point = decompress(publicKey, signature)
  if (raw !== null && point !== null) {
    try {
      const key = await crypto.subtle.importKey('raw', point, { name: 'ECDSA', namedCurve }, false, ['verify'])
      if (await crypto.subtle.verify({ name: 'ECDSA', hash }, key, raw, message)) return
    } catch {
      // The point is not on the curve.
    }
  }
  throw new EnvelopeError('TamperedMessage', 'The signature of the message does not hold.')
}

const sequenceTag = 0x30
const integerTag = 0x02

/** Of at most 49 bytes, so that one byte says its length. */
function derInteger(value: Uint8Array): number[] {
  const digits = withoutZeros(value)
  if (digits[0] === undefined || digits[0] >= 0x80) digits.unshift(0)
  return [integerTag, digits.length, ...digits]
}

function withoutZeros(bytes: Uint8Array): number[] {
  const digits = [...bytes]
  while (digits[0] === 0) digits.shift()
  return digits
}

function parseDer(der: Uint8Array, fieldBytes: number): Uint8Array<ArrayBuffer> | null {
  if (der[0] !== sequenceTag || der[1] !== der.length - 2) return null
  const raw = new Uint8Array(2 * fieldBytes)
  let at = 2
  for (const end of [fieldBytes, 2 * fieldBytes]) {
    const length = der[at + 1] ?? 0
    const integer = der.subarray(at + 2, at + 2 + length)
    const digits = withoutZeros(integer)
    if (der[at] !== integerTag || integer.length !== length || digits.length > fieldBytes) return null
    raw.set(digits, end - digits.length)
    at += 2 + length
  }
  return at === der.length ? raw : null
}

/** y² = x³ - 3x + b over p, of FIPS 186-4, D.1.2. */
const curves = {
  'P-256': {
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  'P-384': {
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
}

/** The uncompressed point; null for anything that is not a compressed one. Whether it is on the curve, importKey says. */
function decompress(publicKey: string, { namedCurve, fieldBytes }: Signature): Uint8Array<ArrayBuffer> | null {
  const { p, b } = curves[namedCurve]
  const compressed = fromBase64(publicKey)
  const [kind] = compressed
  if (compressed.length !== 1 + fieldBytes || (kind !== compressedEven && kind !== compressedOdd)) return null
  let x = 0n
  for (const byte of compressed.subarray(1)) x = x * 256n + BigInt(byte)
  const root = power(x ** 3n - 3n * x + b, (p + 1n) / 4n, p)
  let y = (root & 1n) === BigInt(kind & 1) ? root : p - root
  const point = new Uint8Array(1 + 2 * fieldBytes)
  point.set(compressed)
  point[0] = uncompressed
  for (let at = 2 * fieldBytes; at > fieldBytes; at--) {
    point[at] = Number(y % 256n)
    y /= 256n
  }
  return point
}

/** base ** exponent % p. */
function power(base: bigint, exponent: bigint, p: bigint): bigint {
  let result = 1n
  let square = ((base % p) + p) % p
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % p
    square = (square * square) % p
  }
  return result
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return new Uint8Array(0)
  }
}
