import { sql } from 'drizzle-orm'
import { type EntityKind, entityTables } from './conditional.ts'
import type { Database } from './database.ts'

/** A policy and who has it: for a user also its groups. */
export interface HeldPolicy {
  readonly kind: EntityKind
  readonly ownerName: string
  readonly isInline: boolean
  /** An inline policy's name, or an ARN. */
  readonly name: string
  /** Null where D1 has no such policy: it is AWS's own. */
  readonly text: string | null
}

/** All that an entity has, its groups' policies behind its own. */
export async function heldPolicies(db: Database, kind: EntityKind, id: string): Promise<HeldPolicy[]> {
  const rows = await db.all<Omit<HeldPolicy, 'isInline'> & { isInline: number }>(sql`
    with owner (id, kind, name, place) as (
      select id, ${kind}, name, 0 from ${entityTables[kind]} where id = ${id} union all
      select groups.id, 'group', groups.name, 1 from groups where id in (select group_id from group_members where user_id = ${id})
    )
    select owner.kind as kind, owner.name as ownerName, 1 as isInline, held.name as name, document as text, place
      from owner join inline_policies as held on owner_id = owner.id
    union all
    select owner.kind, owner.name, 0, policy_arn, document, place
      from owner join attachments on owner_id = owner.id
      left join managed_policies on arn = policy_arn
      left join policy_versions on policy_id = managed_policies.id and version = default_version
    order by place, ownerName, isInline desc, name`)
  return rows.map(({ isInline, ...row }) => ({ ...row, isInline: isInline === 1 }))
}

/** The document that a managed policy has now. Null: D1 has no such policy. */
export async function managedDocument(db: Database, arn: string): Promise<string | null> {
  const [row] = await db.all<{ document: string }>(sql`
    select document from managed_policies join policy_versions on policy_id = id and version = default_version
    where arn = ${arn}`)
  return row?.document ?? null
}
