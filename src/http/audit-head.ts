import type { Call } from '../model/call.ts'
import { causeOf, isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { isRegion } from '../model/regions.ts'
import { type OperatorDoor, refusedOf, signedCall } from './admin.ts'
import { rawTarget } from './serve.ts'

/** The head of a trail's chain of digests, for whoever may know it. */
export type ReadAuditHead = (call: Call, trail: TrailName) => Promise<object | Refusal>

interface TrailName {
  readonly account: string
  readonly region: string
}

/** `GET /audit/head?account=…&region=…`, signed for service kms: JSON out. */
export async function serveAuditHead(request: Request, door: OperatorDoor, read: ReadAuditHead): Promise<Response> {
  const requestId = crypto.randomUUID()
  const answer = await answerTo(request, requestId, door, read).catch((failure: unknown) => {
    console.error(JSON.stringify({ requestId, auditHead: true, bug: `${causeOf(failure)}` }))
    return refuse('KMSInternalException', null)
  })
  return isRefusal(answer) ? refusedOf(answer, requestId) : Response.json(answer)
}

async function answerTo(request: Request, requestId: string, door: OperatorDoor, read: ReadAuditHead) {
  const target = rawTarget(request.url)
  const call = await signedCall(request, target, new Uint8Array(0), requestId, door)
  if (isRefusal(call)) return call
  const query = new URLSearchParams(target.query)
  const trail = { account: query.get('account') ?? '', region: query.get('region') ?? '' }
  const malformed = trailRefusal(trail)
  const asked = { operation: 'GetAuditHead', isReadOnly: true, parameters: malformed === null ? { ...trail } : null }
  return door.recorded(call, asked, async () => malformed ?? read(call, trail))
}

/** Null: there may be such a trail. */
function trailRefusal({ account, region }: TrailName): Refusal | null {
  if (!/^\d{12}$/.test(account)) return refuse('ValidationException', 'account is the 12 digits of an account.')
  return isRegion(region) ? null : refuse('ValidationException', 'region is an AWS Region.')
}
