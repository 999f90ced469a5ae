import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TrailHead } from '../../src/audit/digest.ts'
import { type LoneWorker, startLoneWorker } from './lone-worker.ts'
import { temporaryState } from './server.ts'

/** What a bucket has, by name. */
export type Objects = Map<string, Buffer>

/** A trail's own object and a bucket, in workerd. */
export class TestArchive {
  readonly #worker: LoneWorker
  #events = 0

  private constructor(worker: LoneWorker) {
    this.#worker = worker
  }

  static async start(): Promise<TestArchive> {
    const worker = await startLoneWorker('trail-worker.ts', {
      r2Buckets: { ARCHIVE: 'edge-kms-trail' },
      durableObjects: { AUDIT_TRAIL: { className: 'AuditTrail', useSQLite: true } },
      bindings: { ROOT_KEYS: '1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=' },
    })
    return new TestArchive(worker)
  }

  /** One log file of `count` records. */
  async deliver(account: string, region: string, time: number, count = 3): Promise<void> {
    const records = Array.from({ length: count }, () => {
      const eventId = randomUUID()
      const eventTime = new Date(time + 1000 * this.#events++).toISOString().replace(/\.\d+/, '')
      return { eventId, eventTime, body: JSON.stringify({ eventID: eventId, eventTime, awsRegion: region }) }
    })
    const refusal = await this.#worker.ask({ account, region, time, records })
    if (refusal !== null) throw new Error(JSON.stringify(refusal))
  }

  async close(account: string, region: string, time: number): Promise<TrailHead> {
    return ((await this.#worker.ask({ account, region, time })) as { head: TrailHead }).head
  }

  async objects(): Promise<Objects> {
    const bucket = await this.#worker.mf.getR2Bucket('ARCHIVE')
    const objects: Objects = new Map()
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const page = await bucket.list(cursor === '' ? {} : { cursor })
      for (const { key } of page.objects) {
        objects.set(key, Buffer.from((await (await bucket.get(key))?.arrayBuffer()) as ArrayBuffer))
      }
      cursor = page.truncated ? page.cursor : undefined
    }
    return objects
  }

  async stop(): Promise<void> {
    await this.#worker.stop()
  }
}

/** A folder that mirrors the bucket. */
export function mirrored(objects: Objects): string {
  const folder = temporaryState()
  for (const [name, bytes] of objects) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), bytes)
  }
  return folder
}
