import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { Stop } from '../local/options.ts'

/** Where an archive lies: objects by the names that they have in the bucket. */
export interface Source {
  /** As a report names it. */
  readonly title: string
  /** The names of all that is under `AWSLogs/`. */
  list(): Promise<readonly string[]>
  /** Null: there is no such object. */
  read(object: string): Promise<Buffer | null>
}

/** A folder that mirrors the bucket. */
export function folderSource(folder: string): Source {
  const root = join(folder, 'AWSLogs')
  return {
    title: folder,
    async list() {
      try {
        return readdirSync(root, { recursive: true, withFileTypes: true })
          .filter((entry) => !entry.isDirectory())
          .map(({ parentPath, name }) => relative(folder, join(parentPath, name)).split(sep).join('/'))
      } catch {
        throw new Stop(`${folder} has no folder AWSLogs: it does not mirror an archive.`)
      }
    },
    read: async (object) => readIfThere(join(folder, object)),
  }
}

export function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path)
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw failure
  }
}
