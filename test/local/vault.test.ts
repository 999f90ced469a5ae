import { execFile } from 'node:child_process'
import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildClient, CommitmentPolicy, KmsKeyringNode } from '@aws-crypto/client-node'
import { KMS } from '@aws-sdk/client-kms'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { beforeAll, expect, it } from 'vitest'
import { buildWorker } from '../../src/local/build.ts'
import { localKmsWorker } from '../../src/local/index.ts'
import { workerOptions } from '../../src/local/parts.ts'
import { freePort } from '../../src/local/ports.ts'
import { appFolder } from '../support/app-folder.ts'
import { project } from '../support/server.ts'

/** examples/vault, with the package as it is published. */

const run = promisify(execFile)
let folder: string

beforeAll(async () => {
  folder = await appFolder()
  cpSync(join(project, 'examples/vault'), folder, { recursive: true })
  // It leads to the sources.
  rmSync(join(folder, 'tsconfig.json'))
})

it('passes its own tests, bound to a local KMS', async () => {
  const { VITEST: _, VITEST_POOL_ID: __, VITEST_WORKER_ID: ___, NODE_ENV: ____, ...env } = process.env
  const vitest = join(project, 'node_modules/.bin/vitest')
  const { stdout } = await run(vitest, ['run', '--root', folder, '--silent'], { cwd: folder, env })
  expect(stdout).toMatch(/Tests .*\d passed/)
})

it("has documents that AWS's client opens, with the same KMS", async () => {
  const host = '127.0.0.1'
  const port = await freePort(host, 0)
  await buildWorker(join(folder, 'worker.ts'), join(folder, 'vault.js'))
  const seed = JSON.parse(readFileSync(join(folder, 'seed.json'), 'utf8'))
  const config = workerOptions(join(folder, 'wrangler.toml'))
  const { DATA_KEY } = config.bindings as { DATA_KEY: string }
  const vault = {
    ...config,
    name: 'vault',
    modules: [{ type: 'ESModule', path: 'vault.js', contents: readFileSync(join(folder, 'vault.js'), 'utf8') }],
  }
  const kmsWorker = { ...(await localKmsWorker({ seed })), unsafeDirectSockets: [{ host, port }] }
  const workers = [vault, kmsWorker]
  const options = { cf: false, telemetry: { enabled: false }, enableDevRegistry: false, workers }
  const mf = new Miniflare(convertV4MiniflareOptions(options as never))
  try {
    const document = Buffer.alloc(200_000, 'a contract. ')
    const put = await mf.dispatchFetch('http://vault/documents/contract.txt', { method: 'PUT', body: document })
    expect(put.status).toBe(204)
    const bucket = await mf.getR2Bucket('DOCUMENTS', 'vault')
    const stored = await (await bucket.get('contract.txt'))?.arrayBuffer()
    const message = Buffer.from(stored ?? new ArrayBuffer())
    expect(message.includes('a contract.')).toBe(false)
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
    const kms = new KMS({ endpoint: `http://${host}:${port}`, region: 'us-east-1', credentials })
    const keyring = new KmsKeyringNode({ clientProvider: () => kms as never, keyIds: [DATA_KEY] })
    const { decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
    const { plaintext, messageHeader } = await decrypt(keyring, message)
    expect(plaintext.equals(document)).toBe(true)
    expect(messageHeader.encryptionContext).toEqual({
      'edge-kms:bucket': 'documents',
      'edge-kms:object': 'contract.txt',
    })
    message[150_000] = (message[150_000] ?? 0) ^ 1
    await expect(decrypt(keyring, message)).rejects.toThrow()
  } finally {
    await mf.dispose()
  }
})
