import { and, eq, sql } from 'drizzle-orm'
import type { BatchItem } from 'drizzle-orm/batch'
import type { Database } from './database.ts'
import { keyUsage } from './schema.ts'

export interface KeyUse {
  readonly region: string
  readonly keyId: string
  readonly operation: string
  /** Lifecycle seconds. */
  readonly usedAt: number
  readonly eventId: string
  readonly requestId: string
}

/** One statement for any number of keys, one use of each. An older use than the one known changes nothing. */
export function keyUseStatement(db: Database, uses: readonly KeyUse[]): BatchItem<'sqlite'> {
  return db.run(
    sql`insert into key_usage (region, key_id, operation, used_at, event_id, request_id)
        select value ->> 'region', value ->> 'keyId', value ->> 'operation', value ->> 'usedAt', value ->> 'eventId',
          value ->> 'requestId'
        from json_each(${JSON.stringify(uses)}) where true
        on conflict (region, key_id) do update set operation = excluded.operation, used_at = excluded.used_at,
          event_id = excluded.event_id, request_id = excluded.request_id
        where excluded.used_at >= key_usage.used_at`,
  )
}

/** Null: the key was never used in cryptography, as far as it is known. */
export async function findKeyUse(db: Database, region: string, keyId: string): Promise<KeyUse | null> {
  const [row] = await db
    .select()
    .from(keyUsage)
    .where(and(eq(keyUsage.region, region), eq(keyUsage.keyId, keyId)))
  return row ?? null
}
