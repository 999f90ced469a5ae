/** Whose calls, and where: a trail is of one account in one Region. */
export interface TrailName {
  readonly account: string
  readonly region: string
}

/** As wrangler.toml has it. */
export const archiveBucket = 'edge-kms-trail'
export const trailTitle = 'edge-kms'
/** In Java's words, as CloudTrail's `SHA256withRSA` is: the signature is DER. */
export const signatureAlgorithm = 'SHA256withECDSA'
const hashAlgorithm = 'SHA-256'

/** One log file, as a digest names it. */
export interface DigestLogFile {
  readonly s3Bucket: string
  readonly s3Object: string
  /** Of the log file's text. */
  readonly hashValue: string
  readonly hashAlgorithm: typeof hashAlgorithm
  readonly newestEventTime: string
  readonly oldestEventTime: string
  /** Ours: of the object as it is stored, gzipped. */
  readonly objectHashValue: string
}

/** CloudTrail's digest file. What is ours says so. */
export interface Digest {
  readonly awsAccountId: string
  readonly digestStartTime: string
  readonly digestEndTime: string
  readonly digestS3Bucket: string
  readonly digestS3Object: string
  readonly digestPublicKeyFingerprint: string
  readonly digestSignatureAlgorithm: typeof signatureAlgorithm
  readonly newestEventTime: string
  readonly oldestEventTime: string
  readonly previousDigestS3Bucket: string | null
  readonly previousDigestS3Object: string | null
  readonly previousDigestHashValue: string | null
  readonly previousDigestHashAlgorithm: typeof hashAlgorithm | null
  readonly previousDigestSignature: string | null
  /** Ours: 1 is a trail's first, and none is left out. */
  readonly digestNumber: number
  readonly logFiles: readonly DigestLogFile[]
  /** Ours: what was being written when the digest was made. A later digest names it with its hash, if it came to be. */
  readonly logFilesUnderWay: readonly string[]
}

/** Beside each digest as `….sig`, because a folder that mirrors the bucket has no metadata. */
export interface DigestSeal {
  readonly digestNumber: number
  readonly signatureAlgorithm: typeof signatureAlgorithm
  /** DER, in hex. */
  readonly signature: string
  /** Of the digest as it is stored, gzipped. */
  readonly objectHashValue: string
}

/** The end of a chain. */
export interface ChainEnd {
  readonly number: number
  readonly hash: string
  readonly object: string
  readonly signature: string
  readonly endTime: string
}

/** The end of a trail's chain, and the key that its signatures are checked with. What an auditor keeps elsewhere. */
export interface TrailHead extends TrailName {
  /** 0: there is no digest yet. */
  readonly number: number
  /** SHA-256 of the newest digest's text, in hex; null: there is none yet. */
  readonly hash: string | null
  readonly object: string | null
  /** SubjectPublicKeyInfo in base64, of an ECDSA key on P-256. */
  readonly publicKey: string
  /** SHA-256 of the public key, in hex. */
  readonly fingerprint: string
}

/** A log file that is in the archive. Times are CloudTrail's texts. */
export interface ArchivedFile {
  readonly object: string
  readonly hash: string
  readonly objectHash: string
  readonly newest: string
  readonly oldest: string
}

/** The next digest of a trail. `time` in milliseconds; digests of one trail end at least a second apart. */
export function nextDigest(
  trail: TrailName,
  previous: ChainEnd | null,
  files: readonly ArchivedFile[],
  underWay: readonly string[],
  { time, fingerprint }: { readonly time: number; readonly fingerprint: string },
): Digest {
  const { oldest, newest } = spanOf(files.flatMap((file) => [file.oldest, file.newest]))
  const endTime = previous === null ? textOf(time) : textOf(Math.max(time, Date.parse(previous.endTime) + 1000))
  return {
    awsAccountId: trail.account,
    digestStartTime: previous?.endTime ?? spanOf([oldest, endTime]).oldest,
    digestEndTime: endTime,
    digestS3Bucket: archiveBucket,
    digestS3Object: digestObject(trail, endTime),
    digestPublicKeyFingerprint: fingerprint,
    digestSignatureAlgorithm: signatureAlgorithm,
    newestEventTime: newest,
    oldestEventTime: oldest,
    previousDigestS3Bucket: previous === null ? null : archiveBucket,
    previousDigestS3Object: previous?.object ?? null,
    previousDigestHashValue: previous?.hash ?? null,
    previousDigestHashAlgorithm: previous === null ? null : hashAlgorithm,
    previousDigestSignature: previous?.signature ?? null,
    digestNumber: (previous?.number ?? 0) + 1,
    logFiles: files.map(({ object, hash, objectHash, newest, oldest }) => ({
      s3Bucket: archiveBucket,
      s3Object: object,
      hashValue: hash,
      hashAlgorithm,
      newestEventTime: newest,
      oldestEventTime: oldest,
      objectHashValue: objectHash,
    })),
    logFilesUnderWay: underWay,
  }
}

