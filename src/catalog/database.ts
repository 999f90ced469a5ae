import { DrizzleQueryError } from 'drizzle-orm'
import { type DrizzleD1Database, drizzle } from 'drizzle-orm/d1'

export type Database = DrizzleD1Database

export function database(binding: D1Database): Database {
  return drizzle(binding)
}

/** True for what a query throws that the database has not answered: away, locked, or overloaded. */
export function isDatabaseFailure(failure: unknown): boolean {
  return failure instanceof DrizzleQueryError
}
