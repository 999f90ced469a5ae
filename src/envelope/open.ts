import { ByteQueue } from './byte-queue.ts'
import { publicKeyName, requireContext } from './context.ts'
import type { Converter, Emit } from './converter.ts'
import { EnvelopeError } from './errors.ts'
import { FrameQueue } from './frame-queue.ts'
import { FrameReader } from './frame-reader.ts'
import { encodeHeaderTag, type ParsedHeader, parseHeader } from './header.ts'
import type { EncryptionContext } from './kms.ts'
import { deriveMessageKey, verifyHeader } from './message-key.ts'
import { verifySignature } from './signature.ts'
import { SignedBytes } from './signed-bytes.ts'
import { suiteName } from './suites.ts'

export interface OpenOptions {
  /** Pairs that the message's encryption context must have. */
  readonly required: EncryptionContext
  /** Whether a message of version 1, which does not commit to its key, is opened. */
  readonly isUncommittedAllowed: boolean
  /** Whether a message that is not signed is refused. */
  readonly isSignatureRequired: boolean
  /** Whether frames of a signed message leave once they are verified, or all of them once the signature is. */
  readonly isReleasedUnsigned: boolean
  readonly encryptedDataKeysMax: number
  readonly heldBytesMax: number
  readonly dataKey: (header: ParsedHeader) => Promise<CryptoKey>
  /** Called with the header once it is verified. */
  readonly onHeader: (header: ParsedHeader) => void
}

/** A message in, plaintext out; nothing of a frame before that frame is verified. */
export class Opener implements Converter {
  readonly #options: OpenOptions
  readonly #emit: Emit
  readonly #queue = new ByteQueue()
  readonly #frames: FrameQueue
  /** Plaintext that waits for the signature. */
  readonly #held: Uint8Array[] = []
  #isHolding = false
  #signed: SignedBytes | null = null
  #header: ParsedHeader | null = null
  #reader: FrameReader | null = null
  #isVerified = false

  constructor(options: OpenOptions, emit: Emit) {
    this.#options = options
    this.#emit = emit
    this.#frames = new FrameQueue((plaintext) => {
      if (this.#isHolding) this.#held.push(plaintext)
      else emit(plaintext)
    })
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#queue.push(piece)
    while (this.#queue.length > 0 && (await this.#step()));
    this.#queue.keep()
  }

  async end(): Promise<void> {
    if (this.#isVerified) return
    const place =
      this.#reader === null ? 'header' : this.#reader.isDone ? 'signature' : `frame ${this.#reader.sequence}`
    throw new EnvelopeError(
      this.#queue.length === 0 && this.#header === null ? 'NotAMessage' : 'TruncatedMessage',
      `The message ends before the end of its ${place}: discard what was read, and fetch it again.`,
    )
  }

  /** False: more bytes are needed. */
  async #step(): Promise<boolean> {
    if (this.#reader === null) return this.#readHeader()
    if (!this.#reader.isDone) return this.#readFrame(this.#reader)
    if (this.#isVerified) throw new EnvelopeError('TamperedMessage', 'There are bytes behind the message.')
    return this.#readSignature()
  }

  async #readHeader(): Promise<boolean> {
    const bytes = this.#queue.peek(this.#queue.length) as Uint8Array
    const header = parseHeader(bytes, this.#options.encryptedDataKeysMax)
    if (header === null) return false
    this.#queue.take(header.byteLength)
    const key = await openHeader(header, this.#options)
    this.#header = header
    if (header.suite.signature !== null) {
      this.#isHolding = !this.#options.isReleasedUnsigned
      this.#signed = new SignedBytes(this.#options.heldBytesMax)
      this.#signed.add(header.body)
      this.#signed.add(encodeHeaderTag(header.suite, header.iv, header.tag))
    }
    this.#reader = new FrameReader({ header, key }, this.#queue, this.#frames, this.#options.heldBytesMax)
    this.#options.onHeader(header)
    return true
  }

  async #readFrame(reader: FrameReader): Promise<boolean> {
    const part = await reader.next()
    if (part === null) return false
    this.#signed?.add(part)
    if (!reader.isDone) return true
    await this.#frames.drain()
    this.#isVerified = this.#signed === null
    return true
  }

  async #readSignature(): Promise<boolean> {
    const prefix = this.#queue.peek(2)
    if (prefix === null) return false
    const length = ((prefix[0] ?? 0) << 8) | (prefix[1] ?? 0)
    if (this.#queue.length < 2 + length) return false
    const der = this.#queue.take(2 + length).slice(2)
    const { suite, encryptionContext } = this.#header as ParsedHeader
    const publicKey = encryptionContext[publicKeyName] ?? ''
    if (suite.signature !== null && this.#signed !== null) {
      await verifySignature(suite.signature, publicKey, this.#signed.all(), der)
    }
    this.#isVerified = true
    for (const plaintext of this.#held.splice(0)) this.#emit(plaintext)
    return true
  }
}

/** The message's own key, once everything that a header can say has been checked, and its tag verified. */
export async function openHeader(
  header: ParsedHeader,
  {
    required,
    isUncommittedAllowed,
    isSignatureRequired,
    dataKey,
  }: Pick<OpenOptions, 'required' | 'isUncommittedAllowed' | 'isSignatureRequired' | 'dataKey'>,
): Promise<CryptoKey> {
  const { suite, messageId, encryptionContext } = header
  if (suite.version === 1 && !isUncommittedAllowed) {
    throw new EnvelopeError(
      'ForbiddenMessage',
      `The message's suite, ${suiteName(suite.id)}, does not commit to its key: allowUncommitted opens it.`,
    )
  }
  if (suite.signature === null && isSignatureRequired) {
    throw new EnvelopeError('ForbiddenMessage', 'The message is not signed, which requireSignature asks for.')
  }
  requireContext(encryptionContext, required)
  const messageKey = await deriveMessageKey(suite, await dataKey(header), messageId)
  await verifyHeader(header, messageKey)
  return messageKey.key
}
