import { type SQL, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { type EntityKind, entityTables, insertWhere, isThere, policyIsThere, run, runAll } from './conditional.ts'
import type { Database } from './database.ts'
import { firstTags, type IamTag, lastTags } from './iam-tags.ts'
import type { groups, roles, users } from './schema.ts'

export type { EntityKind } from './conditional.ts'

/** Users, groups and roles: what they have in common. */
export interface EntityRows {
  readonly user: Readonly<typeof users.$inferSelect>
  readonly group: Readonly<typeof groups.$inferSelect>
  readonly role: Readonly<typeof roles.$inferSelect>
}
export type Entity = EntityRows['group']

/** Names are unique in their account whatever their case, and found whatever their case. */
export function nameKeyOf(name: string): string {
  return name.toLowerCase()
}

/** Null: there is none of that name. */
export async function findEntity<Kind extends EntityKind>(db: Database, kind: Kind, account: string, name: string) {
  const named = sql`account = ${account} and name_key = ${nameKeyOf(name)}`
  const [row] = await select(db, kind).where(named)
  return (row ?? null) as EntityRows[Kind] | null
}

/** Null: there is none of that id in the account. */
export async function findEntityById<Kind extends EntityKind>(db: Database, kind: Kind, account: string, id: string) {
  const [row] = await select(db, kind).where(sql`account = ${account} and id = ${id}`)
  return (row ?? null) as EntityRows[Kind] | null
}

/** At most `limit` under the path whose names come after `after`, in order. */
export async function listEntities<Kind extends EntityKind>(
  db: Database,
  kind: Kind,
  { account, pathPrefix = '/' }: { account: string; pathPrefix?: string | undefined },
  after: string,
  limit: number,
): Promise<readonly EntityRows[Kind][]> {
  const rows = await select(db, kind)
    .where(sql`account = ${account} and name_key > ${after} and ${isUnder(pathPrefix)}`)
    .orderBy(sql`name_key`)
    .limit(limit)
  return rows as unknown as EntityRows[Kind][]
}

/** One transaction, on the condition that the name is free and the boundary is there. */
export async function createEntity<Kind extends EntityKind>(
  db: Database,
  kind: Kind,
  row: EntityRows[Kind],
  tags: readonly IamTag[],
): Promise<'created' | 'exists' | 'noBoundary'> {
  const boundaryArn = 'boundaryArn' in row ? row.boundaryArn : null
  const condition = boundaryArn === null ? sql`1` : policyIsThere(boundaryArn)
  const insert = insertWhere(entityTables[kind] as SQLiteTable, row, condition)
  const [created] = await runAll(db, [insert, ...firstTags(row.id, tags, isThere(kind, row.id))])
  if (created) return 'created'
  return (await findEntity(db, kind, row.account, row.name)) === null ? 'noBoundary' : 'exists'
}

/** False: another has the name, or this one is gone. */
export function renameEntity(
  db: Database,
  kind: EntityKind,
  { id, account }: Entity,
  { name, path }: { name: string; path: string },
): Promise<boolean> {
  const table = entityTables[kind]
  const nameKey = nameKeyOf(name)
  return run(
    db,
    sql`update ${table} set name = ${name}, name_key = ${nameKey}, path = ${path} where id = ${id} and not exists
        (select 1 from ${table} as other where other.account = ${account} and other.name_key = ${nameKey} and other.id <> ${id})`,
  )
}

/** What has to go before its owner can. */
export type Dependent = 'accessKeys' | 'attachments' | 'inlinePolicies' | 'memberships'

const dependents: Readonly<Record<EntityKind, Partial<Record<Dependent, (id: string) => SQL>>>> = {
  user: {
    accessKeys: (id) => sql`select 1 from access_keys where user_id = ${id}`,
    inlinePolicies,
    attachments,
    memberships: (id) => sql`select 1 from group_members where user_id = ${id}`,
  },
  group: {
    memberships: (id) => sql`select 1 from group_members where group_id = ${id}`,
    inlinePolicies,
    attachments,
  },
  role: { inlinePolicies, attachments },
}

function inlinePolicies(id: string): SQL {
  return sql`select 1 from inline_policies where owner_id = ${id}`
}

function attachments(id: string): SQL {
  return sql`select 1 from attachments where owner_id = ${id}`
}

/** One transaction, with its tags, on the condition that nothing depends on it; else the first that does. */
export async function deleteEntity(
  db: Database,
  kind: EntityKind,
  id: string,
): Promise<'deleted' | 'absent' | Dependent> {
  const conflicts = Object.entries(dependents[kind]) as [Dependent, (id: string) => SQL][]
  const isFree = sql.join(
    conflicts.map(([, rows]) => sql`not exists (${rows(id)})`),
    sql` and `,
  )
  const [deleted] = await runAll(db, [
    sql`delete from ${entityTables[kind]} where id = ${id} and ${isFree}`,
    lastTags(id, sql`not ${isThere(kind, id)}`),
  ])
  if (deleted) return 'deleted'
  for (const [dependent, rows] of conflicts) {
    if ((await db.all(sql`${rows(id)} limit 1`)).length > 0) return dependent
  }
  // What was in the way has gone in the meantime, or the entity itself.
  const isStillThere = (await select(db, kind).where(sql`id = ${id}`)).length > 0
  return isStillThere ? deleteEntity(db, kind, id) : 'absent'
}

/** Null removes the boundary. False: there is no such policy, or the entity is gone. */
export function setBoundary(db: Database, kind: 'user' | 'role', id: string, boundaryArn: string | null) {
  const condition = boundaryArn === null ? sql`1` : policyIsThere(boundaryArn)
  return run(db, sql`update ${entityTables[kind]} set boundary_arn = ${boundaryArn} where id = ${id} and ${condition}`)
}

export function isUnder(pathPrefix: string, path: SQL = sql`path`): SQL {
  return sql`substr(${path}, 1, ${pathPrefix.length}) = ${pathPrefix}`
}

function select(db: Database, kind: EntityKind) {
  // Every one of the three has the columns of the smallest.
  return db.select().from(entityTables[kind] as unknown as typeof groups)
}
