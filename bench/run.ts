import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AwsClient } from 'aws4fetch'
import { buildWorker } from '../src/local/build.ts'
import { migrate } from '../src/local/migrate.ts'
import { children } from '../src/local/processes.ts'
import { freePort, startWorkerd } from '../src/local/server.ts'

/*
 * Ratios within one run, never absolute claims: the Worker, the echo and the floor are served by one workerd under the
 * same flags, driven in turn from another process with the same signed request over 16 connections.
 */
const connections = 16
const seconds = Number(process.env.BENCH_SECONDS ?? 3)
const pairs = Number(process.env.BENCH_PAIRS ?? 5)
const project = join(import.meta.dirname, '..')
const only = process.argv.slice(2)

const storage = mkdtempSync(join(tmpdir(), 'edge-kms-bench-'))
const [kmsPort, echoPort, floorPort, controlPort] = [
  await freePort('127.0.0.1', 0),
  await freePort('127.0.0.1', 0),
  await freePort('127.0.0.1', 0),
  await freePort('127.0.0.1', 0),
]
const bundles = { kms: 'src/worker.ts', echo: 'bench/echo.ts', floor: 'bench/floor.ts' }
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
    bindings: { ROOT_KEYS: `1:${'A'.repeat(43)}=`, ROOT_CREDENTIALS: '000000000000:test:test' },
  },
  { name: 'echo', bundle: bundle('echo'), host, port: echoPort },
  { name: 'floor', bundle: bundle('floor'), host, port: floorPort },
])
const driver = hasWrk() ? 'wrk' : 'autocannon'

try {
  await mf.ready
  const database = await mf.getD1Database('DB', 'edge-kms')
  await migrate(database as never, join(project, 'migrations'))
  console.log(`driver=${driver} connections=${connections} seconds=${seconds} pairs=${pairs}`)
  await measureCrypto()
  if (wants('index')) await measureIndex(database as never)
} finally {
  await mf.dispose()
  rmSync(storage, { recursive: true, force: true })
}

function wants(name: string): boolean {
  return only.length === 0 || only.includes(name)
}

