import type { Env } from '../../deployment.ts'

/*
 * Local queues live in memory, and nobody says what is in them: so what is sent and not yet done with is counted, and a
 * clean stop waits for it. A message that waits to be tried again counts; one that became a dead letter does not.
 */
let pending = 0

const retrySecondsMax = 4
const counted = new WeakSet<Env>()
const bindings = ['AUDIT_QUEUE', 'LIFECYCLE_QUEUE'] as const satisfies readonly (keyof Env)[]

/** Messages that are sent and not done with. */
export function pendingMessages(): number {
  return pending
}

/** In its place: what an isolate keeps hangs on the environment, which requests and objects share. */
export function countQueues(env: Env): void {
  if (counted.has(env)) return
  counted.add(env)
  Object.assign(env, Object.fromEntries(bindings.map((name) => [name, countedQueue(env[name])])))
}

function countedQueue(queue: Queue): Queue {
  const count = async <Sent>(messages: number, sending: () => Promise<Sent>) => {
    pending += messages
    try {
      return await sending()
    } catch (failure) {
      pending -= messages
      throw failure
    }
  }
  return {
    metrics: () => queue.metrics(),
    send: (body, options) => count(1, () => queue.send(body, options)),
    sendBatch(messages, options) {
      const batch = [...messages]
      return count(batch.length, () => queue.sendBatch(batch, options))
    },
  }
}

/** The batch, counting what is done with. */
export function countedBatch(batch: MessageBatch): MessageBatch {
  const messages = batch.messages.map((message): Message => {
    const { id, timestamp, body, attempts } = message
    return {
      id,
      timestamp,
      body,
      attempts,
      ack() {
        pending = Math.max(0, pending - 1)
        message.ack()
      },
      // A stop waits for it, and D1 is on the same disk: hours of patience are for elsewhere.
      retry: ({ delaySeconds = 0 } = {}) => message.retry({ delaySeconds: Math.min(delaySeconds, retrySecondsMax) }),
    }
  })
  const { queue, metadata } = batch
  return {
    queue,
    metadata,
    messages,
    ackAll() {
      for (const message of messages) message.ack()
    },
    retryAll: (options) => batch.retryAll(options),
  }
}
