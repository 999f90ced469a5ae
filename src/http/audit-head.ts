import type { Call } from '../model/call.ts'
import { causeOf, isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { isRegion } from '../model/regions.ts'
import { refusedOf, signedForKms } from './admin.ts'
import { callOf, type Door, rawTarget } from './serve.ts'

/** The head of a trail's chain of digests, for whoever may know it. */
export type ReadAuditHead = (
  call: Call,
  trail: { readonly account: string; readonly region: string },
) => Promise<object | Refusal>

/** `GET /audit/head?account=…&region=…`, signed for service kms: JSON out. */
export async function serveAuditHead(request: Request, door: Door, read: ReadAuditHead): Promise<Response> {
  const requestId = crypto.randomUUID()
  const answer = await answerTo(request, requestId, door, read).catch((failure: unknown) => {
    console.error(JSON.stringify({ requestId, auditHead: true, bug: `${causeOf(failure)}` }))
    return refuse('KMSInternalException', null)
  })
  return isRefusal(answer) ? refusedOf(answer, requestId) : Response.json(answer)
}

async function answerTo(request: Request, requestId: string, door: Door, read: ReadAuditHead) {
  const target = rawTarget(request.url)
  const { wallTime, time } = door.clock()
  const caller = await signedForKms(request, target, new Uint8Array(0), wallTime, door)
  if (isRefusal(caller)) return caller
  const query = new URLSearchParams(target.query)
  const [account, region] = [query.get('account') ?? '', query.get('region') ?? '']
  if (!/^\d{12}$/.test(account)) return refuse('ValidationException', 'account is the 12 digits of an account.')
  if (!isRegion(region)) return refuse('ValidationException', 'region is an AWS Region.')
  const call = callOf(request, caller, { requestId, wallTime, time, url: target.url }, door)
  return read(call, { account, region })
}
