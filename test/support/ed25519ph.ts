import { createHash } from 'node:crypto'

/*
 * Ed25519ph after the text and the code of RFC 8032 (sections 5.1 and 6), for tests: OpenSSL has it in no form that Node
 * offers. Slow, and not in constant time.
 */
const p = 2n ** 255n - 19n
const order = 2n ** 252n + 27742317777372353535851937790883648493n
const mod = (value: bigint, by = p) => ((value % by) + by) % by

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = mod(base), rest = exponent; rest > 0n; rest >>= 1n, square = mod(square * square)) {
    if (rest & 1n) result = mod(result * square)
  }
  return result
}

const inverse = (value: bigint) => power(value, p - 2n)
const d = mod(-121665n * inverse(121666n))
const rootOfMinusOne = power(2n, (p - 1n) / 4n)

type Point = readonly [x: bigint, y: bigint, z: bigint, t: bigint]

function add([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = mod((y1 - x1) * (y2 - x2))
  const b = mod((y1 + x1) * (y2 + x2))
  const c = mod(2n * t1 * t2 * d)
  const f = mod(2n * z1 * z2)
  const [e, g, h, i] = [b - a, f - c, f + c, b + a]
  return [mod(e * g), mod(h * i), mod(g * h), mod(e * i)]
}

function multiply(scalar: bigint, point: Point): Point {
  let sum: Point = [0n, 1n, 1n, 0n]
  for (let rest = scalar, double = point; rest > 0n; rest >>= 1n, double = add(double, double)) {
    if (rest & 1n) sum = add(sum, double)
  }
  return sum
}

function recoverX(y: bigint, sign: bigint): bigint | null {
  const squared = mod((y * y - 1n) * inverse(d * y * y + 1n))
  let x = power(squared, (p + 3n) / 8n)
  if (mod(x * x - squared) !== 0n) x = mod(x * rootOfMinusOne)
  if (mod(x * x - squared) !== 0n) return null
  return (x & 1n) === sign ? x : mod(-x)
}

const baseY = mod(4n * inverse(5n))
const baseX = recoverX(baseY, 0n) as bigint
const base: Point = [baseX, baseY, 1n, mod(baseX * baseY)]

const littleEndian = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
const bytesOf = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()
const sha512 = (...parts: Uint8Array[]) => createHash('sha512').update(Buffer.concat(parts)).digest()

function encode([x, y, z]: Point): Buffer {
  const [affineX, affineY] = [mod(x * inverse(z)), mod(y * inverse(z))]
  return bytesOf(affineY | ((affineX & 1n) << 255n))
}

function decode(bytes: Uint8Array): Point | null {
  const number = littleEndian(bytes)
  const y = number & (2n ** 255n - 1n)
  const x = y < p ? recoverX(y, number >> 255n) : null
  return x === null ? null : [x, y, 1n, mod(x * y)]
}

/** dom2 with the flag of the pre-hashed variant and no context. */
const domain = Buffer.concat([Buffer.from('SigEd25519 no Ed25519 collisions'), Uint8Array.of(1, 0)])

export function signEd25519ph(seed: Uint8Array, message: Uint8Array): Buffer {
  const expanded = sha512(seed)
  const clamped = (littleEndian(expanded.subarray(0, 32)) & (2n ** 254n - 8n)) | (2n ** 254n)
  const publicKey = encode(multiply(clamped, base))
  const hashed = sha512(message)
  const r = mod(littleEndian(sha512(domain, expanded.subarray(32), hashed)), order)
  const encodedR = encode(multiply(r, base))
  const k = mod(littleEndian(sha512(domain, encodedR, publicKey, hashed)), order)
  return Buffer.concat([encodedR, bytesOf(mod(r + k * clamped, order))])
}

export function verifyEd25519ph(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const [a, r] = [decode(publicKey), decode(signature.subarray(0, 32))]
  const s = littleEndian(signature.subarray(32))
  if (a === null || r === null || s >= order || signature.length !== 64) return false
  const k = mod(littleEndian(sha512(domain, signature.subarray(0, 32), publicKey, sha512(message))), order)
  return encode(multiply(s, base)).equals(encode(add(r, multiply(k, a))))
}
