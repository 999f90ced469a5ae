import { type SQL, sql } from 'drizzle-orm'
import { limits } from '../model/limits.ts'
import { insertWhere, run, runAll } from './conditional.ts'
import type { Database } from './database.ts'
import { firstTags, type IamTag, lastTags } from './iam-tags.ts'
import { oidcProviders } from './schema.ts'

export interface OidcProvider {
  readonly arn: string
  readonly account: string
  /** Without its `https://`. */
  readonly url: string
  readonly clientIds: readonly string[]
  readonly thumbprints: readonly string[]
  readonly createdAt: number
}

/** One transaction. False: the account has one of that URL. */
export async function createProvider(db: Database, provider: OidcProvider, tags: readonly IamTag[]): Promise<boolean> {
  const { arn, clientIds, thumbprints } = provider
  const row = { ...provider, clientIds: JSON.stringify(clientIds), thumbprints: JSON.stringify(thumbprints) }
  // The ARN is no witness of who made it: tags of another's would be in the way of these.
  const isUntagged = sql`changes() = 1`
  const [created] = await runAll(db, [insertWhere(oidcProviders, row, sql`1`), ...firstTags(arn, tags, isUntagged)])
  return created === 1
}

/** Null: there is none of that ARN. */
export async function findProvider(db: Database, arn: string): Promise<OidcProvider | null> {
  const [row] = await db.select().from(oidcProviders).where(sql`arn = ${arn}`)
  if (row === undefined) return null
  return { ...row, clientIds: JSON.parse(row.clientIds), thumbprints: JSON.parse(row.thumbprints) }
}

export async function listProviders(db: Database, account: string): Promise<string[]> {
  const rows = await db.select().from(oidcProviders).where(sql`account = ${account}`).orderBy(sql`arn`)
  return rows.map(({ arn }) => arn)
}

/** One transaction, with its tags. False: there was none. */
export async function deleteProvider(db: Database, arn: string): Promise<boolean> {
  const [deleted] = await runAll(db, [
    sql`delete from oidc_providers where arn = ${arn}`,
    lastTags(arn, sql`not ${providerIsThere(arn)}`),
  ])
  return deleted === 1
}

/** One statement. To add a client again changes nothing. False: the provider has as many as it may, or is gone. */
export async function addClientId(db: Database, arn: string, clientId: string): Promise<boolean> {
  const isKnown = sql`exists (select 1 from json_each(client_ids) where value = ${clientId})`
  return run(
    db,
    sql`update oidc_providers
        set client_ids = case when ${isKnown} then client_ids else json_insert(client_ids, '$[#]', ${clientId}) end
        where arn = ${arn} and (${isKnown} or json_array_length(client_ids) < ${limits.clientIdsPerProviderMax})`,
  )
}

export async function removeClientId(db: Database, arn: string, clientId: string): Promise<void> {
  await run(
    db,
    sql`update oidc_providers
        set client_ids = (select json_group_array(value) from json_each(client_ids) where value <> ${clientId})
        where arn = ${arn}`,
  )
}

export async function setThumbprints(db: Database, arn: string, thumbprints: readonly string[]): Promise<void> {
  await run(db, sql`update oidc_providers set thumbprints = ${JSON.stringify(thumbprints)} where arn = ${arn}`)
}

export function providerIsThere(arn: string): SQL {
  return sql`exists (select 1 from oidc_providers where arn = ${arn})`
}
