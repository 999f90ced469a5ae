import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import type { BatchItem } from 'drizzle-orm/batch'
import { type AuditEvent, type EventAttribute, userNameOf } from '../model/audit-event.ts'
import type { Database } from './database.ts'
import { events } from './schema.ts'

/** Two statements that belong into one batch. An event that is there already, by its id, is left as it is. */
export function eventStatements(
  db: Database,
  records: readonly AuditEvent[],
): [BatchItem<'sqlite'>, BatchItem<'sqlite'>] {
  return [eventStatement(db, records, sql`true`), resourceStatement(db, records)]
}

/** For a batch, right behind a statement: written where that one has changed something. */
export function eventStatementWhereChanged(db: Database, records: readonly AuditEvent[]): BatchItem<'sqlite'> {
  return eventStatement(db, records, sql`changes() > 0`)
}

function eventStatement(db: Database, records: readonly AuditEvent[], condition: SQL): BatchItem<'sqlite'> {
  return db.run(
    sql`insert or ignore into events (event_id, account, region, time, source, name, is_read_only, user_name,
          access_key_id, body, is_change)
        select value ->> 'eventId', value ->> 'account', value ->> 'region', value ->> 'time', value ->> 'source',
          value ->> 'name', value ->> 'isReadOnly', value ->> 'userName', value ->> 'accessKeyId', value ->> 'body',
          1
        from json_each(${JSON.stringify(records.map(rowOf))}) where ${condition}`,
  )
}

/** For a batch, behind what writes the events: where those are not there, it writes nothing. */
export function resourceStatement(db: Database, records: readonly AuditEvent[]): BatchItem<'sqlite'> {
  return db.run(
    sql`insert or ignore into event_resources (account, region, resource_name, resource_type, time, sequence)
        select event.account, event.region, resource.value ->> 'name', resource.value ->> 'type', event.time,
          event.sequence
        from json_each(${JSON.stringify(records.map(rowOf))}) as entry,
          json_each(entry.value -> 'resources') as resource
        join events as event on event.event_id = entry.value ->> 'eventId'`,
  )
}

/** Written at once: for calls that are on record as changes of D1 and found nothing to change. */
export async function recordChanges(db: Database, records: readonly AuditEvent[]): Promise<void> {
  await db.batch(eventStatements(db, records))
}

/** A change as the archive takes it. */
export interface StoredEvent {
  readonly sequence: number
  readonly account: string
  readonly region: string
  readonly body: string
}

/** At most `limit` changes behind a place, in the order in which they arrived. */
export function listChanges(db: Database, after: number, limit: number): Promise<StoredEvent[]> {
  return db
    .select({ sequence: events.sequence, account: events.account, region: events.region, body: events.body })
    .from(events)
    .where(and(eq(events.isChange, true), gt(events.sequence, after)))
    .orderBy(asc(events.sequence))
    .limit(limit)
}

export interface EventQuery {
  readonly account: string
  readonly region: string
  /** Lifecycle seconds, both ends included. */
  readonly from: number
  readonly to: number
  readonly attribute: { readonly key: EventAttribute; readonly value: string } | null
  /** Behind which event to go on; null: from the newest. */
  readonly before: { readonly time: number; readonly eventId: string } | null
}

export interface FoundEvent {
  readonly eventId: string
  readonly time: number
  readonly body: string
}

const columns: Record<Exclude<EventAttribute, 'ResourceName' | 'ResourceType'>, SQL> = {
  AccessKeyId: sql`access_key_id`,
  EventId: sql`event_id`,
  EventName: sql`name`,
  EventSource: sql`source`,
  ReadOnly: sql`is_read_only`,
  Username: sql`user_name`,
}

/** At most `limit` changes, the newest first, and of one second by their ids. */
export async function lookupChanges(db: Database, query: EventQuery, limit: number): Promise<FoundEvent[]> {
  const { attribute } = query
  if (attribute?.key === 'ResourceName' || attribute?.key === 'ResourceType') {
    const column = attribute.key === 'ResourceName' ? sql`resource_name` : sql`resource_type`
    return db.all(
      sql`select events.event_id as eventId, events.time, events.body from event_resources as place
          join events on events.sequence = place.sequence
          where ${range(query, sql`place.`)} and ${column} = ${attribute.value}
          order by place.time desc, events.event_id desc limit ${limit}`,
    )
  }
  const is = attribute === null ? sql`true` : sql`${columns[attribute.key]} = ${bound(attribute)}`
  return db.all(
    sql`select event_id as eventId, time, body from events where ${range(query, sql``)} and ${is}
        order by time desc, event_id desc limit ${limit}`,
  )
}

/**
 * One page of retention: of the `limit` changes that arrived first, up to a sequence, those older than `before`. Answers
 * how many it removed.
 */
export async function pruneChanges(
  db: Database,
  { before, upTo }: { before: number; upTo: number },
  limit: number,
): Promise<number> {
  const first = sql`select sequence, time from events where sequence <= ${upTo}
    order by sequence limit ${limit}`
  return prune(db, sql`select sequence from (${first}) where time < ${before}`)
}

/** The sequence of the event that arrived last; 0: there is none. */
export async function newestEvent(db: Database): Promise<number> {
  const [row] = await db.all<{ newest: number | null }>(sql`select max(sequence) as newest from events`)
  return row?.newest ?? 0
}

async function prune(db: Database, sequences: SQL): Promise<number> {
  const [, removed] = await db.batch([
    db.run(sql`delete from event_resources where sequence in (${sequences})`),
    db.run(sql`delete from events where sequence in (${sequences})`),
  ])
  return removed.meta.changes
}

function range({ account, region, from, to, before }: EventQuery, of: SQL): SQL {
  // The first half is what an index can be walked by.
  const place =
    before === null
      ? sql`true`
      : sql`${of}time <= ${before.time} and (${of}time, event_id) < (${before.time}, ${before.eventId})`
  return sql`${of}account = ${account} and ${of}region = ${region} and ${of}time between ${from} and ${to} and ${place}`
}

function bound({ key, value }: { key: EventAttribute; value: string }): string | number {
  if (key !== 'ReadOnly') return value
  return value === 'true' ? 1 : 0
}

function rowOf(event: AuditEvent) {
  return {
    eventId: event.eventID,
    account: event.recipientAccountId,
    region: event.awsRegion,
    time: Date.parse(event.eventTime) / 1000,
    source: event.eventSource,
    name: event.eventName,
    isReadOnly: event.readOnly ? 1 : 0,
    userName: userNameOf(event),
    accessKeyId: event.userIdentity.accessKeyId ?? null,
    body: JSON.stringify(event),
    resources: (event.resources ?? []).map(({ ARN, type }) => ({ name: ARN, type })),
  }
}
