import { readFileSync } from 'node:fs'
import { children } from '../src/local/processes.ts'

/** The process ids of this process's workerds, in the order in which they began; none where the system does not tell. */
export function workerds(): number[] {
  const pids = children().map(({ pid }) => pid)
  return pids.filter((pid) => nameOf(pid) === 'workerd').sort((a, b) => a - b)
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}
