import { getTableColumns, sql } from 'drizzle-orm'
import { limits } from '../model/limits.ts'
import { insertWhere, run, runAll } from './conditional.ts'
import type { Database } from './database.ts'
import { isUnder } from './entities.ts'
import { firstTags, type IamTag, lastTags } from './iam-tags.ts'
import { managedPolicies, policyVersions } from './schema.ts'

type PolicyRow = Readonly<typeof managedPolicies.$inferSelect>

export interface ManagedPolicy extends PolicyRow {
  /** How many users, groups and roles it is attached to. */
  readonly attachmentCount: number
  /** How many users and roles it is the boundary of. */
  readonly boundaryCount: number
}

export type PolicyVersion = Readonly<typeof policyVersions.$inferSelect>

const attachmentCount = sql<number>`(select count(*) from attachments where policy_arn = managed_policies.arn)`
const bounded = (table: string) =>
  sql`(select count(*) from ${sql.identifier(table)} as one
       where one.account = managed_policies.account and one.boundary_arn = managed_policies.arn)`
const boundaryCount = sql<number>`(${bounded('users')} + ${bounded('roles')})`
const versionCount = sql`(select count(*) from policy_versions where policy_id = managed_policies.id)`

/** One transaction: the policy with its first version. False: the name is taken. */
export async function createPolicy(
  db: Database,
  policy: Omit<PolicyRow, 'defaultVersion' | 'lastVersion'>,
  document: string,
  tags: readonly IamTag[],
): Promise<boolean> {
  const { id, createdAt } = policy
  const wasMade = policyIdIsThere(id)
  const [created] = await runAll(db, [
    insertWhere(managedPolicies, { ...policy, defaultVersion: 1, lastVersion: 1 }, sql`1`),
    insertWhere(policyVersions, { policyId: id, version: 1, document, createdAt }, wasMade),
    ...firstTags(id, tags, wasMade),
  ])
  return created === 1
}

/** Null: there is none of that ARN. */
export async function findPolicy(db: Database, arn: string): Promise<ManagedPolicy | null> {
  const [policy] = await select(db).where(sql`arn = ${arn}`)
  return policy ?? null
}

interface PolicyQuery {
  readonly account: string
  readonly pathPrefix: string
  readonly isAttached: boolean
  readonly isBoundary: boolean
}

/** At most `limit` policies of the account whose ARNs come after `after`, in order. */
export function listPolicies(
  db: Database,
  { account, pathPrefix, isAttached, isBoundary }: PolicyQuery,
  after: string,
  limit: number,
): Promise<ManagedPolicy[]> {
  const attached = isAttached ? sql`${attachmentCount} > 0` : sql`1`
  const bounding = isBoundary ? sql`${boundaryCount} > 0` : sql`1`
  return select(db)
    .where(sql`account = ${account} and arn > ${after} and ${isUnder(pathPrefix)} and ${attached} and ${bounding}`)
    .orderBy(sql`arn`)
    .limit(limit)
}

/** One transaction: with its version and tags, on the condition that nobody has it and one version is left. */
export async function deletePolicy(db: Database, id: string): Promise<boolean> {
  const isGone = sql`not ${policyIdIsThere(id)}`
  const [deleted] = await runAll(db, [
    sql`delete from managed_policies where id = ${id} and ${attachmentCount} = 0 and ${boundaryCount} = 0 and ${versionCount} = 1`,
    sql`delete from policy_versions where policy_id = ${id} and ${isGone}`,
    lastTags(id, isGone),
  ])
  return deleted === 1
}

/** One transaction; the new version's number. Null: there are as many as there may be, or the policy is gone. */
export async function createVersion(
  db: Database,
  { id, document, isDefault, time }: { id: string; document: string; isDefault: boolean; time: number },
): Promise<number | null> {
  const isNew = sql`exists (select 1 from policy_versions where policy_id = ${id} and version = last_version + 1)`
  const becomesDefault = isDefault ? sql`last_version + 1` : sql`default_version`
  const [[created]] = await db.change([
    db.all<{ version: number }>(sql`insert into policy_versions (policy_id, version, document, created_at)
        select id, last_version + 1, ${document}, ${time} from managed_policies
        where id = ${id} and ${versionCount} < ${limits.policyVersionsMax} returning version`),
    db.run(sql`update managed_policies
        set default_version = ${becomesDefault}, last_version = last_version + 1, updated_at = ${time}
        where id = ${id} and ${isNew}`),
  ])
  return created?.version ?? null
}

/** Null: the policy has no such version. */
export async function findVersion(db: Database, id: string, version: number): Promise<PolicyVersion | null> {
  const [row] = await db.select().from(policyVersions).where(sql`policy_id = ${id} and version = ${version}`)
  return row ?? null
}

/** All of them, at most five, the newest first. */
export function listVersions(db: Database, id: string): Promise<PolicyVersion[]> {
  return db.select().from(policyVersions).where(sql`policy_id = ${id}`).orderBy(sql`version desc`)
}

/** False: there is no such version. */
export function setDefaultVersion(db: Database, id: string, version: number, time: number): Promise<boolean> {
  const isThere = sql`exists (select 1 from policy_versions where policy_id = ${id} and version = ${version})`
  return run(
    db,
    sql`update managed_policies set default_version = ${version}, updated_at = ${time} where id = ${id} and ${isThere}`,
  )
}

/** False: it is the default, or there is no such version. */
export function deleteVersion(db: Database, id: string, version: number): Promise<boolean> {
  const isDefault = sql`version = (select default_version from managed_policies where id = ${id})`
  return run(db, sql`delete from policy_versions where policy_id = ${id} and version = ${version} and not ${isDefault}`)
}

function select(db: Database) {
  return db.select({ ...getTableColumns(managedPolicies), attachmentCount, boundaryCount }).from(managedPolicies)
}

export function policyIdIsThere(id: string) {
  return sql`exists (select 1 from managed_policies where id = ${id})`
}
