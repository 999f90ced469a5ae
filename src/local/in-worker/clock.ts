import { database } from '../../catalog/database.ts'
import { archive } from '../../jobs/archive.ts'
import { retain } from '../../jobs/retain.ts'
import { sweepToEnd } from '../../jobs/schedule.ts'
import { causeOf, type Refusal, refuse } from '../../model/errors.ts'
import { dayMs } from '../../model/limits.ts'
import { parseSettings } from '../../model/settings.ts'
import type { LocalEnv } from './env.ts'

/** One workerd runs one isolate of this Worker, objects included, so that this is the one clock. */
let offsetMs: number | undefined
/** What is done one after the other: moves, and what falls due on the way. */
let last: Promise<unknown> = Promise.resolve()
let waiting = 0

/** Keys and calls share the one thread of this workerd: four fifths of it are for calls. */
export const settlePauses = 4

const unitMs = { d: dayMs, h: 3_600_000, m: 60_000, s: 1000 } as const
const yearsMax = 1000
/** Two clocks of one machine may differ, and a request takes its time: so much is not backwards. */
const graceMs = 1000

export function localClock(env: LocalEnv) {
  const wallTime = Date.now()
  return { wallTime, time: wallTime + offsetNow(env) }
}

/**
 * Moves lifecycle time forward, for good, and does all that has fallen due on the way. Requests wait for each other.
 * `{"advance":"366d"}`, or d, h, m, s; `{"to":"2027-06-01T00:00Z"}`.
 */
export function moveClock(input: unknown, env: LocalEnv): Promise<object | Refusal> {
  return inTurn(() => move(input, env))
}

/** What cron would do at the clock's time, and nothing is left to a later run. */
export function settleAll(env: LocalEnv): Promise<object> {
  return inTurn(() => settle(env))
}

/** True while cron would only ask the same keys again. */
export function isSettling(): boolean {
  return waiting > 0
}

async function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
  waiting++
  const working = last.then(work).finally(() => waiting--)
  last = working.catch(() => {})
  return working
}

async function move(input: unknown, env: LocalEnv): Promise<object | Refusal> {
  const { wallTime, time } = localClock(env)
  const wanted = timeWanted(input, time)
  if (typeof wanted === 'string') return refuse('ValidationException', wanted)
  if (wanted < time - graceMs) {
    const at = new Date(time).toISOString()
    return refuse('ValidationException', `The clock is at ${at} and only moves forward.`)
  }
  const offset = Math.max(wanted - wallTime, offsetNow(env))
  // On disk first: what a restart would forget must not have deleted anything.
  const kept = await env.LOCAL_STATE.fetch('http://state/clock', { method: 'PUT', body: String(offset) })
  if (!kept.ok) return refuse('KMSInternalException', `The state folder does not take the time: ${await kept.text()}`)
  offsetMs = offset
  try {
    return await settle(env)
  } catch (failure) {
    // Whoever asks again would move it again.
    const at = new Date(localClock(env).time).toISOString()
    const cause = causeOf(failure)
    return refuse(
      'DependencyTimeoutException',
      `The clock is at ${at}; what is due is left to the next sweep: ${cause}`,
    )
  }
}

async function settle(env: LocalEnv): Promise<object> {
  const db = database(env.DB)
  const clock = localClock(env)
  const { rotated, deleted, expired, failed } = await sweepToEnd(db, env.KEYS, clock, settlePauses)
  // What fails here is made up for by cron, and the keys are done.
  const archived = await orNull(archive({ database: db, trails: env.AUDIT_TRAIL }, clock.time))
  const settings = parseSettings(env)
  const pruned = typeof settings === 'string' ? null : await orNull(retain(db, clock, settings.auditRowsMax))
  return { time: new Date(clock.time).toISOString(), rotated, deleted, expired, failed, archived, pruned }
}

async function orNull<Report>(work: Promise<Report>): Promise<Report | null> {
  try {
    return await work
  } catch (failure) {
    console.warn(`The clock has moved, and something is left to cron: ${causeOf(failure)}`)
    return null
  }
}

/** A string is the sentence that says what is wrong. */
function timeWanted(input: unknown, time: number): number | string {
  const { advance, to } = (input ?? {}) as { advance?: unknown; to?: unknown }
  if ((advance === undefined) === (to === undefined)) {
    return 'Give either "advance", a distance such as "366d", "12h" or "30m", or "to", a date such as "2027-06-01T00:00Z".'
  }
  const [, count, unit] = /^(\d{1,9})([dhms])$/.exec(String(advance)) ?? []
  const wanted = to === undefined ? time + Number(count) * unitMs[unit as keyof typeof unitMs] : dateOf(to)
  if (Number.isNaN(wanted)) {
    return to === undefined
      ? `"advance" takes a distance such as "366d", "12h" or "30m", not ${JSON.stringify(advance)}.`
      : `"to" takes a date such as "2027-06-01T00:00Z", not ${JSON.stringify(to)}.`
  }
  if (wanted > time + yearsMax * 366 * dayMs) return `The clock moves at most ${yearsMax} years at once.`
  return wanted
}

function dateOf(to: unknown): number {
  return typeof to === 'string' ? Date.parse(to) : Number.NaN
}

function offsetNow(env: LocalEnv): number {
  return offsetMs ?? env.LOCAL_CLOCK_OFFSET_MS
}
