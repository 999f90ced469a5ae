import { checkOwnContext } from './context.ts'
import { convertAll, convertStream } from './converter.ts'
import type { CacheLimits } from './data-key-cache.ts'
import { DataKeys } from './data-keys.ts'
import { EnvelopeError } from './errors.ts'
import type { ParsedHeader } from './header.ts'
import type { EncryptionContext, EnvelopeKms } from './kms.ts'
import { Opener, type OpenOptions } from './open.ts'
import { Sealer } from './seal.ts'
import { suiteName, suiteOf, type WrittenSuite, writtenSuites } from './suites.ts'
import { type Wrapper, type WrappingKey, wrapperOf } from './wrapping-key.ts'

export interface EnvelopeOptions {
  readonly kms: EnvelopeKms
  /** Each of them opens what is encrypted here; the first makes the data keys, unless it is an RSA key. */
  readonly keys: readonly [WrappingKey, ...WrappingKey[]]
  /** `committing` (0x0478) where it is left out; `signing` (0x0578) also proves that the writer could encrypt. */
  readonly suite?: WrittenSuite
  /** Plaintext bytes of a frame, which is what is in memory at a time: 65,536 where it is left out. */
  readonly frameBytes?: number
  /** Left out: each message has a data key of its own. */
  readonly cache?: CacheLimits
  /** Wrapped data keys that a message may have, each of which may cost a call to KMS: 16 where it is left out. */
  readonly encryptedDataKeysMax?: number
  /**
   * Bytes held where the format leaves no choice: a frame, a body in one piece, a whole signed message.
   * 67,108,864 (64 MiB) where it is left out.
   */
  readonly heldBytesMax?: number
  /** Opens messages of version 1, which do not commit to their key: written by the AWS Encryption SDK before 2.0. */
  readonly allowUncommitted?: boolean
  /** Refuses messages that are not signed. */
  readonly requireSignature?: boolean
}

interface EncryptOptions {
  /** Public, and authenticated: it is in the message, in KMS's record, and needed to open the message. */
  readonly encryptionContext?: EncryptionContext
}

interface EncryptStreamOptions extends EncryptOptions {
  /** At most how many will come. Without it the cache is not used, because nobody can count. */
  readonly plaintextBytes?: number
}

interface DecryptOptions {
  /** Pairs that the message must have been encrypted with; it may have more. */
  readonly encryptionContext?: EncryptionContext
}

interface DecryptStreamOptions extends DecryptOptions {
  /** Of a signed message, gives each frame out once it is verified, before the signature at the end is. */
  readonly releaseUnsigned?: boolean
}

/** What a verified header says. */
export interface MessageInfo {
  readonly encryptionContext: EncryptionContext
  /** As in docs/envelope.md: 0x0478. */
  readonly suite: string
}

export interface Decrypted extends MessageInfo {
  readonly plaintext: Uint8Array<ArrayBuffer>
}

export interface DecryptStream extends ReadableWritablePair<Uint8Array, Uint8Array> {
  /** Resolves before the first byte of plaintext leaves. */
  readonly info: Promise<MessageInfo>
}

export const internals: unique symbol = Symbol('internals')

interface EnvelopeInternals {
  readonly kms: EnvelopeKms
  readonly wrappers: readonly Wrapper[]
  opening(required?: EncryptionContext): Omit<OpenOptions, 'onHeader'>
}

/**
 * Envelope encryption in the message format of the AWS Encryption SDK. Rejects with `EnvelopeError`, and where KMS makes no
 * data key, with KMS's own exception.
 */
export interface Envelope {
  encrypt(plaintext: Uint8Array, options?: EncryptOptions): Promise<Uint8Array<ArrayBuffer>>
  decrypt(message: Uint8Array, options?: DecryptOptions): Promise<Decrypted>
  encryptStream(options?: EncryptStreamOptions): ReadableWritablePair<Uint8Array, Uint8Array>
  decryptStream(options?: DecryptStreamOptions): DecryptStream
  /** Forgets every cached data key. */
  clearCache(): void
  /** For what works with a message in other ways. */
  readonly [internals]: EnvelopeInternals
}

