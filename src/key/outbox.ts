import type { Grant } from '../access/request.ts'
import { causeOf } from '../model/errors.ts'
import type { OutboxEntry } from '../model/index-entry.ts'
import type { KeyRecord } from './key.ts'
import type { KeyIndex } from './key-index.ts'
import { nextDue } from './lifecycle.ts'
import type { KeyStorage } from './storage.ts'

const batchMax = 100
const retryFirstMs = 1_000
const retryMaxMs = 60_000

/**
 * What the index has still to be told. An entry is stored with the change it tells of and removed only after the
 * index has answered; the object's alarm comes back for whatever is left.
 */
export class Outbox {
  readonly #durable: DurableObjectStorage
  readonly #storage: KeyStorage
  readonly #index: KeyIndex
  #flushing: Promise<boolean> | undefined
  #failures = 0

  constructor(durable: DurableObjectStorage, storage: KeyStorage, index: KeyIndex) {
    this.#durable = durable
    this.#storage = storage
    this.#index = index
  }

  /** Belongs into the transaction of the change. */
  add(entry: OutboxEntry): void {
    this.#storage.enqueue(entry)
    void this.#durable.setAlarm(Date.now() + retryFirstMs)
  }

  /** True once nothing is left to tell; false where the index did not answer. Concurrent callers share one delivery. */
  flush(): Promise<boolean> {
    this.#flushing ??= this.#deliver()
    return this.#flushing
  }

  /** Waits for a flush, but not longer: the alarm has what is left. */
  async flushWithin(waitMs: number): Promise<void> {
    await Promise.race([this.flush(), scheduler.wait(waitMs)])
  }

  async #deliver(): Promise<boolean> {
    try {
      for (let batch = this.#nextBatch(); batch.length > 0; batch = this.#nextBatch()) {
        await this.#index.publish(batch.map(({ entry }) => entry))
        this.#storage.dequeue(batch[batch.length - 1]?.sequence ?? 0)
      }
    } catch (failure) {
      console.warn(`The index does not take its entries: ${causeOf(failure)}`)
      this.#flushing = undefined
      void this.#durable.setAlarm(Date.now() + Math.min(retryFirstMs * 2 ** this.#failures++, retryMaxMs))
      return false
    }
    this.#failures = 0
    // The tombstone is delivered: only now may the object forget that it ever was.
    if (this.#storage.read() === null) await this.#durable.deleteAll()
    return true
  }

  /** An empty batch ends the delivery in the same block, so that an entry added next begins another one. */
  #nextBatch() {
    const batch = this.#storage.outbox(batchMax)
    if (batch.length === 0) {
      this.#flushing = undefined
      void this.#durable.deleteAlarm()
    }
    return batch
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
