import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { isAwsPolicyArn } from '../model/iam-arn.ts'
import type { Database } from './database.ts'
import { groups, managedPolicies, roles, users } from './schema.ts'

/** The kinds of entities that policies can be put on. */
export type EntityKind = 'user' | 'group' | 'role'

export const entityTables = { user: users, group: groups, role: roles } as const

/** One statement: the row goes in where the condition holds and nothing like it is there. */
export function insertWhere<Table extends SQLiteTable>(
  table: Table,
  row: Table['$inferInsert'],
  condition: SQL,
  onConflict: SQL = sql`nothing`,
): SQL {
  const given = row as Readonly<Record<string, unknown>>
  const columns = Object.entries(getTableColumns(table)).filter(([name]) => given[name] !== undefined)
  const names = columns.map(([, column]) => sql.identifier(column.name))
  const values = columns.map(([name, column]) => sql`${sql.param(given[name], column)}`)
  return sql`insert into ${table} (${sql.join(names, sql`, `)}) select ${sql.join(values, sql`, `)}
             where ${condition} on conflict do ${onConflict}`
}

/** In one transaction; how many rows each statement has changed. */
export async function runAll(db: Database, statements: readonly SQL[]): Promise<readonly number[]> {
  const [first, ...rest] = statements.map((statement) => db.run(statement))
  if (first === undefined) return []
  return (await db.change([first, ...rest])).map(({ meta }) => meta.changes)
}

/** True where the statement has changed something. */
export async function run(db: Database, statement: SQL): Promise<boolean> {
  const [changed] = await runAll(db, [statement])
  return changed !== undefined && changed > 0
}

export function isThere(kind: EntityKind, id: string): SQL {
  return sql`exists (select 1 from ${entityTables[kind]} where id = ${id})`
}

/** Of AWS's own policies the caller has looked: the table has those of accounts. */
export function policyIsThere(arn: string): SQL {
  return isAwsPolicyArn(arn) ? sql`1` : sql`exists (select 1 from ${managedPolicies} where arn = ${arn})`
}

/** A list as a table, so that a statement needs one parameter however long the list is. */
export function rowsOf(list: readonly unknown[]): SQL {
  return sql`json_each(${JSON.stringify(list)})`
}
