import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildWorker } from '../src/local/build.ts'
import { migrate } from '../src/local/migrate.ts'
import { migrations } from '../src/local/parts.ts'
import { freePort } from '../src/local/ports.ts'
import { startWorkerd } from '../src/local/server.ts'
import { call, type Load } from './drive.ts'
import { workerds } from './workerds.ts'

const project = join(import.meta.dirname, '..')
const host = '127.0.0.1'

interface Recording {
  /** What is served beside a Worker that records no crypto call. */
  readonly entry: string
  readonly mode: 'packed' | 'strict'
}

/** `made`: the consumer only acknowledges. `kept`: consumer, D1 and R2 work in the same process. */
export const recordings: Readonly<Record<string, Recording>> = {
  'audit-made': { entry: 'bench/acknowledging.ts', mode: 'packed' },
  'audit-kept': { entry: 'src/worker.ts', mode: 'packed' },
  'audit-strict': { entry: 'src/worker.ts', mode: 'strict' },
}

/** Encrypt with a record of every call, against Encrypt without: two workerds, driven by turns. */
export async function measureRecording(
  { entry, mode }: Recording,
  measure: (recorded: Load, unrecorded: Load) => Promise<void>,
): Promise<void> {
  const servers = [await serve(entry, mode), await serve(entry, 'off')] as const
  try {
    const [recorded, unrecorded] = servers
    await measure(await encryptAt(recorded), await encryptAt(unrecorded))
  } finally {
    for (const server of servers) await server.stop()
  }
}

async function serve(entry: string, mode: string) {
  const storage = mkdtempSync(join(tmpdir(), 'edge-kms-bench-'))
  const [port, controlPort] = [await freePort(host, 0), await freePort(host, 0)]
  const bundle = join(storage, 'worker.js')
  await buildWorker(join(project, entry), bundle)
  const bindings = { ROOT_KEYS: `1:${'A'.repeat(43)}=`, ROOT_CREDENTIALS: '000000000000:test:test', AUDIT: mode }
  const mf = startWorkerd(storage, controlPort, [{ name: 'edge-kms', bundle, host, port, bindings }])
  await mf.ready
  await migrate((await mf.getD1Database('DB')) as never, migrations())
  return {
    port,
    pid: workerds().at(-1),
    async stop() {
      await mf.dispose()
      rmSync(storage, { recursive: true, force: true })
    },
  }
}

async function encryptAt({ port, pid }: { port: number; pid: number | undefined }): Promise<Load> {
  const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>(port, 'CreateKey', {})
  const EncryptionContext = { tenant: 'a-tenant', purpose: 'bench' }
  const input = { KeyId: KeyMetadata.Arn, Plaintext: Buffer.alloc(32, 7).toString('base64'), EncryptionContext }
  return { port, operation: 'Encrypt', input, pid }
}
