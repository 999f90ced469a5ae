import { join } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_readConfig } from 'wrangler'
import { buildWorker } from '../../src/local/build.ts'
import { project, temporaryState } from './server.ts'

/** One Worker of test/support in workerd, with these bindings and the compatibility of wrangler.toml. */
export async function startLoneWorker(entry: string, bindings: object = {}): Promise<Miniflare> {
  const folder = temporaryState()
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
  return mf
}

/** JSON in, JSON out. */
export async function ask(mf: Miniflare, command: object): Promise<unknown> {
  const response = await mf.dispatchFetch('http://lone/', { method: 'POST', body: JSON.stringify(command) })
  if (!response.ok) throw new Error(await response.text())
  return response.json()
}
