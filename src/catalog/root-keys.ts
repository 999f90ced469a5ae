import { and, asc, eq, isNull, lt, sql } from 'drizzle-orm'
import type { RootKeys } from '../crypto/root-keys.ts'
import { run } from './conditional.ts'
import type { Database } from './database.ts'
import { rootKeys } from './schema.ts'

export type RootKeyRow = Readonly<typeof rootKeys.$inferSelect>

/**
 * Compares each root key with the check value that was stored when its version was first used here, and notes since when
 * a version is no longer the one that seals. Null: they are this deployment's own; else the sentence that names the one
 * that is not. Throws while D1 does not answer.
 */
export async function wrongRootKey(db: Database, roots: RootKeys, wallTime: number): Promise<string | null> {
  const rows = await listRootKeys(db)
  const stored = new Map(rows.map((row) => [row.version, row]))
  const versions = roots.versions()
  for (const version of versions) {
    const checkValue = stored.get(version)?.checkValue
    if (checkValue !== undefined && checkValue !== (await roots.checkValue(version))) return notOurs(version)
  }
  if (isRetired(stored.get(roots.current))) return retired(roots.current)
  const used = rows.filter((row) => !isRetired(row)).map(({ version }) => version)
  if (used.length > 0 && !used.some((version) => roots.has(version))) return noneIsOurs(used)
  const unknown = versions.filter((version) => !stored.has(version))
  for (const version of unknown) {
    const checkValue = await roots.checkValue(version)
    await db.insert(rootKeys).values({ version, checkValue }).onConflictDoNothing()
  }
  // Another isolate may have stored another key under that number first.
  if (unknown.length > 0) return wrongRootKey(db, roots, wallTime)
  await noteCurrent(db, rows, roots.current, wallTime)
  return null
}

/** All that were ever used here, in the order of their numbers. */
export function listRootKeys(db: Database): Promise<RootKeyRow[]> {
  return db.select().from(rootKeys).orderBy(asc(rootKeys.version))
}

/**
 * One statement. False: it may have sealed something after `supersededBy`, an access key needs it, or it is retired
 * already.
 */
export function retireRootKey(db: Database, version: number, supersededBy: number, wallTime: number): Promise<boolean> {
  return run(
    db,
    sql`update root_keys set retired_at = ${wallTime}
        where version = ${version} and retired_at is null and superseded_at <= ${supersededBy}
        and not exists (select 1 from access_keys where root_version = ${version})`,
  )
}

/** A lower version does not seal any more; one that was superseded and is the highest again, as a deploy was taken back, does. */
async function noteCurrent(db: Database, rows: readonly RootKeyRow[], current: number, wallTime: number) {
  if (rows.some(({ version, supersededAt }) => version < current && supersededAt === null)) {
    const superseded = and(lt(rootKeys.version, current), isNull(rootKeys.supersededAt))
    await db.update(rootKeys).set({ supersededAt: wallTime }).where(superseded)
  }
  if (rows.some(({ version, supersededAt }) => version === current && supersededAt !== null)) {
    await db.update(rootKeys).set({ supersededAt: null }).where(eq(rootKeys.version, current))
  }
}

function isRetired(row: RootKeyRow | undefined): boolean {
  return row !== undefined && row.retiredAt !== null
}

function notOurs(version: number): string {
  return `Root key version ${version} in ROOT_KEYS is not the one that this deployment's keys were sealed with. Set ROOT_KEYS to the value it had.`
}

function noneIsOurs(versions: readonly number[]): string {
  return `This deployment's keys were sealed with root key version ${versions.join(', ')}, and ROOT_KEYS has none of them. Add it again.`
}

function retired(version: number): string {
  return `Root key version ${version} was retired and seals nothing any more. Add a higher version to ROOT_KEYS, or the one that is in use.`
}
