import { type Batch, type BatchRecord, batchOf, sha256 } from '../audit/archive.ts'
import type { TrailName } from '../audit/digest.ts'
import { type TrailNamespace, trailObject } from '../audit/trail-object.ts'
import type { EventBatch } from '../audit/unpack.ts'
import { moveCursor, readCursor } from '../catalog/cursors.ts'
import type { Database } from '../catalog/database.ts'
import { listChanges, type StoredEvent } from '../catalog/events.ts'
import { listTrails, noteTrail } from '../catalog/trails.ts'
import { type AuditEvent, eventTimeOf } from '../model/audit-event.ts'
import { utf8 } from '../model/bytes.ts'
import { causeOf, isRefusal } from '../model/errors.ts'

export interface ArchiveParts {
  readonly database: Database
  readonly trails: TrailNamespace
}

export interface ArchiveReport {
  /** Changes that were brought to the archive; null: it or the database does not answer, and the next run goes on. */
  readonly changes: number | null
  readonly digests: number
  /** Trails that could not be closed: the next run does it. */
  readonly failed: number
}

/** Where the cursor stands: everything up to `after` is archived; up to `through`, a page is being archived. */
interface Place {
  readonly after: number
  readonly through: number | null
}

const cursorName = 'archive'
/** Even where each brings a key policy of the largest size, a page fits into a call of an object. */
const changesPerPage = 200
const pagesPerRun = 500
/** The trails that this isolate has told D1 of. */
const noted = new Set<string>()

/** What cron does for the archive: brings the changes, then signs for all that has come since. */
export async function archive(parts: ArchiveParts, time: number): Promise<ArchiveReport> {
  const changes = await archiveChanges(parts, time).catch((failure: unknown) => {
    console.warn(JSON.stringify({ changesNotArchived: String(causeOf(failure)) }))
    return null
  })
  return { changes, ...(await closeTrails(parts, time)) }
}

/**
 * Brings what D1 has of changes to the archive, in the order in which they arrived. A page is claimed before it is
 * brought: whoever comes after a crash brings the same page, which the trails then know. Throws where the archive or the
 * database does not answer; the next run goes on from there.
 */
export async function archiveChanges(parts: ArchiveParts, time: number): Promise<number> {
  const { database } = parts
  let archived = 0
  for (let page = 0; page < pagesPerRun; page++) {
    const stored = await readCursor(database, cursorName)
    const { after, through } = placeOf(stored)
    const found = await listChanges(database, after, changesPerPage)
    const changes = found.filter(({ sequence }) => through === null || sequence <= through)
    const last = through ?? changes.at(-1)?.sequence
    if (last === undefined) break
    const claimed = `${after}-${last}`
    // Another run has claimed a page meanwhile: it is taken up in its place.
    if (through === null && !(await moveCursor(database, cursorName, stored, claimed))) continue
    await deliverAll(parts, await byTrail(changes.map(recordOf)), time)
    if (await moveCursor(database, cursorName, claimed, String(last))) archived += changes.length
  }
  return archived
}

/** Up to which sequence changes are archived: those behind it must not be forgotten. */
export async function archivedThrough(database: Database): Promise<number> {
  return placeOf(await readCursor(database, cursorName)).after
}

/** Brings the records of a message of the audit queue. Throws where the archive does not take them: they may come again. */
export async function archiveCalls(parts: ArchiveParts, batches: readonly EventBatch[], time: number): Promise<void> {
  const deliveries = batches.map(async (events): Promise<Delivery> => {
    const { account, region } = events.packed
    const batch = {
      id: await sha256(utf8(events.text)),
      text: `{"Records":[${events.records()}]}`,
      newest: eventTimeOf(events.newest * 1000),
      oldest: eventTimeOf(events.oldest * 1000),
    }
    return { trail: { account, region }, batch }
  })
  await deliverAll(parts, await Promise.all(deliveries), time)
}

/** Every trail signs for what no digest covers yet. One that fails stops no other. */
export async function closeTrails(
  { database, trails }: ArchiveParts,
  time: number,
): Promise<{ digests: number; failed: number }> {
  const counts = { digests: 0, failed: 0 }
  for (const trail of await listTrails(database)) {
    try {
      const closed = await trailObject(trails, trail).close(time)
      if (isRefusal(closed)) throw new Error(closed.reason)
      const number = closed?.head.number ?? 0
      if (number < trail.number) {
        console.error(
          JSON.stringify({ trail: `${trail.account}/${trail.region}`, rolledBack: { number, known: trail.number } }),
        )
      }
      if (closed === null || closed.made === 0) continue
      counts.digests += closed.made
      await noteTrail(database, { ...trail, number }, closed.head.hash)
    } catch (failure) {
      counts.failed++
      console.warn(JSON.stringify({ trail: `${trail.account}/${trail.region}`, failed: String(causeOf(failure)) }))
    }
  }
  return counts
}

interface TrailRecord extends BatchRecord {
  readonly account: string
  readonly region: string
}

interface Delivery {
  readonly trail: TrailName
  readonly batch: Batch
}

/** A batch for each trail. */
function byTrail(records: readonly TrailRecord[]): Promise<Delivery[]> {
  const groups = Map.groupBy(records, ({ account, region }) => `${account}/${region}`)
  return Promise.all(
    Array.from(groups.values(), async (group) => {
      const { account, region } = group[0] as TrailRecord
      return { trail: { account, region }, batch: await batchOf(group) }
    }),
  )
}

/** What one trail does not take, the others have all the same. */
async function deliverAll(
  { database, trails }: ArchiveParts,
  deliveries: readonly Delivery[],
  time: number,
): Promise<void> {
  const refused: string[] = []
  for (const { trail, batch } of deliveries) {
    const { account, region } = trail
    const name = `${account}/${region}`
    if (!noted.has(name)) await noteTrail(database, { account, region, number: 0 }, null)
    noted.add(name)
    const refusal = await trailObject(trails, trail).deliver(trail, batch, time)
    if (refusal !== null) refused.push(`${name}: ${refusal.reason}`)
  }
  if (refused.length > 0) throw new Error(refused.join('; '))
}

function recordOf({ account, region, body }: StoredEvent): TrailRecord {
  const { eventID: eventId, eventTime } = JSON.parse(body) as AuditEvent
  return { account, region, eventId, eventTime, body }
}

function placeOf(stored: string | null): Place {
  const [after = 0, through = null] = (stored ?? '0').split('-').map(Number)
  return { after, through }
}
