import { versionIdOf } from '../crypto/ciphertext.ts'
import type { SealedMaterial } from '../crypto/seal.ts'
import type { SealedVersion } from '../crypto/version.ts'
import type { OutboxEntry, Receiver } from '../model/index-entry.ts'
import type { KeySpec, KeyUsage } from '../model/key-specs.ts'
import { upgradeSchema } from '../model/schema-steps.ts'
import type { KeyRecord, KeyRotation, KeyState, RotationPage, RotationType, Tag } from './key.ts'
import type { ReplicaStanding, SharedMaterial } from './shared-key.ts'

/**
 * The tables of one key's object, in numbered steps: a step that has shipped is never edited, and
 * test/fixtures/state-v1 holds objects made by the first.
 */
const steps: readonly string[] = [
  `create table kms_key (
     key_id text not null primary key,
     account text not null,
     region text not null,
     created_by text not null,
     revision integer not null,
     state text not null,
     spec text not null,
     usage text not null,
     origin text not null,
     manager text not null,
     description text not null,
     policy text not null,
     created_at integer not null,
     deletion_at integer,
     deletion_window_days integer,
     rotation_period_days integer,
     rotation_next_at integer,
     on_demand_rotations integer not null,
     current_material_id text not null
   );
   create table material (
     sequence integer primary key,
     version_id text not null unique,
     key_material_id text not null,
     root_version integer not null,
     sealed blob not null,
     rotated_at integer,
     rotation_type text
   );
   create table tag (tag_key text not null primary key, tag_value text not null) without rowid;
   create table outbox (sequence integer primary key autoincrement, kind text not null, body text not null);`,
  `alter table kms_key add column policy_principal_ids text not null default '{}';
   alter table kms_key add column grants integer not null default 0;
   create table kms_grant (
     grant_id text not null primary key,
     grantee_id text not null,
     name text,
     operations text not null,
     body text not null
   ) without rowid;
   create index grant_of_grantee on kms_grant (grantee_id, grant_id);
   create index grant_named on kms_grant (name) where name is not null;`,
  'alter table kms_key add column material_expires_at integer;',
  `alter table kms_key add column multi_region text;
   alter table material add column public_key blob;`,
  // Imported material that was erased has an empty `sealed`.
  `alter table kms_key add column leftover_expires_at integer;
   alter table material add column is_pending integer not null default 0;
   alter table material add column expires_at integer;
   alter table material add column description text;
   create table wrapping_key (
     sequence integer primary key autoincrement,
     wrapping_key_id text not null unique,
     algorithm text not null,
     spec text not null,
     public_key blob not null,
     root_version integer not null,
     sealed blob not null,
     expires_at integer not null
   );`,
  `alter table kms_key add column rotating text;
   create table replica (
     region text not null primary key,
     held_revision integer not null,
     held_sequence integer not null,
     making text,
     looked_for integer
   ) without rowid;`,
  'alter table replica add column held_pending_id text;',
]

/** Everything here that is sealed under the root key. */
const sealedRows = `(select root_version from material where sealed <> x'' union all select root_version from wrapping_key)`

/** Which of the outbox's entries are whose. */
const kindsFor: Readonly<Record<Receiver, string>> = {
  index: `kind not in ('keyEvent', 'lookAgain')`,
  workers: `kind = 'keyEvent'`,
  peers: `kind = 'lookAgain'`,
}

type Row = Record<string, SqlStorageValue>

