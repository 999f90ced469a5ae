import { Stop } from '../local/options.ts'
import type { AdminClient } from './client.ts'
import type { Enumerate } from './objects.ts'
import type { AdminOptions } from './options.ts'

interface Report {
  readonly done: number
  readonly left: number
  readonly letters?: readonly {
    readonly messageId: string
    readonly queue: string
    readonly receivedAt: number
    readonly reason: string
    readonly body: string
  }[]
}

const sentences = {
  list: (done: number) => `${done} shown`,
  replay: (done: number) => `${done} put back on their queues`,
  drop: (done: number) => `${done} dropped`,
}
const bodyShown = 200

/** Lists, replays or drops queue messages that could not be dealt with: those of the ids, or all that there are now. */
export async function deadLetters(admin: AdminClient, _enumerate: Enumerate, { words }: AdminOptions): Promise<void> {
  const [action = '', ...ids] = words
  if (!Object.hasOwn(sentences, action)) {
    throw new Stop(
      'Say what to do: npm run dead-letters -- list, or replay or drop, and the ids of messages for only those.',
    )
  }
  const asked = { action, ...(ids.length > 0 && { ids }) }
  let { done, left, letters = [] } = await admin.run<Report>('dead-letters', asked)
  for (const { messageId, queue, receivedAt, reason, body } of letters) {
    const shown = body.length > bodyShown ? `${body.slice(0, bodyShown)}…` : body
    console.log(`${messageId} ${new Date(receivedAt).toISOString()} ${queue}: ${reason}\n  ${shown}`)
  }
  // Those that come back are not for this run: what is left now is all that it goes on with.
  for (let rest = left; action !== 'list' && ids.length === 0 && rest > 0; ) {
    const next = await admin.run<Report>('dead-letters', asked)
    if (next.done === 0) break
    rest -= next.done
    done += next.done
    left = next.left
  }
  console.log(`${sentences[action as keyof typeof sentences](done)}, ${left} there now.`)
}
