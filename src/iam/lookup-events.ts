import { matcherOf } from '../audit/batch-index.ts'
import { EventIds } from '../audit/event-ids.ts'
import { EventBatch } from '../audit/unpack.ts'
import type { Database } from '../catalog/database.ts'
import { type BatchPlace, listBatches, readBatches } from '../catalog/event-batches.ts'
import { type EventQuery, type FoundEvent, lookupChanges } from '../catalog/events.ts'

const placesPerPage = 64
/** Bodies are read one, then two, then four at a time. */
const bodiesAtOnceMax = 8

/** At most `limit` events, the newest first, and of one second by their ids: changes, and what came by the queue. */
export async function lookupEvents(db: Database, query: EventQuery, limit: number): Promise<FoundEvent[]> {
  const { attribute } = query
  const isById = attribute?.key === 'EventId'
  const asked = isById ? { ...query, attribute: { ...attribute, value: EventIds.prefixOf(attribute.value) } } : query
  let found = await lookupChanges(db, query, limit)
  const isEnough = ({ newest }: BatchPlace) => found.length >= limit && newest < (found.at(-1) as FoundEvent).time
  for (let behind: BatchPlace | null = null; ; ) {
    const places: BatchPlace[] = await listBatches(db, asked, behind, placesPerPage)
    for (let at = 0, count = 1; at < places.length; at += count, count = Math.min(2 * count, bodiesAtOnceMax)) {
      if (isEnough(places[at] as BatchPlace)) return found
      const bodies = await readBatches(db, places.slice(at, at + count))
      const more = bodies.flatMap((body) => matching(new EventBatch(body), query))
      found = [...found, ...more].sort(newestFirst).slice(0, limit)
    }
    behind = places.at(-1) ?? null
    if (places.length < placesPerPage) return found
  }
}

/** Records are written only of those that are shown. */
function matching(batch: EventBatch, { from, to, before, attribute }: EventQuery): FoundEvent[] {
  const isMatch = matcherOf(batch, attribute)
  const found: FoundEvent[] = []
  for (const event of batch.packed.events) {
    const time = batch.time(event)
    if (time < from || time > to || !isMatch(event)) continue
    const eventId = batch.eventId(event)
    if (before !== null && !isBehind({ time, eventId }, before)) continue
    found.push({
      eventId,
      time,
      get body() {
        return batch.record(event)
      },
    })
  }
  return found
}

type Place = Pick<FoundEvent, 'time' | 'eventId'>

function isBehind(one: Place, other: Place): boolean {
  return newestFirst(one, other) > 0
}

function newestFirst(one: Place, other: Place): number {
  if (one.time !== other.time) return other.time - one.time
  if (one.eventId === other.eventId) return 0
  return one.eventId < other.eventId ? 1 : -1
}
