import { concat } from '../model/bytes.ts'
import { der, derTag, readSequence } from './der.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** `r ‖ s`, each as long as the curve's order, as the SEQUENCE of two INTEGERs that KMS and OpenSSL have (RFC 3279). */
export function signatureToDer(fixed: Uint8Array): Bytes {
  const half = fixed.length / 2
  return der(derTag.sequence, derInteger(fixed.subarray(0, half)), derInteger(fixed.subarray(half)))
}

/** Null: not DER to the letter, bytes behind it, a number below zero, or one that the curve's order has no room for. */
export function signatureFromDer(signature: Bytes, orderBytes: number): Bytes | null {
  const numbers = readSequence(signature)
  if (numbers?.length !== 2) return null
  const fixed = numbers.map(({ tag, content }) => (tag === derTag.integer ? fixedNumber(content, orderBytes) : null))
  return fixed.includes(null) ? null : concat(fixed as Bytes[])
}

function derInteger(number: Uint8Array): Bytes {
  const first = number.findIndex((byte) => byte !== 0)
  const digits = number.subarray(first < 0 ? number.length - 1 : first)
  const sign = (digits[0] as number) < 0x80 ? [] : [0]
  return der(derTag.integer, Uint8Array.from(sign), digits)
}

function fixedNumber(content: Uint8Array, bytes: number): Bytes | null {
  const [first, second] = content
  if (first === undefined || first >= 0x80) return null
  const isPadded = first === 0 && content.length > 1
  if (isPadded && (second as number) < 0x80) return null
  const digits = isPadded ? content.subarray(1) : content
  if (digits.length > bytes) return null
  const fixed = new Uint8Array(bytes)
  fixed.set(digits, bytes - digits.length)
  return fixed
}
