import { moveCursor, readCursor } from '../catalog/cursors.ts'
import type { Database } from '../catalog/database.ts'
import { listDueKeys } from '../catalog/keys.ts'
import type { KeyNamespace } from '../key/directory.ts'
import type { DuePlace, LifecycleMessage } from './lifecycle-message.ts'
import { addReports, type Clock, type SettleReport, settleKeys } from './settle.ts'

export interface ScheduleParts {
  readonly database: Database
  sendLifecycle(message: LifecycleMessage): Promise<unknown>
}

export interface Handed {
  /** Keys handed to the queue. */
  readonly keys: number
  /** A pass is under way, here or by the messages of an earlier one. */
  readonly isUnderWay: boolean
}

interface PassPlace {
  /** Null: no pass is under way, and the next begins with the longest due. */
  readonly after: DuePlace | null
  /** Wall time at which it came there. */
  readonly at: number
}

const cursorName = 'sweep'
const keysPerMessage = 100
const messagesPerRun = 100
/** A pass that has not moved for so long has lost its message: the next cron takes it up. */
const lostAfterMs = 10 * 60_000

/**
 * Cron's part: asks the index which keys are due and hands them to the lifecycle queue, up to 10,000 a run; the rest
 * follows behind a message that comes back here when those are done. A pass goes once through everything that is due,
 * the longest due first, so that keys which fail are tried again only after all others.
 */
export async function schedule(parts: ScheduleParts, clock: Clock): Promise<Handed> {
  const stored = await readCursor(parts.database, cursorName)
  const { after, at } = placeOf(stored)
  if (after !== null && clock.wallTime - at < lostAfterMs) return { keys: 0, isUnderWay: true }
  return hand(parts, clock, stored, after)
}

/** The rest of a pass behind a place. Where the pass has left that place, the message is a repetition. */
export async function resume(parts: ScheduleParts, clock: Clock, after: DuePlace): Promise<Handed> {
  const stored = await readCursor(parts.database, cursorName)
  const place = placeOf(stored).after
  const isThere = place?.dueAt === after.dueAt && place.region === after.region && place.keyId === after.keyId
  return isThere ? hand(parts, clock, stored, after) : { keys: 0, isUnderWay: place !== null }
}

async function hand(
  { database, sendLifecycle }: ScheduleParts,
  { wallTime, time }: Clock,
  stored: string | null,
  from: DuePlace | null,
): Promise<Handed> {
  let after = from
  let keys = 0
  let isEnd = false
  const move = (to: PassPlace) => moveCursor(database, cursorName, stored, JSON.stringify(to))
  try {
    for (let sent = 0; sent < messagesPerRun && !isEnd; sent++) {
      const due = await listDueKeys(database, time, after, keysPerMessage)
      const last = due.at(-1)
      if (last !== undefined) {
        await sendLifecycle({ v: 1, keys: due.map(({ account, region, keyId }) => ({ account, region, keyId })) })
        keys += due.length
        after = last
      }
      isEnd = due.length < keysPerMessage
    }
  } catch (failure) {
    // Whatever does not answer: the next cron goes on from here.
    await move({ after, at: 0 }).catch(() => false)
    throw failure
  }
  if (isEnd) {
    if (from !== null) await move({ after: null, at: wallTime })
    return { keys, isUnderWay: false }
  }
  const isMoved = await move({ after, at: wallTime })
  if (isMoved && after !== null) await sendLifecycle({ v: 1, after })
  return { keys, isUnderWay: true }
}

/** What cron and queue do together, at once and to the end. For a clock that is moved. */
export async function sweepToEnd(
  database: Database,
  namespace: KeyNamespace,
  clock: Clock,
  pauses: number,
): Promise<SettleReport> {
  let report: SettleReport = { rotated: 0, deleted: 0, expired: 0, nothing: 0, failed: 0 }
  let after: DuePlace | null = null
  for (;;) {
    const due: DuePlace[] = await listDueKeys(database, clock.time, after, keysPerMessage)
    report = addReports(report, await settleKeys(namespace, due, clock, pauses))
    after = due.at(-1) ?? null
    if (due.length < keysPerMessage) return report
  }
}

/** What cannot be read is a pass that has ended: beginning anew does no harm. */
function placeOf(stored: string | null): PassPlace {
  try {
    const { after, at } = JSON.parse(stored ?? '{}') as Partial<PassPlace>
    return { after: after ?? null, at: at ?? 0 }
  } catch {
    return { after: null, at: 0 }
  }
}
