import { WorkerEntrypoint } from 'cloudflare:workers'
import type { Call, Principal } from '../model/call.ts'
import { causeOf, exceptions, isRefusal, type Refusal, refuse } from '../model/errors.ts'
import type { BindingAnswer, BindingCall, KmsBinding } from '../model/kms-binding.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import { detached, toWire } from './plain-data.ts'

/** What the composition root gives this door, for each call. */
export interface RpcDoor {
  /** False: RPC=off. */
  readonly isOpen: boolean
  /** Wall time and lifecycle time, in milliseconds. */
  clock(): { wallTime: number; time: number }
  isRegionServed(region: string): boolean
  /** Who calls by these props; who may not is on record, or counted. */
  caller(props: unknown, call: Omit<Call, 'principal'>): Promise<Principal | Refusal>
  /** `via` null: the Worker asks for itself. */
  invoke(operation: string, input: unknown, call: Call, via: unknown): Promise<unknown | Refusal>
}

/** A string is the sentence that says what is wrong with this deployment's own configuration. */
export type OpenRpc<Env> = (env: Env, ctx: ExecutionContext) => NowOrLater<RpcDoor | string>

/** The entrypoint to which Workers of the same account are bound: the same operations, without HTTP and signatures. */
export function kmsEntrypointClass<Env>(open: OpenRpc<Env>) {
  return class Kms extends WorkerEntrypoint<Env> implements KmsBinding {
    async invoke(operation: string, input: unknown, asked?: BindingCall): Promise<BindingAnswer> {
      const requestId = crypto.randomUUID()
      try {
        const door = await open(this.env, this.ctx)
        const answer =
          typeof door === 'string'
            ? misconfigured(door)
            : await serve(door, this.ctx.props, requestId, operation, input, asked)
        if (!isRefusal(answer)) return { requestId, output: detached(answer) }
        const { refused, message } = answer
        return { requestId, refused, message, isRetryable: exceptions[refused].retryable }
      } catch (failure) {
        const cause = causeOf(failure)
        console.error(
          JSON.stringify({ requestId, bug: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }),
        )
        return { requestId, refused: 'KMSInternalException', message: null, isRetryable: true }
      }
    }
  }
}

async function serve(
  door: RpcDoor,
  props: unknown,
  requestId: string,
  operation: unknown,
  input: unknown,
  { region, via }: Partial<BindingCall> = {},
): Promise<unknown | Refusal> {
  if (!door.isOpen) return refuse('AccessDeniedException', 'This deployment serves no service bindings (RPC=off).')
  if (typeof operation !== 'string') return refuse('UnknownOperationException', null, 'no name of an operation')
  if (typeof region !== 'string' || !door.isRegionServed(region)) {
    return refuse('ValidationException', 'The call names no Region that this deployment serves.')
  }
  const surroundings = {
    requestId,
    accessKeyId: null,
    region,
    ...door.clock(),
    sourceIp: null,
    userAgent: null,
    // It never left the account's own Workers.
    isSecure: true,
    viaService: null,
  }
  const principal = await door.caller(props, surroundings)
  if (isRefusal(principal)) return principal
  const read = toWire(input ?? {})
  if (isRefusal(read)) return read
  return door.invoke(operation, read, { ...surroundings, principal }, via ?? null)
}

function misconfigured(sentence: string): Refusal<'KMSInternalException'> {
  console.error(JSON.stringify({ misconfigured: sentence }))
  return refuse('KMSInternalException', sentence)
}
