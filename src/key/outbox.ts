import type { Grant } from '../access/request.ts'
import { causeOf } from '../model/errors.ts'
import type { IndexedEntry, OutboxEntry, Receiver } from '../model/index-entry.ts'
import type { KeyEvent } from '../model/key-event.ts'
import type { KeyRecord } from './key.ts'
import type { IndexedGrant, KeyIndex } from './key-index.ts'
import { nextDue } from './lifecycle.ts'
import type { KeyStorage } from './storage.ts'

const batchMax = 100
const retryFirstMs = 1_000
const retryMaxMs = 60_000

interface OutboxParts {
  readonly index: KeyIndex
  /** Tells other Workers. Throws where the queue does not take it. */
  sendEvents(events: readonly KeyEvent[]): Promise<void>
  /** The next that is to be told to the key's other Regions; null: nothing. */
  nextForPeers(): Delivery | null
}

/** Tells somebody something, and notes that it is told. Throws where it is not. */
export type Delivery = () => Promise<void>

/**
 * What has still to be told. An entry is stored with the change it tells of and removed only after whom it is for has
 * answered; the object's alarm comes back for whatever is left. The index is told first; what other Workers and other
 * Regions are told follows, each without waiting for the other.
 */
export class Outbox {
  readonly #durable: DurableObjectStorage
  readonly #storage: KeyStorage
  readonly #toIndex: Lane
  readonly #toWorkers: Lane
  readonly #toPeers: Lane

  constructor(durable: DurableObjectStorage, storage: KeyStorage, { index, sendEvents, nextForPeers }: OutboxParts) {
    this.#durable = durable
    this.#storage = storage
    const lane = (next: () => Delivery | null) => new Lane(next, () => this.#laneEnded())
    const batchOf = (receiver: Receiver, deliver: (entries: readonly OutboxEntry[]) => Promise<void>) => () => {
      const batch = storage.outbox(receiver, batchMax)
      if (batch.length === 0) return null
      return async () => {
        await deliver(batch.map(({ entry }) => entry))
        storage.dequeue(receiver, batch.at(-1)?.sequence ?? 0)
      }
    }
    this.#toIndex = lane(batchOf('index', (entries) => index.publish(entries as readonly IndexedEntry[])))
    this.#toWorkers = lane(batchOf('workers', (entries) => sendEvents(entries.map(({ body }) => body as KeyEvent))))
    this.#toPeers = lane(nextForPeers)
  }

  /** Belongs into the transaction of the change. */
  add(entry: OutboxEntry): void {
    this.#storage.enqueue(entry)
    this.wake()
  }

  /** Belongs into the transaction that leaves something for other Regions. */
  wake(): void {
    void this.#durable.setAlarm(Date.now() + retryFirstMs)
  }

  /** True once the index has been told everything; false where it did not answer. Concurrent callers share one delivery. */
  async flush(): Promise<boolean> {
    const isTold = await this.#toIndex.run()
    if (isTold) void this.#tellOthers()
    return isTold
  }

  /** As flush, and waits until other Workers and other Regions have been told, too. */
  async flushAll(): Promise<void> {
    if (await this.#toIndex.run()) await this.#tellOthers()
  }

  /** Waits for a flush, but not longer: the alarm has what is left. */
  flushWithin(waitMs: number): Promise<void> {
    return within(waitMs, this.flush())
  }

  /** As flushWithin, for what the other Regions are told. */
  peersWithin(waitMs: number): Promise<void> {
    return within(waitMs, this.#toPeers.run())
  }

  #laneEnded(): void {
    const waits = [this.#toIndex, this.#toWorkers, this.#toPeers].flatMap((lane) => lane.retryMs() ?? [])
    if (waits.length > 0) void this.#durable.setAlarm(Date.now() + Math.min(...waits))
    else if (this.#isEmpty()) void this.#durable.deleteAlarm()
  }

  #isEmpty(): boolean {
    return this.#toIndex.isIdle() && this.#toWorkers.isIdle() && this.#toPeers.isIdle()
  }

  async #tellOthers(): Promise<void> {
    await Promise.all([this.#toWorkers.run(), this.#toPeers.run()])
    // The tombstone and the last event are delivered: only now may the object forget that it ever was.
    if (this.#storage.read() === null && this.#isEmpty()) await this.#durable.deleteAll()
  }
}

/** Waits, but not longer. */
async function within(waitMs: number, work: Promise<unknown>): Promise<void> {
  // A timer that is left to run counts against how many an object may have.
  const waiting = new AbortController()
  const late = scheduler.wait(waitMs, { signal: waiting.signal }).catch(() => {})
  await Promise.race([work, late])
  waiting.abort()
}

/** The deliveries to one receiver, in order, one at a time. */
class Lane {
  readonly #next: () => Delivery | null
  readonly #ended: () => void
  #running: Promise<boolean> | undefined
  #failingSince: number | null = null

  /** `ended` is called after everything was told, or a failure. */
  constructor(next: () => Delivery | null, ended: () => void) {
    this.#next = next
    this.#ended = ended
  }

  isIdle(): boolean {
    return this.#next() === null
  }

  /** True once nothing is left to tell. */
  run(): Promise<boolean> {
    this.#running ??= this.#deliver()
    return this.#running
  }

  /**
   * As long as deliveries have been failing: changes meanwhile, each of which tries, put it off no further. Null: the last
   * one did not fail.
   */
  retryMs(): number | null {
    if (this.#failingSince === null) return null
    return Math.min(Math.max(Date.now() - this.#failingSince, retryFirstMs), retryMaxMs)
  }

  async #deliver(): Promise<boolean> {
    // So that `#running` is set before this may end.
    await null
    try {
      for (let delivery = this.#next(); delivery !== null; delivery = this.#next()) await delivery()
      this.#failingSince = null
      return true
    } catch (failure) {
      console.warn(`What a key has to tell is not taken: ${causeOf(failure)}`)
      this.#failingSince ??= Date.now()
      return false
    } finally {
      // In the block that found nothing left, so that an entry added next begins another delivery.
      this.#running = undefined
      this.#ended()
    }
  }
}

export function indexEntry(record: KeyRecord, changes: { deletedAt?: number } = {}): OutboxEntry {
  const { region, keyId, account, revision, state, createdAt } = record
  const dueAt = nextDue(record)?.at ?? null
  return {
    kind: 'index',
    body: { region, keyId, account, revision, state, createdAt, dueAt, deletedAt: null, ...changes },
  }
}

/** Null: nobody is named to retire the grant, so the index need not know of it. */
export function retirableGrantEntry(
  { region, keyId, account }: KeyRecord,
  grant: Grant,
  isGone: boolean,
): OutboxEntry | null {
  const { grantId, retiringId } = grant
  if (retiringId === null) return null
  const body = isGone ? null : JSON.stringify(grant)
  return { kind: 'retirableGrant', body: { region, keyId, account, grantId, retiringId, body } }
}

/** Takes a grant out of the index that the key does not have. */
export function staleGrantEntry({ region, keyId, account }: KeyRecord, grant: IndexedGrant): OutboxEntry {
  return { kind: 'retirableGrant', body: { region, keyId, account, ...grant, body: null } }
}