const frameBytesMax = 2 ** 32 - 1

/** Throws `InvalidInput` for options that nothing could be encrypted with. */
export function createEnvelope(options: EnvelopeOptions): Envelope {
  const { kms, keys, frameBytes = 65_536, heldBytesMax = 64 * 2 ** 20, encryptedDataKeysMax = 16 } = options
  if (keys.length < 1 || keys.length > encryptedDataKeysMax) {
    throw new EnvelopeError('InvalidInput', `${keys.length} keys: there are from 1 to encryptedDataKeysMax.`)
  }
  if (!Number.isInteger(frameBytes) || frameBytes < 1 || frameBytes > Math.min(frameBytesMax, heldBytesMax)) {
    throw new EnvelopeError('InvalidInput', `frameBytes is ${frameBytes}: an integer from 1 to heldBytesMax.`)
  }
  const suite = suiteOf(writtenSuites[options.suite ?? 'committing'], 2)
  const wrappers = keys.map((key) => wrapperOf(key, kms))
  const dataKeys = new DataKeys(wrappers, options.cache)

  const sealer = (context: EncryptionContext, bytes: number | null) => {
    checkOwnContext(context)
    const materials = () => dataKeys.forEncryption(suite, context, bytes)
    const sealing = { suite, frameBytes, bytesMax: bytes, heldBytesMax, materials }
    return (emit: (bytes: Uint8Array) => void) => new Sealer(sealing, emit)
  }
  const opening = (required: EncryptionContext = {}, isReleasedUnsigned = false): Omit<OpenOptions, 'onHeader'> => ({
    required,
    isUncommittedAllowed: options.allowUncommitted ?? false,
    isSignatureRequired: options.requireSignature ?? false,
    isReleasedUnsigned,
    encryptedDataKeysMax,
    heldBytesMax,
    dataKey: (header) => dataKeys.forDecryption(header),
  })
  return {
    async encrypt(plaintext, { encryptionContext = {} } = {}) {
      return convertAll(sealer(encryptionContext, plaintext.length), plaintext)
    },
    encryptStream({ encryptionContext = {}, plaintextBytes } = {}) {
      return convertStream(sealer(encryptionContext, plaintextBytes ?? null))
    },
    async decrypt(message, { encryptionContext } = {}) {
      let info: MessageInfo | null = null
      const onHeader = (header: ParsedHeader) => {
        info = infoOf(header)
      }
      const options = { ...opening(encryptionContext), onHeader }
      const plaintext = await convertAll((emit) => new Opener(options, emit), message)
      return { plaintext, ...(info as unknown as MessageInfo) }
    },
    decryptStream({ encryptionContext, releaseUnsigned } = {}) {
      const { promise: info, resolve, reject } = Promise.withResolvers<MessageInfo>()
      // Whoever reads the stream hears of a failure anyway.
      info.catch(() => {})
      const onHeader = (header: ParsedHeader) => resolve(infoOf(header))
      const heard = (work: Promise<void>) =>
        work.catch((failure: unknown) => {
          reject(failure)
          throw failure
        })
      const { readable, writable } = convertStream((emit) => {
        const opener = new Opener({ ...opening(encryptionContext, releaseUnsigned), onHeader }, emit)
        return { write: (piece) => heard(opener.write(piece)), end: () => heard(opener.end()) }
      })
      return { readable, writable, info }
    },
    clearCache() {
      dataKeys.clear()
    },
    [internals]: { kms, wrappers, opening },
  }
}

export function infoOf({ encryptionContext, suite }: ParsedHeader): MessageInfo {
  return { encryptionContext, suite: suiteName(suite.id) }
}
