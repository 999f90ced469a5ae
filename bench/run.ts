import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildWorker } from '../src/local/build.ts'
import { migrate } from '../src/local/migrate.ts'
import { migrations } from '../src/local/parts.ts'
import { freePort } from '../src/local/ports.ts'
import { startWorkerd } from '../src/local/server.ts'
import { guardedKey } from './access.ts'
import { asymmetric, loadOf, measureKeyGeneration } from './asymmetric.ts'
import { measureRecording, recordings } from './audit.ts'
import { measureDecisions } from './authorize.ts'
import { call, connections, type Driven, driveLoad, driver, type Load } from './drive.ts'
import { measureEnvelope } from './envelope.ts'
import { measureLookup } from './lookup.ts'
import { measureSweep } from './sweep.ts'
import { workerds } from './workerds.ts'

/*
 * Ratios within one run, never absolute claims: the Worker, the echo and the floor are served by one workerd under the
 * same flags, driven in turn from another process with the same signed request over 16 connections.
 */
const seconds = Number(process.env.BENCH_SECONDS ?? 3)
const pairs = Number(process.env.BENCH_PAIRS ?? 5)
const grants = Number(process.env.BENCH_GRANTS ?? 50_000)
const project = join(import.meta.dirname, '..')
const audit: Record<string, string> = process.env.BENCH_AUDIT === undefined ? {} : { AUDIT: process.env.BENCH_AUDIT }
const only = process.argv.slice(2)
const byOthers = ['user', 'grant', 'session'].map((caller) => `encrypt-by-${caller}`)

const storage = mkdtempSync(join(tmpdir(), 'edge-kms-bench-'))
const [kmsPort, echoPort, floorPort, primitivePort, controlPort] = [
  await freePort('127.0.0.1', 0),
  await freePort('127.0.0.1', 0),
  await freePort('127.0.0.1', 0),
  await freePort('127.0.0.1', 0),
  await freePort('127.0.0.1', 0),
]
// Consumers run elsewhere than the isolates that serve, where a Worker is deployed: here they only acknowledge.
const bundles = {
  kms: 'bench/acknowledging.ts',
  echo: 'bench/echo.ts',
  floor: 'bench/floor.ts',
  primitive: 'bench/primitive.ts',
}
for (const [name, entry] of Object.entries(bundles)) {
  await buildWorker(join(project, entry), join(project, `dist/bench-${name}.js`))
}
const host = '127.0.0.1'
const bundle = (name: string) => join(project, `dist/bench-${name}.js`)
const mf = startWorkerd(storage, controlPort, [
  {
    name: 'edge-kms',
    bundle: bundle('kms'),
    host,
    port: kmsPort,
    bindings: { ROOT_KEYS: `1:${'A'.repeat(43)}=`, ROOT_CREDENTIALS: '000000000000:test:test', ...audit },
  },
  { name: 'echo', bundle: bundle('echo'), host, port: echoPort },
  { name: 'floor', bundle: bundle('floor'), host, port: floorPort },
  { name: 'primitive', bundle: bundle('primitive'), host, port: primitivePort },
])

try {
  await mf.ready
  const database = await mf.getD1Database('DB', 'edge-kms')
  await migrate(database as never, migrations())
  console.log(`driver=${driver} connections=${connections} seconds=${seconds} pairs=${pairs}`)
  await measureCrypto()
  for (const [name, measure] of Object.entries(asymmetric)) {
    if (!wants(name)) continue
    const load = await loadOf(measure, kmsPort)
    const port = { echo: echoPort, primitive: primitivePort }[measure.against]
    report(name, measure.against, await inTurn(load, { ...load, port }))
  }
  if (wants('generate-rsa')) await measureKeyGeneration(kmsPort, pairs, median)
  if (wants('authorize')) measureAuthorize()
  if (only.length === 0 || byOthers.some(wants)) await measureAccess()
  if (wants('index')) await measureIndex(database as never)
  if (wants('lookup')) await measureLookup(kmsPort, database as never, timed, median)
  for (const [name, recording] of Object.entries(recordings)) {
    if (!wants(name)) continue
    await measureRecording(recording, async (...loads) => report(name, 'unrecorded', await inTurn(...loads)))
  }
  if (wants('envelope')) await measureEnvelope(pairs, median)
  if (wants('start')) await measureStart()
  if (wants('sweep')) await measureSweep(seconds)
  if (process.env.SLOW && wants('memory')) await measureMemory()
} finally {
  await mf.dispose()
  rmSync(storage, { recursive: true, force: true })
}

