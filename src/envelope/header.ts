import { concat } from '../model/bytes.ts'
import { encodeContext, parseContext, publicKeyName } from './context.ts'
import { EnvelopeError } from './errors.ts'
import type { EncryptionContext } from './kms.ts'
import { type Suite, suiteOf } from './suites.ts'
import { field, NeedsMore, Reader, uint } from './wire.ts'

/** A data key, wrapped by one of those who may open the message. */
export interface EncryptedDataKey {
  readonly providerId: string
  /** Of a KMS key: its ARN. Others have bytes that are no text. */
  readonly providerInfo: Uint8Array
  readonly ciphertext: Uint8Array
}

/** https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html#header-structure */
export interface Header {
  readonly suite: Suite
  readonly messageId: Uint8Array<ArrayBuffer>
  readonly encryptionContext: EncryptionContext
  readonly encryptedDataKeys: readonly EncryptedDataKey[]
  /** Plaintext bytes in each frame but the last; 0: the body is in one piece. */
  readonly frameBytes: number
  /** What version 2 commits to its key with; empty in version 1. */
  readonly commitment: Uint8Array<ArrayBuffer>
}

/** A header as it was found in a message: not to be believed before its tag is verified. */
export interface ParsedHeader extends Header {
  /** What the tag authenticates. */
  readonly body: Uint8Array<ArrayBuffer>
  readonly iv: Uint8Array<ArrayBuffer>
  readonly tag: Uint8Array<ArrayBuffer>
  /** Of the whole header, tag included. */
  readonly byteLength: number
}

export const tagBytes = 16
export const ivBytes = 12
/** Version 2 has no place for another. */
export const zeroIv = new Uint8Array(ivBytes)
export const messageIdBytes = 32
const customerAuthenticatedData = 0x80
const contentTypes = { single: 1, framed: 2 }

/** All of the header but its authentication. */
export function encodeHeader(header: Header): Uint8Array<ArrayBuffer> {
  const { suite, messageId, encryptionContext, encryptedDataKeys, frameBytes, commitment } = header
  const contentType = uint(frameBytes === 0 ? contentTypes.single : contentTypes.framed, 1)
  const isFirst = suite.version === 1
  return concat([
    uint(suite.version, 1),
    ...(isFirst ? [uint(customerAuthenticatedData, 1)] : []),
    uint(suite.id, 2),
    messageId,
    ...field(encodeContext(encryptionContext), 'The encryption context'),
    ...encodeDataKeys(encryptedDataKeys),
    contentType,
    ...(isFirst ? [uint(0, 4), uint(ivBytes, 1)] : []),
    uint(frameBytes, 4),
    commitment,
  ])
}

/** The header's part that says who may open the message. */
export function encodeDataKeys(encryptedDataKeys: readonly EncryptedDataKey[]): Uint8Array[] {
  return [
    uint(encryptedDataKeys.length, 2),
    ...encryptedDataKeys.flatMap((wrapped) =>
      [wrapped.providerId, wrapped.providerInfo, wrapped.ciphertext].flatMap((part) =>
        field(part, 'A wrapped data key'),
      ),
    ),
  ]
}

/** The header's last part. */
export function encodeHeaderTag(suite: Suite, iv: Uint8Array, tag: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(suite.version === 1 ? [iv, tag] : [tag])
}

/**
 * The header at the beginning of `bytes`; null while more bytes are needed. Throws `NotAMessage`, `UnsupportedMessage`,
 * `TamperedMessage`, and `TooLarge` for more wrapped data keys than `encryptedDataKeysMax`.
 */
export function parseHeader(bytes: Uint8Array, encryptedDataKeysMax: number): ParsedHeader | null {
  try {
    return readHeader(bytes, encryptedDataKeysMax)
  } catch (failure) {
    if (failure instanceof NeedsMore) return null
    throw failure
  }
}

function readHeader(bytes: Uint8Array, encryptedDataKeysMax: number): ParsedHeader {
  const reader = new Reader(bytes, () => new NeedsMore())
  const version = reader.uint(1)
  const isFirst = version === 1
  if ((!isFirst && version !== 2) || (isFirst && reader.uint(1) !== customerAuthenticatedData)) {
    throw new EnvelopeError(
      'NotAMessage',
      'This is no message of the AWS Encryption SDK: it was never encrypted, is in base64, or is for Decrypt of KMS itself.',
    )
  }
  const suite = suiteOf(reader.uint(2), version)
  const messageId = reader.bytes(isFirst ? 16 : messageIdBytes)
  const encryptionContext = parseContext(reader.field())
  const count = reader.uint(2)
  if (count === 0) throw unexpected('no wrapped data key')
  if (count > encryptedDataKeysMax) {
    throw new EnvelopeError('TooLarge', `The message has ${count} wrapped data keys, more than encryptedDataKeysMax.`)
  }
  const encryptedDataKeys = Array.from({ length: count }, () => ({
    providerId: reader.text(),
    providerInfo: reader.field(),
    ciphertext: reader.field(),
  }))
  const contentType = reader.uint(1)
  if (isFirst && (reader.uint(4) !== 0 || reader.uint(1) !== ivBytes)) throw unexpected('the length of the IV')
  const frameBytes = reader.uint(4)
  const isFramed = contentType === contentTypes.framed
  if (!isFramed && contentType !== contentTypes.single) throw unexpected('the content type')
  if (isFramed !== frameBytes > 0) throw unexpected('the length of a frame')
  const commitment = reader.bytes(isFirst ? 0 : 32)
  const body = bytes.slice(0, reader.at) as Uint8Array<ArrayBuffer>
  const iv = isFirst ? reader.bytes(ivBytes) : zeroIv
  const tag = reader.bytes(tagBytes)
  if (publicKeyName in encryptionContext !== (suite.signature !== null)) throw unexpected('the public key')
  return {
    suite,
    messageId,
    encryptionContext,
    encryptedDataKeys,
    frameBytes,
    commitment,
    body,
    iv,
    tag,
    byteLength: reader.at,
  }
}

function unexpected(what: string): EnvelopeError {
  return new EnvelopeError('TamperedMessage', `The header is not well-formed: ${what}.`)
}
