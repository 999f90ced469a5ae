import { randomBytes } from '../crypto/random.ts'
import { concat } from '../model/bytes.ts'
import { ByteQueue } from './byte-queue.ts'
import { type Converter, convertAll, convertStream, type Emit } from './converter.ts'
import { unwrapDataKey, wrapDataKey } from './data-keys.ts'
import { type Envelope, internals } from './envelope.ts'
import { EnvelopeError } from './errors.ts'
import { encodeHeader, encodeHeaderTag, ivBytes, type ParsedHeader, parseHeader, zeroIv } from './header.ts'
import type { EncryptionContext } from './kms.ts'
import { deriveMessageKey, headerTag, importDataKey } from './message-key.ts'
import { type OpenOptions, openHeader } from './open.ts'
import { type Wrapper, type WrappingKey, wrapperOf } from './wrapping-key.ts'

export interface RewrapOptions {
  /** Who opens the message now, and with what rules. */
  readonly from: Envelope
  /** Who opens it from then on, and nobody else. */
  readonly to: readonly [WrappingKey, ...WrappingKey[]]
  /** As for decryption. */
  readonly encryptionContext?: EncryptionContext
}

/** The message with its data key wrapped by others, and the frames as they are. Read docs/envelope.md before. */
export function rewrap(message: Uint8Array, options: RewrapOptions): Promise<Uint8Array<ArrayBuffer>> {
  return convertAll(rewrapperOf(options), message)
}

/** As `rewrap`, in a stream. */
export function rewrapStream(options: RewrapOptions): ReadableWritablePair<Uint8Array, Uint8Array> {
  return convertStream(rewrapperOf(options))
}

function rewrapperOf({ from, to, encryptionContext }: RewrapOptions) {
  const { kms, wrappers, opening } = from[internals]
  const rewrapping = { ...opening(encryptionContext), from: wrappers, to: to.map((key) => wrapperOf(key, kms)) }
  return (emit: Emit) => new Rewrapper(rewrapping, emit)
}

type Rewrapping = Omit<OpenOptions, 'onHeader'> & {
  readonly from: readonly Wrapper[]
  readonly to: readonly Wrapper[]
}

/** A message in, the same message out with its data key wrapped by others. The frames pass as they are, unopened. */
class Rewrapper implements Converter {
  readonly #options: Rewrapping
  readonly #emit: Emit
  readonly #queue = new ByteQueue()
  #isPastHeader = false

  constructor(options: Rewrapping, emit: Emit) {
    this.#options = options
    this.#emit = emit
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#isPastHeader) {
      this.#emit(piece.slice())
      return
    }
    this.#queue.push(piece)
    const bytes = this.#queue.peek(this.#queue.length) as Uint8Array
    const header = parseHeader(bytes, this.#options.encryptedDataKeysMax)
    if (header !== null) {
      this.#queue.take(header.byteLength)
      this.#emit(await rewrapHeader(header, this.#options))
      this.#emit(this.#queue.take(this.#queue.length).slice())
      this.#isPastHeader = true
    }
    this.#queue.keep()
  }

  async end(): Promise<void> {
    if (this.#isPastHeader) return
    throw new EnvelopeError('TruncatedMessage', 'The message ends within its header: fetch it again.')
  }
}

async function rewrapHeader(header: ParsedHeader, options: Rewrapping): Promise<Uint8Array> {
  const { suite, messageId, encryptionContext } = header
  if (suite.signature !== null) {
    throw new EnvelopeError(
      'ForbiddenMessage',
      'The message is signed, its wrapped data keys too, and the key that signed is gone: decrypt and encrypt it anew.',
    )
  }
  const bytes = await unwrapDataKey(options.from, header)
  const dataKey = await importDataKey(suite, bytes)
  await openHeader(header, { ...options, isSignatureRequired: false, dataKey: async () => dataKey })
  const encryptedDataKeys = await wrapDataKey(options.to, bytes, encryptionContext)
  bytes.fill(0)
  const body = encodeHeader({ ...header, encryptedDataKeys })
  const { key } = await deriveMessageKey(suite, dataKey, messageId)
  // Version 2 has no place for an IV: see "What rewrap trades" in docs/envelope.md.
  const iv = suite.version === 1 ? randomBytes(ivBytes) : zeroIv
  return concat([body, encodeHeaderTag(suite, iv, await headerTag(key, iv, body))])
}
