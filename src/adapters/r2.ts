import {
  createEnvelope,
  decryptRange,
  type Envelope,
  EnvelopeError,
  type EnvelopeKms,
  plaintextLength,
} from '../envelope/index.ts'
import { concat } from '../model/bytes.ts'

/** KMS by a service binding, where this deployment's own integrations may use its AWS managed keys. */
export interface IntegratedKms {
  /** KMS, asked through that service: `kms:ViaService` is `s3.REGION.amazonaws.com`. */
  via(integration: 's3'): EnvelopeKms
}

interface BucketOptions {
  /** What the objects are bound to besides their keys; it stays when the binding is renamed. */
  readonly name: string
  readonly envelope: Envelope
}

interface DefaultOptions {
  readonly name: string
  /** Default encryption: by the account's AWS managed key, `alias/aws/s3`. */
  readonly kms: IntegratedKms
}

type Content = ReadableStream<Uint8Array> | ArrayBuffer | Uint8Array | Blob | string

interface PutOptions {
  readonly httpMetadata?: R2HTTPMetadata | Headers
  readonly customMetadata?: Record<string, string>
  readonly storageClass?: string
  /** Besides the bucket and the key, which are always in it. */
  readonly encryptionContext?: Record<string, string>
}

interface GetOptions {
  /** Of the plaintext. */
  readonly range?: { readonly offset: number; readonly length: number }
  /** Pairs that the object must have been put with. */
  readonly encryptionContext?: Record<string, string>
}

export interface EncryptedObject {
  /** As R2 knows it. Its size is that of the message. */
  readonly object: R2Object
  /** Fails where a frame does not verify, after those before it: discard what was read. */
  readonly body: ReadableStream<Uint8Array>
  bytes(): Promise<Uint8Array>
  text(): Promise<string>
}

export interface ObjectHead {
  readonly object: R2Object
  /** By the length of what is stored, and not verified. Null for a signed message. */
  readonly plaintextBytes: number | null
}

/**
 * An R2 bucket whose objects are messages of the AWS Encryption SDK, each with a data key of its own, bound to the bucket's
 * name and the object's key. Keys and metadata stay as they are, and readable. Rejects with `EnvelopeError`.
 */
export interface EncryptedBucket {
  /** There is no object, or the whole of it: what fails half-way leaves what was there before. */
  put(key: string, content: Content, options?: PutOptions): Promise<R2Object>
  /** Null: there is none. A range reads the frames that have it. */
  get(key: string, options?: GetOptions): Promise<EncryptedObject | null>
  head(key: string): Promise<ObjectHead | null>
  delete(keys: string | string[]): Promise<void>
  list(options?: R2ListOptions): Promise<R2Objects>
}

/** Throws `InvalidInput` where no key is named and `kms` is no integration's. */
export function encryptedBucket(bucket: R2Bucket, options: BucketOptions | DefaultOptions): EncryptedBucket {
  const envelope = 'envelope' in options ? options.envelope : defaultEnvelope(options.kms)
  const placeOf = (key: string): Record<string, string> =>
    'envelope' in options
      ? { 'edge-kms:bucket': options.name, 'edge-kms:object': key }
      : // Amazon S3's own way to say it, by which the deployment decides who may read the object.
        { 'aws:s3:arn': `arn:aws:s3:::${options.name}/${key}` }
  const contextOf = (key: string, own: Record<string, string> = {}) => ({ ...own, ...placeOf(key) })
  /** The object as it was when it was looked at: parts of two objects make no message. */
  const sourceOf = (object: R2Object) => ({
    byteLength: object.size,
    async read(offset: number, length: number) {
      const onlyIf = { etagMatches: object.etag }
      const part = await bucket.get(object.key, { range: { offset, length }, onlyIf })
      if (part !== null && 'body' in part) return part.body as ReadableStream<Uint8Array>
      throw new EnvelopeError('TruncatedMessage', `${object.key} was replaced while it was read: read it again.`)
    },
  })
  return {
    async put(key, content, { encryptionContext, ...stored } = {}) {
      const encrypting = envelope.encryptStream({ encryptionContext: contextOf(key, encryptionContext) })
      return upload(bucket, key, streamOf(content).pipeThrough(encrypting), stored)
    },
    async get(key, { range, encryptionContext } = {}) {
      const context = contextOf(key, encryptionContext)
      if (range !== undefined) {
        const object = await bucket.head(key)
        if (object === null) return null
        const { stream } = await decryptRange(sourceOf(object), { envelope, ...range, encryptionContext: context })
        return encryptedObject(object, stream)
      }
      const object = await bucket.get(key)
      if (object === null) return null
      const decrypting = envelope.decryptStream({ encryptionContext: context })
      const body = (object.body as ReadableStream<Uint8Array>).pipeThrough(decrypting)
      await decrypting.info
      return encryptedObject(object, body)
    },
    async head(key) {
      const object = await bucket.head(key)
      return object === null ? null : { object, plaintextBytes: await plaintextLength(sourceOf(object)) }
    },
    delete: (keys) => bucket.delete(keys),
    list: (listing) => bucket.list(listing),
  }
}

function defaultEnvelope(kms: IntegratedKms): Envelope {
  if (typeof kms.via === 'function') return createEnvelope({ kms: kms.via('s3'), keys: ['alias/aws/s3'] })
  throw new EnvelopeError(
    'InvalidInput',
    'alias/aws/s3 is used through the service binding of a deployment alone. Over HTTP, name a key: give an envelope.',
  )
}

function encryptedObject(object: R2Object, body: ReadableStream<Uint8Array>): EncryptedObject {
  return {
    object,
    body,
    bytes: async () => new Uint8Array(await new Response(body).arrayBuffer()),
    text: () => new Response(body).text(),
  }
}

function streamOf(content: Content): ReadableStream<Uint8Array> {
  if (content instanceof ReadableStream) return content
  return new Response(content).body ?? new ReadableStream({ start: (controller) => controller.close() })
}

/** R2 takes parts of 5 MiB at least, 10,000 at most, and all but the last of one size. */
const partBytes = 8 * 2 ** 20

/** R2 stores a stream only if it knows its length: so by parts, or at once where one part is enough. */
async function upload(
  bucket: R2Bucket,
  key: string,
  message: ReadableStream<Uint8Array>,
  stored: R2MultipartOptions,
): Promise<R2Object> {
  const parts = partsOf(message)
  const first = await parts.next()
  const second = first.done ? first : await parts.next()
  if (first.done || second.done) return bucket.put(key, first.value ?? new Uint8Array(0), stored)
  const whole = await bucket.createMultipartUpload(key, stored)
  try {
    const uploaded = [await whole.uploadPart(1, first.value), await whole.uploadPart(2, second.value)]
    for await (const part of parts) uploaded.push(await whole.uploadPart(uploaded.length + 1, part))
    return await whole.complete(uploaded)
  } catch (failure) {
    // R2 itself ends uploads that nobody completes, after a week.
    await whole.abort().catch(() => {})
    throw failure
  }
}

async function* partsOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
  let pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of stream) {
    for (let rest = piece; rest.length > 0; ) {
      const taken = rest.subarray(0, partBytes - length)
      pieces.push(taken)
      length += taken.length
      rest = rest.subarray(taken.length)
      if (length < partBytes) continue
      yield concat(pieces)
      pieces = []
      length = 0
    }
  }
  if (length > 0) yield concat(pieces)
}
