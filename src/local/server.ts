import { dirname, join } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { buildWorker } from './build.ts'
import { migrate } from './migrate.ts'
import { type LocalOptions, Stop } from './options.ts'
import { freePort } from './ports.ts'
import { StateFolder } from './state.ts'

const project = join(import.meta.dirname, '../..')
const sweepEveryMs = 60_000
const workerName = 'edge-kms'
const cron = '*/15 * * * *'

export interface LocalServer {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly account: string
  /** Runs what cron would run. */
  sweep(): Promise<void>
  /** Everything acknowledged is on disk already; this ends workerd and lets the state go. */
  stop(): Promise<void>
}

/** Builds the Worker and serves it from workerd. Resolves once it answers. Throws `Stop` with a sentence where it cannot. */
export async function startServer(options: LocalOptions): Promise<LocalServer> {
  const { host, port, auth } = options
  const credentials = process.env.ROOT_CREDENTIALS ?? '000000000000:test:test'
  const [account = '', accessKeyId = '', secretAccessKey = ''] = credentials.split(/\s+/)[0]?.split(':') ?? []
  const isOpenToAnybody = auth === 'off' || process.env.ROOT_CREDENTIALS === undefined
  if (isOpenToAnybody && !isLoopback(host)) {
    throw new Stop(
      `With default credentials or --auth off, only a loopback --host is served, not ${host}. Set ROOT_CREDENTIALS to your own.`,
    )
  }
  const state = await StateFolder.take(options.state)
  try {
    // In the state, not in dist/: another server may start at the same moment.
    const bundle = join(state.path, 'worker.js')
    const [chosenPort, controlPort] = [await freePort(host, port), await freePort('127.0.0.1', 0)]
    const offset = state.clockOffset(options.clock, Date.now())
    const rootKeys = process.env.ROOT_KEYS ?? state.rootKeys()
    await buildWorker(join(project, 'src/local/worker.ts'), bundle)
    const listeners = new Map(signals.map((signal) => [signal, process.listeners(signal)]))
    const bindings = {
      ROOT_KEYS: rootKeys,
      ROOT_CREDENTIALS: credentials,
      LOCAL_AUTH: auth,
      LOCAL_LOOPBACK_ONLY: isOpenToAnybody,
      LOCAL_CLOCK_OFFSET_MS: offset,
    }
    const mf = startWorkerd(state.storage, controlPort, [
      { name: workerName, bundle, host, port: chosenPort, bindings },
    ])
    // Should this process be killed while workerd starts, the next one has to find it.
    const noting = setInterval(() => state.noteChildren(), 50)
    await mf.ready.finally(() => clearInterval(noting))
    // Miniflare's own handlers exit before ours have finished.
    for (const [signal, before] of listeners) {
      for (const listener of process.listeners(signal)) {
        if (!before.includes(listener)) process.removeListener(signal, listener)
      }
    }
    return await served(mf, state, { host, port: chosenPort, controlPort, account, accessKeyId, secretAccessKey })
  } catch (failure) {
    state.release()
    throw failure
  }
}

interface Served {
  readonly host: string
  readonly port: number
  readonly controlPort: number
  readonly account: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

async function served(mf: Miniflare, state: StateFolder, parts: Served): Promise<LocalServer> {
  const { host, port, controlPort, account, accessKeyId, secretAccessKey } = parts
  let sweeping: Promise<void> = Promise.resolve()
  const sweep = () => {
    sweeping = sweeping
      .then(() => fireCron(controlPort))
      .catch((failure) => console.warn(`The sweep failed: ${failure}`))
    return sweeping
  }
  try {
    state.noteChildren()
    await migrate((await mf.getD1Database('DB')) as never, join(project, 'migrations'))
    const endpoint = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
    await probe(endpoint)
    await sweep()
    const timer = setInterval(sweep, sweepEveryMs)
    return {
      endpoint,
      account,
      accessKeyId,
      secretAccessKey,
      sweep,
      async stop() {
        clearInterval(timer)
        await sweeping
        await mf.dispose()
        state.release()
      },
    }
  } catch (failure) {
    await mf.dispose()
    throw failure
  }
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface Serving {
  readonly name: string
  readonly bundle: string
  readonly host: string
  readonly port: number
  readonly bindings?: Readonly<Record<string, string | number | boolean>>
}

/** A workerd over the state folder, serving each Worker on a socket of its own. wrangler.toml has the one list of bindings. */
export function startWorkerd(storage: string, controlPort: number, workers: readonly Serving[]): Miniflare {
  // Wrangler would otherwise miss the secrets, which are given here.
  Object.assign(process.env, { WRANGLER_LOG: 'none', WRANGLER_SEND_METRICS: 'false' })
  const { workerOptions } = unstable_getMiniflareWorkerOptions(join(project, 'wrangler.toml'))
  const { modulesRules: _, rootPath: __, ...shared } = workerOptions
  const options = {
    host: '127.0.0.1',
    port: controlPort,
    cf: false,
    logRequests: false,
    telemetry: { enabled: false },
    enableDevRegistry: false,
    unsafeTriggerHandlers: true,
    resourcePersistencePath: storage,
    workers: workers.map(({ name, bundle, host, port, bindings }) => ({
      ...shared,
      // Only ours has objects; the bench serves others beside it, under the same flags.
      durableObjects: name === workerName ? shared.durableObjects : {},
      name,
      bindings: { ...(shared.bindings as object), ...bindings },
      modules: true,
      scriptPath: bundle,
      modulesRoot: dirname(bundle),
      unsafeDirectSockets: [{ host, port }],
    })),
  }
  return new Miniflare(convertV4MiniflareOptions(options as never))
}

/** The control entry is unauthenticated, on loopback, on a port of the moment. */
async function fireCron(controlPort: number): Promise<void> {
  const url = `http://127.0.0.1:${controlPort}/cdn-cgi/local/scheduled?cron=${encodeURIComponent(cron)}`
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
}

/** Stops where the Worker says that its configuration is wrong. */
async function probe(endpoint: string): Promise<void> {
  const response = await fetch(`${endpoint}/health/ready`)
  if (response.ok) return
  const request = {
    method: 'POST',
    headers: { authorization: 'AWS4-HMAC-SHA256 Credential=probe/0/us-east-1/kms/aws4_request' },
  }
  const { message } = (await (await fetch(endpoint, request)).json()) as { message?: string }
  throw new Stop(message ?? `The server does not become ready: ${await response.text()}`)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
