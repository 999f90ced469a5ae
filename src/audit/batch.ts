import type { AuditEvent } from '../model/audit-event.ts'
import { EventIds } from './event-ids.ts'

/**
 * Events of one trail as the audit queue and D1 hold them: what several have in common is written once. Plain data, and
 * JSON. Version 1 was `{"v":1,"events":[AuditEvent, …]}`, of any trails, and is still read.
 */
export interface PackedEvents {
  readonly v: 2
  readonly account: string
  readonly region: string
  /** How event ids begin that are told as a number. */
  readonly prefix: string
  /** Lifecycle seconds, from which those of the events count. */
  readonly from: number
  /** Events without the members that are in `parameters` and `events`. */
  readonly common: readonly Common[]
  /** Texts of JSON: each a `requestParameters`. */
  readonly parameters: readonly string[]
  readonly events: readonly PackedEvent[]
}

export type Common = Omit<AuditEvent, OwnMember>

export type PackedEvent = readonly [
  common: number,
  parameters: number,
  seconds: number,
  requestID: string,
  eventID: PackedId,
  sharedEventID?: PackedId,
]

/** A number is what follows the prefix. */
export type PackedId = number | string

export type OwnMember = 'eventTime' | 'requestParameters' | 'requestID' | 'eventID' | 'sharedEventID'

/** Under the queue's 128 KB, with room for one more event. */
const messageBytesMax = 90_000
/** What a message may come to in the archive: its reader holds all of it at once. */
const recordBytesMax = 4_000_000

/** Packs events of one trail, as they come, until a message is full. */
export class EventPacker {
  readonly #account: string
  readonly #region: string
  readonly #prefix: string
  readonly #from: number
  readonly #common: string[] = []
  /** By what tells most events apart: the last event of its kind, and where what it has in common stands. */
  readonly #kinds = new Map<string, { readonly event: AuditEvent; readonly at: number }>()
  readonly #parameters = new Map<string, number>()
  readonly #parameterTexts: string[] = []
  readonly #events: string[] = []
  #time = { text: '', seconds: 0 }
  #bytes = 0
  #recordBytes = 0

  constructor({ recipientAccountId, awsRegion, eventID, eventTime }: AuditEvent) {
    this.#account = recipientAccountId
    this.#region = awsRegion
    this.#prefix = EventIds.prefixOf(eventID)
    this.#from = secondsOf(eventTime)
  }

  get count(): number {
    return this.#events.length
  }

  get isFull(): boolean {
    return this.#bytes >= messageBytesMax || this.#recordBytes >= recordBytesMax
  }

  add(event: AuditEvent): void {
    const { eventID, sharedEventID, requestID } = event
    const common = this.#commonOf(event)
    const parameters = this.#parametersOf(event)
    const shared = sharedEventID === undefined ? '' : `,${this.#idOf(sharedEventID)}`
    const packed = `[${common},${parameters},${this.#secondsOf(event)},${JSON.stringify(requestID)},${this.#idOf(eventID)}${shared}]`
    this.#events.push(packed)
    this.#bytes += packed.length + 1
    const textLength = (this.#common[common] as string).length + (this.#parameterTexts[parameters] as string).length
    this.#recordBytes += textLength + 200
  }

  /** The message. */
  text(): string {
    const head = { v: 2, account: this.#account, region: this.#region, prefix: this.#prefix, from: this.#from }
    const [common, parameters, events] = [this.#common, this.#parameterTexts, this.#events].map(String)
    return `${JSON.stringify(head).slice(0, -1)},"common":[${common}],"parameters":[${parameters}],"events":[${events}]}`
  }

  #commonOf(event: AuditEvent): number {
    const { eventName, errorCode, resources, userAgent, userIdentity } = event
    const kind = `${eventName} ${resources?.[0]?.ARN} ${userIdentity.principalId} ${errorCode} ${userAgent}`
    const known = this.#kinds.get(kind)
    if (known !== undefined && haveSameCommon(known.event, event)) return known.at
    const {
      eventTime: _,
      requestParameters: __,
      requestID: ___,
      eventID: ____,
      sharedEventID: _____,
      ...common
    } = event
    const at = this.#common.push(this.#counted(JSON.stringify(common))) - 1
    this.#kinds.set(kind, { event, at })
    return at
  }

  #parametersOf({ requestParameters }: AuditEvent): number {
    const text = JSON.stringify(requestParameters)
    const known = this.#parameters.get(text)
    if (known !== undefined) return known
    const at = this.#parameterTexts.push(this.#counted(JSON.stringify(text))) - 1
    this.#parameters.set(text, at)
    return at
  }

  #counted(text: string): string {
    this.#bytes += bytesOf(text) + 1
    return text
  }

  #secondsOf({ eventTime }: AuditEvent): number {
    if (eventTime !== this.#time.text) this.#time = { text: eventTime, seconds: secondsOf(eventTime) }
    return this.#time.seconds - this.#from
  }

  #idOf(id: string): string {
    return String(EventIds.numberOf(id, this.#prefix) ?? JSON.stringify(id))
  }
}

/** Messages of these events, for each trail its own. */
export function packEvents(events: readonly AuditEvent[]): readonly string[] {
  const messages: string[] = []
  for (const group of Map.groupBy(events, trailOf).values()) {
    let packer = new EventPacker(group[0] as AuditEvent)
    for (const event of group) {
      if (packer.isFull) {
        messages.push(packer.text())
        packer = new EventPacker(event)
      }
      packer.add(event)
    }
    messages.push(packer.text())
  }
  return messages
}

export function trailOf({ recipientAccountId, awsRegion }: AuditEvent): string {
  return `${recipientAccountId}/${awsRegion}`
}

/** Written out, as it is asked of every call. */
function haveSameCommon(one: AuditEvent, other: AuditEvent): boolean {
  return (
    one.eventName === other.eventName &&
    one.eventSource === other.eventSource &&
    one.sourceIPAddress === other.sourceIPAddress &&
    one.userAgent === other.userAgent &&
    one.errorCode === other.errorCode &&
    one.errorMessage === other.errorMessage &&
    one.readOnly === other.readOnly &&
    one.eventType === other.eventType &&
    one.eventVersion === other.eventVersion &&
    one.eventCategory === other.eventCategory &&
    one.managementEvent === other.managementEvent &&
    one.awsRegion === other.awsRegion &&
    one.recipientAccountId === other.recipientAccountId &&
    isSame(one.userIdentity, other.userIdentity) &&
    isSame(one.resources, other.resources) &&
    isSame(one.additionalEventData, other.additionalEventData) &&
    isSame(one.responseElements, other.responseElements) &&
    isSame(one.serviceEventDetails, other.serviceEventDetails)
  )
}

/** Of what is JSON. */
function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const [mine, theirs] = [one, other] as Record<string, unknown>[] as [Record<string, unknown>, Record<string, unknown>]
  const names = Object.keys(mine)
  return (
    names.length === Object.keys(theirs).length &&
    names.every((name) => Object.hasOwn(theirs, name) && isSame(mine[name], theirs[name]))
  )
}

/** No fewer than it has in UTF-8. */
function bytesOf(text: string): number {
  return /^[\0-\x7f]*$/.test(text) ? text.length : 3 * text.length
}

function secondsOf(eventTime: string): number {
  return Math.floor(Date.parse(eventTime) / 1000)
}
