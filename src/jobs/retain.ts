import { moveCursor, readCursor } from '../catalog/cursors.ts'
import type { Database } from '../catalog/database.ts'
import { pruneBatches } from '../catalog/event-batches.ts'
import { newestEvent, pruneChanges } from '../catalog/events.ts'
import { dayMs } from '../model/limits.ts'
import { archivedThrough } from './archive.ts'
import type { Clock } from './settle.ts'

const changesKeptDays = 90
const rowsPerPage = 500
const batchesPerPage = 25
const pagesPerRun = 20
const cursorName = 'retain'

export interface Pruned {
  readonly changes: number
  readonly calls: number
}

/**
 * What D1 keeps of the audit trail: changes for 90 days of lifecycle time, and the `auditRowsMax` newest of other calls,
 * with those that came in one batch with the oldest of them. A run removes at most 10,000 changes and 500 batches; the
 * next goes on. No change goes before the archive has it, nor on the day that it
 * came, however far the clock was moved on that day.
 */
export async function retain(db: Database, { wallTime, time }: Clock, auditRowsMax: number): Promise<Pruned> {
  const before = Math.floor((time - changesKeptDays * dayMs) / 1000)
  const upTo = Math.min(await dayOld(db, wallTime), await archivedThrough(db))
  const changes = await pages(() => pruneChanges(db, { before, upTo }, rowsPerPage))
  const calls = await pages(() => pruneBatches(db, auditRowsMax, batchesPerPage))
  return { changes, calls }
}

async function pages(prune: () => Promise<number>): Promise<number> {
  let removed = 0
  for (let page = 0; page < pagesPerRun; page++) {
    const rows = await prune()
    removed += rows
    if (rows === 0) break
  }
  return removed
}

interface Noted {
  /** Every event up to here came at least a day ago. */
  readonly old: number
  /** The newest event at a moment of wall time. */
  readonly newest: number
  readonly at: number
}

/** The sequence of an event before which all came a day ago or earlier, in wall time. */
async function dayOld(db: Database, wallTime: number): Promise<number> {
  const stored = await readCursor(db, cursorName)
  const noted: Noted = stored === null ? { old: 0, newest: 0, at: 0 } : JSON.parse(stored)
  if (wallTime - noted.at < dayMs) return noted.old
  const { newest: old } = noted
  await moveCursor(db, cursorName, stored, JSON.stringify({ old, newest: await newestEvent(db), at: wallTime }))
  return old
}
