import { type DeadLetter, deadLetterCount, listDeadLetters, removeDeadLetters } from '../catalog/dead-letters.ts'
import { list, optional, required, shape, string } from '../model/shapes.ts'
import { type JobParts, job } from './operator-job.ts'

const lettersMax = 100

/** Without `ids`, the oldest 100. Answers what was done to how many, and how many letters are left. */
export const deadLetters = job(
  shape({
    action: required(string('Action', { oneOf: ['list', 'replay', 'drop'] })),
    ids: optional(list('MessageIds', string('MessageId', { min: 1, max: 200 }), { max: lettersMax })),
  }),
  async ({ action, ids }, _call, parts) => {
    const letters = await listDeadLetters(parts.database, ids ?? null, lettersMax)
    const report = await actions[action](letters, parts)
    return { ...report, left: await deadLetterCount(parts.database) }
  },
)

const actions = {
  async list(letters: readonly DeadLetter[]) {
    return { done: letters.length, letters }
  },

  /** Sent before it is removed: what is cut short is sent twice, and consumers do nothing twice. */
  async replay(letters: readonly DeadLetter[], { database, sendTo }: JobParts) {
    let done = 0
    for (const { messageId, queue, body } of letters) {
      await sendTo(queue, parsedBody(body))
      done += await removeDeadLetters(database, [messageId])
    }
    return { done }
  },

  async drop(letters: readonly DeadLetter[], { database }: JobParts) {
    const ids = letters.map(({ messageId }) => messageId)
    return { done: ids.length === 0 ? 0 : await removeDeadLetters(database, ids) }
  },
}

/** A message as a letter holds it: JSON, or text where it cannot be written so. */
export function letterBody(body: unknown): string {
  try {
    return JSON.stringify(body) ?? String(body)
  } catch {
    return String(body)
  }
}

function parsedBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
