import type { Env } from '../../deployment.ts'

/** What only the local server sets. The deployed Worker is worker.ts, which knows none of these. */
export interface LocalEnv extends Env {
  /** Milliseconds by which lifecycle time was ahead of wall time when the server started. */
  readonly LOCAL_CLOCK_OFFSET_MS: number
  readonly LOCAL_AUTH: 'on' | 'off'
  /** Set where anybody could sign: default credentials, or none needed. */
  readonly LOCAL_LOOPBACK_ONLY: boolean
  /** What the server's own Node side says to be known by. */
  readonly LOCAL_CONTROL: string
  /** Of a server that nobody migrates from outside: the migrations, as JSON. */
  readonly LOCAL_MIGRATIONS?: string
  /** What it starts with, as JSON (src/local/seed.ts). */
  readonly LOCAL_SEED?: string
  /** A word by which tests make things go wrong; empty: nothing does. */
  readonly LOCAL_FAULTS: string
  /** The Node side, which keeps the state folder. */
  readonly LOCAL_STATE: Fetcher
}
