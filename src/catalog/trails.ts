import { like, sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { cursors } from './schema.ts'

/** An archive's trail, and how far its chain of digests has come as far as D1 was told: a second witness of its head. */
export interface KnownTrail {
  readonly account: string
  readonly region: string
  /** 0: there is no digest yet. */
  readonly number: number
}

const prefix = 'trail/'

export async function listTrails(db: Database): Promise<KnownTrail[]> {
  const rows = await db
    .select()
    .from(cursors)
    .where(like(cursors.name, `${prefix}%`))
    .orderBy(cursors.name)
  return rows.map(({ name, place }) => {
    const [, account = '', region = ''] = name.split('/')
    return { account, region, number: numberOf(place) }
  })
}

/** `hash` is that of the digest of this number. A number that is no higher than the known one changes nothing. */
export async function noteTrail(
  db: Database,
  { account, region, number }: KnownTrail,
  hash: string | null,
): Promise<void> {
  const place = hash === null ? '0' : `${number}:${hash}`
  await db.run(
    sql`insert into cursors (name, place) values (${`${prefix}${account}/${region}`}, ${place})
        on conflict (name) do update set place = excluded.place
        where cast(excluded.place as integer) > cast(place as integer)`,
  )
}

function numberOf(place: string): number {
  return Number(place.split(':')[0])
}