/** The key as this object has stored it. Synchronous throughout; the caller holds the transaction. */
export class KeyStorage {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** Null: no key was ever created here, or it is gone. */
  read(): KeyRecord | null {
    if (!this.#hasTables()) return null
    const row = this.#rows('select * from kms_key')[0]
    if (row === undefined) return null
    const tags = this.#rows('select tag_key, tag_value from tag order by tag_key')
    return {
      keyId: row.key_id as string,
      account: row.account as string,
      region: row.region as string,
      revision: row.revision as number,
      state: row.state as KeyState,
      spec: row.spec as KeySpec,
      usage: row.usage as KeyUsage,
      origin: row.origin as KeyRecord['origin'],
      multiRegion: row.multi_region === null ? null : JSON.parse(row.multi_region as string),
      manager: row.manager as KeyRecord['manager'],
      description: row.description as string,
      policy: row.policy as string,
      policyPrincipalIds: JSON.parse(row.policy_principal_ids as string),
      tags: tags.map((tag) => ({ tagKey: tag.tag_key as string, tagValue: tag.tag_value as string })),
      createdAt: row.created_at as number,
      deletion:
        row.deletion_window_days === null
          ? null
          : { at: row.deletion_at as number | null, windowDays: row.deletion_window_days as number },
      rotation: pair(row.rotation_next_at, row.rotation_period_days, (nextAt, periodDays) => ({
        periodDays,
        nextAt,
      })),
      onDemandRotations: row.on_demand_rotations as number,
      rotating: row.rotating === null ? null : JSON.parse(row.rotating as string),
      materialExpiresAt: row.material_expires_at as number | null,
      leftoverExpiresAt: row.leftover_expires_at as number | null,
      currentMaterialId: (row.current_material_id as string) || null,
    }
  }

  /** The request that created the key, so that its own retry is told from another creation. */
  createdBy(): string {
    return this.#rows('select created_by from kms_key')[0]?.created_by as string
  }

  /** Makes the schema and the key. */
  create(record: KeyRecord, version: SealedVersion | null, createdBy: string): void {
    upgradeSchema(this.#sql, steps)
    const { keyId, account, region, createdAt } = record
    this.#sql.exec(
      `insert into kms_key (key_id, account, region, created_by, created_at, revision, state, spec, usage, origin,
         manager, description, policy, on_demand_rotations, current_material_id)
       values (?, ?, ?, ?, ?, 0, '', '', '', '', '', '', '', 0, '')`,
      keyId,
      account,
      region,
      createdBy,
      createdAt,
    )
    this.write(record)
    if (version !== null) this.addVersion(version)
  }

  write(record: KeyRecord): void {
    this.#sql.exec(
      `update kms_key set revision = ?, state = ?, spec = ?, usage = ?, origin = ?, manager = ?, description = ?,
         policy = ?, policy_principal_ids = ?, deletion_at = ?, deletion_window_days = ?, rotation_period_days = ?, rotation_next_at = ?,
         on_demand_rotations = ?, rotating = ?, material_expires_at = ?, leftover_expires_at = ?, multi_region = ?,
         current_material_id = ?`,
      record.revision,
      record.state,
      record.spec,
      record.usage,
      record.origin,
      record.manager,
      record.description,
      record.policy,
      JSON.stringify(record.policyPrincipalIds),
      record.deletion?.at ?? null,
      record.deletion?.windowDays ?? null,
      record.rotation?.periodDays ?? null,
      record.rotation?.nextAt ?? null,
      record.onDemandRotations,
      record.rotating === null ? null : JSON.stringify(record.rotating),
      record.materialExpiresAt,
      record.leftoverExpiresAt,
      record.multiRegion === null ? null : JSON.stringify(record.multiRegion),
      record.currentMaterialId ?? '',
    )
    this.#writeTags(record.tags)
  }

