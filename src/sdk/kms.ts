import type { Via } from '../model/kms-binding.ts'
import { KmsError } from './error.ts'
import { type MethodName, methods } from './methods.ts'
import type { Operations } from './operations.ts'
import { type BindingOptions, overBinding } from './over-binding.ts'
import { type HttpOptions, overHttp } from './over-http.ts'
import { repeating } from './retry.ts'

/** One request, answered or refused. */
export type Ask = (operation: MethodName, input: unknown, signal: AbortSignal | undefined) => Promise<unknown>

export interface CallOptions {
  /** Calls the request off, or the wait for it: its reason is what is thrown. */
  readonly signal?: AbortSignal | undefined
}

/** The input may be left out where nothing in it is required. */
type Arguments<Input> =
  Record<never, never> extends Input ? [input?: Input, options?: CallOptions] : [input: Input, options?: CallOptions]

/** Every operation of KMS by its name, such as `generateDataKey`. Blobs are bytes, timestamps are Dates. Throws `KmsError`. */
export type Kms = {
  readonly [Name in keyof Operations as Uncapitalize<Name>]: (
    ...given: Arguments<Operations[Name]['input']>
  ) => Promise<Operations[Name]['output']>
} & {
  /**
   * The same over the same binding, on behalf of one of edge-kms's own integrations: what its AWS managed key is used
   * through. Throws `KmsError` over HTTP, where nobody can say so.
   */
  via(integration: Via): Kms
}

export type KmsOptions = (HttpOptions | BindingOptions) & {
  /** How often one request is asked at most; 3 where it is left out, 1 never repeats. */
  readonly maxAttempts?: number
}

/** A client of AWS KMS, edge-kms or any other, by its endpoint; or of edge-kms by a service binding. */
export function createKms(options: KmsOptions): Kms {
  const { maxAttempts = 3 } = options
  if (!('binding' in options)) return client(repeating(overHttp(options), maxAttempts), overHttpAlone)
  if (options.binding === undefined) {
    throw new KmsError({
      name: 'EndpointError',
      message: 'The binding is not there.',
      remedy: 'Bind the service edge-kms, entrypoint Kms, in wrangler.toml, under the name that is used here.',
    })
  }
  const by = (via?: Via): Kms => client(repeating(overBinding(options, via), maxAttempts), by)
  return by()
}

function client(ask: Ask, via: (integration: Via) => Kms): Kms {
  const made: Record<string, unknown> = { via }
  for (const name of Object.keys(methods) as MethodName[]) {
    made[name.charAt(0).toLowerCase() + name.slice(1)] = (input: unknown = {}, { signal }: CallOptions = {}) =>
      ask(name, input, signal)
  }
  return made as Kms
}

function overHttpAlone(integration: Via): never {
  throw new KmsError({
    name: 'EndpointError',
    message: `On behalf of ${integration} KMS is asked over a service binding alone.`,
    remedy: 'Make the client with createKms({ binding }), or name a key of your own.',
  })
}
