import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import { limits } from '../model/limits.ts'
import { type EntityKind, insertWhere, isThere, policyIsThere, rowsOf, run } from './conditional.ts'
import type { Database } from './database.ts'
import { isUnder } from './entities.ts'
import { attachments } from './schema.ts'

/** One statement. To attach again changes nothing. `full`: the owner has as many as it may have. */
export async function attachPolicy(
  db: Database,
  kind: EntityKind,
  ownerId: string,
  policyArn: string,
): Promise<'attached' | 'full' | 'noPolicy' | 'noOwner'> {
  const count = sql`(select count(*) from attachments where owner_id = ${ownerId})`
  const condition = sql`${isThere(kind, ownerId)} and ${policyIsThere(policyArn)} and ${count} < ${limits.attachedPoliciesMax}`
  if (await run(db, insertWhere(attachments, { ownerId, policyArn }, condition))) return 'attached'
  const [facts] = await db.all<{ isAttached: number; isOwner: number; isPolicy: number }>(sql`select
    exists (select 1 from attachments where owner_id = ${ownerId} and policy_arn = ${policyArn}) as isAttached,
    ${isThere(kind, ownerId)} as isOwner, ${policyIsThere(policyArn)} as isPolicy`)
  if (facts?.isAttached) return 'attached'
  if (!facts?.isOwner) return 'noOwner'
  return facts.isPolicy ? 'full' : 'noPolicy'
}

/** False: it was not attached. */
export function detachPolicy(db: Database, ownerId: string, policyArn: string): Promise<boolean> {
  return run(db, sql`delete from attachments where owner_id = ${ownerId} and policy_arn = ${policyArn}`)
}

/** At most `limit` ARNs of policies on the owner that come after `after`, in order. */
export async function listAttached(db: Database, ownerId: string, after: string, limit: number): Promise<string[]> {
  const rows = await db
    .select({ policyArn: attachments.policyArn })
    .from(attachments)
    .where(and(eq(attachments.ownerId, ownerId), gt(attachments.policyArn, after)))
    .orderBy(asc(attachments.policyArn))
    .limit(limit)
  return rows.map(({ policyArn }) => policyArn)
}

/** Who has a policy, and as what. */
export interface PolicyUser {
  readonly kind: EntityKind
  readonly id: string
  readonly name: string
  /** By which they are ordered. */
  readonly place: string
}

interface UserQuery {
  readonly account: string
  readonly policyArn: string
  readonly kinds: readonly EntityKind[]
  readonly pathPrefix: string
  readonly asPermissions: boolean
  readonly asBoundary: boolean
}

/** At most `limit` users, groups and roles of the account that have the policy, after `after`, in order. */
export function listUsersOfPolicy(db: Database, query: UserQuery, after: string, limit: number): Promise<PolicyUser[]> {
  const { account, policyArn, kinds, pathPrefix, asPermissions, asBoundary } = query
  const isAttached = asPermissions
    ? sql`id in (select owner_id from attachments where policy_arn = ${policyArn})`
    : sql`0`
  const isBounded = asBoundary ? sql`boundary_arn = ${policyArn}` : sql`0`
  const having: Readonly<Record<EntityKind, SQL>> = {
    group: sql`select 'group' as kind, id, name, 'group/' || name_key as place, account, path from groups where ${isAttached}`,
    role: sql`select 'role', id, name, 'role/' || name_key, account, path from roles where ${isAttached} or ${isBounded}`,
    user: sql`select 'user', id, name, 'user/' || name_key, account, path from users where ${isAttached} or ${isBounded}`,
  }
  const all = [having.group, having.role, having.user]
  return db.all<PolicyUser>(sql`select kind, id, name, place from (${sql.join(all, sql` union all `)})
    where account = ${account} and kind in (select value from ${rowsOf(kinds)})
    and ${isUnder(pathPrefix)} and place > ${after} order by place limit ${limit}`)
}

export interface PolicyUse {
  /** How many users, groups and roles it is attached to. */
  readonly attachmentCount: number
  /** How many users and roles it is the boundary of. */
  readonly boundaryCount: number
}

/** How the account uses policies that may be any account's, in the order given. */
export function policyUses(db: Database, account: string, arns: readonly string[]): Promise<PolicyUse[]> {
  return db.all<PolicyUse>(sql`
    with owner (id, boundary) as (
      select id, boundary_arn from users where account = ${account} union all
      select id, boundary_arn from roles where account = ${account} union all
      select id, null from groups where account = ${account}
    )
    select (select count(*) from attachments where policy_arn = value and owner_id in (select id from owner)) as attachmentCount,
      (select count(*) from owner where boundary = value) as boundaryCount
    from ${rowsOf(arns)} order by key`)
}
