import { KmsError } from './error.ts'
import type { Ask } from './kms.ts'
import { isRepeatable, type MethodName } from './methods.ts'

const firstPauseMs = 50
const pauseMsMax = 5_000

/**
 * Asks again after throttling, a failure of the server, or no answer at all: after a pause of a random length below a
 * bound that doubles. What may have been done already is repeated only where that does no harm; after throttling
 * nothing was done.
 */
export function repeating(ask: Ask, attemptsMax: number): Ask {
  return async (operation, input, signal) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask(operation, input, signal)
      } catch (failure) {
        if (attempt >= attemptsMax || !mayRepeat(failure, operation, input)) throw failure
        const bound = Math.min(firstPauseMs * 2 ** (attempt - 1), pauseMsMax)
        await pause(Math.random() * bound, signal)
      }
    }
  }
}

function mayRepeat(failure: unknown, operation: MethodName, input: unknown): boolean {
  if (!(failure instanceof KmsError) || !failure.retryable) return false
  return failure.name === 'ThrottlingException' || isRepeatable(operation, input)
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', end)
      resolve()
    }, ms)
    if (signal?.aborted) end()
    else signal?.addEventListener('abort', end, { once: true })
  })
}
