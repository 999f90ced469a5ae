import type { BindingCall, KmsBinding } from '../model/kms-binding.ts'
import { KmsError } from './error.ts'
import type { Ask } from './kms.ts'

export interface BindingOptions {
  /** The service binding to edge-kms's entrypoint `Kms`. */
  readonly binding: KmsBinding | { readonly fetch: unknown }
  /** `us-east-1` where it is left out. */
  readonly region?: string
}

/** Asks over a service binding: no HTTP and no signature. */
export function overBinding({ binding, region = 'us-east-1' }: BindingOptions, via?: BindingCall['via']): Ask {
  const call: BindingCall = via === undefined ? { region } : { region, via }
  return async (operation, input, signal) => {
    signal?.throwIfAborted()
    const answer = await abortable(asked(binding as KmsBinding, operation, input, call), signal)
    if (!('refused' in answer)) return answer.output
    const { refused: name, message, requestId, isRetryable: retryable } = answer
    throw new KmsError({ name, message, requestId, retryable })
  }
}

async function asked(binding: KmsBinding, ...call: Parameters<KmsBinding['invoke']>) {
  try {
    return await binding.invoke(...call)
  } catch (failure) {
    const isElsewhere = /does not implement|is not a function/.test(String(failure))
    throw new KmsError({
      name: 'EndpointError',
      message: `The binding does not answer: ${(failure as Error).message}.`,
      retryable: !isElsewhere,
      remedy: isElsewhere
        ? 'Bind edge-kms\'s entrypoint: entrypoint = "Kms" beside service = "edge-kms" in wrangler.toml.'
        : 'Ask again: the Worker behind the binding may be starting or being replaced.',
      cause: failure,
    })
  }
}

/** A call over a binding cannot be called off, but nobody has to wait for it. */
function abortable<Value>(work: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
