import { type AuditEvent, type CommonPart, eventTimeOf } from '../model/audit-event.ts'
import type { PackedEvent, PackedEvents } from './batch.ts'
import { EventIds } from './event-ids.ts'

/** A message's events, without any of them being made. */
export class EventBatch {
  /** The message. */
  readonly text: string
  readonly packed: PackedEvents
  /** Lifecycle seconds. */
  readonly newest: number
  readonly oldest: number
  readonly #frames: (Frame | undefined)[] = []

  /** Of a message that `parseAuditMessage` has found to be one, or of D1, which keeps nothing else. */
  constructor(text: string, packed = JSON.parse(text) as PackedEvents) {
    this.text = text
    this.packed = packed
    let [newest, oldest] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (const [, , seconds] of packed.events) {
      if (seconds > newest) newest = seconds
      if (seconds < oldest) oldest = seconds
    }
    this.newest = packed.from + newest
    this.oldest = packed.from + oldest
  }

  common([at]: PackedEvent): CommonPart {
    return this.packed.common[at] as CommonPart
  }

  time([, , seconds]: PackedEvent): number {
    return this.packed.from + seconds
  }

  eventId([, , , , id]: PackedEvent): string {
    return EventIds.of(this.packed.prefix, id)
  }

  /** The record as JSON, its members in CloudTrail's order: the parts of it are written once for all that share them. */
  record(event: PackedEvent): string {
    const [at, parameters, , requestID, , shared] = event
    const [who, what, result, about, last] = this.#frame(at)
    const { prefix, parameters: texts } = this.packed
    const sharedEventID = shared === undefined ? '' : `,"sharedEventID":${JSON.stringify(EventIds.of(prefix, shared))}`
    return `{${who}"eventTime":"${eventTimeOf(this.time(event) * 1000)}"${what},"requestParameters":${texts[parameters]}${result},"requestID":${JSON.stringify(requestID)},"eventID":${JSON.stringify(this.eventId(event))}${about}${sharedEventID}${last}}`
  }

  /** All of them, with commas between. */
  records(): string {
    return this.packed.events.map((event) => this.record(event)).join(',')
  }

  #frame(at: number): Frame {
    this.#frames[at] ??= frameOf(this.packed.common[at] as CommonPart)
    return this.#frames[at] as Frame
  }
}

/** The events of a message. */
export function expandBatch(message: string): AuditEvent[] {
  return JSON.parse(`[${new EventBatch(message).records()}]`)
}

/** What stands before, between and behind an event's own members. */
type Frame = readonly [who: string, what: string, result: string, about: string, last: string]

const [before, ...between] = [
  ['eventVersion', 'userIdentity'],
  ['eventSource', 'eventName', 'awsRegion', 'sourceIPAddress', 'userAgent', 'errorCode', 'errorMessage'],
  ['responseElements', 'additionalEventData', 'serviceEventDetails'],
  ['readOnly', 'resources', 'eventType', 'managementEvent', 'recipientAccountId'],
] as const
const placed: ReadonlySet<string> = new Set([...before, ...between.flat()])

function frameOf(common: CommonPart): Frame {
  const membersOf = (names: readonly string[]) => {
    const found = names.filter((name) => name in common)
    return found.map((name) => `${JSON.stringify(name)}:${JSON.stringify(common[name as keyof CommonPart])}`)
  }
  const behind = (names: readonly string[]) => ['', ...membersOf(names)].join(',')
  const [what, result, about] = between.map(behind) as [string, string, string]
  const who = [...membersOf(before), ''].join(',')
  return [who, what, result, about, behind(Object.keys(common).filter((name) => !placed.has(name)))]
}
