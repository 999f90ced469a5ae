import { sql } from 'drizzle-orm'
import type { BatchItem } from 'drizzle-orm/batch'
import type { EventAttribute } from '../model/audit-event.ts'
import type { Database } from './database.ts'
import type { EventQuery } from './events.ts'

/** What is stored of a message. */
export interface NewBatch {
  readonly digest: string
  readonly account: string
  readonly region: string
  readonly count: number
  readonly newest: number
  readonly oldest: number
  readonly body: string
  readonly index: readonly (readonly [attribute: EventAttribute, value: string])[]
}

/** Where a batch is found, without its body. */
export interface BatchPlace {
  readonly id: number
  readonly newest: number
}

/** Every batch is found by this. */
const any = ['', ''] as const

/** Two statements that belong into one transaction. A batch that is there already is left as it is. */
export function batchStatements(
  db: Database,
  { digest, account, region, count, newest, oldest, body, index }: NewBatch,
): [BatchItem<'sqlite'>, BatchItem<'sqlite'>] {
  return [
    db.run(
      sql`insert or ignore into event_batches (digest, count, total, body)
          values (${digest}, ${count},
            ${count} + coalesce((select total from event_batches order by id desc limit 1), 0), ${body})`,
    ),
    db.run(
      sql`insert or ignore into event_batch_index (batch_id, account, region, attribute, value, newest, oldest)
          select event_batches.id, ${account}, ${region}, entry.value ->> 0, entry.value ->> 1, ${newest}, ${oldest}
          from json_each(${JSON.stringify([any, ...index])}) as entry join event_batches on digest = ${digest}`,
    ),
  ]
}

/** At most `limit` batches that may hold what a query asks for, the newest first, behind another. */
export function listBatches(
  db: Database,
  { account, region, from, to, attribute, before }: EventQuery,
  behind: BatchPlace | null,
  limit: number,
): Promise<BatchPlace[]> {
  const [key, value] = attribute === null ? any : [attribute.key, attribute.value]
  const upTo = Math.min(to, before?.time ?? to)
  const place = behind === null ? sql`true` : sql`(newest, batch_id) < (${behind.newest}, ${behind.id})`
  return db.all(
    sql`select batch_id as id, newest from event_batch_index
        where account = ${account} and region = ${region} and attribute = ${key} and value = ${value}
          and newest >= ${from} and oldest <= ${upTo} and ${place}
        order by newest desc, batch_id desc limit ${limit}`,
  )
}

/** The messages. One that retention has taken meanwhile is not among them. */
export async function readBatches(db: Database, places: readonly BatchPlace[]): Promise<string[]> {
  const ids = JSON.stringify(places.map(({ id }) => id))
  const rows = await db.all<{ body: string }>(
    sql`select body from event_batches where id in (select value from json_each(${ids}))`,
  )
  return rows.map(({ body }) => body)
}

/**
 * One page of retention: at most `limit` of the oldest batches, each whole, while the rest still has `kept` events.
 * Answers how many events it removed.
 */
export async function pruneBatches(db: Database, kept: number, limit: number): Promise<number> {
  const excess = sql`select id from (select id, total from event_batches order by id limit ${limit})
    where total <= (select total from event_batches order by id desc limit 1) - ${kept}`
  const [, removed] = await db.batch([
    db.run(sql`delete from event_batch_index where batch_id in (${excess})`),
    db.all<{ count: number }>(sql`delete from event_batches where id in (${excess}) returning count`),
  ])
  return removed.reduce((sum, { count }) => sum + count, 0)
}
