import { causeOf } from '../model/errors.ts'
import type { KeyRecord } from './key.ts'
import type { KeyIndex } from './key-index.ts'

export type Standing = 'current' | 'rolledBack' | 'unknown'

interface Parts {
  readonly index: KeyIndex
  /** Null: there is no key. */
  read(): KeyRecord | null
  /** Writes the record under the next revision. */
  commit(record: KeyRecord): void
  /** Tells the index of the record as it is. */
  tell(record: KeyRecord): void
  flush(): Promise<boolean>
}

const indexWaitMs = 2_000

/**
 * What is stored against the index, once for each start of the object: a platform restore would otherwise bring back old
 * policies, revoked grants and disabled keys unseen.
 */
export class IndexStanding {
  readonly #parts: Parts
  #checking: Promise<Standing> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** For a key that was just made. */
  isCurrent(): void {
    this.#checking = Promise.resolve('current')
  }

  async check(): Promise<Standing> {
    const checking = this.#checking ?? this.#compare()
    this.#checking = checking
    const standing = await checking
    // Only `current` is final: the index may come back, and an operator may accept a restore.
    if (standing !== 'current' && this.#checking === checking) this.#checking = undefined
    return standing
  }

  async #compare(): Promise<Standing> {
    const { index, read, commit, tell, flush } = this.#parts
    const stored = read()
    if (stored === null) return 'current'
    const { region, keyId } = stored
    try {
      const row = await within(indexWaitMs, index.standing(region, keyId))
      const record = read()
      if (record === null || record.revision === row?.revision) return 'current'
      if (row !== null && row.revision > record.revision) {
        if (!row.isRestoreAccepted) {
          await index.reportRolledBack(region, keyId)
          return 'rolledBack'
        }
        // Past the index's revision, so that no isolate keeps a snapshot of what was undone.
        commit({ ...record, revision: row.revision })
      } else {
        tell(record)
      }
      await flush()
      return 'current'
    } catch (failure) {
      console.warn(`The index does not answer for ${region}/${keyId}: ${causeOf(failure)}`)
      return 'unknown'
    }
  }
}

async function within<Value>(waitMs: number, promise: Promise<Value>): Promise<Value> {
  const waiting = new AbortController()
  const late = scheduler.wait(waitMs, { signal: waiting.signal }).then(() => {
    throw new Error(`no answer within ${waitMs} ms`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    late.catch(() => {})
    waiting.abort()
  }
}