  /** A version that no rotation has made current. One that is there already is left as it is. */
  addVersion({ keyMaterialId, rootVersion, sealed, publicKey }: SealedVersion): void {
    this.#sql.exec(
      `insert into material (version_id, key_material_id, root_version, sealed, public_key) values (?, ?, ?, ?, ?)
       on conflict (version_id) do nothing`,
      versionIdOf(keyMaterialId),
      keyMaterialId,
      rootVersion,
      sealed,
      publicKey,
    )
  }

  /** What was rotated to waits for a rotation no longer. */
  setRotation(keyMaterialId: string, { at, type }: { at: number; type: RotationType }): void {
    this.#sql.exec(
      'update material set rotated_at = ?, rotation_type = ?, is_pending = 0 where version_id = ?',
      at,
      type,
      versionIdOf(keyMaterialId),
    )
  }

  /** Every version, oldest first. */
  materials(): (SharedMaterial & { readonly sequence: number; readonly version: SealedVersion })[] {
    return this.#rows('select * from material order by sequence').map((row) => ({
      ...rotationOf(row),
      sequence: row.sequence as number,
      version: versionOf(row),
    }))
  }

  replicas(): ReplicaStanding[] {
    return this.#rows('select * from replica order by region').map((row) => ({
      region: row.region as string,
      heldRevision: row.held_revision as number,
      heldSequence: row.held_sequence as number,
      heldPendingId: row.held_pending_id as string | null,
      making: row.making === null ? null : JSON.parse(row.making as string),
      lookedFor: row.looked_for as number | null,
    }))
  }

  writeReplica({ region, heldRevision, heldSequence, heldPendingId, making, lookedFor }: ReplicaStanding): void {
    this.#sql.exec(
      `insert or replace into replica (region, held_revision, held_sequence, held_pending_id, making, looked_for)
       values (?, ?, ?, ?, ?, ?)`,
      region,
      heldRevision,
      heldSequence,
      heldPendingId,
      making === null ? null : JSON.stringify(making),
      lookedFor,
    )
  }

  removeReplica(region: string): void {
    this.#sql.exec('delete from replica where region = ?', region)
  }

  replaceReplicas(replicas: readonly ReplicaStanding[]): void {
    this.#sql.exec('delete from replica')
    for (const replica of replicas) this.writeReplica(replica)
  }

  /** Null: this key never had such a version, or has it no longer. */
  version(versionId: string): SealedVersion | null {
    const row = this.#rows(`select * from material where version_id = ? and sealed <> x''`, versionId)[0]
    return row === undefined ? null : versionOf(row)
  }

  /** The versions of the root key that open this key's material, and what it keeps for imports. */
  rootVersions(): number[] {
    const rows = this.#rows(`select distinct root_version from ${sealedRows} order by root_version`)
    return rows.map((row) => row.root_version as number)
  }

  /** At most `limit` versions that another version of the root key opens. */
  versionsNotUnder(rootVersion: number, limit: number): SealedVersion[] {
    return this.#rows(
      `select * from material where root_version <> ? and sealed <> x'' order by sequence limit ?`,
      rootVersion,
      limit,
    ).map(versionOf)
  }

  countNotUnder(rootVersion: number): number {
    return this.#rows(`select count(*) as count from ${sealedRows} where root_version <> ?`, rootVersion)[0]
      ?.count as number
  }

  /** False: the version is not stored as it was, because it was sealed anew or is gone. */
  reseal(before: SealedVersion, after: SealedMaterial): boolean {
    const changed = this.#sql.exec(
      'update material set root_version = ?, sealed = ? where version_id = ? and sealed = ? returning 1',
      after.rootVersion,
      after.sealed,
      versionIdOf(before.keyMaterialId),
      before.sealed,
    )
    return changed.toArray().length > 0
  }

  /** In the order they were made, without one that was made and is not current yet. */
  rotations(page: RotationPage, { currentMaterialId, rotating }: KeyRecord): KeyRotation[] {
    const rows = this.#rows(
      `select sequence, key_material_id, rotated_at, rotation_type, length(sealed) as size, is_pending, expires_at,
         description from material
       where sequence > ? and (? or rotation_type is not null) and (is_pending or key_material_id <> ?)
       order by sequence limit ?`,
      page.after,
      page.isWithFirst ? 1 : 0,
      rotating?.keyMaterialId ?? '',
      page.limit,
    )
    return rows.map((row) => ({
      ...rotationOf(row),
      sequence: row.sequence as number,
      isCurrent: row.key_material_id === currentMaterialId,
      isPending: row.is_pending === 1,
      isPresent: row.size !== 0,
      expiresAt: row.expires_at as number | null,
      description: row.description as string | null,
    }))
  }

  /** Erases the key and leaves what is still to be told about it. */
  erase(): void {
    this.#sql.exec(
      `delete from kms_key; delete from material; delete from wrapping_key; delete from tag; delete from kms_grant;
       delete from replica`,
    )
  }

  enqueue({ kind, body }: OutboxEntry): void {
    this.#sql.exec('insert into outbox (kind, body) values (?, ?)', kind, JSON.stringify(body))
  }

  /** The oldest undelivered entries for one receiver. */
  outbox(receiver: Receiver, limit: number): { sequence: number; entry: OutboxEntry }[] {
    if (!this.#hasTables()) return []
    const query = `select * from outbox where ${kindsFor[receiver]} order by sequence limit ?`
    return this.#rows(query, limit).map(({ sequence, kind, body }) => ({
      sequence: sequence as number,
      entry: { kind, body: JSON.parse(body as string) } as OutboxEntry,
    }))
  }

  /** How many entries are undelivered. */
  untold(): number {
    return this.#rows('select count(*) as entries from outbox')[0]?.entries as number
  }

  dequeue(receiver: Receiver, upTo: number): void {
    this.#sql.exec(`delete from outbox where ${kindsFor[receiver]} and sequence <= ?`, upTo)
  }

  #writeTags(tags: readonly Tag[]): void {
    this.#sql.exec('delete from tag')
    for (const { tagKey, tagValue } of tags) this.#sql.exec('insert into tag values (?, ?)', tagKey, tagValue)
  }

  /** Looks before anything else touches storage: an object that was never created is left without a table. */
  #hasTables(): boolean {
    if (this.#rows(`select 1 from sqlite_master where name = 'schema_step'`).length === 0) return false
    upgradeSchema(this.#sql, steps)
    return true
  }

  #rows(query: string, ...bindings: SqlStorageValue[]): Row[] {
    return this.#sql.exec<Row>(query, ...bindings).toArray()
  }
}

function rotationOf(row: Row): SharedMaterial {
  return {
    keyMaterialId: row.key_material_id as string,
    rotation:
      row.rotation_type === null ? null : { at: row.rotated_at as number, type: row.rotation_type as RotationType },
  }
}

function versionOf(row: Row): SealedVersion {
  return {
    keyMaterialId: row.key_material_id as string,
    rootVersion: row.root_version as number,
    sealed: new Uint8Array(row.sealed as ArrayBuffer),
    publicKey: row.public_key === null ? null : new Uint8Array(row.public_key as ArrayBuffer),
  }
}

function pair<Value>(
  first: SqlStorageValue | undefined,
  second: SqlStorageValue | undefined,
  make: (first: number, second: number) => Value,
): Value | null {
  return typeof first === 'number' && typeof second === 'number' ? make(first, second) : null
}
