import { versionIdOf } from '../crypto/ciphertext.ts'
import type { SealedKey } from '../crypto/sealed-key.ts'
import type { SealedVersion } from '../crypto/version.ts'
import type { WrappingAlgorithm, WrappingKey, WrappingKeySpec } from '../crypto/wrapping-key.ts'

/** A wrapping key whose import may still come. */
export interface PendingWrappingKey extends WrappingKey {
  /** Lifecycle time. */
  readonly expiresAt: number
}

/** A material that was imported once, here or into the primary: it may come, and no other may take its place. */
export interface ImportedVersion {
  readonly keyMaterialId: string
  /** False: it was not imported here, has expired or was deleted, and nothing of it is here but its id. */
  readonly isPresent: boolean
  /** True: it has not been rotated to, and may be given up for another. */
  readonly isPending: boolean
  /** Null: never. */
  readonly expiresAt: number | null
}

/** How a material is imported. */
export interface ImportedWith {
  /** True: it waits for a rotation. */
  readonly isPending: boolean
  readonly expiresAt: number | null
  /** Null: the one it had stays. */
  readonly description: string | null
}

type Row = Record<string, SqlStorageValue>

/** What a key keeps of imports: the keys under which they travel, and when what they brought is to end. */
export class ImportStorage {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** The oldest ones make room, so that there are at most `countMax`. */
  addWrappingKey(key: PendingWrappingKey, countMax: number): void {
    const { wrappingKeyId, algorithm, spec, publicKey, rootVersion, sealed, expiresAt } = key
    this.#sql.exec(
      `insert into wrapping_key (wrapping_key_id, algorithm, spec, public_key, root_version, sealed, expires_at)
       values (?, ?, ?, ?, ?, ?, ?)`,
      wrappingKeyId,
      algorithm,
      spec,
      publicKey,
      rootVersion,
      sealed,
      expiresAt,
    )
    this.#sql.exec(
      `delete from wrapping_key where sequence <= (
         select sequence from wrapping_key order by sequence desc limit 1 offset ?)`,
      countMax,
    )
  }

  /** Null: it has expired, or had to make room. */
  wrappingKey(wrappingKeyId: string): PendingWrappingKey | null {
    const row = this.#rows('select * from wrapping_key where wrapping_key_id = ?', wrappingKeyId)[0]
    return row === undefined ? null : wrappingKeyOf(row)
  }

  /** At most `limit` that another version of the root key opens. */
  wrappingKeysNotUnder(rootVersion: number, limit: number): PendingWrappingKey[] {
    const query = 'select * from wrapping_key where root_version <> ? order by sequence limit ?'
    return this.#rows(query, rootVersion, limit).map(wrappingKeyOf)
  }

  /** False: it is not stored as it was, because it was sealed anew or is gone. */
  resealWrappingKey(before: WrappingKey, after: SealedKey): boolean {
    const changed = this.#sql.exec(
      'update wrapping_key set root_version = ?, sealed = ? where wrapping_key_id = ? and sealed = ? returning 1',
      after.rootVersion,
      after.sealed,
      before.wrappingKeyId,
      before.sealed,
    )
    return changed.toArray().length > 0
  }

  /** In the order of their first imports. */
  versions(): ImportedVersion[] {
    const query =
      'select key_material_id, length(sealed) as size, is_pending, expires_at from material order by sequence'
    return this.#rows(query).map((row) => ({
      keyMaterialId: row.key_material_id as string,
      isPresent: row.size !== 0,
      isPending: row.is_pending === 1,
      expiresAt: row.expires_at as number | null,
    }))
  }

  /** Keeps imported material: new, in the place of itself, or back where it was. */
  put({ keyMaterialId, rootVersion, sealed, publicKey }: SealedVersion, how: ImportedWith): void {
    this.#sql.exec(
      `insert into material (version_id, key_material_id, root_version, sealed, public_key, is_pending, expires_at, description)
       values (?, ?, ?, ?, ?, ?, ?, ?)
       on conflict (version_id) do update set root_version = excluded.root_version, sealed = excluded.sealed,
         public_key = excluded.public_key, expires_at = excluded.expires_at,
         description = coalesce(excluded.description, description)`,
      versionIdOf(keyMaterialId),
      keyMaterialId,
      rootVersion,
      sealed,
      publicKey,
      how.isPending ? 1 : 0,
      how.expiresAt,
      how.description,
    )
  }

  /** A place for each, in their order, and none for what waited for a rotation and is not among them. */
  keepPlaces(keyMaterialIds: readonly string[], pendingId: string | null): void {
    for (const keyMaterialId of keyMaterialIds) {
      this.#sql.exec(
        `insert into material (version_id, key_material_id, root_version, sealed, is_pending) values (?, ?, 0, x'', ?)
         on conflict (version_id) do nothing`,
        versionIdOf(keyMaterialId),
        keyMaterialId,
        keyMaterialId === pendingId ? 1 : 0,
      )
    }
    const given = JSON.stringify(keyMaterialIds)
    this.#sql.exec(
      'delete from material where is_pending and key_material_id not in (select value from json_each(?))',
      given,
    )
  }

  /** Erases a material. Its id stays, so that it can come back. */
  erase(keyMaterialId: string): void {
    this.#sql.exec(
      `update material set sealed = x'', root_version = 0, public_key = null, expires_at = null where version_id = ?`,
      versionIdOf(keyMaterialId),
    )
  }

  /** Erases a material that waits for a rotation, and its id. */
  giveUp(keyMaterialId: string): void {
    this.#sql.exec('delete from material where version_id = ? and is_pending', versionIdOf(keyMaterialId))
  }

  eraseExpiredWrappingKeys(time: number): void {
    this.#sql.exec('delete from wrapping_key where expires_at <= ?', time)
  }

  /** When the first wrapping key is to be erased; null: there is none. */
  firstWrappingKeyExpiry(): number | null {
    return (this.#rows('select min(expires_at) as at from wrapping_key')[0]?.at ?? null) as number | null
  }

  #rows(query: string, ...bindings: SqlStorageValue[]): Row[] {
    return this.#sql.exec<Row>(query, ...bindings).toArray()
  }
}

function wrappingKeyOf(row: Row): PendingWrappingKey {
  return {
    wrappingKeyId: row.wrapping_key_id as string,
    algorithm: row.algorithm as WrappingAlgorithm,
    spec: row.spec as WrappingKeySpec,
    publicKey: new Uint8Array(row.public_key as ArrayBuffer),
    rootVersion: row.root_version as number,
    sealed: new Uint8Array(row.sealed as ArrayBuffer),
    expiresAt: row.expires_at as number,
  }
}
