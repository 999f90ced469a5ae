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
    checkHeld(this.#length, this.#bytesMax)
    // A copy: what has left may be changed by those who have it.
    this.#parts.push(bytes.slice())
  }

  all(): Uint8Array<ArrayBuffer> {
    return concat(this.#parts)
  }
}

/** Throws `TooLarge` for what may not be held in memory at once. */
export function checkHeld(bytes: number, heldBytesMax: number): void {
  if (bytes <= heldBytesMax) return
  throw new EnvelopeError(
    'TooLarge',
    `A frame, a body without frames, or a signed message is held as a whole: ${bytes} bytes, above heldBytesMax.`,
  )
}
