import { expect } from 'vitest'
import { type Digest, type DigestSeal, sealObject, stringToSign, type TrailHead } from '../../src/audit/digest.ts'
import { fromBase64, fromHex, utf8 } from '../../src/model/bytes.ts'
import { env } from './workerd.ts'

async function sha256(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).toHex()
}

/** The text of a gzipped object of the archive. */
export async function textOf(object: string): Promise<string> {
  const stored = await env.ARCHIVE.get(object)
  if (stored === null) throw new Error(`${object} is not in the archive`)
  return new Response(stored.body.pipeThrough(new DecompressionStream('gzip'))).text()
}

/** All that the archive has of an account. */
export async function listed(account: string): Promise<string[]> {
  const names: string[] = []
  let cursor: string | undefined
  do {
    const page = await env.ARCHIVE.list({ prefix: `AWSLogs/${account}/`, ...(cursor === undefined ? {} : { cursor }) })
    names.push(...page.objects.map(({ key }) => key))
    cursor = page.truncated ? page.cursor : undefined
  } while (cursor !== undefined)
  return names
}

/** Signatures as WebCrypto has them, from DER. */
export function rawSignature(hex: string): Uint8Array<ArrayBuffer> {
  const der = fromHex(hex) as Uint8Array
  const raw = new Uint8Array(64)
  let at = 2
  for (const end of [32, 64]) {
    const length = der[at + 1] as number
    const digits = der.subarray(at + 2, at + 2 + length)
    const significant = digits.subarray(Math.max(0, digits.length - 32))
    raw.set(significant, end - significant.length)
    at += 2 + length
  }
  return raw
}

/**
 * Walks the chain from its head: everything holds, all that is in the bucket is in it once. Answers the ids of the events,
 * in the order of the chain.
 */
export async function checkChain(account: string, head: TrailHead): Promise<string[]> {
  const key = await crypto.subtle.importKey(
    'spki',
    fromBase64(head.publicKey) as Uint8Array<ArrayBuffer>,
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['verify'],
  )
  const seen: string[] = []
  const ids: string[] = []
  let { object, hash, number } = head as { object: string | null; hash: string | null; number: number }
  let signature: string | null = null
  while (object !== null) {
    const text = await textOf(object)
    const digest = JSON.parse(text) as Digest
    const seal = (await env.ARCHIVE.get(sealObject(object)).then((found) => found?.json())) as DigestSeal
    expect(await sha256(utf8(text))).toBe(hash)
    expect(digest.digestNumber).toBe(number)
    expect(digest.digestS3Object).toBe(object)
    expect(digest.digestPublicKeyFingerprint).toBe(head.fingerprint)
    expect(seal.digestNumber).toBe(number)
    if (signature !== null) expect(seal.signature).toBe(signature)
    const stored = await env.ARCHIVE.get(object)
    expect(stored?.customMetadata).toEqual({ signature: seal.signature, 'signature-algorithm': 'SHA256withECDSA' })
    expect(await sha256(new Uint8Array((await stored?.arrayBuffer()) as ArrayBuffer))).toBe(seal.objectHashValue)
    const isSigned = await crypto.subtle.verify(
      { name: 'ECDSA', hash: 'SHA-256' },
      key,
      rawSignature(seal.signature),
      utf8(stringToSign(digest, hash as string)),
    )
    expect(isSigned).toBe(true)
    seen.push(object, sealObject(object))
    const here: string[] = []
    for (const { s3Object, hashValue, objectHashValue, newestEventTime, oldestEventTime } of digest.logFiles) {
      const log = await textOf(s3Object)
      expect(await sha256(utf8(log))).toBe(hashValue)
      const bytes = await env.ARCHIVE.get(s3Object).then((found) => found?.arrayBuffer())
      expect(await sha256(new Uint8Array(bytes as ArrayBuffer))).toBe(objectHashValue)
      const { Records } = JSON.parse(log) as { Records: { eventID: string; eventTime: string }[] }
      expect(Records.map(({ eventTime }) => eventTime).sort()).toEqual(
        expect.arrayContaining([newestEventTime, oldestEventTime]),
      )
      here.push(...Records.map(({ eventID }) => eventID))
      seen.push(s3Object)
    }
    ids.unshift(...here)
    if (number === 1) expect(digest.previousDigestS3Object).toBeNull()
    object = digest.previousDigestS3Object
    hash = digest.previousDigestHashValue
    signature = digest.previousDigestSignature
    number--
  }
  expect(number).toBe(0)
  expect(new Set(seen).size).toBe(seen.length)
  expect((await listed(account)).sort()).toEqual(seen.sort())
  return ids
}
