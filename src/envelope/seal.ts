import { randomBytes } from '../crypto/random.ts'
import { concat } from '../model/bytes.ts'
import { ByteQueue } from './byte-queue.ts'
import type { Converter, Emit } from './converter.ts'
import type { Materials } from './data-keys.ts'
import { EnvelopeError } from './errors.ts'
import { FrameQueue } from './frame-queue.ts'
import { encodeHeader, encodeHeaderTag, type Header, ivBytes, messageIdBytes, tagBytes, zeroIv } from './header.ts'
import { deriveMessageKey, headerTag, partAad } from './message-key.ts'
import { sign } from './signature.ts'
import { SignedBytes } from './signed-bytes.ts'
import type { Suite } from './suites.ts'
import { uint } from './wire.ts'

interface SealOptions {
  readonly suite: Suite
  /** Plaintext bytes of a frame. */
  readonly frameBytes: number
  /** Of plaintext, that the caller promised; null: any number. */
  readonly bytesMax: number | null
  /** What a signed message may have, all of which is held until it is signed. */
  readonly heldBytesMax: number
  /** Called once, when the message begins. */
  readonly materials: () => Promise<Materials>
}

interface Begun {
  readonly header: Header
  readonly key: CryptoKey
  readonly materials: Materials
}

const framesMax = 2 ** 32 - 1
const finalMark = uint(framesMax, 4)

/** Plaintext in, a message out. */
export class Sealer implements Converter {
  readonly #options: SealOptions
  readonly #emit: Emit
  readonly #queue = new ByteQueue()
  readonly #frames: FrameQueue
  readonly #signed: SignedBytes | null
  #begun: Promise<Begun> | null = null
  #sequence = 0
  #bytes = 0

  constructor(options: SealOptions, emit: Emit) {
    this.#options = options
    this.#signed = options.suite.signature === null ? null : new SignedBytes(options.heldBytesMax)
    this.#emit = (bytes) => {
      this.#signed?.add(bytes)
      emit(bytes)
    }
    this.#frames = new FrameQueue(this.#emit)
  }

  async write(piece: Uint8Array): Promise<void> {
    const { bytesMax, frameBytes } = this.#options
    this.#bytes += piece.length
    if (bytesMax !== null && this.#bytes > bytesMax) throw tooMuch(bytesMax)
    this.#queue.push(piece)
    const begun = await this.#begin()
    // The last frame is known when the stream ends: a full one waits for what follows.
    while (this.#queue.length > frameBytes)
      await this.#frames.add(this.#seal(begun, this.#queue.take(frameBytes), 'frame'))
    this.#queue.keep()
  }

  async end(): Promise<void> {
    const begun = await this.#begin()
    await this.#frames.add(this.#seal(begun, this.#queue.take(this.#queue.length), 'finalFrame'))
    await this.#frames.drain()
    const { signature } = this.#options.suite
    const { signingKey } = begun.materials
    if (signature === null || signingKey === null || this.#signed === null) return
    const der = await sign(signature, signingKey, this.#signed.all())
    this.#emit(concat([uint(der.length, 2), der]))
  }

  #begin(): Promise<Begun> {
    this.#begun ??= this.#sealHeader()
    return this.#begun
  }

  async #sealHeader() {
    const { suite, frameBytes } = this.#options
    const materials = await this.#options.materials()
    const messageId = randomBytes(messageIdBytes)
    const { key, commitment } = await deriveMessageKey(suite, materials.dataKey, messageId)
    const { encryptionContext, encryptedDataKeys } = materials
    const header = { suite, messageId, encryptionContext, encryptedDataKeys, frameBytes, commitment }
    const body = encodeHeader(header)
    this.#emit(concat([body, encodeHeaderTag(suite, zeroIv, await headerTag(key, zeroIv, body))]))
    return { header, key, materials }
  }

  async #seal({ header, key }: Begun, plaintext: Uint8Array, part: 'frame' | 'finalFrame'): Promise<Uint8Array[]> {
    const sequence = uint(this.#next(), 4)
    // A number of each frame's own, under a key of the message's own; the header's is zero.
    const iv = concat([new Uint8Array(ivBytes - 4), sequence])
    const additionalData = partAad(header, part, this.#sequence, plaintext.length)
    const algorithm = { name: 'AES-GCM', iv, additionalData, tagLength: 8 * tagBytes }
    const content = crypto.subtle.encrypt(algorithm, key, plaintext as Uint8Array<ArrayBuffer>)
    const isFinal = part === 'finalFrame'
    const prefix = isFinal ? [finalMark, sequence, iv, uint(plaintext.length, 4)] : [sequence, iv]
    return [concat(prefix), new Uint8Array(await content)]
  }

  #next(): number {
    this.#sequence += 1
    if (this.#sequence < framesMax) return this.#sequence
    throw new EnvelopeError('TooLarge', 'There are too many frames: use a larger frameBytes.')
  }
}

function tooMuch(bytesMax: number): EnvelopeError {
  return new EnvelopeError('InvalidInput', `The plaintext is longer than plaintextBytes (${bytesMax}).`)
}
