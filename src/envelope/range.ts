import { ByteQueue } from './byte-queue.ts'
import { type Converter, convertStream, type Emit } from './converter.ts'
import { type Envelope, infoOf, internals, type MessageInfo } from './envelope.ts'
import { EnvelopeError } from './errors.ts'
import { FrameQueue } from './frame-queue.ts'
import { FrameReader, finalFrameOverhead, regularFrameOverhead } from './frame-reader.ts'
import { type ParsedHeader, parseHeader } from './header.ts'
import type { EncryptionContext } from './kms.ts'
import { openHeader } from './open.ts'

/** Where a message lies that can be read in pieces. */
export interface RangeSource {
  /** Of the whole message. */
  readonly byteLength: number
  /** The bytes from `offset` on, `length` of them. */
  read(offset: number, length: number): Promise<ReadableStream<Uint8Array>>
}

export interface RangeOptions {
  readonly envelope: Envelope
  readonly offset: number
  /** Or what there is, where that is less. */
  readonly length: number
  /** As for decryption. */
  readonly encryptionContext?: EncryptionContext
}

export interface DecryptedRange extends MessageInfo {
  /** Of the whole message, by its length. */
  readonly plaintextBytes: number
  readonly stream: ReadableStream<Uint8Array>
}

/** Most headers are shorter. */
const headerGuessBytes = 2_048

/** Plaintext bytes, by the length of the message, nothing of which is verified. Null where only the whole would say. */
export async function plaintextLength(source: RangeSource): Promise<number | null> {
  const header = await readHeader(source, Number.POSITIVE_INFINITY)
  return isInFrames(header) ? plaintextBytesOf(header, source.byteLength) : null
}

function isInFrames({ suite, frameBytes }: ParsedHeader): boolean {
  return suite.signature === null && frameBytes > 0
}

/** The header at the beginning of a source, not verified yet. Throws what `parseHeader` throws. */
async function readHeader(source: RangeSource, encryptedDataKeysMax: number): Promise<ParsedHeader> {
  for (let length = headerGuessBytes; ; length *= 8) {
    const asked = Math.min(length, source.byteLength)
    const bytes = asked === 0 ? new Uint8Array(0) : await bytesOf(await source.read(0, asked))
    const header = parseHeader(bytes, encryptedDataKeysMax)
    if (header !== null) return header
    if (asked < length) throw new EnvelopeError('TruncatedMessage', 'The message ends within its header.')
  }
}

/** Plaintext bytes of a framed message without a signature, by its length alone. */
function plaintextBytesOf(header: ParsedHeader, messageBytes: number): number {
  const { frameBytes, byteLength: headerBytes } = header
  if (!isInFrames(header)) {
    throw new EnvelopeError(
      'UnsupportedMessage',
      'A part of a message can be read where it has frames and no signature. Read the whole.',
    )
  }
  const body = messageBytes - headerBytes - finalFrameOverhead
  const regularFrames = Math.floor(body / (frameBytes + regularFrameOverhead))
  const bytes = body - regularFrames * regularFrameOverhead
  if (body >= 0 && bytes <= (regularFrames + 1) * frameBytes) return bytes
  throw new EnvelopeError('TruncatedMessage', 'The message is not as long as its frames.')
}

/** `length` bytes from `offset` of the plaintext, by reading the frames that have them. Rejects with `EnvelopeError`. */
export async function decryptRange(source: RangeSource, range: RangeOptions): Promise<DecryptedRange> {
  const options = range.envelope[internals].opening(range.encryptionContext)
  const header = await readHeader(source, options.encryptedDataKeysMax)
  const plaintextBytes = plaintextBytesOf(header, source.byteLength)
  const key = await openHeader(header, options)
  const { frameBytes } = header
  const end = Math.min(range.offset + range.length, plaintextBytes)
  if (!(range.offset >= 0 && range.offset < end)) {
    throw new EnvelopeError('InvalidInput', `The range is outside of the ${plaintextBytes} bytes that there are.`)
  }
  const wireBytes = frameBytes + regularFrameOverhead
  const first = Math.floor(range.offset / frameBytes)
  const stop = Math.ceil(end / frameBytes)
  const isToTheEnd = stop * frameBytes >= plaintextBytes
  const from = header.byteLength + first * wireBytes
  const to = isToTheEnd ? source.byteLength : header.byteLength + stop * wireBytes
  const ciphertext = await source.read(from, to - from)
  const frames = { first: first + 1, last: isToTheEnd ? null : stop }
  const cut = { skip: range.offset - first * frameBytes, length: end - range.offset }
  const stream = ciphertext.pipeThrough(
    convertStream((emit) => new RangeOpener({ header, key }, { ...frames, ...cut }, options.heldBytesMax, emit)),
  )
  return { ...infoOf(header), plaintextBytes, stream }
}

interface Frames {
  readonly first: number
  /** Null: the last of the message. */
  readonly last: number | null
  /** Bytes of their plaintext that were not asked for, before those that were. */
  readonly skip: number
  readonly length: number
}

/** Some frames of a message in, the part of their plaintext that was asked for out. */
class RangeOpener implements Converter {
  readonly #queue = new ByteQueue()
  readonly #frames: FrameQueue
  readonly #reader: FrameReader
  readonly #last: number | null

  constructor(
    opened: { header: ParsedHeader; key: CryptoKey },
    { first, last, skip, length }: Frames,
    heldBytesMax: number,
    emit: Emit,
  ) {
    let [left, wanted] = [skip, length]
    this.#frames = new FrameQueue((plaintext) => {
      const part = plaintext.subarray(left, left + wanted)
      left = 0
      wanted -= part.length
      emit(part)
    })
    this.#reader = new FrameReader(opened, this.#queue, this.#frames, heldBytesMax, first)
    this.#last = last
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#queue.push(piece)
    while (!this.#isDone() && (await this.#reader.next()) !== null);
    this.#queue.keep()
  }

  async end(): Promise<void> {
    await this.#frames.drain()
    if (this.#isDone() && this.#queue.length === 0) return
    throw new EnvelopeError('TruncatedMessage', `The message ends before frame ${this.#reader.sequence} does.`)
  }

  #isDone(): boolean {
    return this.#last === null ? this.#reader.isDone : this.#reader.sequence > this.#last
  }
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer())
}
