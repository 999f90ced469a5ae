import { join } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { buildWorker } from '../../src/local/build.ts'
import { migrate } from '../../src/local/migrate.ts'
import { migrations } from '../../src/local/parts.ts'
import { freePort } from '../../src/local/ports.ts'
import { project, temporaryState } from './server.ts'

export interface TwoIsolates {
  readonly endpoints: readonly [string, string]
  stop(): Promise<void>
}

const name = 'edge-kms'

/** The Worker that is deployed, twice: two isolates over the same objects and the same D1, which share no memory. */
export async function startTwoIsolates(variables: Readonly<Record<string, string>>): Promise<TwoIsolates> {
  const folder = temporaryState()
  const bundle = join(folder, 'worker.js')
  await buildWorker(join(project, 'src/worker.ts'), bundle)
  Object.assign(process.env, { WRANGLER_LOG: 'none', WRANGLER_SEND_METRICS: 'false' })
  const { workerOptions } = unstable_getMiniflareWorkerOptions(join(project, 'wrangler.toml'))
  const { modulesRules: _, rootPath: __, ...shared } = workerOptions
  const ports = [await freePort('127.0.0.1', 0), await freePort('127.0.0.1', 0)] as const
  const theFirsts = Object.entries(shared.durableObjects ?? {}).map(([binding, named]) => {
    const className = typeof named === 'string' ? named : named.className
    return [binding, { className, scriptName: name }] as const
  })
  const options = {
    host: '127.0.0.1',
    port: await freePort('127.0.0.1', 0),
    cf: false,
    logRequests: false,
    telemetry: { enabled: false },
    enableDevRegistry: false,
    resourcePersistencePath: join(folder, 'storage'),
    workers: ports.map((port, at) => ({
      ...shared,
      ...(at === 0 ? {} : { durableObjects: Object.fromEntries(theFirsts), queueConsumers: {} }),
      name: at === 0 ? name : `${name}-too`,
      bindings: { ...(shared.bindings as object), ...variables },
      modules: true,
      scriptPath: bundle,
      modulesRoot: folder,
      unsafeDirectSockets: [{ host: '127.0.0.1', port }],
    })),
  }
  const mf = new Miniflare(convertV4MiniflareOptions(options as never))
  await mf.ready
  await migrate((await mf.getD1Database('DB')) as never, migrations())
  return { endpoints: [`http://127.0.0.1:${ports[0]}`, `http://127.0.0.1:${ports[1]}`], stop: () => mf.dispose() }
}
