import type { AuditEvent, AuditResource } from '../model/audit-event.ts'
import { inEveryTrail } from '../model/audit-event.ts'
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
    return this.#home === 'object' ? auditRecord(this.#call, this.#asked) : null
  }

  /**
   * What is left to write once the answer is known: nothing where the object has done so. `newEventId` is of the trail
   * that it goes to; none: the event is known by its request.
   */
  events(
    answer: Readonly<Record<string, unknown>> | undefined | Refusal,
    newEventId?: () => string,
  ): readonly AuditEvent[] {
    const refusal = isRefusal(answer) ? answer : null
    if (refusal === null && this.#home === 'object') return []
    const resources = this.#resources.length === 0 ? undefined : this.#resources
    const additionalEventData = refusal === null ? this.#additional(answer as Output) : { decidedBy: refusal.reason }
    const known = { refusal, additionalEventData, ...(resources === undefined ? null : { resources }) }
    return inEveryTrail(auditRecord(this.#call, this.#asked, known, newEventId?.()), newEventId)
  }

  #additional(answer: Output): Record<string, unknown> {
    const keyMaterialId = answer?.KeyMaterialId ?? answer?.DestinationKeyMaterialId ?? this.#keyMaterialId
    const decidedBy = this.#reasons.length > 1 ? this.#reasons : this.#reasons[0]
    return {
      ...(keyMaterialId === undefined ? {} : { keyMaterialId }),
      ...(decidedBy === undefined ? {} : { decidedBy }),
    }
  }
}

type Output = Readonly<Record<string, unknown>> | undefined
