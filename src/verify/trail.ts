import { afterDigestOf, type DigestLogFile, sealObject, type TrailName } from '../audit/digest.ts'
import { gunzip, type PublicKeys, type ReadDigest, readDigest, sha256 } from './read-digest.ts'
import type { Source } from './source.ts'

/** One thing that is not as it was written. */
export interface Finding {
  /** `lost`: it is there, and what named it is not, so that nobody can tell. */
  readonly kind: 'changed' | 'removed' | 'added' | 'lost'
  readonly object: string
  readonly why: string
}

export interface TrailReport {
  readonly trail: TrailName
  /** How many digests, and log files that they name, are as they were written. */
  readonly digests: number
  readonly files: number
  readonly findings: readonly Finding[]
  /** Log files that are younger than the newest digest: the next one covers them. */
  readonly uncovered: readonly string[]
  /** The newest digest whose signature holds; null: there is none. */
  readonly newest: ReadDigest | null
}

/** What the archive has of a trail, by its names. */
export interface TrailObjects {
  readonly trail: TrailName
  readonly digests: readonly string[]
  readonly seals: readonly string[]
  readonly logs: readonly string[]
}

/** What an auditor knows from elsewhere. */
export interface Pin {
  readonly keys: PublicKeys
  /** The chain as it was at some time; null: not known. */
  readonly head: PinnedHead | null
}

export interface PinnedHead {
  readonly number: number
  readonly hash: string | null
  /** Null: not known. */
  readonly object: string | null
}

/** What a digest says of the one before it; null: it is the first. */
type Link = { readonly object: string; readonly hash: string; readonly signature: string } | null

const readAtOnce = 16

/** Walks a trail's chain from its newest digest to its first. `onDone` hears of each object that was looked at. */
export async function verifyTrail(source: Source, objects: TrailObjects, pin: Pin, onDone: () => void) {
  const walk = new Walk(source, objects, pin, onDone)
  return walk.run()
}

class Walk {
  readonly #source: Source
  readonly #objects: TrailObjects
  readonly #pin: Pin
  readonly #onDone: () => void
  readonly #findings: Finding[] = []
  /** Log files that no digest has named yet. */
  readonly #unnamed: Set<string>
  /** Numbers of digests that are gone or broken. */
  readonly #missing = new Set<number>()
  #digests = 0
  #files = 0

  constructor(source: Source, objects: TrailObjects, pin: Pin, onDone: () => void) {
    this.#source = source
    this.#objects = objects
    this.#pin = pin
    this.#onDone = onDone
    this.#unnamed = new Set(objects.logs)
  }

