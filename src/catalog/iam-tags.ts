import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import { limits } from '../model/limits.ts'
import { rowsOf, run, runAll } from './conditional.ts'
import type { Database } from './database.ts'
import { iamTags } from './schema.ts'

export interface IamTag {
  readonly tagKey: string
  readonly tagValue: string
}

/** Users and roles know a tag key whatever its case; policies and providers tell cases apart. */
export interface TagOwner {
  readonly ownerId: string
  readonly hasCase: boolean
}

/** At most `limit` tags whose keys come after `after`, in order. */
export function listTags(
  db: Database,
  ownerId: string,
  after = '',
  limit: number = limits.iamTagsMax,
): Promise<IamTag[]> {
  return db
    .select({ tagKey: iamTags.tagKey, tagValue: iamTags.tagValue })
    .from(iamTags)
    .where(and(eq(iamTags.ownerId, ownerId), gt(iamTags.tagKey, after)))
    .orderBy(asc(iamTags.tagKey))
    .limit(limit)
}

/** For the batch that makes the owner: written where it was made. */
export function firstTags(ownerId: string, tags: readonly IamTag[], wasMade: SQL): SQL[] {
  if (tags.length === 0) return []
  return [sql`insert into iam_tags (owner_id, tag_key, tag_value) ${pairs(ownerId, tags)} where ${wasMade}`]
}

/** For the batch that removes the owner: removed where it is gone. */
export function lastTags(ownerId: string, isGone: SQL): SQL {
  return sql`delete from iam_tags where owner_id = ${ownerId} and ${isGone}`
}

/** False: there would be too many. All of them are put or none. */
export async function putTags(db: Database, owner: TagOwner, tags: readonly IamTag[], isThere: SQL): Promise<boolean> {
  const { ownerId } = owner
  const given = rowsOf(tags.map(({ tagKey }) => tagKey))
  const key = (of: SQL) => (owner.hasCase ? of : sql`lower(${of})`)
  const isGiven = sql`${key(sql`tag_key`)} in (select ${key(sql`value`)} from ${given})`
  // Neither statement changes what this counts, so both see the same answer.
  const fits = sql`${isThere} and (select count(*) from iam_tags where owner_id = ${ownerId} and not ${isGiven}) + ${tags.length} <= ${limits.iamTagsMax}`
  const [, put] = await runAll(db, [
    sql`delete from iam_tags where owner_id = ${ownerId} and ${isGiven} and ${fits}`,
    sql`insert into iam_tags (owner_id, tag_key, tag_value) ${pairs(ownerId, tags)} where ${fits}`,
  ])
  return put === tags.length
}

export async function removeTags(db: Database, { ownerId, hasCase }: TagOwner, keys: readonly string[]): Promise<void> {
  const key = (of: SQL) => (hasCase ? of : sql`lower(${of})`)
  await run(
    db,
    sql`delete from iam_tags where owner_id = ${ownerId}
        and ${key(sql`tag_key`)} in (select ${key(sql`value`)} from ${rowsOf(keys)})`,
  )
}

function pairs(ownerId: string, tags: readonly IamTag[]): SQL {
  const rows = rowsOf(tags.map(({ tagKey, tagValue }) => [tagKey, tagValue]))
  return sql`select ${ownerId}, value ->> 0, value ->> 1 from ${rows}`
}
