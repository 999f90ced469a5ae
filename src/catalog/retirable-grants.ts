import { and, asc, eq, gt, sql } from 'drizzle-orm'
import type { BatchItem } from 'drizzle-orm/batch'
import type { RetirableGrantEntry } from '../model/index-entry.ts'
import type { Database } from './database.ts'
import { retirableGrants } from './schema.ts'

export interface RetirableGrant {
  readonly keyId: string
  readonly account: string
  readonly grantId: string
  /** The grant as its key's object wrote it: JSON. */
  readonly body: string
}

/** At most `limit` grants in the Region that this principal may retire, behind the place `keyId/grantId`. */
export function listRetirableGrants(
  db: Database,
  { region, retiringId }: { region: string; retiringId: string },
  after: string,
  limit: number,
): Promise<RetirableGrant[]> {
  return db
    .select()
    .from(retirableGrants)
    .where(
      and(
        eq(retirableGrants.retiringId, retiringId),
        eq(retirableGrants.region, region),
        sql`${retirableGrants.keyId} || '/' || ${retirableGrants.grantId} > ${after}`,
      ),
    )
    .orderBy(asc(retirableGrants.keyId), asc(retirableGrants.grantId))
    .limit(limit)
}

/** At most `limit` grants on one key, behind `after`, in the order of their ids. */
export function listGrantsOfKey(
  db: Database,
  { region, keyId }: { region: string; keyId: string },
  after: string,
  limit: number,
): Promise<Pick<RetirableGrantEntry, 'grantId' | 'retiringId'>[]> {
  return db
    .select({ grantId: retirableGrants.grantId, retiringId: retirableGrants.retiringId })
    .from(retirableGrants)
    .where(
      and(eq(retirableGrants.region, region), eq(retirableGrants.keyId, keyId), gt(retirableGrants.grantId, after)),
    )
    .orderBy(asc(retirableGrants.grantId))
    .limit(limit)
}

/** Repeating it does no harm. */
export function retirableGrantStatement(db: Database, entry: RetirableGrantEntry): BatchItem<'sqlite'> {
  const { region, keyId, account, grantId, retiringId, body } = entry
  const named = and(
    eq(retirableGrants.region, region),
    eq(retirableGrants.keyId, keyId),
    eq(retirableGrants.grantId, grantId),
  )
  if (body === null) return db.delete(retirableGrants).where(named)
  return db.insert(retirableGrants).values({ region, keyId, account, grantId, retiringId, body }).onConflictDoNothing()
}
