import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AwsClient } from 'aws4fetch'
import { Stop } from './options.ts'
import { migrations, workerOptions, writeWorker } from './parts.ts'
import { type Seed, seedFault } from './seed.ts'
import { startServer } from './server.ts'

export type { Document, Seed, SeedKey, SeedRole, SeedUser } from './seed.ts'

export interface LocalKmsOptions {
  /** Keys, users and roles to start with. */
  readonly seed?: Seed
  /** The Region of `region`; every Region is served. `us-east-1` where it is left out. */
  readonly region?: string
  /** A free one where it is left out. */
  readonly port?: number
  /** A folder that outlives the server; left out: nothing is kept. */
  readonly state?: string
}

export interface LocalKms {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string
  readonly region: string
  /** Of the root of `account`. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Twelve digits. */
  readonly account: string
  /**
   * Moves lifecycle time forward, by a distance such as `366d`, `12h`, `30m` and `5s`, or to a date, and resolves once
   * all that fell due is done. Signatures keep real time.
   */
  advance(time: string | Date): Promise<void>
  /** Resolves once nothing is left running. */
  stop(): Promise<void>
}

/** A KMS on this machine, for a test run: real cryptography, policies and time, nothing kept. Throws what is wrong. */
export async function startLocalKms(options: LocalKmsOptions = {}): Promise<LocalKms> {
  const { seed = null, region = 'us-east-1', port = 0, state = 'memory' } = options
  refuseFault(seed)
  const local = { host: '127.0.0.1', port, state, region, clock: null, auth: 'on', seed } as const
  const server = await startServer(local, { env: {}, isProcess: false })
  const { endpoint, account, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  const operator = new AwsClient({ ...credentials, service: 'kms', region, retries: 0 })
  return {
    endpoint,
    region,
    account,
    credentials,
    async advance(time) {
      const body = JSON.stringify(time instanceof Date ? { to: time.toISOString() } : { advance: time })
      const response = await operator.fetch(`${endpoint}/local/clock`, { method: 'POST', body })
      if (!response.ok) throw new Error(((await response.json()) as { message: string }).message)
    },
    stop: () => server.stop(),
  }
}

/** As much of it as types need: the rest are its bindings. An alias, as miniflare's own types ask for an index. */
export type LocalKmsWorker = {
  name: string
  compatibilityDate: string
  modules: { type: 'ESModule'; path: string; contents: string }[]
}

/**
 * The same KMS as a Worker among those of one's own miniflare or vitest run, so that the app under test is bound to a real
 * one: an entry of miniflare's `workers`, by the name `edge-kms`. It brings its own database and makes what `seed` has.
 */
export async function localKmsWorker({ seed }: Pick<LocalKmsOptions, 'seed'> = {}): Promise<LocalKmsWorker> {
  refuseFault(seed ?? null)
  const folder = mkdtempSync(join(tmpdir(), 'edge-kms-worker-'))
  try {
    const bundle = join(folder, 'worker.js')
    await writeWorker(bundle)
    const { bindings, compatibilityDate, ...options } = workerOptions()
    const worker = {
      ...options,
      name: 'edge-kms',
      compatibilityDate: compatibilityDate as string,
      modules: [{ type: 'ESModule' as const, path: 'worker.js', contents: readFileSync(bundle, 'utf8') }],
      bindings: {
        ...(bindings as object),
        ROOT_KEYS: `1:${randomBytes(32).toString('base64')}`,
        ROOT_CREDENTIALS: '000000000000:test:test',
        LOCAL_AUTH: 'on',
        LOCAL_LOOPBACK_ONLY: true,
        LOCAL_CLOCK_OFFSET_MS: 0,
        LOCAL_CONTROL: randomBytes(16).toString('hex'),
        LOCAL_FAULTS: '',
        LOCAL_MIGRATIONS: JSON.stringify(migrations()),
        ...(seed === undefined ? {} : { LOCAL_SEED: JSON.stringify(seed) }),
      },
    }
    return worker
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function refuseFault(seed: Seed | null): void {
  const fault = seed === null ? null : seedFault(seed)
  if (fault !== null) throw new Stop(fault)
}
