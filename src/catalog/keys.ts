import { and, asc, eq, gt, isNotNull, isNull, lte, or, sql } from 'drizzle-orm'
import type { BatchItem } from 'drizzle-orm/batch'
import type { IndexEntry, IndexedEntry } from '../model/index-entry.ts'
import type { Database } from './database.ts'
import { eventStatements } from './events.ts'
import { retirableGrantStatement } from './retirable-grants.ts'
import { aliases, keys, retirableGrants } from './schema.ts'

/** At most `limit` key ids of the account in the Region that come after `after`, in order. */
export async function listKeyIds(db: Database, account: string, region: string, after: string, limit: number) {
  const rows = await db
    .select({ keyId: keys.keyId })
    .from(keys)
    .where(and(eq(keys.account, account), eq(keys.region, region), gt(keys.keyId, after), isNull(keys.deletedAt)))
    .orderBy(asc(keys.keyId))
    .limit(limit)
  return rows.map(({ keyId }) => keyId)
}

export interface DueKey {
  readonly account: string
  readonly region: string
  readonly keyId: string
  readonly dueAt: number
}

/** At most `limit` keys that are due at `time`, the longest due first, after the one given. */
export async function listDueKeys(db: Database, time: number, after: DueKey | null, limit: number): Promise<DueKey[]> {
  const isAfter = (from: DueKey) =>
    or(
      gt(keys.dueAt, from.dueAt),
      and(eq(keys.dueAt, from.dueAt), gt(keys.region, from.region)),
      and(eq(keys.dueAt, from.dueAt), eq(keys.region, from.region), gt(keys.keyId, from.keyId)),
    )
  const rows = await db
    .select({ account: keys.account, region: keys.region, keyId: keys.keyId, dueAt: keys.dueAt })
    .from(keys)
    .where(and(isNotNull(keys.dueAt), lte(keys.dueAt, time), after === null ? undefined : isAfter(after)))
    .orderBy(asc(keys.dueAt), asc(keys.region), asc(keys.keyId))
    .limit(limit)
  return rows.map((row) => ({ ...row, dueAt: row.dueAt ?? 0 }))
}

/** Null: the index has no row for the key. */
export async function keyStanding(db: Database, region: string, keyId: string) {
  const [row] = await db
    .select({ revision: keys.revision, isRestoreAccepted: keys.isRestoreAccepted })
    .from(keys)
    .where(and(eq(keys.region, region), eq(keys.keyId, keyId)))
  return row ?? null
}

export interface IndexedKey {
  readonly region: string
  readonly keyId: string
  readonly isDeleted: boolean
}

/** At most `limit` keys and tombstones, of every account, after the one given. */
export async function listIndex(
  db: Database,
  after: { region: string; keyId: string },
  limit: number,
): Promise<IndexedKey[]> {
  const rows = await db
    .select({ region: keys.region, keyId: keys.keyId, deletedAt: keys.deletedAt })
    .from(keys)
    .where(sql`(${keys.region}, ${keys.keyId}) > (${after.region}, ${after.keyId})`)
    .orderBy(asc(keys.region), asc(keys.keyId))
    .limit(limit)
  return rows.map(({ region, keyId, deletedAt }) => ({ region, keyId, isDeleted: deletedAt !== null }))
}

/** One transaction. What the index has at its revision or a later one is not changed; an event is there once. */
export async function publish(db: Database, entries: readonly IndexedEntry[]): Promise<void> {
  const statements = entries.flatMap((entry) => statementsOf(db, entry))
  const [first, ...rest] = statements
  if (first !== undefined) await db.batch([first, ...rest])
}

function statementsOf(db: Database, entry: IndexedEntry): readonly BatchItem<'sqlite'>[] {
  switch (entry.kind) {
    case 'index':
      return keyStatements(db, entry.body)
    case 'retirableGrant':
      return [retirableGrantStatement(db, entry.body)]
    case 'event':
      return eventStatements(db, [entry.body])
  }
}

function keyStatements(db: Database, entry: IndexEntry): BatchItem<'sqlite'>[] {
  const upsert = db
    .insert(keys)
    .values({ ...entry })
    .onConflictDoUpdate({
      target: [keys.region, keys.keyId],
      set: {
        revision: entry.revision,
        state: entry.state,
        dueAt: entry.dueAt,
        deletedAt: entry.deletedAt,
        fault: null,
        isRestoreAccepted: false,
      },
      setWhere: sql`excluded.revision > ${keys.revision}`,
    })
  if (entry.deletedAt === null) return [upsert]
  const { region, keyId } = entry
  return [
    upsert,
    db.delete(aliases).where(and(eq(aliases.region, region), eq(aliases.targetKeyId, keyId))),
    db.delete(retirableGrants).where(and(eq(retirableGrants.region, region), eq(retirableGrants.keyId, keyId))),
  ]
}

export async function reportRolledBack(db: Database, region: string, keyId: string): Promise<void> {
  await db
    .update(keys)
    .set({ fault: 'rolled-back' })
    .where(and(eq(keys.region, region), eq(keys.keyId, keyId)))
}

/** True where some key's object is older than the index says. */
export async function hasFaultyKeys(db: Database): Promise<boolean> {
  return (await db.select({ keyId: keys.keyId }).from(keys).where(isNotNull(keys.fault)).limit(1)).length > 0
}
