import type { KeyEvent } from '../../src/model/key-event.ts'

interface Env {
  readonly WEBHOOK_URL: string
}

const answerMs = 10_000
const retrySecondsMax = 600

/**
 * Tells a webhook what befell keys of edge-kms. An event comes at least once: its id, which stays the same, is the
 * Idempotency-Key by which the receiver knows a repetition. What the receiver does not take comes again, later each time.
 */
export default {
  async queue({ messages }, { WEBHOOK_URL }) {
    for (const message of messages) {
      try {
        await tell(WEBHOOK_URL, message.body)
        message.ack()
      } catch (failure) {
        console.warn(`${message.body.id} is not taken: ${failure}`)
        message.retry({ delaySeconds: Math.min(2 ** (message.attempts - 1), retrySecondsMax) })
      }
    }
  },
} satisfies ExportedHandler<Env, KeyEvent>

async function tell(url: string, event: KeyEvent): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': event.id },
    body: JSON.stringify(event),
    signal: AbortSignal.timeout(answerMs),
  })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`the webhook answers ${response.status}`)
}