function wants(name: string): boolean {
  return only.length === 0 || only.includes(name)
}

async function measureCrypto(): Promise<void> {
  const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>(kmsPort, 'CreateKey', {})
  const KeyId = KeyMetadata.Arn
  const EncryptionContext = { tenant: 'a-tenant', purpose: 'bench' }
  const Plaintext = Buffer.alloc(32, 7).toString('base64')
  const encrypt = { KeyId, Plaintext, EncryptionContext }
  const { CiphertextBlob } = await call<{ CiphertextBlob: string }>(kmsPort, 'Encrypt', encrypt)
  const measures = {
    encrypt: ['Encrypt', encrypt],
    decrypt: ['Decrypt', { CiphertextBlob, EncryptionContext }],
    'generate-data-key': ['GenerateDataKey', { KeyId, KeySpec: 'AES_256', EncryptionContext }],
  } as const
  for (const [name, [operation, input]] of Object.entries(measures)) {
    const load = { port: kmsPort, operation, input }
    if (wants(name)) report(name, 'echo', await inTurn(load, { ...load, port: echoPort }))
  }
  const load = { port: kmsPort, operation: 'Encrypt', input: encrypt }
  if (wants('floor')) report('floor', 'floor', await inTurn(load, { ...load, port: floorPort }))
}

/** One decision, in this process. */
function measureAuthorize(): void {
  const { calls, statements, p50, p99, mean } = measureDecisions()
  const micros = `p50=${p50.toFixed(2)}us p99=${p99.toFixed(2)}us mean=${mean.toFixed(2)}us`
  console.log(`authorize ${micros} calls=${calls} statements=${statements}`)
}

/** The same Encrypt by callers that policies and grants let in, and by the root. */
async function measureAccess(): Promise<void> {
  const { KeyId, callers } = await guardedKey(kmsPort, grants)
  const EncryptionContext = { tenant: 'a-tenant', purpose: 'bench' }
  const input = { KeyId, Plaintext: Buffer.alloc(32, 7).toString('base64'), EncryptionContext }
  const byRoot = { port: kmsPort, operation: 'Encrypt', input }
  for (const [name, by] of Object.entries(callers)) {
    const measure = `encrypt-by-${name}`
    if (wants(measure)) report(measure, 'root', await inTurn({ ...byRoot, by }, byRoot))
  }
}

/** The steady state with 100,000 keys in the index, and the pages of ListKeys from the first to the last. */
async function measureIndex(database: { prepare(query: string): { run(): Promise<unknown> } }): Promise<void> {
  const keyCount = 100_000
  const uuid = `printf('%08x-0000-4000-8000-%012x', (value * 2654435761) % 4294967296, value)`
  await database
    .prepare(
      `with recursive counter(value) as (select 1 union all select value + 1 from counter where value < ${keyCount})
       insert into keys (region, key_id, account, revision, state, created_at)
       select 'us-east-1', ${uuid}, '000000000000', 1, 'Enabled', 0 from counter`,
    )
    .run()
  const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>(kmsPort, 'CreateKey', {})
  const input = { KeyId: KeyMetadata.Arn, Plaintext: Buffer.alloc(32, 7).toString('base64') }
  const load = { port: kmsPort, operation: 'Encrypt', input }
  report('encrypt-100k-keys', 'echo', await inTurn(load, { ...load, port: echoPort }))
  const markers: (string | undefined)[] = [undefined]
  for (;;) {
    const { NextMarker } = await listPage(markers.at(-1))
    if (NextMarker === undefined) break
    markers.push(NextMarker)
  }
  const times = { first: [] as number[], last: [] as number[] }
  // The last page is the shorter one, so the one before it stands for the end of the list.
  for (let round = 0; round < 50; round++) {
    times.first.push(await timed(() => listPage(markers[0])))
    times.last.push(await timed(() => listPage(markers.at(-2))))
  }
  const [first, last] = [median(times.first), median(times.last)]
  console.log(
    `list-keys pages=${markers.length} first=${first.toFixed(2)}ms last=${last.toFixed(2)}ms ratio=${(last / first).toFixed(2)}`,
  )
}

