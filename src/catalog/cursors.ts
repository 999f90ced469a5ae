import { eq, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { cursors } from './schema.ts'

/** Null: the job of that name has not begun. */
export async function readCursor(db: Database, name: string): Promise<string | null> {
  const [row] = await db.select({ place: cursors.place }).from(cursors).where(eq(cursors.name, name))
  return row?.place ?? null
}

/** False where the job has come elsewhere meanwhile than `from`, and nothing is changed. */
export async function moveCursor(db: Database, name: string, from: string | null, to: string): Promise<boolean> {
  const { meta } = await db.run(
    from === null
      ? sql`insert or ignore into cursors (name, place) values (${name}, ${to})`
      : sql`update cursors set place = ${to} where name = ${name} and place = ${from}`,
  )
  return meta.changes > 0
}

/** Whatever it was before, of jobs that one operator runs at a time. Null: the job begins anew. */
export async function setCursor(db: Database, name: string, place: string | null): Promise<void> {
  if (place === null) await db.delete(cursors).where(eq(cursors.name, name))
  else await db.insert(cursors).values({ name, place }).onConflictDoUpdate({ target: cursors.name, set: { place } })
}
