import { isRefusal, type Refusal } from './errors.ts'
import type { NowOrLater } from './now-or-later.ts'

interface FreshCacheOptions<Value> {
  /** A value older than this is not used; past half of it, it is refreshed while it still answers. 0: never cached. */
  readonly freshMs: number
  /** How long past its last good read a value keeps serving while `load` throws. 0: not at all. */
  readonly staleMs: number
  /** How much is held: entries, or what they weigh. */
  readonly weightMax: number
  /** 1 where it is left out. */
  readonly weigh?: (value: Value) => number
  /** True where `candidate` must not replace `held`. */
  readonly isOlder: (candidate: Value, held: Value) => boolean
}

interface Entry<Value> {
  value: Value
  readAt: number
  isRefreshing: boolean
  /** Something may have changed: it is read again before it is used. */
  isDoubted: boolean
}

type Load<Value> = () => Promise<Value | Refusal>
type WaitUntil = (promise: Promise<unknown>) => void

/**
 * What an isolate may remember for a few seconds. A refusal is never remembered, so absence is always asked again.
 * Concurrent misses of one name share one load. The caller brings the time and, per request, what outlives it.
 */
export class FreshCache<Value> {
  readonly #options: FreshCacheOptions<Value>
  readonly #entries = new Map<string, Entry<Value>>()
  #weight = 0
  readonly #loading = new Map<string, Promise<Value | Refusal>>()

  constructor(options: FreshCacheOptions<Value>) {
    this.#options = options
  }

  /** A plain value while it is fresh: the steady state awaits nothing. */
  get(name: string, wallTime: number, load: Load<Value>, waitUntil: WaitUntil): NowOrLater<Value | Refusal> {
    const { freshMs } = this.#options
    if (freshMs === 0) return load()
    const entry = this.#entries.get(name)
    const age = entry === undefined ? Number.POSITIVE_INFINITY : wallTime - entry.readAt
    if (entry === undefined || entry.isDoubted || age >= freshMs) return this.#load(name, wallTime, load, waitUntil)
    if (age >= freshMs / 2 && !entry.isRefreshing) {
      entry.isRefreshing = true
      this.#load(name, wallTime, load, waitUntil).catch(() => {
        entry.isRefreshing = false
      })
    }
    return entry.value
  }

  /** What is held under the name, fresh or not. */
  peek(name: string): Value | undefined {
    return this.#entries.get(name)?.value
  }

  /** How long ago what is held was read; null: nothing is. */
  age(name: string, wallTime: number): number | null {
    const entry = this.#entries.get(name)
    return entry === undefined ? null : wallTime - entry.readAt
  }

  /** Takes a value that a change just returned, unless a newer one is held. */
  keep(name: string, value: Value, wallTime: number): void {
    const { freshMs, weightMax, isOlder } = this.#options
    if (freshMs === 0) return
    const held = this.#entries.get(name)
    if (held !== undefined && isOlder(value, held.value)) return
    this.#drop(name)
    this.#entries.set(name, { value, readAt: wallTime, isRefreshing: false, isDoubted: false })
    this.#weight += this.#weigh(value)
    // What is used is refreshed, so the Map's first entry is the one that was used least lately.
    while (this.#weight > weightMax) this.#drop(this.#entries.keys().next().value as string)
  }

  /** Also voids a load that is under way: it may have read what was true before. */
  forget(name: string): void {
    this.#drop(name)
    this.#loading.delete(name)
  }

  /** As `forget`, of everything. */
  forgetAll(): void {
    this.#entries.clear()
    this.#loading.clear()
    this.#weight = 0
  }

  /** Also voids loads under way. What is held is read again before it is used, and serves on only while `load` throws. */
  doubtAll(): void {
    for (const entry of this.#entries.values()) entry.isDoubted = true
    this.#loading.clear()
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    this.#weight -= this.#weigh(entry.value)
  }

  #weigh(value: Value): number {
    return this.#options.weigh?.(value) ?? 1
  }

  #load(name: string, wallTime: number, load: Load<Value>, waitUntil: WaitUntil): Promise<Value | Refusal> {
    const underway = this.#loading.get(name)
    if (underway !== undefined) return underway
    const loading: Promise<Value | Refusal> = load()
      .then((loaded) => {
        if (this.#loading.get(name) !== loading) return loaded
        if (isRefusal(loaded)) {
          this.#drop(name)
          return loaded
        }
        this.keep(name, loaded, wallTime)
        return this.peek(name) ?? loaded
      })
      .catch((failure: unknown) => this.#stale(name, wallTime, failure))
      .finally(() => {
        if (this.#loading.get(name) === loading) this.#loading.delete(name)
      })
    this.#loading.set(name, loading)
    // The request that began the load may end before those that joined it.
    waitUntil(loading.catch(() => {}))
    return loading
  }

  #stale(name: string, wallTime: number, failure: unknown): Value {
    const entry = this.#entries.get(name)
    if (entry === undefined || wallTime - entry.readAt >= this.#options.staleMs) throw failure
    return entry.value
  }
}
