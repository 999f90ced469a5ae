import type { Grant } from '../access/request.ts'
import type { GrantPage, NewGrant } from './key.ts'

type Row = Record<string, SqlStorageValue>

/**
 * The grants on one key, in its object. Synchronous throughout; the caller holds the transaction, and has read the key,
 * which makes sure of the tables.
 */
export class GrantStorage {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** Null: there is no such grant, or no longer. */
  find(grantId: string): Grant | null {
    return this.#grants('select body from kms_grant where grant_id = ?', grantId)[0] ?? null
  }

  /** In the order of their ids. */
  naming(granteeIds: readonly string[], limit: number): Grant[] {
    return this.#grants(
      `select body from kms_grant where grantee_id in (select value from json_each(?)) order by grant_id limit ?`,
      JSON.stringify(granteeIds),
      limit,
    )
  }

  /** Those of `naming` that let the grantee do one operation. */
  allowing(granteeIds: readonly string[], operation: string): Grant[] {
    return this.#grants(
      `select body from kms_grant where grantee_id in (select value from json_each(?1))
         and exists (select 1 from json_each(operations) where value = ?2)`,
      JSON.stringify(granteeIds),
      operation,
    )
  }

  named(name: string): Grant[] {
    return this.#grants('select body from kms_grant where name = ?', name)
  }

  page({ after, limit, grantId, granteePrincipal, granteeServicePrincipal }: GrantPage): Grant[] {
    return this.#grants(
      `select body from kms_grant where grant_id > ?1 and (?2 is null or grant_id = ?2)
         and (?3 is null or body ->> '$.granteePrincipal' = ?3)
         and (?4 is null or body ->> '$.granteeServicePrincipal' = ?4)
       order by grant_id limit ?5`,
      after,
      grantId,
      granteePrincipal,
      granteeServicePrincipal,
      limit,
    )
  }

  /** Those that name who may retire them, in the order of their ids. */
  retirable(after: string, limit: number): Grant[] {
    return this.#grants(
      `select body from kms_grant where grant_id > ? and body ->> '$.retiringId' is not null order by grant_id limit ?`,
      after,
      limit,
    )
  }

  count(): number {
    return this.#rows('select grants from kms_key')[0]?.grants as number
  }

  add(grant: Grant): void {
    this.#sql.exec(
      'insert into kms_grant (grant_id, grantee_id, name, operations, body) values (?, ?, ?, ?, ?)',
      grant.grantId,
      grant.granteeId,
      grant.name,
      JSON.stringify(grant.operations),
      JSON.stringify(grant),
    )
    this.#sql.exec('update kms_key set grants = grants + 1')
  }

  /** One that is there. */
  remove(grantId: string): void {
    this.#sql.exec('delete from kms_grant where grant_id = ?', grantId)
    this.#sql.exec('update kms_key set grants = grants - 1')
  }

  #grants(query: string, ...bindings: SqlStorageValue[]): Grant[] {
    return this.#rows(query, ...bindings).map(({ body }) => JSON.parse(body as string) as Grant)
  }

  #rows(query: string, ...bindings: SqlStorageValue[]): Row[] {
    return this.#sql.exec<Row>(query, ...bindings).toArray()
  }
}

/** True where creating the grant again is the same creation: a name makes it so, and nothing else differs. */
export function isSameGrant(earlier: Grant, wanted: NewGrant, issuingAccount: string): boolean {
  const { createdAt: _createdAt, grantId: _earlierId, ...made } = earlier
  const { grantId: _wantedId, ...asked } = wanted
  return JSON.stringify(sorted(made)) === JSON.stringify(sorted({ ...asked, issuingAccount }))
}

/** Members in the order of their names. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.entries(value)
    .sort(([nameA], [nameB]) => (nameA < nameB ? -1 : 1))
    .map(([name, member]) => [name, sorted(member)])
}
