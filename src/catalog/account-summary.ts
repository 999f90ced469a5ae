import { sql } from 'drizzle-orm'
import type { Database } from './database.ts'

/** How much of each the account has. */
export async function accountSummary(db: Database, account: string) {
  const count = (table: string) => sql`(select count(*) from ${sql.identifier(table)} where account = ${account})`
  const [row] = await db.all<
    Readonly<Record<'users' | 'groups' | 'roles' | 'policies' | 'versions' | 'providers', number>>
  >(
    sql`select ${count('users')} as users, ${count('groups')} as groups, ${count('roles')} as roles,
        ${count('managed_policies')} as policies, ${count('oidc_providers')} as providers,
        (select count(*) from policy_versions join managed_policies on id = policy_id where account = ${account}) as versions`,
  )
  return row ?? { users: 0, groups: 0, roles: 0, policies: 0, versions: 0, providers: 0 }
}