  async run(): Promise<TrailReport> {
    const { trail, digests, seals } = this.#objects
    let newest: ReadDigest | null = null
    // The one that was accepted last, which is the next in time.
    let later: ReadDigest | null = null
    let hashOfHead: string | null = null
    // Names end in the time, and each digest is a second later than the one before it at least.
    for (const object of digests.toSorted().reverse()) {
      const link: Link | undefined = later === null ? undefined : linkOf(later)
      // Between a digest and the one that it names there is none.
      const isLinked = link === undefined || (link !== null && object <= link.object)
      const read = await readDigest(this.#source, trail, object, this.#pin.keys)
      this.#onDone()
      if (!isLinked) {
        this.#find('added', object, 'no digest names it, though a later one is there')
        continue
      }
      if (read === null || typeof read === 'string') {
        this.#find('changed', object, read ?? 'it cannot be read')
        continue
      }
      if (later !== null) this.#compare(later, link ?? null, read)
      newest ??= read
      later = read
      this.#digests++
      if (read.digest.digestNumber === this.#pin.head?.number) hashOfHead = read.hash
      await this.#checkFiles(read.digest.logFiles)
    }
    const first = later === null ? undefined : linkOf(later)
    if (later !== null && first !== null && first !== undefined) this.#gone(first.object, later, 0)
    const present = new Set(digests)
    for (const seal of seals) {
      const digest = seal.slice(0, -'.sig'.length)
      if (!present.has(digest) && !this.#isFound(digest)) this.#find('removed', digest, 'its signature is still there')
    }
    this.#checkHead(newest, hashOfHead)
    const uncovered = this.#checkUnnamed(newest)
    return { trail, digests: this.#digests, files: this.#files, findings: this.#findings, uncovered, newest }
  }

  /** A digest against what the one after it says of it. */
  #compare(later: ReadDigest, link: Link, read: ReadDigest): void {
    if (link === null) return
    if (link.object !== read.object) this.#gone(link.object, later, read.digest.digestNumber)
    else if (link.hash !== read.hash || link.signature !== read.signature) {
      this.#find('changed', read.object, 'it is not the one that the digest after it names')
    }
  }

  /** The digests between `later` and the number `down`, of which the first to be missed is `object`. */
  #gone(object: string, later: ReadDigest, down: number): void {
    const numbers = numbersBetween(down, later.digest.digestNumber)
    for (const number of numbers) this.#missing.add(number)
    if (this.#isFound(object)) return
    const others = numbers.length > 1 ? `, and with it all from ${numbers[0]}` : ''
    this.#find('removed', object, `the digest after it names it, as number ${numbers.at(-1)}${others}`)
  }

  async #checkFiles(files: readonly DigestLogFile[]): Promise<void> {
    for (let at = 0; at < files.length; at += readAtOnce) {
      await Promise.all(files.slice(at, at + readAtOnce).map((file) => this.#checkFile(file)))
    }
  }

  async #checkFile({ s3Object, hashValue, objectHashValue }: DigestLogFile): Promise<void> {
    const isThere = this.#unnamed.delete(s3Object)
    const bytes = await this.#source.read(s3Object)
    if (isThere) this.#onDone()
    if (bytes === null) return this.#find('removed', s3Object, 'a digest names it')
    const text = gunzip(bytes)
    if (text === null || sha256(text) !== hashValue) {
      return this.#find('changed', s3Object, 'its text is not the one that the digest names')
    }
    if (sha256(bytes) !== objectHashValue) {
      return this.#find(
        'changed',
        s3Object,
        'its text holds, but the bytes of the file are not those that were written',
      )
    }
    this.#files++
  }

  #checkHead(newest: ReadDigest | null, hash: string | null): void {
    const { head } = this.#pin
    if (head === null || head.number === 0) return
    const last = newest?.digest.digestNumber ?? 0
    const { account, region } = this.#objects.trail
    const place = head.object ?? `AWSLogs/${account}/CloudTrail-Digest/${region}/`
    if (head.number > last) {
      for (const number of numbersBetween(last, head.number + 1)) this.#missing.add(number)
      if (this.#isFound(place)) return
      this.#find('removed', place, `the chain ends with digest ${last}, and its head was number ${head.number}`)
    } else if (hash !== null && hash !== head.hash) {
      this.#find('changed', place, `digest ${head.number} is not the one that was the head of the chain`)
    }
  }

  /** The log files that no digest names: those that came after the newest are left for the next. */
  #checkUnnamed(newest: ReadDigest | null): string[] {
    const last = newest?.digest.digestNumber ?? 0
    const underWay = new Set(newest?.digest.logFilesUnderWay)
    const uncovered: string[] = []
    let later = last
    for (const object of [...this.#unnamed].toSorted()) {
      this.#onDone()
      const after = afterDigestOf(object)
      if (after !== null && this.#missing.has(after + 1)) {
        this.#find('lost', object, `digest ${after + 1}, which should name it, is gone or changed`)
      } else if (after !== null && after > last) {
        later = Math.max(later, after)
        this.#find('lost', object, `it was written after digest ${after}, which is not there`)
      } else if (after === last || underWay.has(object)) uncovered.push(object)
      else this.#find('added', object, 'no digest names it')
    }
    return uncovered
  }

  #isFound(object: string): boolean {
    return this.#findings.some((finding) => finding.object === object)
  }

  #find(kind: Finding['kind'], object: string, why: string): void {
    this.#findings.push({ kind, object, why })
  }
}

function linkOf({ digest }: ReadDigest): Link {
  const { previousDigestS3Object, previousDigestHashValue, previousDigestSignature } = digest
  if (previousDigestS3Object === null) return null
  return {
    object: previousDigestS3Object,
    hash: previousDigestHashValue ?? '',
    signature: previousDigestSignature ?? '',
  }
}

/** Neither end included. */
function numbersBetween(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from - 1) }, (_, at) => from + 1 + at)
}

/** What is there, by trail; and what is under no name that a trail gives. */
export function byTrail(
  objects: readonly string[],
  trailOf: (object: string) => (TrailName & { kind: string }) | null,
) {
  const trails = new Map<string, { trail: TrailName; digests: string[]; seals: string[]; logs: string[] }>()
  const strangers: string[] = []
  for (const object of objects) {
    const found = trailOf(object)
    if (found === null) {
      strangers.push(object)
      continue
    }
    const { account, region, kind } = found
    const name = `${account}/${region}`
    const trail = trails.get(name) ?? { trail: { account, region }, digests: [], seals: [], logs: [] }
    trails.set(name, trail)
    const isDigest = kind === 'CloudTrail-Digest' && object.endsWith('.json.gz')
    const isSeal = kind === 'CloudTrail-Digest' && object.endsWith(sealObject('.json.gz'))
    if (isDigest) trail.digests.push(object)
    else if (isSeal) trail.seals.push(object)
    else if (kind === 'CloudTrail') trail.logs.push(object)
    else strangers.push(object)
  }
  return { trails: [...trails.values()], strangers }
}
