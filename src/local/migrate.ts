/** As much of a D1 binding as is needed here. */
interface Database {
  prepare(query: string): { bind(...values: unknown[]): unknown; all(): Promise<{ results: unknown[] }> }
  batch(statements: unknown[]): Promise<unknown>
}

/** A numbered file of `migrations/`. */
export interface Migration {
  readonly name: string
  readonly text: string
}

/**
 * Applies those that are new, in the table that `wrangler d1 migrations` keeps, too. A string names one that the database
 * has and that is not among them: then nothing is done.
 */
export async function migrate(database: Database, migrations: readonly Migration[]): Promise<string | null> {
  const table =
    'create table if not exists d1_migrations (id integer primary key autoincrement, name text unique, applied_at timestamp default current_timestamp not null)'
  await database.batch([database.prepare(table)])
  const { results } = await database.prepare('select name from d1_migrations order by id').all()
  const applied = new Set(results.map((row) => (row as { name: string }).name))
  const unknown = [...applied].find((name) => !migrations.some((migration) => migration.name === name))
  if (unknown !== undefined) return unknown
  for (const { name, text } of migrations) {
    if (applied.has(name)) continue
    const steps = text.split('--> statement-breakpoint')
    const done = database.prepare('insert into d1_migrations (name) values (?)').bind(name)
    await database.batch([...steps.map((step) => database.prepare(step)), done])
  }
  return null
}
