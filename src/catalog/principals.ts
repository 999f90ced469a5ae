import { and, eq, inArray, or, type SQL, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { accessKeys, roles, users } from './schema.ts'

/** A policy of a principal. An attached one has a null `text` where D1 has no such policy: it is AWS's own. */
export interface HeldPolicy {
  /** An ARN, or an inline policy's name. */
  readonly name: string
  readonly text: string | null
}

/** A user or a role with all that decides what it may do. */
export interface PrincipalRecord {
  /** AIDA… or AROA… */
  readonly id: string
  readonly account: string
  readonly name: string
  readonly arn: string
  /** Inline and attached; a user's groups' behind its own. */
  readonly policies: readonly HeldPolicy[]
  readonly boundary: HeldPolicy | null
  readonly tags: Readonly<Record<string, string>>
}

export interface AccessKeyRecord {
  readonly accessKeyId: string
  readonly isActive: boolean
  readonly rootVersion: number
  /** Base64. */
  readonly sealed: string
  readonly user: PrincipalRecord
}

export interface RoleRecord extends PrincipalRecord {
  readonly maxSessionSeconds: number
  readonly trustPolicy: string
  /** By the ARNs that the trust policy names. */
  readonly trustPrincipalIds: Readonly<Record<string, string>>
}

/** An access key and its user, in one batch. Null: there is no such access key. */
export async function loadAccessKey(db: Database, accessKeyId: string): Promise<AccessKeyRecord | null> {
  const owner = sql`(select user_id from access_keys where access_key_id = ${accessKeyId})`
  const [[key], [user], held] = await db.batch([
    db.select().from(accessKeys).where(eq(accessKeys.accessKeyId, accessKeyId)),
    db.select().from(users).where(eq(users.id, owner)),
    heldBy(db, owner),
  ])
  return key === undefined || user === undefined ? null : { ...key, user: principalRecord('user', user, held) }
}

/** In one batch. Null: there is no such user. */
export async function loadUser(db: Database, id: string): Promise<PrincipalRecord | null> {
  const [[user], held] = await db.batch([db.select().from(users).where(eq(users.id, id)), heldBy(db, sql`${id}`)])
  return user === undefined ? null : principalRecord('user', user, held)
}

/** In one batch, by its unique id or by its name in an account. Null: there is no such role. */
export async function loadRole(
  db: Database,
  by: { readonly id: string } | { readonly account: string; readonly name: string },
): Promise<RoleRecord | null> {
  const id =
    'id' in by
      ? sql`${by.id}`
      : sql`(select id from roles where account = ${by.account} and name_key = ${by.name.toLowerCase()})`
  const [[role], held] = await db.batch([db.select().from(roles).where(eq(roles.id, id)), heldBy(db, id)])
  if (role === undefined) return null
  const { maxSessionSeconds, trustPolicy, trustPrincipalIds } = role
  return {
    ...principalRecord('role', role, held),
    maxSessionSeconds,
    trustPolicy,
    trustPrincipalIds: JSON.parse(trustPrincipalIds) as Record<string, string>,
  }
}

/** The default versions of managed policies, by ARN. One that D1 does not have is absent. */
export async function loadPolicies(db: Database, arns: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows = await db.all<{ arn: string; document: string }>(sql`
    select arn, document from managed_policies
    join policy_versions on policy_id = managed_policies.id and version = default_version
    where arn in (select value from json_each(${JSON.stringify(arns)}))`)
  return new Map(rows.map(({ arn, document }) => [arn, document]))
}

/** Notes when an access key was last used, and where. A later note stays. */
export async function noteAccessKeyUse(
  db: Database,
  accessKeyId: string,
  { at, service, region }: { readonly at: number; readonly service: string; readonly region: string },
): Promise<void> {
  await db
    .update(accessKeys)
    .set({ lastUsedAt: at, lastUsedService: service, lastUsedRegion: region })
    .where(and(eq(accessKeys.accessKeyId, accessKeyId), sql`coalesce(${accessKeys.lastUsedAt}, 0) < ${at}`))
}

/** As `noteAccessKeyUse`, of a role. */
export async function noteRoleUse(
  db: Database,
  roleId: string,
  { at, region }: { readonly at: number; readonly region: string },
): Promise<void> {
  await db
    .update(roles)
    .set({ lastUsedAt: at, lastUsedRegion: region })
    .where(and(eq(roles.id, roleId), sql`coalesce(${roles.lastUsedAt}, 0) < ${at}`))
}

interface Held {
  readonly part: 'inline' | 'attached' | 'boundary' | 'tag'
  readonly name: string
  readonly text: string | null
}

/** All that a user or role holds, its groups' policies behind its own. */
function heldBy(db: Database, id: SQL) {
  const defaultVersion = (arn: string) =>
    sql.raw(`left join managed_policies on arn = ${arn}
             left join policy_versions on policy_id = managed_policies.id and version = default_version`)
  return db.all<Held>(sql`
    with owner (id, place) as (
      select ${id}, 0 union all select group_id, 1 from group_members where user_id = ${id}
    )
    select 'inline' as part, name, document as text, place
      from owner join inline_policies on owner_id = owner.id
    union all
    select 'attached', policy_arn, document, place
      from owner join attachments on owner_id = owner.id ${defaultVersion('policy_arn')}
    union all
    select 'boundary', boundary_arn, document, 0
      from (select boundary_arn from users where id = ${id} union all select boundary_arn from roles where id = ${id})
      ${defaultVersion('boundary_arn')} where boundary_arn is not null
    union all
    select 'tag', tag_key, tag_value, 0 from iam_tags where owner_id = ${id}
    order by place, part, name`)
}

function principalRecord(
  kind: Kind,
  { id, account, path, name }: { id: string; account: string; path: string; name: string },
  held: readonly Held[],
): PrincipalRecord {
  const tags = held.filter(({ part }) => part === 'tag')
  const policies = held.filter(({ part }) => part === 'inline' || part === 'attached')
  const asPolicy = ({ name, text }: Held): HeldPolicy => ({ name, text })
  const [boundary] = held.filter(({ part }) => part === 'boundary')
  return {
    id,
    account,
    name,
    arn: `arn:aws:iam::${account}:${kind}${path}${name}`,
    policies: policies.map(asPolicy),
    boundary: boundary === undefined ? null : asPolicy(boundary),
    tags: Object.fromEntries(tags.map(({ name, text }) => [name, text ?? ''])),
  }
}

const arnForm = /^arn:aws:iam::(\d{12}):(user|role)(\/(?:.*\/)?)([^/]+)$/
const sessionArnForm = /^arn:aws:sts::(\d{12}):assumed-role\/([^/]+)\/([^/]+)$/
const idForm = /^(AIDA|AROA)[A-Z0-9]+(:.+)?$/

type Kind = 'user' | 'role'

/** What a principal is named by: its own unique id, or where it is in IAM. `suffix` goes behind the id that is found. */
type Named = { readonly kind: Kind; readonly suffix: string } & (
  | { readonly id: string }
  | { readonly account: string; readonly path: string | null; readonly name: string }
)

/**
 * The unique ids that principals' names stand for now: a user's and a role's ARN for its id, a session's ARN for
 * `roleId:SESSION`, and the id of one that exists for itself. What stands for nobody is absent. ARNs are exact: another
 * path or another case names somebody else. One batch.
 */
export async function principalIds(db: Database, arns: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const named = [...new Set(arns)].flatMap((text) => {
    const name = parsePrincipal(text)
    return name === null ? [] : [{ text, name }]
  })
  if (named.length === 0) return new Map()
  const wanted = (kind: Kind) => named.map(({ name }) => name).filter((name) => name.kind === kind)
  const [foundUsers, foundRoles] = await db.batch([
    db
      .select(identity(users))
      .from(users)
      .where(anyOf(users, wanted('user'))),
    db
      .select(identity(roles))
      .from(roles)
      .where(anyOf(roles, wanted('role'))),
  ])
  const ids = new Map<string, string>()
  for (const { text, name } of named) {
    const rows = name.kind === 'user' ? foundUsers : foundRoles
    const row = rows.find((candidate) =>
      'id' in name
        ? candidate.id === name.id
        : candidate.account === name.account &&
          candidate.name === name.name &&
          (name.path === null || candidate.path === name.path),
    )
    if (row !== undefined) ids.set(text, row.id + name.suffix)
  }
  return ids
}

function parsePrincipal(text: string): Named | null {
  const [, account, kind, path, name] = arnForm.exec(text) ?? []
  if (account && kind && path && name) return { kind: kind as Kind, account, path, name, suffix: '' }
  const [, roleAccount, roleName, session] = sessionArnForm.exec(text) ?? []
  // A session's ARN does not have its role's path.
  if (roleAccount && roleName && session) {
    return { kind: 'role', account: roleAccount, path: null, name: roleName, suffix: `:${session}` }
  }
  const [, prefix, suffix = ''] = idForm.exec(text) ?? []
  if (prefix === undefined || (prefix === 'AIDA' && suffix !== '')) return null
  return { kind: prefix === 'AIDA' ? 'user' : 'role', id: text.slice(0, text.length - suffix.length), suffix }
}

function identity<Columns extends typeof users | typeof roles>({ id, account, name, path }: Columns) {
  return { id, account, name, path }
}

/** Lists travel as JSON: D1 takes 100 parameters. */
function anyOf(table: typeof users | typeof roles, wanted: readonly Named[]): SQL | undefined {
  const ids = wanted.flatMap((name) => ('id' in name ? [name.id] : []))
  const names = wanted.flatMap((name) => ('id' in name ? [] : [[name.account, name.name.toLowerCase()]]))
  return or(
    inArray(table.id, sql`(select value from json_each(${JSON.stringify(ids)}))`),
    sql`(${table.account}, ${table.nameKey}) in
        (select value ->> 0, value ->> 1 from json_each(${JSON.stringify(names)}))`,
  )
}
