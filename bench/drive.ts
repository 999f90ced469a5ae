import { execFileSync, spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AwsClient } from 'aws4fetch'

/* Load from another process: the same signed request over 16 connections, by wrk where it is installed. */
export const connections = 16
export const driver = hasWrk() ? 'wrk' : 'autocannon'

export interface Driven {
  readonly requests: number
  readonly rps: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export const root: Credentials = { accessKeyId: 'test', secretAccessKey: 'test' }

/** One operation of KMS, again and again. */
export interface Load {
  readonly port: number
  readonly operation: string
  readonly input: unknown
  readonly by?: Credentials
  /** Of the workerd that serves it, where that is not the first. */
  readonly pid?: number | undefined
}

export async function driveLoad({ port, operation, input, by }: Load, forSeconds: number): Promise<Driven> {
  const request = await signed(port, operation, input, by)
  return driver === 'wrk' ? driveWrk(request, forSeconds) : driveAutocannon(request, forSeconds)
}

/** A call of KMS. */
export async function call<Output>(port: number, operation: string, input: unknown): Promise<Output> {
  return JSON.parse(await send(operation, await signed(port, operation, input))) as Output
}

/** A call of IAM or STS; the answer is XML. */
export async function query(
  port: number,
  service: 'iam' | 'sts',
  Action: string,
  parameters: Readonly<Record<string, string>>,
  by = root,
): Promise<string> {
  const Version = service === 'iam' ? '2010-05-08' : '2011-06-15'
  const body = new URLSearchParams({ Action, Version, ...parameters }).toString()
  return send(Action, await sign(port, service, body, { 'content-type': 'application/x-www-form-urlencoded' }, by))
}

function signed(port: number, operation: string, input: unknown, by = root): Promise<SignedRequest> {
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${operation}` }
  return sign(port, 'kms', JSON.stringify(input), headers, by)
}

async function sign(
  port: number,
  service: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  by: Credentials,
): Promise<SignedRequest> {
  const client = new AwsClient({ ...by, service, region: 'us-east-1' })
  const url = `http://127.0.0.1:${port}/`
  const request = await client.sign(url, { method: 'POST', body, headers })
  return { url, body, headers: Object.fromEntries(request.headers) }
}

async function send(operation: string, { url, headers, body }: SignedRequest): Promise<string> {
  const response = await fetch(url, { method: 'POST', headers, body })
  const text = await response.text()
  if (!response.ok) throw new Error(`${operation}: ${response.status} ${text}`)
  return text
}

interface SignedRequest {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

async function driveWrk({ url, body, headers }: SignedRequest, forSeconds: number): Promise<Driven> {
  const script = join(tmpdir(), `edge-kms-bench-${process.pid}.lua`)
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
  rmSync(script)
  const [requests = 0, micros = 1, failures = 1, p50 = 0, p99 = 0] =
    /@ ([\d ]+)/.exec(output)?.[1]?.split(' ').map(Number) ?? []
  if (failures > 0) throw new Error(`${failures} requests failed:\n${output}`)
  return { requests, rps: requests / (micros / 1e6), p50: p50 / 1000, p99: p99 / 1000 }
}

async function driveAutocannon({ url, body, headers }: SignedRequest, forSeconds: number): Promise<Driven> {
  const flags = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}=${value}`])
  const args = ['-m', 'POST', '-b', body, ...flags, '-c', String(connections), '-d', String(forSeconds), '-j', url]
  const output = await run(join(import.meta.dirname, '../node_modules/.bin/autocannon'), args)
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
