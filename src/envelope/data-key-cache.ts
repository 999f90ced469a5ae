import { EnvelopeError } from './errors.ts'

/**
 * How long data keys may be used again. It trades: fewer calls to KMS, against data keys that live in memory for
 * `secondsMax`, open messages for that long after KMS would refuse, and cover up to `messagesMax` messages, which then
 * fall together. KMS's record shows one call for all of them.
 */
export interface CacheLimits {
  /** Since the data key came from KMS. */
  readonly secondsMax: number
  /** That one data key encrypts; 2^32 at most. */
  readonly messagesMax: number
  /** Of plaintext that one data key encrypts. */
  readonly bytesMax: number
  /** Data keys that are held for encryption, and as many for decryption; the least lately used goes. */
  readonly entriesMax: number
}

interface Entry<Value> {
  readonly value: Promise<Value>
  readonly madeAt: number
  messages: number
  bytes: number
}

/** Values under names, each within the limits. Those who ask at once share one load. */
export class DataKeyCache<Value> {
  readonly #limits: CacheLimits
  readonly #entries = new Map<string, Entry<Value>>()

  constructor(limits: CacheLimits) {
    for (const [name, limit] of Object.entries(limits)) {
      if (limit > 0) continue
      throw new EnvelopeError('InvalidInput', `The cache's ${name} is ${limit}: leave the cache out to have none.`)
    }
    if (limits.messagesMax > 2 ** 32) throw new EnvelopeError('InvalidInput', "The cache's messagesMax is above 2^32.")
    this.#limits = limits
  }

  /** `bytes` is what the caller will encrypt with it; null for a caller who decrypts, which no count limits. */
  get(name: string, bytes: number | null, load: () => Promise<Value>): Promise<Value> {
    const { secondsMax, messagesMax, bytesMax, entriesMax } = this.#limits
    if (bytes !== null && bytes > bytesMax) return load()
    const held = this.#entries.get(name)
    this.#entries.delete(name)
    const isFresh = held !== undefined && Date.now() - held.madeAt < 1000 * secondsMax
    const isEnough =
      bytes === null || (held !== undefined && held.messages < messagesMax && held.bytes + bytes <= bytesMax)
    const entry = isFresh && isEnough ? held : this.#load(name, load)
    entry.messages += 1
    entry.bytes += bytes ?? 0
    this.#entries.set(name, entry)
    while (this.#entries.size > entriesMax) this.#entries.delete(this.#entries.keys().next().value as string)
    return entry.value
  }

  /** Forgets every data key, as after a key was disabled. */
  clear(): void {
    this.#entries.clear()
  }

  #load(name: string, load: () => Promise<Value>): Entry<Value> {
    const value = load()
    const entry = { value, madeAt: Date.now(), messages: 0, bytes: 0 }
    value.catch(() => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name)
    })
    return entry
  }
}
