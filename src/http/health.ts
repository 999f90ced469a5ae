/** Booleans only: strangers may ask. */
export interface Readiness {
  readonly ready: boolean
  readonly rootKey: boolean
  readonly database: boolean
  readonly objects: boolean
  /** True while some key's object is older than the index says: an operator has to look (docs/restore.md). */
  readonly rolledBack: boolean
}

/** What an operator sees beside: of this isolate where it says so, else of the whole deployment. */
export interface HealthDetail {
  readonly isolate: {
    readonly calls: number
    readonly refused: number
    readonly unauthenticated: number
    readonly snapshotHits: number
    readonly snapshotMisses: number
    readonly objectCalls: number
    /** Outbox entries that objects had not told the index when they last answered here. */
    readonly outboxDepth: number
    readonly auditWaiting: number
    readonly auditDropped: number
  }
  readonly deadLetters: number
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

const gauges: ReadonlySet<string> = new Set(['outboxDepth', 'auditWaiting', 'deadLetters'])

/** In the text format of Prometheus, one metric for each number. */
export function prometheusText({ isolate, deadLetters }: HealthDetail, readiness: Readiness): string {
  const flags = Object.entries(readiness).map(([name, isSo]) => [name, isSo ? 1 : 0, 'gauge'] as const)
  const numbers = Object.entries({ ...isolate, deadLetters }).map(
    ([name, value]) => [name, value, gauges.has(name) ? 'gauge' : 'counter'] as const,
  )
  return [...flags, ...numbers]
    .map(([name, value, type]) => {
      const metric = `edge_kms_${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
      return `# TYPE ${metric} ${type}\n${metric} ${value}\n`
    })
    .join('')
}
