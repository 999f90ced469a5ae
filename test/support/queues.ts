import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import type { Env } from '../../src/deployment.ts'
import worker from './test-worker.ts'
import { env } from './workerd.ts'

interface Sent {
  readonly queue: string
  readonly body: unknown
}

/** An environment whose queues keep what they are sent until a test delivers it; the rest of it is real. */
export function heldQueues(base: Env = env) {
  const sent: Sent[] = []
  const held: { env: Env; readonly sent: Sent[]; isRefusing: boolean; deliver(): Promise<Delivered[]> } = {
    env: base,
    sent,
    isRefusing: false,
    /** Everything that was sent, and all that is sent on the way. */
    async deliver() {
      const delivered: Delivered[] = []
      for (let next = sent.shift(); next !== undefined; next = sent.shift()) {
        delivered.push(await deliver(next.queue, next.body, held.env))
      }
      return delivered
    },
  }
  const queue = (name: string) => ({
    async send(body: unknown) {
      if (held.isRefusing) throw new Error('the queue takes nothing')
      sent.push({ queue: name, body: structuredClone(body) })
    },
  })
  held.env = {
    ...base,
    LIFECYCLE_QUEUE: queue('edge-kms-lifecycle') as unknown as Queue,
    AUDIT_QUEUE: queue('edge-kms-audit') as unknown as Queue,
  }
  return held
}

export interface Delivered {
  readonly queue: string
  readonly isAcked: boolean
  /** Seconds until it comes again; null: it does not. */
  readonly retrySeconds: number | null
}

/** One message to the Worker's consumer. */
export async function deliver(
  queue: string,
  body: unknown,
  overEnv: Env = env,
  { id = crypto.randomUUID() as string, attempts = 1 } = {},
): Promise<Delivered> {
  const delivered = { queue, isAcked: false, retrySeconds: null as number | null }
  // The platform's own batch for tests forgets the delay.
  const message: Message = {
    id,
    timestamp: new Date(),
    attempts,
    body,
    ack() {
      delivered.isAcked = true
    },
    retry({ delaySeconds = 0 } = {}) {
      delivered.retrySeconds = delaySeconds
    },
  }
  const never = () => {
    throw new Error('Each message is dealt with by itself')
  }
  const metadata = { metrics: { backlogCount: 0, backlogBytes: 0 } }
  const ctx = createExecutionContext()
  await worker.queue?.({ queue, metadata, messages: [message], ackAll: never, retryAll: never }, overEnv, ctx)
  await waitOnExecutionContext(ctx)
  return delivered
}
