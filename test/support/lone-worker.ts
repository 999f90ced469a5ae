import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_readConfig } from 'wrangler'
import { buildWorker } from '../../src/local/build.ts'

const project = join(import.meta.dirname, '../..')

/** One Worker of test/support in workerd, with the compatibility of wrangler.toml. */
export interface LoneWorker {
  readonly mf: Miniflare
  /** JSON in, JSON out. */
  ask(command: object): Promise<unknown>
  stop(): Promise<void>
}

export async function startLoneWorker(entry: string, bindings: object = {}): Promise<LoneWorker> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-kms-test-'))
  const scriptPath = join(folder, 'worker.js')
  await buildWorker(join(project, 'test/support', entry), scriptPath)
  const config = unstable_readConfig({ config: join(project, 'wrangler.toml') })
  const worker = {
    name: 'lone',
    modules: true,
    scriptPath,
    modulesRoot: folder,
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    ...bindings,
  }
  const options = {
    cf: false,
    telemetry: { enabled: false },
    enableDevRegistry: false,
    resourcePersistencePath: join(folder, 'storage'),
    workers: [worker],
  }
  const mf = new Miniflare(convertV4MiniflareOptions(options as never))
  await mf.ready
  return {
    mf,
    async ask(command) {
      const response = await mf.dispatchFetch('http://lone/', { method: 'POST', body: JSON.stringify(command) })
      if (!response.ok) throw new Error(await response.text())
      return response.json()
    },
    async stop() {
      await mf.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
