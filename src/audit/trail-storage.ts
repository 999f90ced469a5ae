import type { AuditKeyIdentity } from '../crypto/audit-key.ts'
import type { SealedKey } from '../crypto/sealed-key.ts'
import { upgradeSchema } from '../model/schema-steps.ts'
import type { ArchivedFile, ChainEnd } from './digest.ts'

/** The tables of one trail's object, in numbered steps: a step that has shipped is never edited. */
const steps: readonly string[] = [
  `create table trail (
     account text not null,
     region text not null,
     public_key blob not null,
     root_version integer not null,
     sealed blob not null,
     head text,
     pending text,
     pending_body blob
   );
   create table log_file (
     sequence integer primary key autoincrement,
     batch_id text not null unique,
     object text not null unique,
     hash text not null,
     object_hash text not null,
     newest text not null,
     oldest text not null,
     after_digest integer not null,
     is_written integer not null,
     digest integer
   );
   create index log_file_of_digest on log_file (digest, is_written, sequence);
   create table covered_batch (sequence integer primary key autoincrement, batch_id text not null unique);`,
]

/** How many batches are remembered once a digest covers them: a message that comes again does so much sooner. */
const coveredMax = 100_000

export interface StoredTrail extends AuditKeyIdentity, SealedKey {
  /** Null: there is no digest yet. */
  readonly head: ChainEnd | null
}

/** A log file, of which nobody knows whether it came to be in the archive until it is written. */
export interface LogFile extends ArchivedFile {
  readonly batchId: string
  readonly afterDigest: number
  readonly isWritten: boolean
}

/** A digest that is decided and not yet known to be in the archive. */
export interface PendingDigest extends ChainEnd {
  readonly objectHash: string
  /** As it is stored. */
  readonly body: Uint8Array<ArrayBuffer>
}

type Row = Record<string, SqlStorageValue>

/** The trail as this object has stored it. Synchronous throughout; the caller holds the transaction. */
export class TrailStorage {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** Null: nothing was ever archived here. Looks before anything else touches storage. */
  read(): StoredTrail | null {
    if (this.#rows(`select 1 from sqlite_master where name = 'schema_step'`).length === 0) return null
    upgradeSchema(this.#sql, steps)
    const [row] = this.#rows('select * from trail')
    if (row === undefined) return null
    return {
      account: row.account as string,
      region: row.region as string,
      publicKey: new Uint8Array(row.public_key as ArrayBuffer),
      rootVersion: row.root_version as number,
      sealed: new Uint8Array(row.sealed as ArrayBuffer),
      head: row.head === null ? null : (JSON.parse(row.head as string) as ChainEnd),
    }
  }

  create({ account, region, publicKey, rootVersion, sealed }: AuditKeyIdentity & SealedKey): void {
    upgradeSchema(this.#sql, steps)
    this.#sql.exec(
      'insert into trail (account, region, public_key, root_version, sealed) values (?, ?, ?, ?, ?)',
      account,
      region,
      publicKey,
      rootVersion,
      sealed,
    )
  }

  reseal({ rootVersion, sealed }: SealedKey): void {
    this.#sql.exec('update trail set root_version = ?, sealed = ?', rootVersion, sealed)
  }

  isCovered(batchId: string): boolean {
    return this.#rows('select 1 from covered_batch where batch_id = ?', batchId).length > 0
  }

  /** Null: there is no such batch, or a digest covers it. */
  file(batchId: string): LogFile | null {
    const [row] = this.#rows('select * from log_file where batch_id = ?', batchId)
    return row === undefined ? null : logFile(row)
  }

  /** What is about to be written, or has been. */
  keep(file: LogFile): void {
    this.#sql.exec(
      `insert into log_file (batch_id, object, hash, object_hash, newest, oldest, after_digest, is_written)
       values (?, ?, ?, ?, ?, ?, ?, ?)
       on conflict (batch_id) do update set object_hash = excluded.object_hash, is_written = excluded.is_written
         where digest is null`,
      file.batchId,
      file.object,
      file.hash,
      file.objectHash,
      file.newest,
      file.oldest,
      file.afterDigest,
      file.isWritten ? 1 : 0,
    )
  }

  forget(batchId: string): void {
    this.#sql.exec('delete from log_file where batch_id = ?', batchId)
  }

  /** Written, and in no digest yet: in the order in which they began. */
  written(limit: number): LogFile[] {
    const query = 'select * from log_file where digest is null and is_written = 1 order by sequence limit ?'
    return this.#rows(query, limit).map(logFile)
  }

  unwritten(limit: number): LogFile[] {
    const query = 'select * from log_file where digest is null and is_written = 0 order by sequence limit ?'
    return this.#rows(query, limit).map(logFile)
  }

  /** The names of all that no digest has. */
  open(limit: number): string[] {
    const rows = this.#rows('select object from log_file where digest is null order by sequence limit ?', limit)
    return rows.map(({ object }) => object as string)
  }

  pending(): PendingDigest | null {
    const [row] = this.#rows('select pending, pending_body from trail where pending is not null')
    if (row === undefined) return null
    return { ...JSON.parse(row.pending as string), body: new Uint8Array(row.pending_body as ArrayBuffer) }
  }

  /** Decides the next digest. From here on it is this one, with this signature. */
  decide({ body, ...digest }: PendingDigest, files: readonly LogFile[]): void {
    this.#sql.exec('update trail set pending = ?, pending_body = ?', JSON.stringify(digest), body)
    for (const { batchId } of files) {
      this.#sql.exec('update log_file set digest = ? where batch_id = ?', digest.number, batchId)
    }
  }

  /** The pending digest is in the archive: it is the chain's new end. */
  finish({ number, hash, object, signature, endTime }: PendingDigest): void {
    const head: ChainEnd = { number, hash, object, signature, endTime }
    this.#sql.exec('update trail set head = ?, pending = null, pending_body = null', JSON.stringify(head))
    this.#sql.exec(
      'insert or ignore into covered_batch (batch_id) select batch_id from log_file where digest = ? order by sequence',
      number,
    )
    this.#sql.exec('delete from log_file where digest = ?', number)
    this.#sql.exec(
      'delete from covered_batch where sequence <= (select max(sequence) from covered_batch) - ?',
      coveredMax,
    )
  }

  #rows(query: string, ...bindings: SqlStorageValue[]): Row[] {
    return this.#sql.exec<Row>(query, ...bindings).toArray()
  }
}

function logFile(row: Row): LogFile {
  return {
    batchId: row.batch_id as string,
    object: row.object as string,
    hash: row.hash as string,
    objectHash: row.object_hash as string,
    newest: row.newest as string,
    oldest: row.oldest as string,
    afterDigest: row.after_digest as number,
    isWritten: row.is_written === 1,
  }
}
