import { randomUUID } from 'node:crypto'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { Readable, Writable } from 'node:stream'
import { Stop } from '../local/options.ts'

export interface Input {
  readonly stream: ReadableStream<Uint8Array>
  /** Null: nobody knows before the end. */
  readonly bytes: number | null
}

/** `-` is standard input. */
export function openInput(file: string): Input {
  if (file === '-') return { stream: webReadable(process.stdin), bytes: null }
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined) throw new Stop(`${file} is not there.`)
  if (stat.isDirectory()) throw new Stop(`${file} is a folder: encrypt an archive of it, such as tar makes.`)
  return { stream: webReadable(createReadStream(file)), bytes: stat.isFile() ? stat.size : null }
}

function webReadable(stream: NodeJS.ReadableStream): ReadableStream<Uint8Array> {
  return Readable.toWeb(stream as Readable) as unknown as ReadableStream<Uint8Array>
}

/**
 * Writes all that comes, or nothing: into a file of another name, which takes its own once all is on disk. `-` is standard
 * output, which gets what is ready as it comes.
 */
export async function writeOutput(
  file: string,
  stream: ReadableStream<Uint8Array>,
  { isForced, signal }: { isForced: boolean; signal: AbortSignal },
): Promise<void> {
  if (file === '-') {
    await stream.pipeTo(Writable.toWeb(process.stdout) as WritableStream<Uint8Array>, { signal, preventClose: true })
    return
  }
  if (!isForced && existsSync(file)) throw new Stop(`${file} is there already: name another --output, or --force.`)
  const partial = `${file}.${randomUUID().slice(0, 8)}.partial`
  try {
    const handle = await open(partial, 'wx', 0o600)
    try {
      // One part at a time: Node's own bridge takes thousands ahead of the disk.
      await stream.pipeTo(new WritableStream({ write: (part) => handle.writeFile(part) }), { signal })
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(partial, file)
  } catch (failure) {
    await rm(partial, { force: true })
    throw failure
  }
}