/** From `npm start` to its banner, on a checkout that is built. */
async function measureStart(): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < pairs; round++) {
    const started = performance.now()
    const args = ['start', '--', '--port', '0', '--state', 'memory']
    const server = spawn('npm', args, { cwd: project, stdio: ['ignore', 'pipe', 'ignore'] })
    for await (const chunk of server.stdout) if (String(chunk).includes('edge-kms is ready')) break
    times.push(performance.now() - started)
    server.kill('SIGTERM')
    await new Promise((resolve) => server.once('close', resolve))
  }
  console.log(`start ready=${(median(times) / 1000).toFixed(2)}s worst=${(Math.max(...times) / 1000).toFixed(2)}s`)
}

/** Ten minutes of Encrypt: what workerd holds after two of them and at the end. */
async function measureMemory(): Promise<void> {
  const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>(kmsPort, 'CreateKey', {})
  const input = { KeyId: KeyMetadata.Arn, Plaintext: Buffer.alloc(32, 7).toString('base64') }
  const samples: string[] = []
  for (let minute = 1; minute <= 10; minute++) {
    // Signatures last five minutes, so each minute has its own.
    await drive({ port: kmsPort, operation: 'Encrypt', input }, 60)
    samples.push(rss())
  }
  const [early, late] = [Number(samples[1]), Number(samples[9])]
  console.log(
    `memory minute-2=${early}MB minute-10=${late}MB ratio=${(late / early).toFixed(2)} all=${samples.join(',')}`,
  )
}

function listPage(Marker: string | undefined) {
  return call<{ NextMarker?: string }>(kmsPort, 'ListKeys', {
    Limit: 1000,
    ...(Marker === undefined ? {} : { Marker }),
  })
}

interface Run extends Driven {
  /** Microseconds of workerd's processor time for one request: what other load on the machine distorts least. */
  readonly cpu: number
}

interface Pair {
  readonly one: Run
  readonly other: Run
}

/** A warm-up of both, then the one and the other by turns. */
async function inTurn(one: Load, other: Load): Promise<Pair[]> {
  await drive(one, 1)
  await drive(other, 1)
  const runs: Pair[] = []
  for (let pair = 0; pair < pairs; pair++) {
    runs.push({ one: await drive(one, seconds), other: await drive(other, seconds) })
  }
  return runs
}

function report(name: string, against: string, runs: readonly Pair[]): void {
  const of = (value: (pair: Pair) => number) => median(runs.map(value))
  const ratio = of(({ one, other }) => one.rps / other.rps).toFixed(2)
  const rps = of(({ one }) => one.rps).toFixed(0)
  const other = of((pair) => pair.other.rps).toFixed(0)
  const cpu = of(({ one }) => one.cpu).toFixed(0)
  const otherCpu = of((pair) => pair.other.cpu).toFixed(0)
  const p50 = of(({ one }) => one.p50).toFixed(2)
  const p99 = of(({ one }) => one.p99).toFixed(2)
  console.log(
    `${name} ratio=${ratio} rps=${rps} ${against}-rps=${other} p50=${p50}ms p99=${p99}ms cpu=${cpu}us ${against}-cpu=${otherCpu}us rss=${rss()}MB`,
  )
}

/** Drives, and weighs what workerd has used. */
async function drive(load: Load, forSeconds: number): Promise<Run> {
  const before = cpuMicros(load.pid)
  const driven = await driveLoad(load, forSeconds)
  return { ...driven, cpu: (cpuMicros(load.pid) - before) / driven.requests }
}

/** Resident megabytes of workerd, where the system tells. */
function rss(): string {
  const status = readWorkerd('status')
  return status === '' ? '?' : (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024).toFixed(0)
}

/** Processor time of all of workerd's threads so far, where the system tells; a tick is 10 ms. */
function cpuMicros(pid?: number): number {
  const fields = readWorkerd('stat', pid).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function readWorkerd(file: 'stat' | 'status', pid = workerds()[0]): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[middle]]
  return ((low ?? 0) + (high ?? 0)) / 2
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}
