const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text) as Uint8Array<ArrayBuffer>
}

const scratch = new Uint8Array(16_384)

/**
 * UTF-8 in a buffer that the next call overwrites, which saves an allocation outside the heap. For what is used up
 * before anything else runs: WebCrypto copies its input before it returns.
 */
export function scratchUtf8(text: string): Uint8Array<ArrayBuffer> {
  const { read, written } = encoder.encodeInto(text, scratch)
  return read === text.length ? scratch.subarray(0, written) : utf8(text)
}

/** Null for bytes that are not well-formed UTF-8. A byte order mark is kept. */
export function fromUtf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes)
  } catch {
    return null
  }
}

export function toHex(bytes: Uint8Array): string {
  return bytes.toHex()
}

/** Null for anything but an even number of hex digits. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.fromHex(text)
  } catch {
    return null
  }
}

/** Strict standard base64: null for white space, missing padding, or leftover bits. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (/\s/.test(text)) return null
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' })
  } catch {
    return null
  }
}

export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true })
}

/** Null for anything but what `toBase64Url` writes. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: 'base64url' })
    return toBase64Url(bytes) === text ? bytes : null
  } catch {
    return null
  }
}

export function toBase64(bytes: Uint8Array): string {
  return bytes.toBase64()
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** What comes in pieces, as a whole. Null: it is more than `bytesMax`, and was read no further. */
export async function collect(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const piece of pieces) {
    length += piece.length
    if (length > bytesMax) return null
    parts.push(piece)
  }
  return concat(parts)
}

/** Each part behind its length as a big-endian u32, so that no two lists of parts encode alike. */
export function lengthPrefixed(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const framed: Uint8Array[] = []
  for (const part of parts) {
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, part.length)
    framed.push(length, part)
  }
  return concat(framed)
}

/** The order of two well-formed strings' UTF-8 bytes, without encoding them. */
export function compareUtf8(a: string, b: string): number {
  const shared = Math.min(a.length, b.length)
  for (let at = 0; at < shared; at++) {
    const unitA = a.charCodeAt(at)
    const unitB = b.charCodeAt(at)
    if (unitA === unitB) continue
    // A surrogate begins a character above U+FFFF, and so sorts behind every other one.
    const isAboveA = (unitA & 0xf800) === 0xd800
    const isAboveB = (unitB & 0xf800) === 0xd800
    if (isAboveA !== isAboveB) return isAboveA ? 1 : -1
    return unitA - unitB
  }
  return a.length - b.length
}

/** Writes the text's UTF-8 at `at` and returns how many bytes it took. The caller has made room: 3 bytes a UTF-16 unit. */
export function writeUtf8(text: string, into: Uint8Array, at: number): number {
  for (let unit = 0; unit < text.length; unit++) {
    const code = text.charCodeAt(unit)
    if (code > 0x7f) return encoder.encodeInto(text, into.subarray(at)).written
    into[at + unit] = code
  }
  return text.length
}
