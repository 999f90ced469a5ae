import { asc, count, desc, inArray, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { deadLetters } from './schema.ts'

export interface DeadLetter {
  /** The queue's own id of the message: a repeated delivery is the same letter. */
  readonly messageId: string
  readonly queue: string
  /** Wall time in milliseconds. */
  readonly receivedAt: number
  /** The message as JSON, or as text where it was none. */
  readonly body: string
  readonly reason: string
}

/** Keeps at most `kept` letters. Answers how many of the oldest were dropped for it. */
export async function storeDeadLetter(db: Database, letter: DeadLetter, kept: number): Promise<number> {
  const newest = db
    .select({ messageId: deadLetters.messageId })
    .from(deadLetters)
    .orderBy(desc(deadLetters.receivedAt), desc(deadLetters.messageId))
    .limit(kept)
  const [, dropped] = await db.batch([
    db
      .insert(deadLetters)
      .values({ ...letter })
      .onConflictDoNothing(),
    db.run(
      sql`delete from dead_letters where (select count(*) from dead_letters) > ${kept} and message_id not in (${newest})`,
    ),
  ])
  return dropped.meta.changes
}

/** At most `limit` letters, the oldest first: those of the ids, or any. */
export function listDeadLetters(db: Database, ids: readonly string[] | null, limit: number): Promise<DeadLetter[]> {
  return db
    .select()
    .from(deadLetters)
    .where(ids === null ? undefined : inArray(deadLetters.messageId, [...ids]))
    .orderBy(asc(deadLetters.receivedAt), asc(deadLetters.messageId))
    .limit(limit)
}

/** Answers how many there were. */
export async function removeDeadLetters(db: Database, ids: readonly string[]): Promise<number> {
  const { meta } = await db.delete(deadLetters).where(inArray(deadLetters.messageId, [...ids]))
  return meta.changes
}

export async function deadLetterCount(db: Database): Promise<number> {
  const [row] = await db.select({ letters: count() }).from(deadLetters)
  return row?.letters ?? 0
}
