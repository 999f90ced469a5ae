import { setTimeout as sleep } from 'node:timers/promises'
import { AwsClient } from 'aws4fetch'
import { Stop } from '../local/options.ts'
import type { AdminOptions } from './options.ts'

/** How long a server that does not answer is asked again: it may be starting. */
const patienceMs = 120_000
const answerMs = 60_000

/** Asks a deployment for pages of an operator's work. */
export class AdminClient {
  readonly #endpoint: string
  readonly #aws: AwsClient

  constructor({ endpoint, credentials, region }: Pick<AdminOptions, 'endpoint' | 'credentials' | 'region'>) {
    this.#endpoint = endpoint
    const { accessKeyId, secretAccessKey, sessionToken } = credentials
    const session = sessionToken === '' ? {} : { sessionToken }
    this.#aws = new AwsClient({ accessKeyId, secretAccessKey, ...session, service: 'kms', region })
  }

  /** The answer, whatever it takes but a refusal: that, and a server that stays away, throw `Stop` with the sentence. */
  async run<Answer>(job: string, input: object): Promise<Answer> {
    const startedAt = Date.now()
    let isSaid = false
    for (let pauseMs = 250; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
      const answer = await this.#ask(job, input).catch((failure: Error) => {
        if (failure instanceof Stop) throw failure
        return `${failure.cause ?? failure}`
      })
      if (typeof answer !== 'string') return answer as Answer
      if (Date.now() - startedAt > patienceMs) {
        throw new Stop(`${this.#endpoint} does not answer (${answer}). Run the same again: it goes on where it was.`)
      }
      if (!isSaid) console.error(`${this.#endpoint} does not answer (${answer}); asking again.`)
      isSaid = true
      await sleep(pauseMs)
    }
  }

  /** A string says why it is worth asking again. */
  async #ask(job: string, input: object): Promise<object | string> {
    const request = await this.#aws.sign(`${this.#endpoint}/admin/${job}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(input),
    })
    const response = await fetch(request, { signal: AbortSignal.timeout(answerMs) })
    const text = await response.text()
    if (response.ok) return JSON.parse(text) as object
    const message = messageIn(text)
    if (response.status >= 500 || response.status === 429) return `${response.status} ${message ?? ''}`.trim()
    throw new Stop(message ?? `${this.#endpoint} answers ${response.status} for ${job}. Is edge-kms there?`)
  }
}

/** Null: not what our door answers. */
function messageIn(text: string): string | null {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? null
  } catch {
    return null
  }
}
