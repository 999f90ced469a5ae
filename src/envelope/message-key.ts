import { concat, utf8 } from '../model/bytes.ts'
import { EnvelopeError } from './errors.ts'
import { type Header, type ParsedHeader, tagBytes } from './header.ts'
import type { Suite } from './suites.ts'
import { uint } from './wire.ts'

/** What encrypts one message: its own key, and the commitment to it that its header has. */
export interface MessageKey {
  readonly key: CryptoKey
  /** Empty in version 1, which commits to nothing. */
  readonly commitment: Uint8Array<ArrayBuffer>
}

const commitLabel = utf8('COMMITKEY')
const keyLabel = utf8('DERIVEKEY')
const empty = new Uint8Array(0)

/** The data key as something that derives, or encrypts where the suite has no HKDF, and cannot be exported. */
export function importDataKey(suite: Suite, dataKey: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  if (suite.hash === null) return crypto.subtle.importKey('raw', dataKey, 'AES-GCM', false, ['encrypt', 'decrypt'])
  return crypto.subtle.importKey('raw', dataKey, 'HKDF', false, ['deriveKey', 'deriveBits'])
}

/** https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/algorithms-reference.html */
export async function deriveMessageKey(
  suite: Suite,
  dataKey: CryptoKey,
  messageId: Uint8Array<ArrayBuffer>,
): Promise<MessageKey> {
  const { id, hash, version, keyBytes } = suite
  if (hash === null) return { key: dataKey, commitment: empty }
  const target = { name: 'AES-GCM', length: 8 * keyBytes }
  const derive = (salt: Uint8Array<ArrayBuffer>, info: Uint8Array<ArrayBuffer>) =>
    crypto.subtle.deriveKey({ name: 'HKDF', hash, salt, info }, dataKey, target, false, ['encrypt', 'decrypt'])
  if (version === 1) return { key: await derive(empty, concat([uint(id, 2), messageId])), commitment: empty }
  const [key, commitment] = await Promise.all([
    derive(messageId, concat([uint(id, 2), keyLabel])),
    crypto.subtle.deriveBits({ name: 'HKDF', hash, salt: messageId, info: commitLabel }, dataKey, 256),
  ])
  return { key, commitment: new Uint8Array(commitment) }
}

/** The tag that authenticates a header's body. */
export async function headerTag(
  key: CryptoKey,
  iv: Uint8Array<ArrayBuffer>,
  body: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: 'AES-GCM', iv, additionalData: body, tagLength: 8 * tagBytes }
  return new Uint8Array(await crypto.subtle.encrypt(algorithm, key, empty))
}

/** Throws `TamperedMessage` for a header that was not made with this key. */
export async function verifyHeader(header: ParsedHeader, { key, commitment }: MessageKey): Promise<void> {
  if (!isSame(commitment, header.commitment)) {
    throw new EnvelopeError('TamperedMessage', 'The message commits to another data key than the one that opened.')
  }
  const { iv, tag, body } = header
  try {
    await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: body, tagLength: 8 * tagBytes }, key, tag)
  } catch {
    throw new EnvelopeError('TamperedMessage', 'The header of the message was changed after it was made.')
  }
}

/** Of what is no secret. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}

const labels = {
  frame: utf8('AWSKMSEncryptionClient Frame'),
  finalFrame: utf8('AWSKMSEncryptionClient Final Frame'),
  single: utf8('AWSKMSEncryptionClient Single Block'),
}
export type Part = keyof typeof labels

/** What a part of the body is bound to: its message, its kind, its place and its length. */
export function partAad({ messageId }: Pick<Header, 'messageId'>, part: Part, sequence: number, length: number) {
  return concat([messageId, labels[part], uint(sequence, 4), uint(length, 8)])
}
