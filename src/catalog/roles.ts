import { sql } from 'drizzle-orm'
import { run } from './conditional.ts'
import type { Database } from './database.ts'

/** What is given changes. False: the role is gone. */
export function updateRole(
  db: Database,
  id: string,
  { description = null, maxSessionSeconds = null }: { description?: string | null; maxSessionSeconds?: number | null },
): Promise<boolean> {
  return run(
    db,
    sql`update roles set description = coalesce(${description}, description),
        max_session_seconds = coalesce(${maxSessionSeconds}, max_session_seconds) where id = ${id}`,
  )
}

/** `principalIds`: what the ARNs in it stand for now. False: the role is gone. */
export function setTrustPolicy(
  db: Database,
  id: string,
  { text, principalIds }: { text: string; principalIds: Readonly<Record<string, string>> },
): Promise<boolean> {
  return run(
    db,
    sql`update roles set trust_policy = ${text}, trust_principal_ids = ${JSON.stringify(principalIds)} where id = ${id}`,
  )
}
