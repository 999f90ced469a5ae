import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AwsClient } from 'aws4fetch'
import { startServer } from '../src/local/server.ts'
import { call, driveLoad, root } from './drive.ts'

const host = '127.0.0.1'
const atOnce = 16

/**
 * Encrypt before and during a sweep over keys that are all to be deleted, in one local process: how much of the hot path
 * is left to calls. 1,000 keys; 10,000 with SLOW=1.
 */
export async function measureSweep(seconds: number): Promise<void> {
  const count = process.env.SLOW ? 10_000 : 1_000
  const folder = mkdtempSync(join(tmpdir(), 'edge-kms-bench-'))
  const state = join(folder, 'state')
  const server = await startServer({ host, port: 0, state, region: 'us-east-1', clock: null, auth: 'on', seed: null })
  try {
    const port = Number(new URL(server.endpoint).port)
    const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>(port, 'CreateKey', {})
    const encrypt = { KeyId: KeyMetadata.Arn, Plaintext: Buffer.alloc(32, 7).toString('base64') }
    const load = { port, operation: 'Encrypt', input: encrypt }
    for (let made = 0; made < count; made += atOnce) {
      const keys = Array.from({ length: Math.min(atOnce, count - made) }, () => dueKey(port))
      await Promise.all(keys)
    }
    await driveLoad(load, 1)
    const before = await driveLoad(load, seconds)
    const started = performance.now()
    const sweeping = moveClock(server.endpoint, '8d').then((report) => ({
      ...report,
      seconds: (performance.now() - started) / 1000,
    }))
    const during = await driveLoad(load, Math.min(seconds, count / 200))
    const { failed, seconds: took } = await sweeping
    console.log(
      `sweep ratio=${(during.rps / before.rps).toFixed(2)} before-rps=${before.rps.toFixed(0)} during-rps=${during.rps.toFixed(0)} ` +
        `p99-before=${before.p99.toFixed(2)}ms p99-during=${during.p99.toFixed(2)}ms keys=${count} failed=${failed} keys/s=${(count / took).toFixed(0)}`,
    )
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function dueKey(port: number): Promise<void> {
  const { KeyMetadata } = await call<{ KeyMetadata: { KeyId: string } }>(port, 'CreateKey', {})
  await call(port, 'ScheduleKeyDeletion', { KeyId: KeyMetadata.KeyId, PendingWindowInDays: 7 })
}

/** Asks again where fetch's own patience of five minutes ends: the sweep has gone on, and is waited for. */
async function moveClock(endpoint: string, advance: string): Promise<{ failed: number }> {
  const aws = new AwsClient({ ...root, service: 'kms', region: 'us-east-1' })
  const request = await aws.sign(`${endpoint}/local/clock`, { method: 'POST', body: JSON.stringify({ advance }) })
  const response = await fetch(request).catch(() => null)
  if (response === null) return moveClock(endpoint, '0d')
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as { failed: number }
}
