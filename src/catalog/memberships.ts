import { sql } from 'drizzle-orm'
import { limits } from '../model/limits.ts'
import { insertWhere, isThere, run } from './conditional.ts'
import type { Database } from './database.ts'
import type { EntityRows } from './entities.ts'
import { groupMembers, groups, users } from './schema.ts'

/** One statement. To add a member again changes nothing. `full`: the user is in as many groups as a user may be. */
export async function addMember(db: Database, groupId: string, userId: string): Promise<'member' | 'full' | 'absent'> {
  const count = sql`(select count(*) from group_members where user_id = ${userId})`
  const condition = sql`${isThere('group', groupId)} and ${isThere('user', userId)} and ${count} < ${limits.groupsPerUserMax}`
  if (await run(db, insertWhere(groupMembers, { groupId, userId }, condition))) return 'member'
  const [facts] = await db.all<{ isMember: number; areThere: number }>(sql`select
    exists (select 1 from group_members where group_id = ${groupId} and user_id = ${userId}) as isMember,
    ${isThere('group', groupId)} and ${isThere('user', userId)} as areThere`)
  if (facts?.isMember) return 'member'
  return facts?.areThere ? 'full' : 'absent'
}

export async function removeMember(db: Database, groupId: string, userId: string): Promise<void> {
  await run(db, sql`delete from group_members where group_id = ${groupId} and user_id = ${userId}`)
}

/** At most `limit` users of the group whose names come after `after`, in order. */
export function listMembers(
  db: Database,
  groupId: string,
  after: string,
  limit: number,
): Promise<readonly EntityRows['user'][]> {
  return db
    .select()
    .from(users)
    .where(sql`id in (select user_id from group_members where group_id = ${groupId}) and name_key > ${after}`)
    .orderBy(sql`name_key`)
    .limit(limit)
}

/** At most `limit` groups of the user whose names come after `after`, in order. */
export function listGroupsOf(
  db: Database,
  userId: string,
  after: string,
  limit: number,
): Promise<readonly EntityRows['group'][]> {
  return db
    .select()
    .from(groups)
    .where(sql`id in (select group_id from group_members where user_id = ${userId}) and name_key > ${after}`)
    .orderBy(sql`name_key`)
    .limit(limit)
}