/** What is signed: CloudTrail's string, over the hash of the digest's text. */
export function stringToSign(digest: Digest, hash: string): string {
  const { digestEndTime, digestS3Bucket, digestS3Object, previousDigestSignature } = digest
  return `${digestEndTime}\n${digestS3Bucket}/${digestS3Object}\n${hash}\n${previousDigestSignature ?? 'null'}`
}

export function sealText(seal: DigestSeal): string {
  const { digestNumber, signatureAlgorithm, signature, objectHashValue } = seal
  return JSON.stringify({ digestNumber, signatureAlgorithm, signature, objectHashValue })
}

export function sealObject(digest: string): string {
  return `${digest}.sig`
}

export function digestObject({ account, region }: TrailName, endTime: string): string {
  const [day, stamp] = [endTime.slice(0, 10).replaceAll('-', '/'), endTime.replace(/[-:]/g, '')]
  const file = `${account}_CloudTrail-Digest_${region}_${trailTitle}_${region}_${stamp}.json.gz`
  return `AWSLogs/${account}/CloudTrail-Digest/${region}/${day}/${file}`
}

/**
 * CloudTrail's unique part has 16 characters. Ours are the number of the digest after which the file was begun and 50 bits
 * of the batch's id: so a file says by itself from which digest on it is missing.
 */
export function logObject(trail: TrailName, time: number, afterDigest: number, batchId: string): string {
  const { account, region } = trail
  const text = textOf(time)
  const [day, stamp] = [text.slice(0, 10).replaceAll('-', '/'), `${text.slice(0, 16).replace(/[-:]/g, '')}Z`]
  const batch = (BigInt(`0x${batchId.slice(0, 13)}`) >> 2n).toString(32).padStart(10, '0')
  const unique = (afterDigest.toString(32).padStart(6, '0') + batch).toUpperCase()
  const file = `${account}_CloudTrail_${region}_${stamp}_${unique}.json.gz`
  return `AWSLogs/${account}/CloudTrail/${region}/${day}/${file}`
}

const logForm =
  /^AWSLogs\/(\d{12})\/CloudTrail\/([a-z0-9-]+)\/\d{4}\/\d\d\/\d\d\/\1_CloudTrail_\2_\d{8}T\d{4}Z_([0-9A-V]{6})[0-9A-V]{10}\.json\.gz$/

/** The number of the digest after which a log file of this name was begun; null: no log file has such a name. */
export function afterDigestOf(object: string): number | null {
  const [, , , after] = logForm.exec(object) ?? []
  return after === undefined ? null : Number.parseInt(after, 32)
}

/** Whose file it is by its folder; null: no trail's. */
export function trailOf(object: string): (TrailName & { readonly kind: 'CloudTrail' | 'CloudTrail-Digest' }) | null {
  const [, account, kind, region] = /^AWSLogs\/(\d{12})\/(CloudTrail|CloudTrail-Digest)\/([^/]+)\//.exec(object) ?? []
  if (account === undefined || region === undefined || kind === undefined) return null
  return { account, region, kind: kind as 'CloudTrail' | 'CloudTrail-Digest' }
}

/** Of at least one of CloudTrail's times, which sort as texts. */
export function spanOf(times: readonly string[]): { readonly oldest: string; readonly newest: string } {
  const sorted = times.toSorted()
  return { oldest: sorted[0] as string, newest: sorted.at(-1) as string }
}

function textOf(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`
}
