import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { convertV4MiniflareOptions, Miniflare, type Request, Response } from 'miniflare'
import { migrate } from './migrate.ts'
import { type LocalOptions, Stop } from './options.ts'
import { migrations, workerOptions, writeWorker } from './parts.ts'
import { freePort } from './ports.ts'
import { children } from './processes.ts'
import { StateFolder } from './state.ts'

const sweepEveryMs = 60_000
const sweepWaitMs = 2_000
const workerName = 'edge-kms'
const cron = '*/15 * * * *'
/** Batches are not worth waiting for on one machine, and a stop waits for them. */
const batchTimeoutSeconds = 0.1

export interface LocalServer {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly account: string
  /** Does what cron and the lifecycle queue would do, at once and to the end. */
  sweep(): Promise<void>
  /** Waits until what is only in memory is on disk, ends workerd and lets the state go. */
  stop(): Promise<void>
}

/** What whoever starts a server may choose, and options cannot. */
export interface Surroundings {
  /** ROOT_KEYS and ROOT_CREDENTIALS; left out: the process's own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** False: signals are left to whoever runs this process. */
  readonly isProcess?: boolean
}

/** Builds the Worker and serves it from workerd. Resolves once it answers. Throws `Stop` with a sentence where it cannot. */
export async function startServer(
  options: LocalOptions,
  { env = process.env, isProcess = true }: Surroundings = {},
): Promise<LocalServer> {
  const { host, port, auth } = options
  const credentials = env.ROOT_CREDENTIALS ?? '000000000000:test:test'
  const [account = '', accessKeyId = '', secretAccessKey = ''] = credentials.split(/\s+/)[0]?.split(':') ?? []
  const isOpenToAnybody = auth === 'off' || env.ROOT_CREDENTIALS === undefined
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
    const rootKeys = env.ROOT_KEYS ?? state.rootKeys()
    const control = randomUUID()
    await writeWorker(bundle)
    const listeners = new Map(signals.map((signal) => [signal, process.listeners(signal)]))
    const bindings = {
      ROOT_KEYS: rootKeys,
      ROOT_CREDENTIALS: credentials,
      LOCAL_AUTH: auth,
      LOCAL_LOOPBACK_ONLY: isOpenToAnybody,
      LOCAL_CLOCK_OFFSET_MS: offset,
      LOCAL_CONTROL: control,
      ...(options.seed === null ? {} : { LOCAL_SEED: JSON.stringify(options.seed) }),
      // For tests alone: src/local/in-worker/faults.ts.
      LOCAL_FAULTS: process.env.LOCAL_FAULTS ?? '',
    }
    const services = { LOCAL_STATE: (request: Request) => serveState(state, request) }
    const mf = startWorkerd(state.storage, controlPort, [
      { name: workerName, bundle, host, port: chosenPort, bindings, services },
    ])
    // Should this process be killed while workerd starts, the next one has to find it.
    const noting = setInterval(() => state.noteChildren(), 50)
    await mf.ready.finally(() => clearInterval(noting))
    // Miniflare's own handlers exit before ours have finished.
    for (const [signal, before] of isProcess ? listeners : []) {
      for (const listener of process.listeners(signal)) {
        if (!before.includes(listener)) process.removeListener(signal, listener)
      }
    }
    return await served(mf, state, {
      host,
      port: chosenPort,
      controlPort,
      control,
      account,
      accessKeyId,
      secretAccessKey,
    })
  } catch (failure) {
    state.release()
    throw failure
  }
}

