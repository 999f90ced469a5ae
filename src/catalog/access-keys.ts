import { and, asc, count, eq, gt, ne, sql } from 'drizzle-orm'
import { limits } from '../model/limits.ts'
import { insertWhere, isThere, run, runAll } from './conditional.ts'
import type { Database } from './database.ts'
import { accessKeys, users } from './schema.ts'

type AccessKeyRow = Readonly<typeof accessKeys.$inferSelect>

/** One statement. False: the user has as many as a user may have, or is gone. */
export function createAccessKey(
  db: Database,
  key: Pick<AccessKeyRow, 'accessKeyId' | 'userId' | 'createdAt' | 'rootVersion' | 'sealed'>,
): Promise<boolean> {
  const count = sql`(select count(*) from access_keys where user_id = ${key.userId})`
  const condition = sql`${isThere('user', key.userId)} and ${count} < ${limits.accessKeysPerUserMax}`
  return run(db, insertWhere(accessKeys, { ...key, isActive: true }, condition))
}

/** At most `limit` of the user's access keys that come after `after`, in order. */
export function listAccessKeys(db: Database, userId: string, after: string, limit: number): Promise<AccessKeyRow[]> {
  return db
    .select()
    .from(accessKeys)
    .where(and(eq(accessKeys.userId, userId), gt(accessKeys.accessKeyId, after)))
    .orderBy(asc(accessKeys.accessKeyId))
    .limit(limit)
}

/** Null: no user of the account has such a key. */
export async function findAccessKeyUse(db: Database, account: string, accessKeyId: string) {
  const [row] = await db
    .select({
      userName: users.name,
      lastUsedAt: accessKeys.lastUsedAt,
      lastUsedService: accessKeys.lastUsedService,
      lastUsedRegion: accessKeys.lastUsedRegion,
    })
    .from(accessKeys)
    .innerJoin(users, eq(users.id, accessKeys.userId))
    .where(and(eq(accessKeys.accessKeyId, accessKeyId), eq(users.account, account)))
  return row ?? null
}

/** False: the user has no such key. */
export function setAccessKeyActive(db: Database, userId: string, accessKeyId: string, isActive: boolean) {
  return run(
    db,
    sql`update access_keys set is_active = ${isActive ? 1 : 0} where access_key_id = ${accessKeyId} and user_id = ${userId}`,
  )
}

/** False: the user has no such key. */
export function deleteAccessKey(db: Database, userId: string, accessKeyId: string): Promise<boolean> {
  return run(db, sql`delete from access_keys where access_key_id = ${accessKeyId} and user_id = ${userId}`)
}

/** An access key's secret as it is sealed, for whom. */
export type SealedAccessKey = Pick<AccessKeyRow, 'accessKeyId' | 'rootVersion' | 'sealed'> & {
  /** Null: its user is gone. */
  readonly account: string | null
}

/** At most `limit` access keys, of every account, that another version of the root key opens, after the one given. */
export function accessKeysNotUnder(
  db: Database,
  rootVersion: number,
  after: string,
  limit: number,
): Promise<SealedAccessKey[]> {
  const { accessKeyId, sealed } = accessKeys
  return db
    .select({ accessKeyId, sealed, rootVersion: accessKeys.rootVersion, account: users.account })
    .from(accessKeys)
    .leftJoin(users, eq(users.id, accessKeys.userId))
    .where(and(ne(accessKeys.rootVersion, rootVersion), gt(accessKeyId, after)))
    .orderBy(asc(accessKeyId))
    .limit(limit)
}

/** One transaction. How many were still sealed as they were read, and are sealed anew. */
export async function resealAccessKeys(
  db: Database,
  changes: readonly { readonly before: SealedAccessKey; readonly after: { rootVersion: number; sealed: string } }[],
): Promise<number> {
  const statements = changes.map(
    ({ before, after }) =>
      sql`update access_keys set root_version = ${after.rootVersion}, sealed = ${after.sealed}
          where access_key_id = ${before.accessKeyId} and sealed = ${before.sealed}`,
  )
  return (await runAll(db, statements)).reduce((sum, changed) => sum + changed, 0)
}

/** How many access keys each version of the root key opens. */
export async function countAccessKeys(db: Database): Promise<ReadonlyMap<number, number>> {
  const rows = await db
    .select({ rootVersion: accessKeys.rootVersion, count: count() })
    .from(accessKeys)
    .groupBy(accessKeys.rootVersion)
  return new Map(rows.map((row) => [row.rootVersion, row.count]))
}
