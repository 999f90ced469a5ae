import { type Recorder, recorded } from '../audit/recorded.ts'
import type { RoleRecord } from '../catalog/principals.ts'
import { type Call, type Principal, servicePrincipal } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import { rolePowers, sessionPrincipal } from './caller.ts'
import { deniedAction, parseRoleArn } from './sessions.ts'

/** Whom a role's trust policy names to let Workers in: `{"Service": "workers.edge-kms"}`. */
const workersService = 'workers.edge-kms'

/** What a binding's props say, checked. */
interface BoundRole {
  readonly roleArn: string
  readonly account: string
  /** The app's name, which is the session's. */
  readonly sessionName: string
}

interface Roles {
  readonly credentials: {
    /** True for the accounts of this deployment. */
    hasAccount(account: string): boolean
  }
  /** By its ARN, path and case included. Null: there is none. */
  role(arn: string): NowOrLater<RoleRecord | null | Refusal>
}

const anyApp = 'workers'

/**
 * Who calls over a service binding. Its props are written by whoever deploys the calling Worker: so they name a role and
 * nothing else, and the role has to let Workers in. Who is not let in is on record in the role's account.
 */
export async function boundCaller(
  props: unknown,
  call: Omit<Call, 'principal'>,
  services: Roles & Recorder,
): Promise<Principal | Refusal> {
  const bound = boundRole(props)
  if (isRefusal(bound) || !services.credentials.hasAccount(bound.account)) {
    services.counters.unauthenticated++
    return isRefusal(bound) ? bound : denied(`Account ${bound.account} is not one of this deployment.`)
  }
  const { roleArn, account, sessionName } = bound
  const byWorkers = { ...call, principal: servicePrincipal(workersService, account) }
  const parameters = { RoleArn: roleArn, RoleSessionName: sessionName }
  const role = await services.role(roleArn)
  const session = isRefusal(role) ? role : trusted(role, parameters, byWorkers)
  if (!isRefusal(session)) return session
  const asked = { service: 'sts', operation: 'AssumeRole', isReadOnly: true, parameters }
  return recorded<Principal>(byWorkers, asked, 'queue', services, async () => session)
}

interface Assuming extends Readonly<Record<string, unknown>> {
  readonly RoleArn: string
  readonly RoleSessionName: string
}

function trusted(
  role: RoleRecord | null,
  parameters: Assuming,
  call: Call,
): Principal | Refusal<'AccessDeniedException'> {
  const { RoleArn, RoleSessionName } = parameters
  if (role === null) return notTrusted(RoleArn, 'no such role')
  const denial = deniedAction(role, call.principal, ['sts:AssumeRole'], call, { parameters })
  return denial === null ? sessionOf(role, RoleSessionName, call.wallTime) : notTrusted(RoleArn, denial.reason)
}

/** A refusal says what the props should be. */
function boundRole(props: unknown): BoundRole | Refusal<'AccessDeniedException'> {
  const { role, app = anyApp, ...others } = (props ?? {}) as Readonly<Record<string, unknown>>
  const [other] = Object.keys(others)
  if (other !== undefined) return denied(`The binding's props have ${other}: they take role and app alone.`)
  if (role === undefined) {
    const example = 'props = { role = "arn:aws:iam::ACCOUNT:role/NAME", app = "NAME" }'
    return denied(`The binding's props name no role. Set them where the Worker is bound: ${example}.`)
  }
  const named = typeof role === 'string' ? parseRoleArn(role) : null
  if (named === null) return denied("The binding's props name no role: role takes the ARN of an IAM role alone.")
  if (typeof app !== 'string' || !/^[\w+=,.@-]{2,64}$/.test(app)) {
    return denied("The binding's props have another app than a name of 2 to 64 letters, digits and +=,.@_-.")
  }
  return { roleArn: role as string, account: named.account, sessionName: app }
}

/** Nothing was handed out that could outlive the moment: the session begins with the call. */
function sessionOf(role: RoleRecord, sessionName: string, wallTime: number): Principal {
  const facts = {
    roleArn: role.arn,
    roleId: role.id,
    sessionName,
    issuedAt: wallTime,
    sourceIdentity: null,
    federatedProvider: null,
  }
  const arn = `arn:aws:sts::${role.account}:assumed-role/${role.name}/${sessionName}`
  return sessionPrincipal({ account: role.account, arn, facts, policies: [] }, rolePowers(role))
}

function notTrusted(roleArn: string, reason: string): Refusal<'AccessDeniedException'> {
  return denied(`User: ${workersService} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`, reason)
}

function denied(text: string, reason = text): Refusal<'AccessDeniedException'> {
  return refuse('AccessDeniedException', text, reason)
}
