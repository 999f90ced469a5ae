import type { BatchItem } from 'drizzle-orm/batch'
import { sha256 } from '../audit/archive.ts'
import { type PackedEvent, type PackedEvents, packEvents } from '../audit/batch.ts'
import { indexOf } from '../audit/batch-index.ts'
import { EventBatch } from '../audit/unpack.ts'
import type { Database } from '../catalog/database.ts'
import { batchStatements } from '../catalog/event-batches.ts'
import { type KeyUse, keyUseStatement } from '../catalog/key-usage.ts'
import { parseKeyName } from '../model/arn.ts'
import type { AuditEvent, CommonPart } from '../model/audit-event.ts'
import { utf8 } from '../model/bytes.ts'

/** The operations that count as a use of a key, for GetKeyLastUsage. */
const uses: ReadonlySet<string> = new Set([
  'Decapsulate',
  'Decrypt',
  'DeriveSharedSecret',
  'Encapsulate',
  'Encrypt',
  'GenerateDataKey',
  'GenerateDataKeyPair',
  'GenerateDataKeyPairWithoutPlaintext',
  'GenerateDataKeyWithoutPlaintext',
  'GenerateMac',
  'ReEncrypt',
  'Sign',
  'Verify',
  'VerifyMac',
])

/** What one message of the audit queue holds. A string is the reason for which that is nothing. */
export function parseAuditMessage(body: unknown): readonly EventBatch[] | string {
  const message = typeof body === 'string' ? parseJson(body) : body
  const { v, events } = (message ?? {}) as Record<string, unknown>
  if (typeof v === 'number' && v > 2) return `version ${v} is newer than this Worker`
  if (v !== 1 && v !== 2) return 'it has no version'
  if (!Array.isArray(events) || events.length === 0) return 'it has no events'
  if (v === 1) {
    if (!events.every(isEvent)) return 'one of its events is none'
    return packEvents(events).map((text) => new EventBatch(text))
  }
  if (!isPacked(message as Record<string, unknown>)) return 'one of its events is none'
  return [new EventBatch(typeof body === 'string' ? body : JSON.stringify(body), message as PackedEvents)]
}

/** One transaction. A batch that is there already is left as it is. */
export async function recordCalls(db: Database, batches: readonly EventBatch[]): Promise<void> {
  const statements = await Promise.all(batches.map((batch) => statementsOf(db, batch)))
  const [first, ...others] = statements.flat()
  if (first !== undefined) await db.batch([first, ...others])
}

async function statementsOf(db: Database, batch: EventBatch): Promise<BatchItem<'sqlite'>[]> {
  const { text: body, newest, oldest, packed } = batch
  const { account, region, events } = packed
  const digest = await sha256(utf8(body))
  const stored = { digest, account, region, count: events.length, newest, oldest, body, index: indexOf(batch) }
  const used = lastUses(batch)
  return [...batchStatements(db, stored), ...(used.length === 0 ? [] : [keyUseStatement(db, used)])]
}

/** The newest use of each key, by the record in its own account's trail. */
function lastUses(batch: EventBatch): KeyUse[] {
  const keys = batch.packed.common.map(keysUsed)
  const newest = new Map<string, { readonly key: KeyName; readonly event: PackedEvent }>()
  for (const event of batch.packed.events) {
    for (const key of keys[event[0]] ?? []) {
      const known = newest.get(key.arn)?.event
      if (known === undefined || batch.time(event) >= batch.time(known)) newest.set(key.arn, { key, event })
    }
  }
  return Array.from(newest.values(), ({ key: { region, keyId }, event }) => ({
    region,
    keyId,
    operation: batch.common(event).eventName,
    usedAt: batch.time(event),
    eventId: batch.eventId(event),
    requestId: event[3],
  }))
}

interface KeyName {
  readonly arn: string
  readonly region: string
  readonly keyId: string
}

function keysUsed({ errorCode, eventName, eventSource, resources = [], recipientAccountId }: CommonPart): KeyName[] {
  if (errorCode !== undefined || !uses.has(eventName) || eventSource !== 'kms.amazonaws.com') return []
  return resources.flatMap(({ ARN: arn, accountId }) => {
    const name = parseKeyName(arn)
    if (name?.form !== 'keyArn' || accountId !== recipientAccountId) return []
    return [{ arn, region: name.region, keyId: name.keyId }]
  })
}

const sharedTexts = ['eventName', 'eventSource', 'awsRegion', 'recipientAccountId'] as const
const texts = [...sharedTexts, 'eventID', 'requestID'] as const

function isEvent(value: unknown): value is AuditEvent {
  const event = (value ?? {}) as Record<string, unknown>
  return hasTexts(event, texts) && isCommon(event) && !Number.isNaN(Date.parse(String(event.eventTime)))
}

function isCommon(value: unknown): boolean {
  const { userIdentity, resources } = (value ?? {}) as Record<string, unknown>
  return (
    hasTexts(value, sharedTexts) &&
    typeof userIdentity === 'object' &&
    userIdentity !== null &&
    (resources === undefined || Array.isArray(resources))
  )
}

function isPacked({ account, region, prefix, from, common, parameters, events }: Record<string, unknown>): boolean {
  return (
    [account, region, prefix].every((text) => typeof text === 'string') &&
    isTime(from) &&
    Array.isArray(common) &&
    common.every((part) => isCommon(part) && part.recipientAccountId === account && part.awsRegion === region) &&
    Array.isArray(parameters) &&
    parameters.every((text) => typeof text === 'string' && parseJson(text) !== undefined) &&
    (events as unknown[]).every((event) => isPackedEvent(event, from, common.length, parameters.length))
  )
}

function isPackedEvent(value: unknown, from: number, commonCount: number, parametersCount: number): boolean {
  if (!Array.isArray(value)) return false
  const [common, parameters, seconds, requestID, eventID, sharedEventID] = value
  return (
    isIn(common, commonCount) &&
    isIn(parameters, parametersCount) &&
    isTime(from + seconds) &&
    typeof requestID === 'string' &&
    isId(eventID) &&
    (sharedEventID === undefined || isId(sharedEventID))
  )
}

function isIn(place: unknown, count: number): boolean {
  return Number.isInteger(place) && (place as number) >= 0 && (place as number) < count
}

/** Seconds that a date can have. */
function isTime(seconds: unknown): seconds is number {
  return Number.isInteger(seconds) && Math.abs(seconds as number) <= 8.64e12
}

function isId(id: unknown): boolean {
  return typeof id === 'string' || isIn(id, Number.MAX_SAFE_INTEGER)
}

function hasTexts(value: unknown, names: readonly string[]): boolean {
  return names.every((name) => typeof (value as Record<string, unknown> | null)?.[name] === 'string')
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
