import { fromUtf8 } from '../model/bytes.ts'
import { anyRegion, type Call, servicePrincipal } from '../model/call.ts'
import { causeOf, type ExceptionName, exceptions, isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { refusal } from './aws-json.ts'
import { callOf, type Door, rawTarget, readBody, type Target } from './serve.ts'
import type { Caller } from './sigv4.ts'

/** As much of the door as an operator comes through. */
export type OperatorDoor = Pick<Door, 'authenticate' | 'acceptEncoding' | 'sourceIp' | 'clock' | 'waitUntil'>

/** Runs a job of that name, `asked` for by an operator and done by the deployment itself; null: there is none. */
export type FindJob = (name: string) => ((input: unknown, call: Call, asked: Call) => Promise<object | Refusal>) | null

export const adminPath = '/admin/'

/** What KMS answers with 400 has its own status here, where no client of AWS's has to understand it. */
const statuses: { readonly [Name in ExceptionName]?: number } = {
  AccessDeniedException: 403,
  ConflictException: 409,
  ExpiredTokenException: 403,
  InvalidSignatureException: 403,
  MissingAuthenticationTokenException: 403,
  NotFoundException: 404,
  UnrecognizedClientException: 403,
}

/** `POST /admin/JOB`, signed for service kms by a root of this deployment: JSON in, JSON out. */
export async function serveAdmin(request: Request, door: OperatorDoor, findJob: FindJob): Promise<Response> {
  const requestId = crypto.randomUUID()
  const target = rawTarget(request.url)
  const answer = await answerTo(request, target, requestId, door, findJob).catch((failure: unknown) => {
    console.error(JSON.stringify({ requestId, admin: target.path, bug: `${causeOf(failure)}` }))
    return refuse('KMSInternalException', `The job failed: the log has the cause, under request ${requestId}.`)
  })
  return isRefusal(answer) ? refusedOf(answer, requestId) : Response.json(answer)
}

/** A refusal outside of AWS's protocols. */
export function refusedOf(refused: Refusal, requestId: string): Response {
  return refusal(refused, requestId, statuses[refused.refused] ?? exceptions[refused.refused].status)
}

async function answerTo(request: Request, target: Target, requestId: string, door: OperatorDoor, findJob: FindJob) {
  const body = await readBody(request, request.headers)
  if (body === null) return refuse('RequestEntityTooLargeException', 'The request is too large.')
  const bytes = new Uint8Array(body)
  const { wallTime, time } = door.clock()
  const caller = await operator(request, target, bytes, wallTime, door)
  if (isRefusal(caller)) return caller
  const name = target.path.slice(adminPath.length)
  const run = findJob(name)
  if (run === null) return refuse('NotFoundException', `There is no job ${name}.`)
  const input = parsed(bytes)
  if (input === undefined) return refuse('ValidationException', 'The request is not JSON in UTF-8.')
  const asked = callOf(request, caller, { requestId, wallTime, time, url: target.url }, door)
  const call = { ...asked, principal: servicePrincipal('admin.edge-kms'), accessKeyId: null, region: anyRegion }
  return run(input, call, asked)
}

/** Null: the request, which has no body, is signed by an operator. */
export async function operatorRefusal(request: Request, door: OperatorDoor): Promise<Response | null> {
  const { wallTime } = door.clock()
  const caller = await operator(request, rawTarget(request.url), new Uint8Array(0), wallTime, door)
  return isRefusal(caller) ? refusedOf(caller, crypto.randomUUID()) : null
}

/** Who signed, where that is a root of this deployment; what it is an operator of is all of it. */
async function operator(
  request: Request,
  target: Target,
  body: Uint8Array<ArrayBuffer>,
  wallTime: number,
  door: OperatorDoor,
): Promise<Caller | Refusal> {
  const caller = await signedForKms(request, target, body, wallTime, door)
  if (isRefusal(caller) || caller.principal.kind === 'root') return caller
  return refuse('AccessDeniedException', 'Only a root of this deployment (ROOT_CREDENTIALS) may do this.')
}

/** Who signed for the service kms. */
export async function signedForKms(
  request: Request,
  { path, query }: Target,
  body: Uint8Array<ArrayBuffer>,
  wallTime: number,
  door: OperatorDoor,
): Promise<Caller | Refusal> {
  const { method, headers } = request
  const authorization = headers.get('authorization')
  const acceptEncoding = () => door.acceptEncoding(request)
  const received = { method, path, query, headers, authorization, body, acceptEncoding }
  const caller = await door.authenticate(received, wallTime, (promise) => door.waitUntil(promise))
  if (isRefusal(caller)) return caller
  if (caller.service === 'kms') return caller
  return refuse('InvalidSignatureException', "Credential should be scoped to correct service: 'kms'.")
}

/** Undefined: it is not JSON. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes) ?? '')
  } catch {
    return undefined
  }
}