async function measureCrypto(): Promise<void> {
  const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>('CreateKey', {})
  const KeyId = KeyMetadata.Arn
  const EncryptionContext = { tenant: 'a-tenant', purpose: 'bench' }
  const Plaintext = Buffer.alloc(32, 7).toString('base64')
  const encrypt = { KeyId, Plaintext, EncryptionContext }
  const { CiphertextBlob } = await call<{ CiphertextBlob: string }>('Encrypt', encrypt)
  const measures = {
    encrypt: ['Encrypt', encrypt],
    decrypt: ['Decrypt', { CiphertextBlob, EncryptionContext }],
    'generate-data-key': ['GenerateDataKey', { KeyId, KeySpec: 'AES_256', EncryptionContext }],
  } as const
  for (const [name, [operation, input]] of Object.entries(measures)) {
    if (wants(name)) report(name, 'echo', await inTurn(operation, input, echoPort))
  }
  if (wants('floor')) report('floor', 'floor', await inTurn('Encrypt', encrypt, floorPort))
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
  const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>('CreateKey', {})
  const input = { KeyId: KeyMetadata.Arn, Plaintext: Buffer.alloc(32, 7).toString('base64') }
  report('encrypt-100k-keys', 'echo', await inTurn('Encrypt', input, echoPort))
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

function listPage(Marker: string | undefined) {
  return call<{ NextMarker?: string }>('ListKeys', { Limit: 1000, ...(Marker === undefined ? {} : { Marker }) })
}

interface Run {
  readonly rps: number
  /** Microseconds of workerd's processor time for one request: what other load on the machine distorts least. */
  readonly cpu: number
  readonly p50: number
  readonly p99: number
}

interface Pair {
  readonly kms: Run
  readonly other: Run
}

/** A warm-up of both, then kms and the other one by turns. */
async function inTurn(operation: string, input: unknown, otherPort: number): Promise<Pair[]> {
  await drive(kmsPort, operation, input, 1)
  await drive(otherPort, operation, input, 1)
  const runs: Pair[] = []
  for (let pair = 0; pair < pairs; pair++) {
    const kms = await drive(kmsPort, operation, input, seconds)
    runs.push({ kms, other: await drive(otherPort, operation, input, seconds) })
  }
  return runs
}

function report(name: string, against: string, runs: readonly Pair[]): void {
  const of = (value: (pair: Pair) => number) => median(runs.map(value))
  const ratio = of(({ kms, other }) => kms.rps / other.rps).toFixed(2)
  const rps = of(({ kms }) => kms.rps).toFixed(0)
  const other = of((pair) => pair.other.rps).toFixed(0)
  const cpu = of(({ kms }) => kms.cpu).toFixed(0)
  const otherCpu = of((pair) => pair.other.cpu).toFixed(0)
  const p50 = of(({ kms }) => kms.p50).toFixed(2)
  const p99 = of(({ kms }) => kms.p99).toFixed(2)
  console.log(
    `${name} ratio=${ratio} rps=${rps} ${against}-rps=${other} p50=${p50}ms p99=${p99}ms cpu=${cpu}us ${against}-cpu=${otherCpu}us rss=${rss()}MB`,
  )
}

async function call<Output>(operation: string, input: unknown): Promise<Output> {
  const { url, headers, body } = await signed(kmsPort, operation, input)
  const response = await fetch(url, { method: 'POST', headers, body })
  if (!response.ok) throw new Error(`${operation}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Output
}

/** The signature names a host, so both ports get the request that is signed for the first. */
async function signed(port: number, operation: string, input: unknown) {
  const client = new AwsClient({ accessKeyId: 'test', secretAccessKey: 'test', service: 'kms', region: 'us-east-1' })
  const url = `http://127.0.0.1:${port}/`
  const body = JSON.stringify(input)
  const request = await client.sign(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${operation}` },
  })
  return { url, body, headers: Object.fromEntries(request.headers) }
}

async function drive(port: number, operation: string, input: unknown, forSeconds: number): Promise<Run> {
  const request = await signed(port, operation, input)
  const before = cpuMicros()
  const { requests, ...run } = await (driver === 'wrk' ? driveWrk : driveAutocannon)(request, forSeconds)
  return { ...run, cpu: (cpuMicros() - before) / requests }
}

interface Driven extends Omit<Run, 'cpu'> {
  readonly requests: number
}

interface SignedRequest {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

async function driveWrk({ url, body, headers }: SignedRequest, forSeconds: number): Promise<Driven> {
  const script = join(storage, 'request.lua')
  const lines = [
    'wrk.method = "POST"',
    `wrk.body = ${lua(body)}`,
    ...Object.entries(headers).map(([name, value]) => `wrk.headers[${lua(name)}] = ${lua(value)}`),
    // One line that can be read back: requests, microseconds, failures, percentiles.
    'done = function(summary, latency)',
    '  local e = summary.errors',
    '  print(string.format("@ %d %d %d %d %d", summary.requests, summary.duration,',
    '    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))',
    'end',
  ]
  writeFileSync(script, lines.join('\n'))
  const args = ['-t1', `-c${connections}`, `-d${forSeconds}s`, '-s', script, url]
  const output = await run('wrk', args)
  const [requests = 0, micros = 1, failures = 1, p50 = 0, p99 = 0] =
    /@ ([\d ]+)/.exec(output)?.[1]?.split(' ').map(Number) ?? []
  if (failures > 0) throw new Error(`${failures} requests failed:\n${output}`)
  return { requests, rps: requests / (micros / 1e6), p50: p50 / 1000, p99: p99 / 1000 }
}

async function driveAutocannon({ url, body, headers }: SignedRequest, forSeconds: number): Promise<Driven> {
  const flags = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}=${value}`])
  const args = ['-m', 'POST', '-b', body, ...flags, '-c', String(connections), '-d', String(forSeconds), '-j', url]
  const output = await run(join(project, 'node_modules/.bin/autocannon'), args)
  const result = JSON.parse(output) as {
    non2xx: number
    errors: number
    requests: { average: number; total: number }
    latency: { p50: number; p99: number }
  }
  if (result.non2xx + result.errors > 0) throw new Error(`${result.non2xx + result.errors} requests failed`)
  return {
    requests: result.requests.total,
    rps: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
  }
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`${command} ended with ${code}`))))
  })
}

function hasWrk(): boolean {
  try {
    execFileSync('which', ['wrk'], { stdio: 'ignore' })
    return process.env.BENCH_DRIVER !== 'autocannon'
  } catch {
    return false
  }
}

function lua(text: string): string {
  return JSON.stringify(text)
}

/** Resident megabytes of workerd, where the system tells. */
function rss(): string {
  const status = readWorkerd('status')
  return status === '' ? '?' : (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024).toFixed(0)
}

/** Processor time of all of workerd's threads so far, where the system tells; a tick is 10 ms. */
function cpuMicros(): number {
  const fields = readWorkerd('stat').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function readWorkerd(file: 'stat' | 'status'): string {
  try {
    const workerd = children().find(({ pid }) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'workerd')
    return readFileSync(`/proc/${workerd?.pid}/${file}`, 'utf8')
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
