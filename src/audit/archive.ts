import { toHex, utf8 } from '../model/bytes.ts'
import { spanOf } from './digest.ts'

/** What a trail is given to archive, as one log file. Plain data: it crosses RPC. */
export interface Batch {
  /** A SHA-256 in hex, of which events it holds: the same events are the same batch, however often they come. */
  readonly id: string
  /** CloudTrail's log file. */
  readonly text: string
  readonly newest: string
  readonly oldest: string
}

/** A record, as it is put into a log file. */
export interface BatchRecord {
  readonly eventId: string
  /** CloudTrail's text. */
  readonly eventTime: string
  /** The record as JSON. */
  readonly body: string
}

/** Of at least one record. */
export async function batchOf(records: readonly BatchRecord[]): Promise<Batch> {
  return {
    id: await sha256(utf8(records.map(({ eventId }) => eventId).join('\n'))),
    text: `{"Records":[${records.map(({ body }) => body).join(',')}]}`,
    ...spanOf(records.map(({ eventTime }) => eventTime)),
  }
}

/** Text as the archive keeps it, and the hashes by which a digest knows it. */
export interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Of the text. */
  readonly hash: string
  /** Of the bytes. */
  readonly objectHash: string
}

export async function pack(text: string): Promise<Packed> {
  const plain = utf8(text)
  const bytes = await gzip(plain)
  return { bytes, hash: await sha256(plain), objectHash: await sha256(bytes) }
}

/** True where the object is there with these bytes: an earlier attempt ended after it had written them. */
export async function isStored(archive: R2Bucket, object: string, objectHash: string): Promise<boolean> {
  const stored = await archive.head(object)
  const hash = stored?.checksums.sha256
  return hash !== undefined && toHex(new Uint8Array(hash)) === objectHash
}

/** The bucket refuses what does not have that hash. */
export async function store(
  archive: R2Bucket,
  object: string,
  { bytes, objectHash }: Pick<Packed, 'bytes' | 'objectHash'>,
  customMetadata: Record<string, string> = {},
): Promise<void> {
  // No Content-Encoding: whoever fetches it is to get the bytes that the digest names.
  const httpMetadata = { contentType: object.endsWith('.gz') ? 'application/gzip' : 'application/json' }
  await archive.put(object, bytes, { sha256: objectHash, httpMetadata, customMetadata })
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}
