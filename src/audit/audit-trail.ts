import { DurableObject } from 'cloudflare:workers'
import { generateAuditKey, openAuditKey, rewrapAuditKey, signDer } from '../crypto/audit-key.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import { toBase64, toHex, utf8 } from '../model/bytes.ts'
import type { Call } from '../model/call.ts'
import { causeOf, isRefusal, type Refusal, refuse, timedOut } from '../model/errors.ts'
import { type Batch, isStored, pack, sha256, store } from './archive.ts'
import {
  logObject,
  nextDigest,
  sealObject,
  sealText,
  signatureAlgorithm,
  stringToSign,
  type TrailHead,
  type TrailName,
} from './digest.ts'
import type { TrailObject } from './trail-object.ts'
import { type LogFile, type StoredTrail, TrailStorage } from './trail-storage.ts'

/** What the composition root gives a trail. */
export interface AuditTrailParts {
  readonly archive: R2Bucket
  /** The root keys, proven to be this deployment's own. Throws while that cannot be proven. */
  sealingRoots(): Promise<RootKeys>
}

/** So a digest stays well below what a row holds. */
const filesPerDigestMax = 1_000
const underWayMax = 2_000
/** How many files one `close` looks for. */
const settledMax = 50
/** A file whose writing has not ended by so many digests is given up: whoever brings its batch again begins anew. */
const givenUpAfterDigests = 2

