import { and, asc, eq, exists, gt, isNull, sql } from 'drizzle-orm'
import { limits } from '../model/limits.ts'
import { run } from './conditional.ts'
import type { Database } from './database.ts'
import { aliases, keys } from './schema.ts'

export interface AliasName {
  readonly account: string
  readonly region: string
  readonly aliasName: string
}

export interface Alias extends AliasName {
  readonly targetKeyId: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** Null: there is no such alias. */
export async function findAlias(db: Database, name: AliasName): Promise<Alias | null> {
  const [row] = await db.select().from(aliases).where(named(name))
  return row ?? null
}

/** The names of all aliases that point at the key, `alias/…`. */
export async function aliasesOfKey(
  db: Database,
  { account, region, keyId }: { account: string; region: string; keyId: string },
): Promise<string[]> {
  const rows = await listAliases(db, { account, region, targetKeyId: keyId }, '', limits.aliasesPerKeyMax)
  return rows.map(({ aliasName }) => aliasName)
}

/** At most `limit` aliases that come after `after`, in order; those of one key where `targetKeyId` is given. */
export function listAliases(
  db: Database,
  { account, region, targetKeyId }: { account: string; region: string; targetKeyId: string | null },
  after: string,
  limit: number,
): Promise<Alias[]> {
  const ofKey = targetKeyId === null ? undefined : eq(aliases.targetKeyId, targetKeyId)
  return db
    .select()
    .from(aliases)
    .where(and(eq(aliases.account, account), eq(aliases.region, region), ofKey, gt(aliases.aliasName, after)))
    .orderBy(asc(aliases.aliasName))
    .limit(limit)
}

/**
 * One statement: the alias is new, its key's row is in the index and no tombstone, and the key has room for one more.
 * The tombstone's batch removes a key's aliases, so an alias never points at a key that is gone.
 */
export async function createAlias(db: Database, alias: Alias): Promise<'created' | 'exists' | 'full' | 'noKey'> {
  const { account, region, aliasName, targetKeyId, createdAt, updatedAt } = alias
  const isCreated = await run(
    db,
    sql`insert into aliases (account, region, alias_name, target_key_id, created_at, updated_at)
        select ${account}, ${region}, ${aliasName}, ${targetKeyId}, ${createdAt}, ${updatedAt}
        where exists ${liveKey(db, alias)} and (${aliasCount(region, targetKeyId)}) < ${limits.aliasesPerKeyMax}
        on conflict do nothing`,
  )
  if (isCreated) return 'created'
  if ((await findAlias(db, alias)) !== null) return 'exists'
  const isLive = (await liveKey(db, alias)).length > 0
  return isLive ? 'full' : 'noKey'
}

/** One statement, under the conditions of `createAlias`. `moved`: it no longer points at `fromKeyId`. */
export async function updateAlias(
  db: Database,
  alias: Omit<Alias, 'createdAt'>,
  fromKeyId: string,
): Promise<'updated' | 'moved' | 'full' | 'noKey'> {
  const { region, targetKeyId, updatedAt } = alias
  const update = db
    .update(aliases)
    .set({ targetKeyId, updatedAt })
    .where(
      and(
        named(alias),
        eq(aliases.targetKeyId, fromKeyId),
        exists(liveKey(db, alias)),
        sql`(${aliases.targetKeyId} = ${targetKeyId} or (${aliasCount(region, targetKeyId)}) < ${limits.aliasesPerKeyMax})`,
      ),
    )
  const [updated] = await db.change([update])
  if (updated.meta.changes > 0) return 'updated'
  if ((await findAlias(db, alias))?.targetKeyId !== fromKeyId) return 'moved'
  const isLive = (await liveKey(db, alias)).length > 0
  return isLive ? 'full' : 'noKey'
}

/** False: there is no such alias, or it no longer points at `fromKeyId`. */
export async function deleteAlias(db: Database, name: AliasName, fromKeyId: string): Promise<boolean> {
  const [deleted] = await db.change([db.delete(aliases).where(and(named(name), eq(aliases.targetKeyId, fromKeyId)))])
  return deleted.meta.changes > 0
}

function named({ account, region, aliasName }: AliasName) {
  return and(eq(aliases.account, account), eq(aliases.region, region), eq(aliases.aliasName, aliasName))
}

function liveKey(db: Database, { account, region, targetKeyId }: Pick<Alias, 'account' | 'region' | 'targetKeyId'>) {
  return db
    .select({ keyId: keys.keyId })
    .from(keys)
    .where(and(eq(keys.account, account), eq(keys.region, region), eq(keys.keyId, targetKeyId), isNull(keys.deletedAt)))
}

function aliasCount(region: string, targetKeyId: string) {
  return sql`select count(*) from aliases as other where other.region = ${region} and other.target_key_id = ${targetKeyId}`
}
