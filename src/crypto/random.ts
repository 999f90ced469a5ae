/** Bytes for a caller who asked for them: data keys, GenerateRandom. `count` is at most 65,536. */
export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(count))
}

/** A key id that no key has; of a multi-Region key, `mrk-` and 32 hex digits. */
export function newKeyId(isMultiRegion = false): string {
  return isMultiRegion ? `mrk-${randomBytes(16).toHex()}` : crypto.randomUUID()
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** An id of IAM that nothing else has: AIDA…, AROA…, AGPA… or ANPA…, and 17 characters of base32. */
export function newUniqueId(prefix: 'AGPA' | 'AIDA' | 'ANPA' | 'AROA'): string {
  return prefix + Array.from(randomBytes(17), (byte) => base32[byte % 32]).join('')
}

/** A grant id that no grant has: 64 hex digits. */
export function newGrantId(): string {
  return randomBytes(32).toHex()
}
