import type { AuditEvent } from '../model/audit-event.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import type { AuditMode } from '../model/settings.ts'

/** One request's hold on the platform. */
interface Hold {
  /** Puts one message on the audit queue. */
  send(message: string): Promise<unknown>
  waitUntil(promise: Promise<unknown>): void
}

const waitMs = 250
/** Under the queue's 128 KB, with room for what JSON adds. */
const messageBytesMax = 90_000
/** How much is kept while the queue takes nothing: the oldest go first, counted. */
const keptBytesMax = 4_000_000

/** The calls of this isolate that are still to be told to the audit queue. What a crash loses is what is in here. */
export class Trail {
  readonly #mode: AuditMode
  #waiting: string[] = []
  #waitingBytes = 0
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

  /** Awaits nothing but where every record is waited for. Throws there, where the queue does not take it. */
  write(events: readonly AuditEvent[], hold: Hold): NowOrLater<unknown> {
    if (!this.isRecording || events.length === 0) return null
    if (this.#mode === 'strict') return hold.send(messageOf(events.map((event) => JSON.stringify(event))))
    for (const event of events) this.#keep(JSON.stringify(event))
    if (this.#waitingBytes >= messageBytesMax) hold.waitUntil(this.flush(hold))
    else if (!this.#isArmed) {
      this.#isArmed = true
      hold.waitUntil(scheduler.wait(waitMs).then(() => this.flush(hold)))
    }
    return null
  }

  /** Sends what waits, in messages that the queue takes. What it does not take goes on waiting. */
  async flush({ send }: Pick<Hold, 'send'>): Promise<void> {
    this.#isArmed = false
    const sending = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (let at = 0; at < sending.length; ) {
      let bytes = 0
      let end = at
      while (end < sending.length && (end === at || bytes + (sending[end] as string).length <= messageBytesMax)) {
        bytes += (sending[end++] as string).length
      }
      try {
        await send(messageOf(sending.slice(at, end)))
      } catch (failure) {
        console.warn(JSON.stringify({ auditQueue: String(failure), waiting: sending.length - at }))
        for (const record of sending.slice(at)) this.#keep(record)
        return
      }
      at = end
    }
  }

  get waiting(): number {
    return this.#waiting.length
  }

  #keep(record: string): void {
    this.#waiting.push(record)
    this.#waitingBytes += record.length
    while (this.#waitingBytes > keptBytesMax) {
      this.#waitingBytes -= (this.#waiting.shift() as string).length
      this.dropped++
    }
  }
}

function messageOf(records: readonly string[]): string {
  return `{"v":1,"events":[${records.join(',')}]}`
}