interface Served {
  readonly host: string
  readonly port: number
  readonly controlPort: number
  /** By which the Worker knows this process. */
  readonly control: string
  readonly account: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

async function served(mf: Miniflare, state: StateFolder, parts: Served): Promise<LocalServer> {
  const { host, port, controlPort, control, account, accessKeyId, secretAccessKey } = parts
  const endpoint = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  let sweeping: Promise<void> = Promise.resolve()
  const next = (sweep: () => Promise<unknown>) => {
    sweeping = sweeping.then(sweep).then(
      () => {},
      (failure) => console.warn(`The sweep failed: ${failure}`),
    )
    return sweeping
  }
  const sweep = () => next(() => order(endpoint, control, 'sweep'))
  try {
    state.noteChildren()
    const newer = await migrate((await mf.getD1Database('DB')) as never, migrations())
    if (newer !== null) {
      const what = `This state was written by a newer edge-kms (migration ${newer}).`
      throw new Stop(`${what} Update edge-kms, or choose another --state.`)
    }
    await order(endpoint, control, 'prepare')
    await probe(endpoint)
    await sweep()
    const timer = setInterval(() => next(() => fireCron(controlPort)), sweepEveryMs)
    return {
      endpoint,
      account,
      accessKeyId,
      secretAccessKey,
      sweep,
      async stop() {
        clearInterval(timer)
        // A sweep that is cut short leaves the rest due.
        await Promise.race([sweeping, sleep(sweepWaitMs, undefined, { ref: false })])
        const left = await order(endpoint, control, 'drain')
        if (left.pending + left.waiting > 0) console.warn(`Not everything could be kept: ${JSON.stringify(left)}`)
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
  /** What this process answers, by the name of the binding. */
  readonly services?: Readonly<Record<string, (request: Request) => Promise<Response>>>
  /** A wrangler.toml of its own, in place of ours. */
  readonly config?: string
}

/** A workerd over the state folder, serving each Worker on a socket of its own. wrangler.toml has the one list of bindings. */
export function startWorkerd(storage: string, controlPort: number, workers: readonly Serving[]): Miniflare {
  // Wrangler would otherwise miss the secrets, which are given here.
  Object.assign(process.env, { WRANGLER_LOG: 'none', WRANGLER_SEND_METRICS: 'false' })
  const ours = optionsOf()
  // The bench serves others beside it, under the same flags.
  const bare = { ...ours, durableObjects: {}, queueProducers: {}, queueConsumers: {} }
  const options = {
    host: '127.0.0.1',
    port: controlPort,
    cf: false,
    logRequests: false,
    telemetry: { enabled: false },
    enableDevRegistry: false,
    unsafeTriggerHandlers: true,
    resourcePersistencePath: storage,
    workers: workers.map(({ name, bundle, host, port, bindings, services = {}, config }) => ({
      ...(config !== undefined ? optionsOf(config) : name === workerName ? ours : bare),
      serviceBindings: services,
      name,
      bindings: { ...fromEnvironment(config === undefined ? ours.bindings : optionsOf(config).bindings), ...bindings },
      modules: true,
      scriptPath: bundle,
      modulesRoot: dirname(bundle),
      unsafeDirectSockets: [{ host, port }],
    })),
  }
  return new Miniflare(convertV4MiniflareOptions(options as never))
}

/** Variables of wrangler.toml that the environment sets as well have that value here. */
function fromEnvironment(variables: object): object {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, process.env[name] ?? value]))
}

/** What a wrangler.toml says, for miniflare. */
function optionsOf(config?: string) {
  const { queueConsumers, ...options } = workerOptions(config)
  const consumers = Object.entries((queueConsumers ?? {}) as Record<string, object>)
  return {
    ...options,
    bindings: options.bindings as object,
    queueConsumers: Object.fromEntries(
      consumers.map(([queue, consumer]) => [
        queue,
        { ...consumer, maxBatchTimeout: batchTimeoutSeconds, maxRetries: 100 },
      ]),
    ),
  }
}

/** Only the local Worker listens to these, and only to this process. */
async function order(endpoint: string, control: string, name: 'prepare' | 'sweep' | 'drain') {
  const response = await fetch(`${endpoint}/local/${name}`, { method: 'POST', headers: { 'x-local-control': control } })
  if (response.status === 409) throw new Stop(((await response.json()) as { message: string }).message)
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as { pending: number; waiting: number }
}

/** What the Worker asks of this process. */
async function serveState(state: StateFolder, request: Request): Promise<Response> {
  // Only faults ask for it: this is how a machine's power fails.
  if (new URL(request.url).pathname === '/kill') {
    for (const { pid } of children()) process.kill(pid, 'SIGKILL')
    process.kill(process.pid, 'SIGKILL')
  }
  try {
    state.keepClockOffset(Number(await request.text()))
    return new Response(null, { status: 204 })
  } catch (failure) {
    return new Response((failure as Error).message, { status: 500 })
  }
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
