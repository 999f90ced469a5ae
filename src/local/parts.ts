import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { buildWorker } from './build.ts'
import type { Migration } from './migrate.ts'

/*
 * What a local server is made of, from the sources. What is published has it ready instead (src/package/parts.ts).
 */

const project = join(import.meta.dirname, '../..')

/** Writes the local Worker, in one file. */
export async function writeWorker(outfile: string): Promise<void> {
  await buildWorker(join(project, 'src/local/worker.ts'), outfile)
}

/** What wrangler.toml, ours or another, says to miniflare. */
export function workerOptions(config = join(project, 'wrangler.toml')): Readonly<Record<string, unknown>> {
  const { modulesRules: _, rootPath: __, ...options } = unstable_getMiniflareWorkerOptions(config).workerOptions
  return options
}

export function migrations(): readonly Migration[] {
  const folder = join(project, 'migrations')
  const names = readdirSync(folder).filter((name) => name.endsWith('.sql'))
  return names.sort().map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }))
}
