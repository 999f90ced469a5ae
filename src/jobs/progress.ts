import { readCursor, setCursor } from '../catalog/cursors.ts'
import { boolean, optional, required, shape, string } from '../model/shapes.ts'
import { job } from './operator-job.ts'

/**
 * How far a walk through the objects has come, so that whoever goes on, on whichever machine, need not begin anew.
 * With `reached` or `isDone` it is noted; the answer is what was noted before.
 */
export const progress = job(
  shape({
    walk: required(string('Walk', { pattern: '[\\w-]{1,100}' })),
    reached: optional(string('ObjectId', { pattern: '[0-9a-f]{64}' })),
    isDone: optional(boolean('Boolean')),
  }),
  async ({ walk, reached, isDone = false }, { wallTime }, { database }) => {
    // Other cursors are not an operator's to move.
    const name = `admin/${walk}`
    const noted = await readCursor(database, name)
    if (isDone) await setCursor(database, name, null)
    else if (reached !== undefined) await setCursor(database, name, JSON.stringify({ reached, at: wallTime }))
    if (noted === null) return { reached: null }
    const { reached: before, at } = JSON.parse(noted) as { reached: string; at: number }
    return { reached: before, secondsAgo: Math.max(0, Math.round((wallTime - at) / 1000)) }
  },
)
