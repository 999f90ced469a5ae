import { collect } from '../model/bytes.ts'
import type { Call, Principal } from '../model/call.ts'
import { causeOf, isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import { cloudtrailJson, kmsJson } from './aws-json.ts'
import { iamQuery, stsQuery } from './aws-query.ts'
import type { Authenticate } from './sigv4.ts'
import type { Asked, Output, Wire } from './wire.ts'

/** What is behind the door: who may come in, and who does the work. */
export interface Door {
  readonly authenticate: Authenticate
  /** Accept-Encoding as the client sent it; null: it is the one that arrived. */
  acceptEncoding(request: Request): string | null
  /** Null: not known. */
  sourceIp(request: Request): string | null
  /** Wall time and lifecycle time, in milliseconds. */
  clock(): { wallTime: number; time: number }
  waitUntil(promise: Promise<unknown>): void
  /** A request was refused before it was known who asks. */
  onUnauthenticated(): void
  invoke(service: string, operation: string, input: unknown, call: Call): Promise<Output | Refusal>
  /** Serves a call that is none of AWS's, and puts it on record, refused or not. */
  recorded<Answer extends object>(
    call: Call,
    asked: OwnOperation,
    serve: () => Promise<Answer | Refusal>,
  ): Promise<Answer | Refusal>
}

/** What is asked for at a door of our own. */
export interface OwnOperation {
  readonly operation: string
  readonly isReadOnly: boolean
  /** Null: it has none, they are not for the record, or they make no sense. */
  readonly parameters: Readonly<Record<string, unknown>> | null
}

/** The services of this door, by the name that a signature's scope has for them. */
export const wires: ReadonlyMap<string, Wire> = new Map([
  ['kms', kmsJson],
  ['cloudtrail', cloudtrailJson],
  ['iam', iamQuery],
  ['sts', stsQuery],
])

/** Path and query of a URL, as they came. */
export interface Target {
  readonly url: string
  readonly path: string
  readonly query: string
}

/** One POST is one call, and every answer has a request id. */
export async function serve(request: Request, { url, path, query }: Target, door: Door): Promise<Response> {
  const requestId = crypto.randomUUID()
  const { headers } = request
  const authorization = headers.get('authorization')
  // Until the signature is checked, nothing but the look of a refusal depends on it.
  let wire = wireOf(authorization, headers)
  let asked: Asked | null = null
  try {
    const buffer = await readBody(request, headers)
    if (buffer === null) return wire.refuse(tooLarge(), null, requestId)
    const body = new Uint8Array(buffer)
    const { wallTime, time } = door.clock()
    const acceptEncoding = () => door.acceptEncoding(request)
    const received = { method: 'POST', path, query, headers, authorization, body, acceptEncoding }
    const caller =
      unsigned(authorization, wire, headers, body) ??
      (await door.authenticate(received, wallTime, (promise) => door.waitUntil(promise)))
    if (isRefusal(caller)) {
      door.onUnauthenticated()
      return wire.refuse(caller, null, requestId)
    }
    wire = wires.get(caller.service) as Wire
    const read = wire.read(headers, body)
    if (isRefusal(read)) return wire.refuse(read, null, requestId)
    asked = read
    const call = callOf(request, caller, { requestId, wallTime, time, url }, door)
    const answer = await door.invoke(caller.service, asked.operation, asked.input, call)
    return isRefusal(answer) ? wire.refuse(answer, asked, requestId) : wire.answer(answer, asked, requestId)
  } catch (failure) {
    console.error(JSON.stringify({ requestId, bug: describe(failure) }))
    return wire.refuse(refuse('KMSInternalException', null), asked, requestId)
  }
}

interface Moment {
  readonly requestId: string
  readonly wallTime: number
  readonly time: number
  readonly url: string
}

/** The call that a request is, by whoever signed it. */
export function callOf(
  request: Request,
  { principal, accessKeyId, region }: Pick<Call, 'principal' | 'accessKeyId' | 'region'>,
  { requestId, wallTime, time, url }: Moment,
  door: Pick<Door, 'sourceIp'>,
): Call {
  return {
    requestId,
    principal,
    accessKeyId,
    region,
    wallTime,
    time,
    sourceIp: door.sourceIp(request),
    userAgent: request.headers.get('user-agent'),
    isSecure: url.startsWith('https:'),
    viaService: null,
  }
}

/** The wire of the service that the signature names; where nothing is signed, that of a form is AWS Query. */
export function wireOf(authorization: string | null, headers: Headers): Wire {
  if (authorization === null) return isForm(headers) ? stsQuery : kmsJson
  const end = authorization.indexOf('/aws4_request')
  return wires.get(authorization.slice(authorization.lastIndexOf('/', end - 1) + 1, end)) ?? kmsJson
}

/** Path and query as they came: a URL object would normalise them. */
export function rawTarget(url: string): Target {
  const pathAt = url.indexOf('/', url.indexOf('://') + 3)
  const queryAt = url.indexOf('?', pathAt)
  if (queryAt < 0) return { url, path: url.slice(pathAt), query: '' }
  return { url, path: url.slice(pathAt, queryAt), query: url.slice(queryAt + 1) }
}

const nobody: Principal = {
  kind: 'federated',
  account: '',
  arn: 'anonymous',
  id: 'anonymous',
  tags: {},
  documents: null,
  session: null,
}

/** Whoever brings a web token instead of a signature: for this one operation. Null: a signature is needed. */
function unsigned(authorization: string | null, wire: Wire, headers: Headers, body: Uint8Array) {
  if (authorization !== null || wire !== stsQuery) return null
  const asked = wire.read(headers, body)
  if (isRefusal(asked) || asked.operation !== 'AssumeRoleWithWebIdentity') return null
  return { principal: nobody, accessKeyId: null, region: 'us-east-1', service: 'sts' }
}

function isForm(headers: Headers): boolean {
  return /^application\/x-www-form-urlencoded(\s*;|$)/i.test(headers.get('content-type') ?? '')
}

function tooLarge() {
  return refuse('RequestEntityTooLargeException', `A request is at most ${limits.requestBytesMax} bytes.`)
}

/** Null: more than is ever read. */
export function readBody(request: Request, headers: Headers): NowOrLater<Uint8Array<ArrayBuffer> | ArrayBuffer | null> {
  const length = headers.get('content-length')
  // A body that does not say how long it is.
  if (length === null) return collect(request.body ?? [], limits.requestBytesMax)
  return Number(length) > limits.requestBytesMax ? null : request.arrayBuffer()
}

function describe(failure: unknown): string {
  const cause = causeOf(failure)
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
}
