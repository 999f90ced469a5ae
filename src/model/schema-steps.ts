/**
 * Brings an object's tables up to date, in numbered steps: one that has shipped is never edited. Throws where they were
 * stored by a newer build.
 */
export function upgradeSchema(sql: SqlStorage, steps: readonly string[]): void {
  sql.exec('create table if not exists schema_step (step integer not null)')
  const done = sql.exec<{ step: number | null }>('select max(step) as step from schema_step').one().step ?? 0
  if (done > steps.length) throw new Error(`This object was stored by a newer edge-kms (schema step ${done})`)
  for (const [at, step] of steps.entries()) {
    if (at < done) continue
    sql.exec(step)
    sql.exec('insert into schema_step values (?)', at + 1)
  }
}
