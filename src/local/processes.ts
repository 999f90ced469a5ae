import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** A process that cannot be mistaken for a later one of the same id. */
export interface ProcessMark {
  readonly pid: number
  readonly startedAt: string
}

/** Null: there is no such process. */
export function markOf(pid: number): ProcessMark | null {
  const startedAt = existsSync('/proc/self/stat') ? startTick(pid) : startDate(pid)
  return startedAt === null ? null : { pid, startedAt }
}

export function isAlive({ pid, startedAt }: ProcessMark): boolean {
  return markOf(pid)?.startedAt === startedAt
}

/** The processes that this one has started and that still run. */
export function children(): ProcessMark[] {
  const marks = childPids().map(markOf)
  return marks.filter((mark) => mark !== null)
}

export async function killAndWait(mark: ProcessMark): Promise<void> {
  process.kill(mark.pid, 'SIGKILL')
  while (isAlive(mark)) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Linux: the tick since boot at which the process started, or null for one that has ended and waits to be collected. */
function startTick(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // The first thread's end is not the process's: the others may still hold its port.
    const hasEnded = fields[0] === 'Z' && Number(fields[17]) <= 1
    return hasEnded ? null : (fields[19] ?? null)
  } catch {
    return null
  }
}

function startDate(pid: number): string | null {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return line === '' || line.startsWith('Z') ? null : line.slice(line.indexOf(' ') + 1)
  } catch {
    return null
  }
}

function childPids(): number[] {
  if (existsSync('/proc/self/task')) {
    const tasks = readdirSync('/proc/self/task')
    return tasks.flatMap((task) => numbers(readFileSync(`/proc/self/task/${task}/children`, 'utf8')))
  }
  try {
    return numbers(execFileSync('pgrep', ['-P', String(process.pid)], { encoding: 'utf8' }))
  } catch {
    return []
  }
}

function numbers(text: string): number[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(Number)
}
