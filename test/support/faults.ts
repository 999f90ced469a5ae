import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import type { Faults } from '../../src/local/in-worker/fault-words.ts'
import { stateSource } from '../../src/verify/local-state.ts'
import { openIndex, type RunningKms, startKms, temporaryState } from './server.ts'

const word = 'things go wrong'

/** A server in which things go wrong. */
export interface FaultyKms extends RunningKms {
  /** From now on, and does what cron would; where that kills the server, it rejects. */
  fail(faults: Faults & { isCron?: boolean }): Promise<void>
  /** What was passed since `fail`; null: the server is dead. */
  points(): Promise<readonly string[] | null>
}

export async function startFaultyKms(state: string, env: NodeJS.ProcessEnv = {}): Promise<FaultyKms> {
  const kms = await startKms(['--state', state], { env: { LOCAL_FAULTS: word, ...env } })
  const url = `${kms.endpoint}/local/faults`
  const headers = { 'x-local-faults': word }
  return {
    ...kms,
    async fail(faults) {
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(faults) })
      if (!answer.ok) throw new Error(await answer.text())
    },
    async points() {
      try {
        return ((await (await fetch(url, { headers })).json()) as { points: string[] }).points
      } catch {
        return null
      }
    },
  }
}

const quietMs = 300

/** Waits until nothing is done any more. The points passed; null: the server is dead. */
export async function quiet(kms: FaultyKms): Promise<readonly string[] | null> {
  for (let before = -1; ; ) {
    const points = await kms.points()
    if (points === null || points.length === before) return points
    before = points.length
    await sleep(quietMs)
  }
}

export type Row = Readonly<Record<string, string | number | null>>

/** What a key's object has stored. */
export interface StoredKey {
  readonly key: Row
  readonly outbox: number
  readonly materials: number
  readonly tags: readonly Row[]
  readonly grants: readonly Row[]
}

/** Read from a copy: whoever opens a database may write to it. */
export function storedKeys(state: string): StoredKey[] {
  const copy = temporaryState()
  cpSync(join(state, 'storage/do/edge-kms-KeyObject'), copy, { recursive: true })
  const files = readdirSync(copy).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
  return files.flatMap((name): StoredKey[] => {
    const object = new DatabaseSync(join(copy, name))
    const all = (sql: string) => object.prepare(sql).all() as Row[]
    try {
      if (all(`select 1 from sqlite_master where name = 'kms_key'`).length === 0) return []
      const count = (table: string) => Number(all(`select count(*) as n from ${table}`)[0]?.n)
      const rest = { outbox: count('outbox'), materials: count('material') }
      return all('select * from kms_key').map((key) => ({
        key,
        ...rest,
        tags: all('select * from tag'),
        grants: all('select * from kms_grant'),
      }))
    } finally {
      object.close()
    }
  })
}

/** Rows of D1. */
export function indexRows(state: string, sql: string, ...given: (string | number)[]): Row[] {
  const index = openIndex(state)
  try {
    return index.prepare(sql).all(...given) as Row[]
  } finally {
    index.close()
  }
}

/** How many records of changes have that name, and the text in them. */
export function recordsOf(state: string, name: string, text: string): number {
  return indexRows(state, 'select 1 from events where name = ? and instr(body, ?)', name, text).length
}

/** The ids of all events in the archive, as often as they are there. */
export async function archivedEventIds(state: string): Promise<string[]> {
  const source = stateSource(state)
  const files = (await source.list()).filter((name) => name.includes('/CloudTrail/'))
  const texts = await Promise.all(files.map(async (name) => gunzipSync((await source.read(name)) ?? Buffer.alloc(0))))
  return texts.flatMap((text) => JSON.parse(String(text)).Records.map(({ eventID }: { eventID: string }) => eventID))
}

/** The changes of a key, each of which raises its revision by one. */
const keyChanges = `'CreateKey', 'CreateGrant', 'DeleteKey', 'DisableKey', 'DisableKeyRotation', 'EnableKey', 'EnableKeyRotation', 'PutKeyPolicy',
  'RevokeGrant', 'RotateKey', 'ScheduleKeyDeletion', 'TagResource'`

/** Where truth, index and audit trail disagree, or something has still to be told: a sentence for each. */
export function disagreements(state: string): string[] {
  const wrong: string[] = []
  const check = (what: string, got: unknown, wanted: unknown) => {
    if (got !== wanted) wrong.push(`${what}: ${got}, not ${wanted}`)
  }
  const stored = new Map(storedKeys(state).map((one) => [String(one.key.key_id), one]))
  const indexed = new Map(indexRows(state, 'select * from keys').map((row) => [String(row.key_id), row]))
  // A rotation on demand is two records, and one change.
  const recorded = indexRows(
    state,
    `select substr(resource_name, -36) as key_id, count(*) as n from event_resources join events using (sequence)
     where resource_type = 'AWS::KMS::Key' and name in (${keyChanges}) group by 1`,
  )
  const changes = new Map(recorded.map(({ key_id, n }) => [key_id, n]))
  for (const [keyId, { key, outbox, grants }] of stored) {
    const row = indexed.get(keyId)
    check(`${keyId} outbox`, outbox, 0)
    for (const column of ['account', 'region', 'revision', 'state']) {
      check(`${keyId} ${column}`, row?.[column], key[column])
    }
    check(`${keyId} deleted_at`, row?.deleted_at, null)
    const dueAt = { PendingDeletion: key.deletion_at, Enabled: key.rotation_next_at }[String(key.state)] ?? null
    check(`${keyId} due_at`, row?.due_at, dueAt)
    check(`${keyId} records`, changes.get(keyId), key.revision)
    const retirable = indexRows(state, 'select grant_id from retirable_grants where key_id = ? order by 1', keyId)
    check(
      `${keyId} retirable grants`,
      retirable.map(({ grant_id }) => grant_id).join(),
      grants.flatMap(({ grant_id, body }) => (String(body).includes('"retiringId":null') ? [] : [grant_id])).join(),
    )
  }
  for (const [keyId, { deleted_at, revision }] of indexed) {
    check(`${keyId} is stored`, stored.has(keyId), deleted_at === null)
    if (deleted_at !== null) check(`${keyId} records`, changes.get(keyId), revision)
  }
  for (const { alias_name, target_key_id } of indexRows(state, 'select * from aliases')) {
    check(`${alias_name} points at a key`, stored.has(String(target_key_id)), true)
    check(`${alias_name} records`, recordsOf(state, 'CreateAlias', String(alias_name)), 1)
  }
  for (const { name } of indexRows(state, 'select name from users')) {
    check(`${name} records`, recordsOf(state, 'CreateUser', String(name)), 1)
  }
  return wrong
}
