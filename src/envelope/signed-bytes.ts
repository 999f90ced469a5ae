import { concat } from '../model/bytes.ts'
import { EnvelopeError } from './errors.ts'

/** What a signature is over. WebCrypto signs and verifies only what it is given at once, so all of it is held. */
export class SignedBytes {
  readonly #bytesMax: number
  readonly #parts: Uint8Array[] = []
  #length = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Throws `TooLarge`. */
  add(bytes: Uint8Array): void {
    this.#length += bytes.length
    if (this.#length > this.#bytesMax) {
      throw new EnvelopeError(
        'TooLarge',
        `A signed message has to be in memory as a whole, and this one has more than heldBytesMax (${this.#bytesMax}) ` +
          'bytes. Raise it, or use the suite that does not sign.',
      )
    }
    // A copy: what has left may be changed by those who have it.
    this.#parts.push(bytes.slice())
  }

  all(): Uint8Array<ArrayBuffer> {
    return concat(this.#parts)
  }
}
