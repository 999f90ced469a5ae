import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { archiveBucket } from '../audit/digest.ts'
import { Stop } from '../local/options.ts'
import { readIfThere, type Source } from './source.ts'

/**
 * The bucket of a local server, running or not: read from its state folder, as the miniflare that package.json pins lays
 * it out. Nothing is written.
 */
export function stateSource(state: string): Source {
  const folder = join(state, 'storage/r2')
  const objects = join(folder, 'miniflare-R2BucketObject')
  const files = existsSync(objects) ? readdirSync(objects).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name)) : []
  const [file] = files
  if (file === undefined || files.length > 1) {
    throw new Stop(`${state} is not the state folder of a local server that has archived something.`)
  }
  const index = new DatabaseSync(join(objects, file), { readOnly: true })
  const listed = index.prepare(`select key from _mf_objects where key like 'AWSLogs/%'`)
  const found = index.prepare('select blob_id as blob from _mf_objects where key = ?')
  return {
    title: state,
    list: async () => listed.all().map(({ key }) => String(key)),
    async read(object) {
      const row = found.get(object)
      return row === undefined ? null : readIfThere(join(folder, archiveBucket, 'blobs', String(row.blob)))
    },
  }
}