/** The Durable Object class of one trail, over the parts that `assemble` makes from the environment. */
export function auditTrailClass<Env>(assemble: (env: Env) => AuditTrailParts) {
  return class AuditTrail extends DurableObject<Env> implements TrailObject {
    readonly #parts: AuditTrailParts
    readonly #storage: TrailStorage
    #closing: ReturnType<TrailObject['close']> | undefined

    constructor(ctx: DurableObjectState, env: Env) {
      super(ctx, env)
      this.#parts = assemble(env)
      this.#storage = new TrailStorage(ctx.storage.sql)
    }

    /**
     * The file's name is stored before the file is written, and that it is written afterwards. Whatever ends in between,
     * the batch that comes again finds the name, and the next digest finds the file.
     */
    async deliver(trail: TrailName, batch: Batch, time: number) {
      try {
        await this.#begin(trail)
        const known = this.#storage.file(batch.id)
        if (known?.isWritten || this.#storage.isCovered(batch.id)) return null
        if (known !== null && (await isStored(this.#parts.archive, known.object, known.objectHash))) {
          this.#written(known)
          return null
        }
        const packed = await pack(batch.text)
        const file = this.ctx.storage.transactionSync(() => this.#intended(trail, batch, packed, time))
        if (file === null) return null
        await store(this.#parts.archive, file.object, packed)
        this.#written(file)
        return null
      } catch (failure) {
        return this.#failed('a batch is not archived', failure)
      }
    }

    async close(time: number) {
      this.#closing ??= this.#close(time).finally(() => {
        this.#closing = undefined
      })
      return this.#closing
    }

    async head() {
      const trail = this.#storage.read()
      return trail === null ? null : headOf(trail)
    }

    async rootVersions(call: Call) {
      const trail = this.#serve(call, 'internal:RootVersions')
      if (isRefusal(trail)) return trail
      return { name: `${trail.account}/${trail.region}`, rootVersions: [trail.rootVersion] }
    }

    async rewrap(call: Call) {
      const trail = this.#serve(call, 'internal:Rewrap')
      if (isRefusal(trail)) return trail
      let roots: RootKeys
      try {
        roots = await this.#parts.sealingRoots()
      } catch (failure) {
        return timedOut(`the root key cannot be proven: ${causeOf(failure)}`)
      }
      if (trail.rootVersion === roots.current) return { rewrapped: 0, left: 0 }
      const resealed = await rewrapAuditKey(roots, trail, trail).catch(() => null)
      if (resealed === null) {
        const reason = `the audit key does not open under root key version ${trail.rootVersion}`
        return refuse('KMSInternalException', null, reason)
      }
      this.#storage.reseal(resealed)
      return { rewrapped: 1, left: 0 }
    }

    /** For what this deployment does by itself. */
    #serve(call: Call, action: string) {
      if (call.principal.kind !== 'service') {
        return refuse('AccessDeniedException', null, `${action} is for services alone`)
      }
      return this.#storage.read() ?? refuse('NotFoundException', null, 'there is no trail here')
    }

    /** The key pair is drawn with the first batch, so that it can be pinned before there is a digest. */
    async #begin(trail: TrailName): Promise<void> {
      if (this.#storage.read() !== null) return
      const key = await generateAuditKey(await this.#parts.sealingRoots(), trail)
      this.ctx.storage.transactionSync(() => {
        if (this.#storage.read() === null) this.#storage.create(key)
      })
    }

    /** Null: another delivery of the same batch has come to its end meanwhile. */
    #intended(
      trail: TrailName,
      { id, newest, oldest }: Batch,
      { hash, objectHash }: { hash: string; objectHash: string },
      time: number,
    ): LogFile | null {
      const known = this.#storage.file(id)
      if (known?.isWritten || this.#storage.isCovered(id)) return null
      const afterDigest = known?.afterDigest ?? this.#latestNumber()
      const object = known?.object ?? logObject(trail, time, afterDigest, id)
      const file = { batchId: id, object, hash, objectHash, newest, oldest, afterDigest, isWritten: false }
      this.#storage.keep(file)
      return file
    }

    #latestNumber(): number {
      return this.#storage.pending()?.number ?? this.#storage.read()?.head?.number ?? 0
    }

    #written(file: LogFile): void {
      this.ctx.storage.transactionSync(() => {
        if (!this.#storage.isCovered(file.batchId)) this.#storage.keep({ ...file, isWritten: true })
      })
    }

    async #close(time: number) {
      if (this.#storage.read() === null) return null
      let made = 0
      try {
        // One that was decided and not finished comes first: of one number there is one digest.
        if (await this.#publish()) made++
        await this.#settleUnderWay()
        for (let files = this.#uncovered(); files.length > 0; files = this.#uncovered()) {
          await this.#decide(files, time)
          if (await this.#publish()) made++
        }
      } catch (failure) {
        return this.#failed('a digest is not archived', failure)
      }
      return { made, head: await headOf(this.#storage.read() as StoredTrail) }
    }

    #uncovered(): LogFile[] {
      return this.#storage.written(filesPerDigestMax)
    }

    /** Finds the files that were written by deliveries which did not live to say so. */
    async #settleUnderWay(): Promise<void> {
      const latest = this.#latestNumber()
      for (const file of this.#storage.unwritten(settledMax)) {
        if (await isStored(this.#parts.archive, file.object, file.objectHash)) this.#written(file)
        else if (file.afterDigest + givenUpAfterDigests <= latest) this.#storage.forget(file.batchId)
      }
    }

    async #decide(files: readonly LogFile[], time: number): Promise<void> {
      const trail = this.#storage.read() as StoredTrail
      const named = new Set(files.map(({ object }) => object))
      const underWay = this.#storage.open(filesPerDigestMax + underWayMax).filter((object) => !named.has(object))
      const key = await openAuditKey(await this.#parts.sealingRoots(), trail, trail)
      const digest = nextDigest(trail, trail.head, files, underWay, { time, fingerprint: await fingerprintOf(trail) })
      const { bytes: body, hash, objectHash } = await pack(JSON.stringify(digest))
      const signature = toHex(await signDer(key, stringToSign(digest, hash)))
      const { digestNumber: number, digestS3Object: object, digestEndTime: endTime } = digest
      this.ctx.storage.transactionSync(() => {
        this.#storage.decide({ number, hash, object, signature, endTime, objectHash, body }, files)
      })
    }

    /** False: no digest is waiting. */
    async #publish(): Promise<boolean> {
      const digest = this.#storage.pending()
      if (digest === null) return false
      const { number, object, signature, objectHash, body } = digest
      const metadata = { signature, 'signature-algorithm': signatureAlgorithm }
      await this.#storeOnce(object, { bytes: body, objectHash }, metadata)
      const seal = utf8(sealText({ digestNumber: number, signatureAlgorithm, signature, objectHashValue: objectHash }))
      await this.#storeOnce(sealObject(object), { bytes: seal, objectHash: await sha256(seal) })
      this.ctx.storage.transactionSync(() => this.#storage.finish(digest))
      return true
    }

    /** A bucket may be locked against writing anything twice. */
    async #storeOnce(object: string, packed: Parameters<typeof store>[2], metadata?: Record<string, string>) {
      const { archive } = this.#parts
      if (!(await isStored(archive, object, packed.objectHash))) await store(archive, object, packed, metadata)
    }

    #failed(what: string, failure: unknown): Refusal {
      const reason = `${what}: ${causeOf(failure)}`
      console.warn(JSON.stringify({ trail: this.ctx.id.name ?? '', reason }))
      return timedOut(reason)
    }
  }
}

async function headOf(trail: StoredTrail): Promise<TrailHead> {
  const { account, region, publicKey, head } = trail
  return {
    account,
    region,
    number: head?.number ?? 0,
    hash: head?.hash ?? null,
    object: head?.object ?? null,
    publicKey: toBase64(publicKey),
    fingerprint: await fingerprintOf(trail),
  }
}

function fingerprintOf({ publicKey }: StoredTrail): Promise<string> {
  return sha256(publicKey)
}
