import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Stop } from './options.ts'
import { children, isAlive, killAndWait, markOf, type ProcessMark } from './processes.ts'

/** Raised when a build writes what an older one cannot read. */
const stateVersion = 1
const memoryPrefix = 'edge-kms-memory-'

interface StateFile {
  readonly version: number
  /** Milliseconds by which this state's lifecycle time is ahead of wall time. */
  readonly clockOffsetMs: number
}

interface LockFile {
  readonly owner: ProcessMark
  readonly workerds: readonly ProcessMark[]
}

/** The folder that a local server keeps its keys in. One server at a time holds it. */
export class StateFolder {
  readonly path: string
  readonly #isTemporary: boolean

  private constructor(path: string, isTemporary: boolean) {
    this.path = path
    this.#isTemporary = isTemporary
  }

  /** Takes the folder, or stops with the sentence that says who has it. An orphan of an earlier server is ended first. */
  static async take(state: string): Promise<StateFolder> {
    const isTemporary = state === 'memory'
    if (isTemporary) await removeAbandoned()
    const path = isTemporary ? mkdtempSync(join(tmpdir(), memoryPrefix)) : resolve(state)
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 })
    } catch (failure) {
      throw new Stop(`${path} cannot be used as the --state folder: ${(failure as Error).message}.`)
    }
    const folder = new StateFolder(path, isTemporary)
    await folder.#lock()
    return folder
  }

  /** Where workerd keeps objects and D1. */
  get storage(): string {
    return join(this.path, 'storage')
  }

  /** Milliseconds by which lifecycle time is ahead of wall time; `clock` moves it, and only forward. */
  clockOffset(clock: number | null, now: number): number {
    const { clockOffsetMs } = this.#stateFile()
    if (clock === null) return clockOffsetMs
    const wanted = clock - now
    // A second of grace: `--clock +0d` is now, and now has moved on.
    if (wanted < clockOffsetMs - 1_000) {
      const at = new Date(now + clockOffsetMs).toISOString()
      throw new Stop(
        `The clock of this state is at ${at} and only moves forward. Choose a later --clock, or another --state.`,
      )
    }
    this.#write('state.json', { version: stateVersion, clockOffsetMs: Math.max(wanted, clockOffsetMs) })
    return wanted
  }

  /** Keeps a distance that the running server has moved to. */
  keepClockOffset(clockOffsetMs: number): void {
    const state = this.#stateFile()
    if (!(clockOffsetMs >= state.clockOffsetMs)) throw new Error('The clock of a state only moves forward')
    this.#write('state.json', { ...state, clockOffsetMs } satisfies StateFile)
  }

  /** This state's root key, made on first use. */
  rootKeys(): string {
    const file = join(this.path, 'root-keys')
    if (existsSync(file)) return readFileSync(file, 'utf8').trim()
    if (existsSync(this.storage)) {
      throw new Stop(`The root key of this state is missing: put ${file} back, or choose another --state.`)
    }
    writeFileSync(file, `1:${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx' })
    chmodSync(file, 0o600)
    return readFileSync(file, 'utf8').trim()
  }

  /** Notes the processes to end should this one be killed. */
  noteChildren(): void {
    this.#write('lock.json', { owner: ownMark(), workerds: children() } satisfies LockFile)
  }

  release(): void {
    rmSync(this.#isTemporary ? this.path : join(this.path, 'lock.json'), { recursive: true, force: true })
  }

  #stateFile(): StateFile {
    const file = join(this.path, 'state.json')
    if (!existsSync(file)) this.#write('state.json', { version: stateVersion, clockOffsetMs: 0 } satisfies StateFile)
    const state = readJson(file) as StateFile | null
    if (typeof state?.version !== 'number') {
      throw new Stop(`${file} is damaged: put back what it was, or choose another --state.`)
    }
    if (state.version <= stateVersion) return state
    throw new Stop(
      `${this.path} was written by a newer edge-kms (state version ${state.version}, this one reads up to ${stateVersion}). Update edge-kms, or choose another --state.`,
    )
  }

  async #lock(): Promise<void> {
    const file = join(this.path, 'lock.json')
    const mine = JSON.stringify({ owner: ownMark(), workerds: [] } satisfies LockFile)
    for (;;) {
      try {
        writeFileSync(file, mine, { flag: 'wx' })
        break
      } catch (failure) {
        if ((failure as NodeJS.ErrnoException).code !== 'EEXIST') throw failure
      }
      await this.#endPredecessor(file)
    }
    try {
      this.#stateFile()
    } catch (failure) {
      this.release()
      throw failure
    }
  }

  async #endPredecessor(file: string): Promise<void> {
    const lock = readLock(file)
    if (lock !== null && isAlive(lock.owner)) {
      throw new Stop(
        `Another edge-kms (process ${lock.owner.pid}) is using ${this.path}. Stop it, or choose another --state.`,
      )
    }
    await endAll(lock?.workerds ?? [])
    rmSync(file, { force: true })
  }

  #write(name: string, value: unknown): void {
    const file = join(this.path, name)
    writeFileSync(`${file}.new`, `${JSON.stringify(value)}\n`)
    renameSync(`${file}.new`, file)
  }
}

function ownMark(): ProcessMark {
  const mark = markOf(process.pid)
  if (mark === null) throw new Error('This process does not find itself')
  return mark
}

/** Null: nothing that can be read, such as a file of a process killed while it wrote. */
function readLock(file: string): LockFile | null {
  const lock = readJson(file) as Partial<LockFile> | null
  return lock?.owner === undefined ? null : { owner: lock.owner, workerds: lock.workerds ?? [] }
}

/** Null: there is no such file, or it is not JSON. */
function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}

async function endAll(orphans: readonly ProcessMark[]): Promise<void> {
  for (const orphan of orphans) if (isAlive(orphan)) await killAndWait(orphan)
}

/** `memory` is a folder all the same, with key material in it: those of servers that were killed are removed. */
async function removeAbandoned(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(memoryPrefix)) continue
    const path = join(tmpdir(), name)
    const lock = readLock(join(path, 'lock.json'))
    if (lock === null || isAlive(lock.owner)) continue
    await endAll(lock.workerds)
    rmSync(path, { recursive: true, force: true })
  }
}
