import { fromUtf8, utf8 } from '../model/bytes.ts'
import { EnvelopeError } from './errors.ts'

/** The bytes of a big-endian number. */
export function uint(value: number, bytes: 1 | 2 | 4 | 8): Uint8Array<ArrayBuffer> {
  const encoded = new Uint8Array(8)
  new DataView(encoded.buffer).setBigUint64(0, BigInt(value))
  return encoded.subarray(8 - bytes)
}

/** Behind its length as u16. Throws `InvalidInput` for more than the format can say. */
export function field(value: Uint8Array | string, name: string): Uint8Array[] {
  const bytes = typeof value === 'string' ? utf8(value) : value
  if (bytes.length > 0xffff) throw new EnvelopeError('InvalidInput', `${name} is longer than 65,535 bytes.`)
  return [uint(bytes.length, 2), bytes]
}

/** Thrown at the end of what is there so far. */
export class NeedsMore extends Error {}

export class Reader {
  readonly #bytes: Uint8Array
  readonly #atEnd: () => Error
  at = 0

  /** `atEnd` makes what is thrown where the bytes end. */
  constructor(bytes: Uint8Array, atEnd: () => Error) {
    this.#bytes = bytes
    this.#atEnd = atEnd
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    const end = this.at + count
    if (end > this.#bytes.length) throw this.#atEnd()
    const read = this.#bytes.slice(this.at, end)
    this.at = end
    return read as Uint8Array<ArrayBuffer>
  }

  uint(count: 1 | 2 | 4): number {
    let value = 0
    for (const byte of this.bytes(count)) value = value * 256 + byte
    return value
  }

  field(): Uint8Array<ArrayBuffer> {
    return this.bytes(this.uint(2))
  }

  text(): string {
    const text = fromUtf8(this.field())
    if (text === null) throw new EnvelopeError('TamperedMessage', 'The header has text that is not UTF-8.')
    return text
  }
}
