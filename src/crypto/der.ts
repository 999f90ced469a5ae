/** The tags of DER (X.690) that keys and signatures are made of. */
export const derTag = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  sequence: 0x30,
} as const

export interface DerElement {
  readonly tag: number
  readonly content: Uint8Array<ArrayBuffer>
}

/** An element of at most 65,535 bytes. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = contents.reduce((sum, content) => sum + content.length, 0)
  const header = [tag, ...lengthOf(length)]
  const element = new Uint8Array(header.length + length)
  element.set(header)
  let at = header.length
  for (const content of contents) {
    element.set(content, at)
    at += content.length
  }
  return element
}

/**
 * The elements that fill the bytes exactly. Null: they do not, or a length is not in its one shortest form, or is more
 * than 65,535. Every tag has one byte.
 */
export function readDer(bytes: Uint8Array<ArrayBuffer>): readonly DerElement[] | null {
  const elements: DerElement[] = []
  let at = 0
  while (at < bytes.length) {
    const header = headerAt(bytes, at)
    if (header === null || header.end > bytes.length) return null
    elements.push({ tag: bytes[at] as number, content: bytes.subarray(header.start, header.end) })
    at = header.end
  }
  return elements
}

/** The elements of the one SEQUENCE that the bytes are. Null: they are something else. */
export function readSequence(bytes: Uint8Array<ArrayBuffer>): readonly DerElement[] | null {
  const [sequence, ...others] = readDer(bytes) ?? []
  if (sequence?.tag !== derTag.sequence || others.length > 0) return null
  return readDer(sequence.content)
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length]
  if (length < 0x100) return [0x81, length]
  if (length < 0x10000) return [0x82, length >> 8, length & 0xff]
  throw new Error(`An element of ${length} bytes`)
}

/** Where the content of the element at `at` starts and ends; it may end behind the bytes. */
function headerAt(bytes: Uint8Array, at: number) {
  const first = bytes[at + 1]
  if (first === undefined) return null
  if (first < 0x80) return { start: at + 2, end: at + 2 + first }
  const digits = first & 0x7f
  const start = at + 2 + digits
  if (digits < 1 || digits > 2 || start > bytes.length) return null
  const length = bytes.subarray(at + 2, start).reduce((sum, digit) => sum * 256 + digit, 0)
  const isShortest = length >= (digits === 1 ? 0x80 : 0x100)
  return isShortest ? { start, end: start + length } : null
}
