import type { AuditEvent } from '../model/audit-event.ts'
import type { Call } from '../model/call.ts'
import type { Counters } from '../model/counters.ts'
import { causeOf, isRefusal, type Refusal, timedOut } from '../model/errors.ts'
import { CallRecord, type Home } from './call-record.ts'
import type { Asked } from './record.ts'
import type { Trail } from './trail.ts'

/** Where records go. */
export interface Recorder {
  readonly trail: Trail
  /** Puts one message on the audit queue. */
  sendAudit(message: string): Promise<unknown>
  /** Writes records of changes into D1, at once. */
  recordChanges(events: readonly AuditEvent[]): Promise<void>
  readonly counters: Counters
  /** Milliseconds since this isolate read the key; null: it holds none. */
  snapshotAge(keyArn: string, wallTime: number): number | null
  waitUntil(promise: Promise<unknown>): void
}

/** A call that takes longer is told of. */
const slowMs = 1_000

type Output = Readonly<Record<string, unknown>> | undefined

/** Serves a call and puts it on record, refused or not. A change that cannot be recorded is not acknowledged. */
export async function recorded<Answer extends object | undefined>(
  call: Call,
  asked: Asked,
  home: Home,
  recorder: Recorder,
  serve: (record: CallRecord) => Promise<Answer | Refusal>,
): Promise<Answer | Refusal> {
  const startedAt = performance.now()
  const record = new CallRecord(call, asked, home)
  const answer = await serve(record)
  const tookMs = performance.now() - startedAt
  recorder.counters.calls++
  if (isRefusal(answer)) recorder.counters.refused++
  if (isRefusal(answer) || tookMs >= slowMs) log(call, asked, answer, tookMs, record, recorder)
  const isIndexChange = home === 'index' && !isRefusal(answer)
  if (isIndexChange && record.isWritten) return answer
  if (!isIndexChange && !recorder.trail.isRecording) return answer
  const { trail, sendAudit: send, waitUntil } = recorder
  const events = isIndexChange ? record.events(answer as Output) : []
  const told = isIndexChange ? [] : record.told(answer as Output | Refusal, trail.newEventId)
  try {
    if (isIndexChange) await recorder.recordChanges(events)
    else {
      const writing = trail.write(told, { send, waitUntil })
      if (writing instanceof Promise) await writing
    }
  } catch (failure) {
    return timedOut(`the call cannot be recorded: ${causeOf(failure)}`)
  }
  return answer
}

/** One line for whoever runs this: which call, what became of it and how long it took, and nothing that it said. */
function log(
  call: Call,
  asked: Asked,
  answer: object | undefined,
  tookMs: number,
  record: CallRecord,
  recorder: Recorder,
) {
  const { service, operation } = asked
  const { requestId, principal, wallTime } = call
  const snapshotAgeMs = record.keyArn === null ? null : recorder.snapshotAge(record.keyArn, wallTime)
  const error = isRefusal(answer) ? answer.refused : null
  const micros = Math.round(tookMs * 1000)
  const line = { requestId, service, operation, account: principal.account, error, micros }
  console.log(JSON.stringify(snapshotAgeMs === null ? line : { ...line, snapshotAgeMs }))
}
