import { type AuditEvent, type CommonPart, partsOf, type RecordParts } from '../model/audit-event.ts'
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
  readonly common: readonly CommonPart[]
  /** Texts of JSON: each a `requestParameters`. */
  readonly parameters: readonly string[]
  readonly events: readonly PackedEvent[]
}

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
  /** Where each stands. */
  readonly #commonAt = new Map<CommonPart | string, number>()
  readonly #parameters = new Map<string, number>()
  readonly #parameterTexts: string[] = []
  readonly #events: string[] = []
  #time = { text: '', seconds: 0 }
  #bytes = 0
  #recordBytes = 0

  constructor({ common, own }: RecordParts) {
    this.#account = common.recipientAccountId
    this.#region = common.awsRegion
    this.#prefix = EventIds.prefixOf(own.eventID)
    this.#from = secondsOf(own.eventTime)
  }

  get count(): number {
    return this.#events.length
  }

  get isFull(): boolean {
    return this.#bytes >= messageBytesMax || this.#recordBytes >= recordBytesMax
  }

  add({ common, own }: RecordParts): void {
    const { eventTime, requestParameters, requestID, eventID, sharedEventID } = own
    const commonAt = this.#placeOf(common)
    const parametersAt = this.#parametersOf(requestParameters)
    const shared = sharedEventID === undefined ? '' : `,${this.#idOf(sharedEventID)}`
    const packed = `[${commonAt},${parametersAt},${this.#secondsOf(eventTime)},${JSON.stringify(requestID)},${this.#idOf(eventID)}${shared}]`
    this.#events.push(packed)
    this.#bytes += packed.length + 1
    const textLength = (this.#common[commonAt] as string).length + (this.#parameterTexts[parametersAt] as string).length
    this.#recordBytes += textLength + 200
  }

  /** The message. */
  text(): string {
    const head = { v: 2, account: this.#account, region: this.#region, prefix: this.#prefix, from: this.#from }
    const [common, parameters, events] = [this.#common, this.#parameterTexts, this.#events].map(String)
    return `${JSON.stringify(head).slice(0, -1)},"common":[${common}],"parameters":[${parameters}],"events":[${events}]}`
  }

  #placeOf(common: CommonPart): number {
    const known = this.#commonAt.get(common)
    if (known !== undefined) return known
    const text = JSON.stringify(common)
    const at = this.#commonAt.get(text) ?? this.#common.push(this.#counted(text)) - 1
    this.#commonAt.set(common, at).set(text, at)
    return at
  }

  #parametersOf(requestParameters: AuditEvent['requestParameters']): number {
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

  #secondsOf(eventTime: string): number {
    if (eventTime !== this.#time.text) this.#time = { text: eventTime, seconds: secondsOf(eventTime) }
    return this.#time.seconds - this.#from
  }

  #idOf(id: string): string {
    return String(EventIds.numberOf(id, this.#prefix) ?? JSON.stringify(id))
  }
}

/** Messages of these events, for each trail its own. */
export function packEvents(events: readonly AuditEvent[]): readonly string[] {
  return packParts(events.map(partsOf))
}

/** The same of records in parts. */
export function packParts(records: readonly RecordParts[]): readonly string[] {
  const messages: string[] = []
  for (const group of Map.groupBy(records, trailOf).values()) {
    let packer = new EventPacker(group[0] as RecordParts)
    for (const parts of group) {
      if (packer.isFull) {
        messages.push(packer.text())
        packer = new EventPacker(parts)
      }
      packer.add(parts)
    }
    messages.push(packer.text())
  }
  return messages
}

export function trailOf({ common: { recipientAccountId, awsRegion } }: RecordParts): string {
  return `${recipientAccountId}/${awsRegion}`
}

/** No fewer than it has in UTF-8. */
function bytesOf(text: string): number {
  return /^[\0-\x7f]*$/.test(text) ? text.length : 3 * text.length
}

function secondsOf(eventTime: string): number {
  return Math.floor(Date.parse(eventTime) / 1000)
}
