import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Migration } from '../local/migrate.ts'
import { Stop } from '../local/options.ts'

/*
 * What a local server is made of, where it is published: in place of src/local/parts.ts, and beside this file. The names
 * are those that src/package/build.ts writes.
 */

const folder = import.meta.dirname

export async function writeWorker(outfile: string): Promise<void> {
  copyFileSync(join(folder, 'worker.js'), outfile)
}

export function workerOptions(config?: string): Readonly<Record<string, unknown>> {
  if (config !== undefined) throw new Stop(`${config} is read by the sources alone.`)
  return readJson('worker-options.json')
}

export function migrations(): readonly Migration[] {
  return readJson('migrations.json')
}

function readJson<Value>(name: string): Value {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Value
}
