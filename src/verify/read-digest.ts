import { createHash, type KeyObject, verify } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import {
  type Digest,
  type DigestSeal,
  sealObject,
  sealText,
  signatureAlgorithm,
  stringToSign,
  type TrailName,
} from '../audit/digest.ts'
import type { Source } from './source.ts'

const textBytesMax = 256 * 1024 * 1024

/** A digest whose signature holds. */
export interface ReadDigest {
  readonly object: string
  readonly digest: Digest
  /** Of its text. */
  readonly hash: string
  readonly signature: string
}

/** Public keys by their fingerprints. */
export type PublicKeys = ReadonlyMap<string, KeyObject>

/** A string says what is wrong with the digest; null: it is not there. */
export async function readDigest(
  source: Source,
  trail: TrailName,
  object: string,
  keys: PublicKeys,
): Promise<ReadDigest | string | null> {
  const bytes = await source.read(object)
  if (bytes === null) return null
  const text = gunzip(bytes)
  const digest = text === null ? null : (parsed(text.toString('utf8')) as Digest | null)
  if (text === null || digest === null) return 'it is no digest'
  const seal = await source.read(sealObject(object))
  if (seal === null) return `its signature is missing: ${sealObject(object)}`
  const sealed = readSeal(seal)
  if (sealed === null) return `its signature is none: ${sealObject(object)}`
  const { awsAccountId, digestS3Object, digestPublicKeyFingerprint, digestNumber } = digest
  if (digestS3Object !== object || awsAccountId !== trail.account) return 'it was made for another place'
  const key = keys.get(digestPublicKeyFingerprint)
  if (key === undefined) return `it is signed with another key than was given (${digestPublicKeyFingerprint})`
  const hash = sha256(text)
  const isSigned = verify('sha256', Buffer.from(stringToSign(digest, hash)), key, Buffer.from(sealed.signature, 'hex'))
  if (!isSigned) return 'its signature does not hold'
  if (sealed.digestNumber !== digestNumber) return `its signature is filed under another number: ${sealObject(object)}`
  if (sealed.objectHashValue !== sha256(bytes)) return 'the bytes of the file are not those that were written'
  return { object, digest, hash, signature: sealed.signature }
}

/** Null for anything but what a trail writes, to the byte. */
function readSeal(bytes: Buffer): DigestSeal | null {
  const text = bytes.toString('utf8')
  const seal = parsed(text) as DigestSeal | null
  if (seal === null || seal.signatureAlgorithm !== signatureAlgorithm) return null
  if (!/^([0-9a-f]{2})+$/.test(String(seal.signature))) return null
  return sealText(seal) === text ? seal : null
}

/** Null: it is not gzip, or it is damaged. */
export function gunzip(bytes: Buffer): Buffer | null {
  try {
    return gunzipSync(bytes, { maxOutputLength: textBytesMax })
  } catch {
    return null
  }
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Null for what is no JSON object. */
function parsed(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null
  } catch {
    return null
  }
}
