import type { RecordParts } from '../model/audit-event.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import type { AuditMode } from '../model/settings.ts'
import { EventPacker, packParts, trailOf } from './batch.ts'
import { EventIds } from './event-ids.ts'

/** One request's hold on the platform. */
interface Hold {
  /** Puts one message on the audit queue. */
  send(message: string): Promise<unknown>
  waitUntil(promise: Promise<unknown>): void
}

interface Message {
  readonly text: string
  readonly count: number
}

const waitMs = 250
/** How much is kept while the queue takes nothing: the oldest go first, counted. */
const keptBytesMax = 4_000_000

/** The calls of this isolate that are still to be told to the audit queue. What a crash loses is what is in here. */
export class Trail {
  readonly #mode: AuditMode
  readonly #ids = new EventIds()
  /** By account and Region: messages that are still being filled. */
  #filling = new Map<string, EventPacker>()
  #full: Message[] = []
  #isArmed = false
  /** Records given up, since this isolate began, because the queue took nothing for too long. */
  dropped = 0

  constructor(mode: AuditMode) {
    this.#mode = mode
  }

  /** False: no call is told to the queue. */
  get isRecording(): boolean {
    return this.#mode !== 'off'
  }

  /** For an event that is about to be written here. */
  readonly newEventId = (): string => this.#ids.next()

  /** Awaits nothing but where every record is waited for. Throws there, where the queue does not take it. */
  write(records: readonly RecordParts[], hold: Hold): NowOrLater<unknown> {
    if (!this.isRecording || records.length === 0) return null
    if (this.#mode === 'strict') {
      this.#ids.renew()
      return Promise.all(packParts(records).map((message) => hold.send(message)))
    }
    const before = this.#full.length
    for (const parts of records) this.#pack(parts)
    if (this.#full.length > before) hold.waitUntil(this.flush(hold))
    else if (!this.#isArmed) {
      this.#isArmed = true
      hold.waitUntil(scheduler.wait(waitMs).then(() => this.flush(hold)))
    }
    return null
  }

  /** Sends what waits, in messages that the queue takes. What it does not take goes on waiting. */
  async flush({ send }: Pick<Hold, 'send'>): Promise<void> {
    this.#isArmed = false
    this.#ids.renew()
    const sending = [...this.#full, ...Array.from(this.#filling.values(), messageOf)]
    this.#filling = new Map()
    this.#full = []
    for (const [at, { text }] of sending.entries()) {
      try {
        await send(text)
      } catch (failure) {
        console.warn(JSON.stringify({ auditQueue: String(failure), waiting: sending.length - at }))
        this.#full = [...sending.slice(at), ...this.#full]
        this.#forgetOldest()
        return
      }
    }
  }

  /** How many records. */
  get waiting(): number {
    return [...this.#full, ...this.#filling.values()].reduce((sum, { count }) => sum + count, 0)
  }

  #pack(parts: RecordParts): void {
    const name = trailOf(parts)
    let packer = this.#filling.get(name)
    if (packer === undefined) {
      packer = new EventPacker(parts)
      this.#filling.set(name, packer)
    }
    packer.add(parts)
    if (!packer.isFull) return
    this.#filling.delete(name)
    this.#full.push(messageOf(packer))
  }

  #forgetOldest(): void {
    let bytes = this.#full.reduce((sum, { text }) => sum + text.length, 0)
    while (bytes > keptBytesMax) {
      const oldest = this.#full.shift() as Message
      bytes -= oldest.text.length
      this.dropped += oldest.count
    }
  }
}

function messageOf(packer: EventPacker): Message {
  return { text: packer.text(), count: packer.count }
}
