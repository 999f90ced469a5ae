import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import { limits } from '../model/limits.ts'
import { type EntityKind, insertWhere, isThere, run } from './conditional.ts'
import type { Database } from './database.ts'
import { inlinePolicies } from './schema.ts'

interface InlinePolicy {
  readonly ownerId: string
  readonly name: string
  readonly document: string
}

/** Characters that count: white space does not. */
export function policySize(document: string): number {
  return document.replace(/[\t\n\r ]/g, '').length
}

/** One statement. False: with the owner's others it is too large, or the owner is gone. */
export function putInlinePolicy(db: Database, kind: EntityKind, policy: InlinePolicy): Promise<boolean> {
  const others = sql`(select coalesce(sum(length(${withoutSpace(sql`document`)})), 0) from inline_policies
                      where owner_id = ${policy.ownerId} and name <> ${policy.name})`
  const fits = sql`${others} + ${policySize(policy.document)} <= ${limits.inlinePolicySizeMax[kind]}`
  const update = sql`update set document = excluded.document`
  return run(db, insertWhere(inlinePolicies, policy, sql`${isThere(kind, policy.ownerId)} and ${fits}`, update))
}

/** Null: the owner has none of that name. */
export async function findInlinePolicy(db: Database, ownerId: string, name: string): Promise<InlinePolicy | null> {
  const named = and(eq(inlinePolicies.ownerId, ownerId), eq(inlinePolicies.name, name))
  const [row] = await db.select().from(inlinePolicies).where(named)
  return row ?? null
}

/** At most `limit` names that come after `after`, in order. */
export async function listInlinePolicies(db: Database, ownerId: string, after: string, limit: number) {
  const rows = await db
    .select({ name: inlinePolicies.name })
    .from(inlinePolicies)
    .where(and(eq(inlinePolicies.ownerId, ownerId), gt(inlinePolicies.name, after)))
    .orderBy(asc(inlinePolicies.name))
    .limit(limit)
  return rows.map(({ name }) => name)
}

/** False: the owner has none of that name. */
export function deleteInlinePolicy(db: Database, ownerId: string, name: string): Promise<boolean> {
  return run(db, sql`delete from inline_policies where owner_id = ${ownerId} and name = ${name}`)
}

/** The white space that a policy's pattern lets in. */
function withoutSpace(text: SQL): SQL {
  return [9, 10, 13, 32].reduce((rest, code) => sql`replace(${rest}, char(${sql.raw(String(code))}), '')`, text)
}
