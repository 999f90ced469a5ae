import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** The index of keys: rebuilt from the objects, never the other way round. Written by the objects' outboxes alone. */
export const keys = sqliteTable(
  'keys',
  {
    region: text().notNull(),
    keyId: text('key_id').notNull(),
    account: text().notNull(),
    revision: integer().notNull(),
    state: text().notNull(),
    createdAt: integer('created_at').notNull(),
    /** When a sweep has to look at the key; null: never. */
    dueAt: integer('due_at'),
    /** Not null: a tombstone, by which a restored object is known. */
    deletedAt: integer('deleted_at'),
    /** `rolled-back` while the object's revision is behind this row's. */
    fault: text(),
    /** Set to 1 by an operator (docs/restore.md); the object takes it back. */
    isRestoreAccepted: integer('is_restore_accepted', { mode: 'boolean' }).notNull().default(false),
  },
  (row) => [
    primaryKey({ columns: [row.region, row.keyId] }),
    index('keys_listed').on(row.account, row.region, row.keyId).where(sql`deleted_at is null`),
    index('keys_due').on(row.dueAt, row.region, row.keyId).where(sql`due_at is not null`),
    index('keys_faulty').on(row.fault).where(sql`fault is not null`),
  ],
)

/** Aliases live here and nowhere else. */
export const aliases = sqliteTable(
  'aliases',
  {
    account: text().notNull(),
    region: text().notNull(),
    /** With its `alias/`. */
    aliasName: text('alias_name').notNull(),
    targetKeyId: text('target_key_id').notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.account, row.region, row.aliasName] }),
    index('aliases_of_key').on(row.region, row.targetKeyId, row.aliasName),
  ],
)

/** By which a root key that is well-formed but not this deployment's is known. */
export const rootKeys = sqliteTable('root_keys', {
  version: integer().primaryKey(),
  checkValue: text('check_value').notNull(),
})
