import { fromUtf8 } from '../model/bytes.ts'
import { anyRegion, type Call, servicePrincipal } from '../model/call.ts'
import { causeOf, type ExceptionName, exceptions, isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { refusal } from './aws-json.ts'
import { callOf, type Door, rawTarget, readBody, type Target } from './serve.ts'

/** As much of the door as an operator comes through. */
export type OperatorDoor = Omit<Door, 'invoke'>

/** Runs a job of that name, as a call by the deployment itself; null: there is none. */
export type FindJob = (name: string) => ((input: unknown, call: Call) => Promise<object | Refusal>) | null

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
  const asked = await signedCall(request, target, bytes, requestId, door)
  if (isRefusal(asked)) return asked
  const name = target.path.slice(adminPath.length)
  return door.recorded(asked, { operation: name, isReadOnly: false, parameters: null }, async () => {
    const refused = operatorRefusal(asked)
    if (refused !== null) return refused
    const run = findJob(name)
    if (run === null) return refuse('NotFoundException', `There is no job ${name}.`)
    const input = parsed(bytes)
    if (input === undefined) return refuse('ValidationException', 'The request is not JSON in UTF-8.')
    return run(input, { ...asked, principal: servicePrincipal('admin.edge-kms'), accessKeyId: null, region: anyRegion })
  })
}

interface OperatorsRead<Answer> {
  readonly operation: string
  read(): Promise<Answer>
  respond(answer: Answer): Promise<Response> | Response
}

/** A GET, signed for service kms by a root of this deployment. */
export async function serveOperatorsRead<Answer extends object>(
  request: Request,
  door: OperatorDoor,
  { operation, read, respond }: OperatorsRead<Answer>,
): Promise<Response> {
  const requestId = crypto.randomUUID()
  const call = await signedCall(request, rawTarget(request.url), new Uint8Array(0), requestId, door)
  if (isRefusal(call)) return refusedOf(call, requestId)
  const asked = { operation, isReadOnly: true, parameters: null }
  const answer = await door.recorded(call, asked, async () => operatorRefusal(call) ?? read())
  return isRefusal(answer) ? refusedOf(answer, requestId) : respond(answer)
}

/** Null: it is a root of this deployment, which is an operator of all of it. */
function operatorRefusal({ principal }: Call): Refusal | null {
  if (principal.kind === 'root') return null
  return refuse('AccessDeniedException', 'Only a root of this deployment (ROOT_CREDENTIALS) may do this.')
}

/** The call that a request is, by whoever signed it for the service kms. */
export async function signedCall(
  request: Request,
  { url, path, query }: Target,
  body: Uint8Array<ArrayBuffer>,
  requestId: string,
  door: OperatorDoor,
): Promise<Call | Refusal> {
  const { method, headers } = request
  const { wallTime, time } = door.clock()
  const authorization = headers.get('authorization')
  const acceptEncoding = () => door.acceptEncoding(request)
  const received = { method, path, query, headers, authorization, body, acceptEncoding }
  const signed = await door.authenticate(received, wallTime, (promise) => door.waitUntil(promise))
  const caller = isRefusal(signed) || signed.service === 'kms' ? signed : otherService()
  if (!isRefusal(caller)) return callOf(request, caller, { requestId, wallTime, time, url }, door)
  door.onUnauthenticated()
  return caller
}

function otherService() {
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
