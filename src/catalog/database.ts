import { DrizzleQueryError } from 'drizzle-orm'
import { type DrizzleD1Database, drizzle } from 'drizzle-orm/d1'
import { SQLiteRaw } from 'drizzle-orm/sqlite-core/query-builders/raw'

export interface Database extends DrizzleD1Database {
  /** As `batch`, for what an operation changes: its record may become part of the transaction (`recording.ts`). */
  readonly change: DrizzleD1Database['batch']
}

export function database(binding: D1Database): Database {
  const client: Pick<D1Database, 'prepare' | 'batch'> = {
    prepare: (query) => binding.prepare(query),
    // Drizzle names what a query throws, and passes on what a batch throws as it is.
    async batch(statements) {
      try {
        return await binding.batch(statements)
      } catch (failure) {
        throw new DrizzleQueryError('a batch', [], failure as Error)
      }
    },
  }
  const db = drizzle(client as D1Database)
  const batch: DrizzleD1Database['batch'] = db.batch.bind(db)
  db.batch = (queries) => {
    // Drizzle's batch forgets to prepare raw statements, and fails for those that have parameters.
    for (const query of queries) {
      if (query instanceof SQLiteRaw) Object.assign(query, { stmt: client.prepare(query.getQuery().sql) })
    }
    return batch(queries)
  }
  return Object.assign(db, { change: db.batch })
}

/** True for what a query throws that the database has not answered: away, locked, or overloaded. */
export function isDatabaseFailure(failure: unknown): boolean {
  return failure instanceof DrizzleQueryError
}
