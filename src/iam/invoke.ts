import { authorizeByIdentity } from '../access/decide.ts'
import { denialOf } from '../access/denial-text.ts'
import { requestOf } from '../access/request-of.ts'
import { recorded } from '../audit/recorded.ts'
import { isDatabaseFailure } from '../catalog/database.ts'
import { listTags } from '../catalog/iam-tags.ts'
import { recordingDatabase } from '../catalog/recording.ts'
import type { Call } from '../model/call.ts'
import { causeOf, isRefusal, type Refusal, refuse, timedOut } from '../model/errors.ts'
import { cloudtrail } from './cloudtrail.ts'
import { iam } from './index.ts'
import type { IamServices, QueryOperation, QueryOutput, Target } from './operation.ts'
import { sts } from './sts.ts'

const tables = {
  iam: { version: '2010-05-08', operations: iam },
  sts: { version: '2011-06-15', operations: sts },
  cloudtrail: { version: '2013-11-01', operations: cloudtrail },
} as const

export type QueryService = keyof typeof tables

export function isQueryService(service: string): service is QueryService {
  return Object.hasOwn(tables, service)
}

/** The pipeline of IAM, STS and CloudTrail: the row, the input, what it is about, the caller's policies, the deed. What it throws is a bug. */
export async function invokeQuery(
  service: QueryService,
  action: string,
  rawInput: unknown,
  call: Call,
  services: IamServices,
): Promise<QueryOutput | Refusal> {
  const { version, operations } = tables[service]
  const row = Object.hasOwn(operations, action) ? operations[action] : undefined
  const input = row?.input.parse(rawInput) ?? unknownAction(action, version)
  const parameters = isRefusal(input) ? null : (input as Input)
  const asked = { service, operation: action, isReadOnly: row?.isReadOnly ?? true, parameters }
  const home = row !== undefined && isChange(row) ? 'index' : 'queue'
  return recorded(call, asked, home, services, async (record) => {
    if (isRefusal(input) || row === undefined) return input as Refusal
    const database = home === 'index' ? recordingDatabase(services.database, record) : services.database
    return served(action, row, input as Input, call, { ...services, database })
  })
}

/** STS changes nothing. */
function isChange({ action, isReadOnly }: QueryOperation): boolean {
  return action !== null && !isReadOnly
}

function unknownAction(action: string, version: string) {
  return refuse('UnknownOperationException', `Could not find operation ${action} for version ${version}`)
}

async function served(
  action: string,
  row: QueryOperation,
  input: Input,
  call: Call,
  services: IamServices,
): Promise<QueryOutput | Refusal> {
  try {
    return await perform(row, input, call, services)
  } catch (failure) {
    if (!isDatabaseFailure(failure)) throw failure
    const unanswered = String(causeOf(failure))
    console.warn(JSON.stringify({ requestId: call.requestId, operation: action, unanswered }))
    return timedOut(unanswered)
  }
}

type Input = Readonly<Record<string, unknown>>

async function perform(
  row: QueryOperation,
  input: Input,
  held: Call,
  services: IamServices,
): Promise<QueryOutput | Refusal> {
  // A change is decided by the policies of this moment, and not by those that this isolate remembers.
  const principal = isChange(row) ? await services.credentials.fresh(held) : held.principal
  if (isRefusal(principal)) return principal
  const call = { ...held, principal }
  const target = await row.on(input, call, services)
  if (row.action !== null) {
    const context = await contextOf(target, input, call, services)
    const further = isRefusal(target.found) ? [] : (row.further?.(input, target.found, target.arn) ?? [])
    const resourceAccount = call.principal.account
    for (const need of [{ action: row.action, arn: target.arn }, ...further]) {
      const asked = { action: need.action, resource: need.arn, resourceAccount, parameters: input, context }
      const request = requestOf(call, asked)
      const denied = denialOf(request, authorizeByIdentity(request))
      if (denied !== null) return denied
    }
  }
  if (isRefusal(target.found)) return target.found
  if (!isChange(row)) return row.handle(input, call, target.found, services)
  try {
    const answer = await row.handle(input, call, target.found, services)
    services.credentials.forgetAll()
    return answer
  } catch (failure) {
    // What the database made of it is not known; but while it is away, nobody is sent away for it.
    services.credentials.doubtAll()
    throw failure
  }
}

/** What policies may ask about the resource. Its tags cost a query, so they are looked up where some policy asks for them. */
async function contextOf(
  { ownerId, boundaryArn }: Target<unknown>,
  { PermissionsBoundary }: Input,
  { principal: { documents } }: Call,
  { database }: IamServices,
): Promise<Record<string, string[]>> {
  const context: Record<string, string[]> = Object.create(null)
  // Where the request names a boundary, that is the one that is asked about.
  if (boundaryArn !== null && PermissionsBoundary === undefined) context['iam:permissionsboundary'] = [boundaryArn]
  const policies = documents === null ? [] : [...documents.identity, ...documents.session, documents.boundary]
  if (ownerId === null || !policies.some((policy) => policy !== null && /resourcetag/i.test(policy.text)))
    return context
  for (const { tagKey, tagValue } of await listTags(database, ownerId)) {
    for (const prefix of ['aws:resourcetag/', 'iam:resourcetag/']) {
      const key = prefix + tagKey.toLowerCase()
      context[key] = [...(context[key] ?? []), tagValue]
    }
  }
  return context
}
