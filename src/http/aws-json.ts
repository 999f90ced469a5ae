import { fromUtf8, toBase64 } from '../model/bytes.ts'
import type { Call } from '../model/call.ts'
import { causeOf, exceptions, isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import type { Authenticate } from './sigv4.ts'

/** What is behind the door: who may come in, and who does the work. */
export interface Door {
  readonly authenticate: Authenticate
  /** Accept-Encoding as the client sent it; null: it is the one that arrived. */
  acceptEncoding(request: Request): string | null
  /** Wall time and lifecycle time, in milliseconds. */
  clock(): { wallTime: number; time: number }
  invoke(
    operation: string,
    input: unknown,
    call: Call,
  ): Promise<Readonly<Record<string, unknown>> | undefined | Refusal>
}

const targetPrefix = 'TrentService.'

/** The awsJson1_1 door: one POST is one call, and every answer has a request id. */
export async function serve(request: Request, query: string, door: Door): Promise<Response> {
  const requestId = crypto.randomUUID()
  try {
    const { headers } = request
    const buffer = await readBody(request, headers)
    if (buffer === null) return refusal(tooLarge(), requestId)
    const body = new Uint8Array(buffer)
    const { wallTime, time } = door.clock()
    const acceptEncoding = () => door.acceptEncoding(request)
    const received = { method: 'POST', path: '/', query, headers, body, acceptEncoding }
    const caller = await door.authenticate(received, wallTime)
    if (isRefusal(caller)) return refusal(caller, requestId)
    const target = headers.get('x-amz-target') ?? ''
    if (!target.startsWith(targetPrefix)) return refusal(noTarget(), requestId)
    const input = parseBody(body)
    if (isRefusal(input)) return refusal(input, requestId)
    const call: Call = { requestId, wallTime, time, ...caller }
    const answer = await door.invoke(target.slice(targetPrefix.length), input, call)
    return isRefusal(answer) ? refusal(answer, requestId) : success(answer, requestId)
  } catch (failure) {
    console.error(JSON.stringify({ requestId, bug: describe(failure) }))
    return refusal(refuse('KMSInternalException', null), requestId)
  }
}

/** An exception as it goes over the wire. */
export function refusal(
  { refused, message }: Refusal,
  requestId: string,
  status: number = exceptions[refused].status,
): Response {
  const body = JSON.stringify(message === null ? { __type: refused } : { __type: refused, message })
  return new Response(body, { status, headers: headersOf(requestId) })
}

function tooLarge() {
  return refuse('RequestEntityTooLargeException', `A request is at most ${limits.requestBytesMax} bytes.`)
}

/** Path and query as they came: a URL object would normalise them. */
export function rawTarget(url: string): { path: string; query: string } {
  const pathAt = url.indexOf('/', url.indexOf('://') + 3)
  const queryAt = url.indexOf('?', pathAt)
  if (queryAt < 0) return { path: url.slice(pathAt), query: '' }
  return { path: url.slice(pathAt, queryAt), query: url.slice(queryAt + 1) }
}

function noTarget() {
  return refuse('UnknownOperationException', null, 'no X-Amz-Target of KMS')
}

/** Null: more than is ever read. */
function readBody(request: Request, headers: Headers): NowOrLater<ArrayBuffer | null> {
  const length = headers.get('content-length')
  if (length === null) return readStream(request)
  return Number(length) > limits.requestBytesMax ? null : request.arrayBuffer()
}

/** A body that does not say how long it is. */
async function readStream(request: Request): Promise<ArrayBuffer | null> {
  const whole = new Uint8Array(limits.requestBytesMax)
  let at = 0
  for await (const chunk of request.body ?? []) {
    if (at + chunk.length > whole.length) return null
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole.buffer.slice(0, at)
}

function parseBody(body: Uint8Array): unknown {
  const text = fromUtf8(body)
  if (text === null) return refuse('SerializationException', 'The request is not valid UTF-8')
  let input: unknown
  try {
    input = JSON.parse(text)
  } catch {
    return refuse('SerializationException', 'The request is not valid JSON')
  }
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input
  return refuse('SerializationException', 'The request is not a JSON object')
}

function success(output: Readonly<Record<string, unknown>> | undefined, requestId: string): Response {
  return new Response(output === undefined ? null : JSON.stringify(encode(output)), { headers: headersOf(requestId) })
}

function headersOf(requestId: string): Record<string, string> {
  return { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': requestId }
}

/** Bytes become base64 and dates become seconds. */
function encode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return toBase64(value)
  if (value instanceof Date) return value.getTime() / 1000
  if (Array.isArray(value)) return value.map(encode)
  const encoded: Record<string, unknown> = {}
  for (const name of Object.keys(value)) encoded[name] = encode((value as Record<string, unknown>)[name])
  return encoded
}

function describe(failure: unknown): string {
  const cause = causeOf(failure)
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
}
