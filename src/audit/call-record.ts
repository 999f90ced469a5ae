import { type AuditEvent, type AuditResource, inEveryTrail, type RecordParts, wholeOf } from '../model/audit-event.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal } from '../model/errors.ts'
import { type Asked, auditRecord } from './record.ts'

/** Who writes down a call that succeeds: the key's object with its change, D1 with a change of its own, or the queue. */
export type Home = 'object' | 'index' | 'queue'

/** What a call touched and by what it was allowed, gathered while it is served: at its end, its record. */
export class CallRecord {
  readonly #call: Call
  readonly #asked: Asked
  readonly #home: Home
  readonly #resources: AuditResource[] = []
  readonly #reasons: string[] = []
  #keyMaterialId: string | undefined
  #isWritten = false

  constructor(call: Call, asked: Asked, home: Home) {
    this.#call = call
    this.#asked = asked
    this.#home = home
  }

  /** A key that the call may use, why, and the material that it would use. */
  touched(accountId: string, ARN: string, decidedBy: string, keyMaterialId: string | undefined): void {
    this.#resources.push({ accountId, type: 'AWS::KMS::Key', ARN })
    this.#reasons.push(decidedBy)
    this.#keyMaterialId = keyMaterialId
  }

  /** What else the call is about, as it was named. */
  about(resource: AuditResource): void {
    this.#resources.push(resource)
  }

  /** The first key that the call is about; null: none. */
  get keyArn(): string | null {
    return this.#resources.find(({ type }) => type === 'AWS::KMS::Key')?.ARN ?? null
  }

  /** In D1, with what the call has changed there. */
  written(): void {
    this.#isWritten = true
  }

  get isWritten(): boolean {
    return this.#isWritten
  }

  /** For the object that makes the change; null where the record is written elsewhere. */
  draft(): AuditEvent | null {
    return this.#home === 'object' ? wholeOf(auditRecord(this.#call, this.#asked, null)) : null
  }

  /** For D1, which has a change that succeeds and its record at once, or a record alone. */
  events(answer: Answer): readonly AuditEvent[] {
    return inEveryTrail(this.#record(answer)).map(wholeOf)
  }

  /** What is left to tell the trail, once the answer is known: nothing where the object has written it. */
  told(answer: Answer, newEventId: () => string): readonly RecordParts[] {
    if (this.#home === 'object' && !isRefusal(answer)) return []
    return inEveryTrail(this.#record(answer, newEventId()), newEventId)
  }

  #record(answer: Answer, eventId?: string): RecordParts {
    const refusal = isRefusal(answer) ? answer : null
    const output = answer as Output
    const keyMaterialId = output?.KeyMaterialId ?? output?.DestinationKeyMaterialId ?? this.#keyMaterialId
    const known = { refusal, resources: this.#resources, reasons: this.#reasons, keyMaterialId }
    return auditRecord(this.#call, this.#asked, known, eventId)
  }
}

type Answer = Readonly<Record<string, unknown>> | undefined | Refusal
type Output = { readonly [Member in 'KeyMaterialId' | 'DestinationKeyMaterialId']?: string } | undefined
