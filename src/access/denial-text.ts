import { type Refusal, refuse } from '../model/errors.ts'
import type { AccessRequest, Denial, Verdict } from './request.ts'

const explicit = (where: string) => () => `with an explicit deny in ${where}`
const implicit = (where: string) => (action: string) => `because no ${where} allows the ${action} action`

const clauses: Readonly<Record<Denial, (action: string) => string>> = {
  explicitInIdentityPolicy: explicit('an identity-based policy'),
  explicitInResourcePolicy: explicit('a resource-based policy'),
  explicitInBoundary: explicit('a permissions boundary'),
  explicitInSessionPolicy: explicit('a session policy'),
  noIdentityPolicy: implicit('identity-based policy'),
  noResourcePolicy: implicit('resource-based policy'),
  noBoundary: implicit('permissions boundary'),
  noSessionPolicy: implicit('session policy'),
  otherAccount: () =>
    'because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access',
}

/** Null: allowed. */
export function denialOf(request: AccessRequest, verdict: Verdict): Refusal<'AccessDeniedException'> | null {
  if (verdict.isAllowed) return null
  return refuse('AccessDeniedException', denialText(request, verdict), verdict.reason)
}

/** AWS's text for the caller. It tells the kind of policy and never the statement; AWS STS does not even tell the kind. */
export function denialText({ principal, action, resource }: AccessRequest, { denial }: Verdict): string {
  if (principal.kind === 'federated') return `Not authorized to perform ${action}`
  if (principal.kind === 'root' && action === 'sts:AssumeRole') return 'Roles may not be assumed by root accounts.'
  const refusal = `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource}`
  return denial === null || action.startsWith('sts:') ? refusal : `${refusal} ${clauses[denial](action)}`
}
