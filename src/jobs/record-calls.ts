import type { Database } from '../catalog/database.ts'
import { eventStatements } from '../catalog/events.ts'
import { type KeyUse, keyUseStatement } from '../catalog/key-usage.ts'
import { parseKeyName } from '../model/arn.ts'
import type { AuditEvent } from '../model/audit-event.ts'

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

/** The records of one message of the audit queue. A string is the reason for which it has none. */
export function parseAuditMessage(body: unknown): readonly AuditEvent[] | string {
  const message = typeof body === 'string' ? parseJson(body) : body
  const { v, events } = (message ?? {}) as Record<string, unknown>
  if (typeof v === 'number' && v > 1) return `version ${v} is newer than this Worker`
  if (v !== 1) return 'it has no version'
  if (!Array.isArray(events) || events.length === 0) return 'it has no events'
  return events.every(isEvent) ? events : 'one of its events is none'
}

/** One transaction. Events that are there already, by their ids, are left as they are. */
export async function recordCalls(db: Database, events: readonly AuditEvent[]): Promise<void> {
  const used = lastUses(events)
  const statements = eventStatements(db, events, false)
  await db.batch(used.length === 0 ? statements : [...statements, keyUseStatement(db, used)])
}

/** The newest use of each key, by the record in its own account's trail. */
function lastUses(events: readonly AuditEvent[]): KeyUse[] {
  const newest = new Map<string, KeyUse>()
  for (const event of events) {
    if (event.errorCode !== undefined || !uses.has(event.eventName)) continue
    if (event.eventSource !== 'kms.amazonaws.com') continue
    const usedAt = Date.parse(event.eventTime) / 1000
    for (const { ARN, accountId } of event.resources ?? []) {
      const name = parseKeyName(ARN)
      if (name?.form !== 'keyArn' || accountId !== event.recipientAccountId) continue
      const { region, keyId } = name
      if (usedAt < (newest.get(ARN)?.usedAt ?? 0)) continue
      const { eventName: operation, eventID: eventId, requestID: requestId } = event
      newest.set(ARN, { region, keyId, operation, usedAt, eventId, requestId })
    }
  }
  return [...newest.values()]
}

const texts = ['eventID', 'eventName', 'eventSource', 'awsRegion', 'recipientAccountId', 'requestID'] as const

function isEvent(value: unknown): value is AuditEvent {
  const event = (value ?? {}) as Record<string, unknown>
  return (
    texts.every((name) => typeof event[name] === 'string') &&
    !Number.isNaN(Date.parse(String(event.eventTime))) &&
    typeof event.userIdentity === 'object' &&
    event.userIdentity !== null &&
    (event.resources === undefined || Array.isArray(event.resources))
  )
}

/** Null for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
