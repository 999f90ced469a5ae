import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stop } from './options.ts'

/** As much of a D1 binding as is needed here. */
interface Database {
  prepare(query: string): { bind(...values: unknown[]): unknown; all(): Promise<{ results: unknown[] }> }
  batch(statements: unknown[]): Promise<unknown>
}

/** Applies the numbered files of `migrations/` that are new, in the table that `wrangler d1 migrations` keeps, too. */
export async function migrate(database: Database, folder: string): Promise<void> {
  const table =
    'create table if not exists d1_migrations (id integer primary key autoincrement, name text unique, applied_at timestamp default current_timestamp not null)'
  await database.batch([database.prepare(table)])
  const { results } = await database.prepare('select name from d1_migrations order by id').all()
  const applied = new Set(results.map((row) => (row as { name: string }).name))
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
  const unknown = [...applied].find((name) => !files.includes(name))
  if (unknown !== undefined) {
    throw new Stop(
      `This state was written by a newer edge-kms (migration ${unknown}). Update edge-kms, or choose another --state.`,
    )
  }
  for (const name of files) {
    if (applied.has(name)) continue
    const steps = readFileSync(join(folder, name), 'utf8').split('--> statement-breakpoint')
    const done = database.prepare('insert into d1_migrations (name) values (?)').bind(name)
    await database.batch([...steps.map((step) => database.prepare(step)), done])
  }
}
