/** Booleans only: strangers may ask. */
export interface Readiness {
  readonly ready: boolean
  readonly rootKey: boolean
  readonly database: boolean
  readonly objects: boolean
  /** True while some key's object is older than the index says: an operator has to look (docs/restore.md). */
  readonly rolledBack: boolean
}

interface Probes {
  /** Throws where the database does not answer. */
  hasFaultyKeys(): Promise<boolean>
  /** Throws where objects do not answer. */
  pingObject(): Promise<boolean>
  isRootKeyProven(): boolean
}

const cachedMs = 1_000

/** Readiness, asked of the platform at most once a second however often it is asked here. */
export class Health {
  #last: { at: number; readiness: Readiness } | undefined

  async readiness(probes: Probes, wallTime: number): Promise<Readiness> {
    if (this.#last !== undefined && wallTime - this.#last.at < cachedMs) return this.#last.readiness
    const [faulty, objects] = await Promise.all([
      probes.hasFaultyKeys().catch(() => null),
      probes.pingObject().catch(() => false),
    ])
    const rootKey = probes.isRootKeyProven()
    const database = faulty !== null
    const readiness = { ready: rootKey && database && objects, rootKey, database, objects, rolledBack: faulty === true }
    this.#last = { at: wallTime, readiness }
    return readiness
  }
}
