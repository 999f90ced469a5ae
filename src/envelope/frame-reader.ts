import type { ByteQueue } from './byte-queue.ts'
import { EnvelopeError } from './errors.ts'
import type { FrameQueue } from './frame-queue.ts'
import { ivBytes, type ParsedHeader, tagBytes } from './header.ts'
import { type Part, partAad } from './message-key.ts'
import { checkHeld } from './signed-bytes.ts'

const finalMark = 0xffffffff
const regularPrefixBytes = 4 + ivBytes
const finalPrefixBytes = 4 + 4 + ivBytes + 4
const singlePrefixBytes = ivBytes + 8

/** Of a frame that is not the last, around its content. */
export const regularFrameOverhead = regularPrefixBytes + tagBytes
export const finalFrameOverhead = finalPrefixBytes + tagBytes

/** Takes a message's parts from a queue and has each opened; none leaves before its own tag is verified. */
export class FrameReader {
  readonly #header: ParsedHeader
  readonly #key: CryptoKey
  readonly #queue: ByteQueue
  readonly #frames: FrameQueue
  readonly #heldBytesMax: number
  /** Of the next frame. */
  sequence: number
  /** True once the last part has been read. */
  isDone = false

  constructor(
    { header, key }: { header: ParsedHeader; key: CryptoKey },
    queue: ByteQueue,
    frames: FrameQueue,
    heldBytesMax: number,
    firstSequence = 1,
  ) {
    this.#header = header
    this.#key = key
    this.#queue = queue
    this.#frames = frames
    this.#heldBytesMax = heldBytesMax
    this.sequence = firstSequence
    checkHeld(header.frameBytes, heldBytesMax)
  }

  /** The next part as it lies in the message, on its way to be opened; null while it is not there as a whole. */
  async next(): Promise<Uint8Array | null> {
    const { frameBytes } = this.#header
    return frameBytes === 0 ? this.#single() : this.#frame(frameBytes)
  }

  async #frame(frameBytes: number): Promise<Uint8Array | null> {
    const mark = this.#uint(0)
    if (mark === null) return null
    if (mark !== finalMark) {
      this.#checkSequence(mark)
      const frame = this.#take(regularPrefixBytes + frameBytes + tagBytes)
      if (frame !== null) await this.#open('frame', frame.subarray(4), frameBytes)
      return frame
    }
    const sequence = this.#uint(4)
    const length = this.#uint(4 + 4 + ivBytes)
    if (sequence === null || length === null) return null
    this.#checkSequence(sequence)
    if (length > frameBytes) throw tampered(`The last frame says that it is longer than a frame.`)
    const frame = this.#take(finalPrefixBytes + length + tagBytes)
    if (frame === null) return null
    const iv = frame.subarray(8, 8 + ivBytes)
    await this.#open('finalFrame', frame.subarray(finalPrefixBytes), length, iv)
    this.isDone = true
    return frame
  }

  /** A body in one piece: https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html#body-no-framing */
  async #single(): Promise<Uint8Array | null> {
    const [high, low] = [this.#uint(ivBytes), this.#uint(ivBytes + 4)]
    if (high === null || low === null) return null
    const length = high * 2 ** 32 + low
    checkHeld(length, this.#heldBytesMax)
    const part = this.#take(singlePrefixBytes + length + tagBytes)
    if (part === null) return null
    await this.#open('single', part.subarray(singlePrefixBytes), length, part.subarray(0, ivBytes))
    this.isDone = true
    return part
  }

  /** `content` is the content with its tag; where no `iv` is given, the IV comes first. */
  #open(part: Part, content: Uint8Array, length: number, iv?: Uint8Array): Promise<void> {
    const ciphertext = iv === undefined ? content.subarray(ivBytes) : content
    const opened = this.#opened(part, iv ?? content.subarray(0, ivBytes), ciphertext, length)
    this.sequence += 1
    return this.#frames.add(opened)
  }

  async #opened(part: Part, iv: Uint8Array, ciphertext: Uint8Array, length: number): Promise<Uint8Array[]> {
    const { sequence } = this
    const additionalData = partAad(this.#header, part, sequence, length)
    const algorithm = { name: 'AES-GCM', iv: iv as Uint8Array<ArrayBuffer>, additionalData, tagLength: 8 * tagBytes }
    try {
      return [new Uint8Array(await crypto.subtle.decrypt(algorithm, this.#key, ciphertext as Uint8Array<ArrayBuffer>))]
    } catch {
      throw tampered(`Frame ${sequence} was changed after it was made, or belongs to another message.`)
    }
  }

  #checkSequence(sequence: number): void {
    if (sequence === this.sequence) return
    throw tampered(`Frame ${this.sequence} is missing: the message goes on with frame ${sequence}.`)
  }

  #take(count: number): Uint8Array | null {
    return this.#queue.length < count ? null : this.#queue.take(count)
  }

  /** The number of four bytes at `at`. */
  #uint(at: number): number | null {
    const bytes = this.#queue.peek(at + 4)
    return bytes === null ? null : new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0)
  }
}

function tampered(message: string): EnvelopeError {
  return new EnvelopeError('TamperedMessage', message)
}
