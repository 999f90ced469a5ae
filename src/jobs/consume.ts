import type { EventBatch } from '../audit/unpack.ts'
import type { Database } from '../catalog/database.ts'
import { storeDeadLetter } from '../catalog/dead-letters.ts'
import type { KeyNamespace } from '../key/directory.ts'
import { causeOf } from '../model/errors.ts'
import { letterBody } from './dead-letters.ts'
import { parseLifecycleMessage } from './lifecycle-message.ts'
import { parseAuditMessage, recordCalls } from './record-calls.ts'
import { resume, type ScheduleParts } from './schedule.ts'
import { type Clock, settleKeys } from './settle.ts'

export interface ConsumerParts extends ScheduleParts {
  readonly database: Database
  readonly namespace: KeyNamespace
  clock(): Clock
  /** How many times as long as a group of keys took, the next one waits. */
  readonly settlePauses: number
  /** After D1 has them. They may come again. */
  archiveCalls(batches: readonly EventBatch[]): Promise<void>
}

interface Consumer {
  /** Null: done. A string: it never will be, and why. Throws what may pass: the message comes again. */
  take(message: Message, parts: ConsumerParts): Promise<string | null>
  /** Seconds until a message that was tried `attempts` times comes again. */
  readonly retrySeconds: (attempts: number) => number
}

const deadLettersMax = 10_000
const dead = '-dead'

const deadLetters: Consumer = {
  take: async () => 'given up: it failed too often',
  retrySeconds: (attempts) => Math.min(10 * 2 ** (attempts - 1), 3600),
}

const seconds = (attempts: number) => Math.min(2 ** (attempts - 1), 300)

const consumers: ReadonlyMap<string, Consumer> = new Map<string, Consumer>([
  ['edge-kms-audit', { take: takeAudit, retrySeconds: seconds }],
  [`edge-kms-audit${dead}`, deadLetters],
  ['edge-kms-lifecycle', { take: takeLifecycle, retrySeconds: seconds }],
  [`edge-kms-lifecycle${dead}`, deadLetters],
])

/** Each message by itself: one that fails comes again later, and one that can never succeed becomes a dead letter. */
export async function consume({ queue, messages }: MessageBatch, parts: ConsumerParts): Promise<void> {
  const consumer = consumers.get(queue)
  if (consumer === undefined) throw new Error(`Nothing here consumes the queue ${queue}`)
  for (const message of messages) {
    try {
      const reason = await consumer.take(message, parts)
      if (reason !== null) await bury(queue, message, reason, parts)
      message.ack()
    } catch (failure) {
      console.warn(JSON.stringify({ queue, message: message.id, failed: String(causeOf(failure)) }))
      message.retry({ delaySeconds: consumer.retrySeconds(message.attempts) })
    }
  }
}

async function takeAudit({ body }: Message, { database, archiveCalls }: ConsumerParts): Promise<string | null> {
  const batches = parseAuditMessage(body)
  if (typeof batches === 'string') return batches
  await recordCalls(database, batches)
  await archiveCalls(batches)
  return null
}

async function takeLifecycle({ body }: Message, parts: ConsumerParts): Promise<string | null> {
  const message = parseLifecycleMessage(body)
  if (typeof message === 'string') return message
  if ('after' in message) {
    await resume(parts, parts.clock(), message.after)
    return null
  }
  // Keys that fail stay due: trying the message again would only ask the others again.
  const report = await settleKeys(parts.namespace, message.keys, parts.clock(), parts.settlePauses)
  console.log(JSON.stringify({ settled: report }))
  return null
}

async function bury(queue: string, { id, body }: Message, reason: string, { database, clock }: ConsumerParts) {
  const letter = {
    messageId: id,
    queue: queue.endsWith(dead) ? queue.slice(0, -dead.length) : queue,
    receivedAt: clock().wallTime,
    body: letterBody(body),
    reason,
  }
  const dropped = await storeDeadLetter(database, letter, deadLettersMax)
  console.warn(JSON.stringify({ deadLetter: id, queue: letter.queue, reason }))
  if (dropped > 0) console.warn(JSON.stringify({ deadLettersDropped: dropped, kept: deadLettersMax }))
}
