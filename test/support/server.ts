import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { KMSClient, type KMSClientConfig } from '@aws-sdk/client-kms'
import { afterAll } from 'vitest'

export const project = join(import.meta.dirname, '../..')

export interface RunningKms {
  readonly endpoint: string
  readonly pid: number
  /** What it has printed so far, errors included. */
  output(): string
  /** SIGTERM; resolves to the exit code once the process has ended. */
  stop(): Promise<number>
  /** SIGKILL of node and workerd; resolves once both are gone. */
  killTree(): Promise<void>
}

interface StartOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Instead of `node src/local/main.ts`. */
  readonly command?: readonly [string, ...string[]]
}

/** The server ended before it served. The message is what it said on stderr. */
export class StartFailed extends Error {
  readonly code: number | null
  readonly stdout: string

  constructor(code: number | null, stdout: string, stderr: string) {
    super(stderr)
    this.code = code
    this.stdout = stdout
  }
}

/** How to stop what this test file has started, by process group. */
const running = new Map<number, () => Promise<unknown>>()
const folders = new Set<string>()

/** Starts the local server as a stranger does, on a free port where `args` has none. Throws `StartFailed`. */
export async function startKms(args: readonly string[], options: StartOptions = {}): Promise<RunningKms> {
  const [program, ...first] = options.command ?? [process.execPath, join(project, 'src/local/main.ts')]
  const port = args.includes('--port') || args.includes('--help') ? [] : ['--port', '0']
  const { ROOT_KEYS: _, ROOT_CREDENTIALS: __, ...env } = process.env
  const child = spawn(program, [...first, ...args, ...port], {
    cwd: options.cwd ?? project,
    env: { ...env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that workerd can be killed with it.
    detached: true,
  })
  const pid = child.pid ?? 0
  const printed = { stdout: '', stderr: '', all: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
      printed.all += text
    })
  }
  const closed = once(child, 'close').then(([code]) => code as number | null)
  const stop = async () => {
    child.kill('SIGTERM')
    return closed
  }
  if (pid > 0) running.set(pid, stop)
  const ready = (async () => {
    for (;;) {
      const [, endpoint] = /^ *Endpoint +(http:\S+)\n/m.exec(printed.stdout) ?? []
      if (endpoint !== undefined) return endpoint
      await once(child.stdout, 'data')
    }
  })()
  const endpoint = await Promise.race([ready, closed])
  if (typeof endpoint !== 'string') {
    running.delete(pid)
    throw new StartFailed(endpoint, printed.stdout, printed.stderr)
  }
  return {
    endpoint,
    pid,
    output: () => printed.all,
    async stop() {
      const code = (await stop()) ?? -1
      if (!(await isServed(endpoint))) running.delete(pid)
      return code
    },
    async killTree() {
      killGroup(pid)
      await closed
      while (await isServed(endpoint)) await sleep(10)
      running.delete(pid)
    },
  }
}

/** A start that must fail: its exit code and what it printed. */
export async function failedStart(args: readonly string[], options: StartOptions = {}) {
  try {
    const { stop, endpoint } = await startKms(args, options)
    await stop()
    throw new Error(`It serves ${endpoint}`)
  } catch (failure) {
    if (!(failure instanceof StartFailed)) throw failure
    return { code: failure.code, stdout: failure.stdout, stderr: failure.message }
  }
}

/** A client with the server's default credentials, that asks once. */
export function kmsClient(endpoint: string, options: Partial<KMSClientConfig> = {}): KMSClient {
  return new KMSClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
    ...options,
  })
}

/** A folder for `--state`, removed after the test file. */
export function temporaryState(): string {
  const path = mkdtempSync(join(tmpdir(), 'edge-kms-test-'))
  folders.add(path)
  return path
}

/** The D1 database of a state, from outside of the server. Whoever opens it closes it. */
export function openIndex(state: string): DatabaseSync {
  const folder = join(state, 'storage/d1/miniflare-D1DatabaseObject')
  const file = readdirSync(folder).find((name) => /^[0-9a-f]+\.sqlite$/.test(name))
  // The server may be writing at that moment.
  return new DatabaseSync(join(folder, file ?? 'there is none'), { timeout: 5_000 })
}

/** False once no process listens there any more. */
export async function isServed(endpoint: string): Promise<boolean> {
  const { hostname, port } = new URL(endpoint)
  const socket = connect({ host: hostname, port: Number(port) })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody is left there.
  }
}

afterAll(async () => {
  await Promise.allSettled([...running.values()].map((stop) => stop()))
  for (const pid of running.keys()) killGroup(pid)
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
})
process.on('exit', () => {
  for (const pid of running.keys()) killGroup(pid)
})
