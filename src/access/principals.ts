import type { Principal } from '../model/call.ts'
import type { ResourcePolicy } from './request.ts'

/** A statement's Principal or NotPrincipal. */
export interface PrincipalElement {
  readonly isNegated: boolean
  readonly isEveryone: boolean
  /** Twelve digits each, whether written so or as the root's ARN. */
  readonly accounts: readonly string[]
  /** Every other entry of AWS: ARNs of users, roles and sessions, and unique ids. */
  readonly named: readonly string[]
  readonly services: readonly string[]
  readonly federated: readonly string[]
}

/**
 * How what a resource gives reaches a caller: given to itself; to its role, so that the session's policies and the
 * boundary cut it; or to its account, which has to pass it on by identity policy.
 */
export type Standing = 'direct' | 'role' | 'account'

const strength: Readonly<Record<Standing, number>> = { direct: 3, role: 2, account: 1 }

export function isStronger(a: Standing, b: Standing): boolean {
  return strength[a] > strength[b]
}

type PrincipalIds = ResourcePolicy['principalIds']

export const everyone: PrincipalElement = {
  isNegated: false,
  isEveryone: true,
  accounts: [],
  named: [],
  services: [],
  federated: [],
}

const rootForm = /^arn:aws:iam::(\d{12}):root$/
const accountForm = /^\d{12}$/

/** Null for an entry that stands for no account. */
export function accountIn(entry: string): string | null {
  return accountForm.test(entry) ? entry : (rootForm.exec(entry)?.[1] ?? null)
}

/** Null for what is no Principal element. */
export function parsePrincipals(raw: unknown, isNegated: boolean): PrincipalElement | null {
  if (raw === '*') return { ...everyone, isNegated }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return null
  const lists: Record<string, readonly string[]> = Object.create(null)
  for (const [type, value] of Object.entries(raw)) {
    const list = listOf(value)
    if (!types.has(type) || list === null) return null
    lists[type] = list
  }
  const { AWS: aws = [], Service: services = [], Federated: federated = [] } = lists
  return {
    isNegated,
    isEveryone: aws.includes('*'),
    accounts: aws.flatMap((entry) => accountIn(entry) ?? []),
    named: aws.filter((entry) => entry !== '*' && accountIn(entry) === null),
    services,
    federated,
  }
}

/** CanonicalUser is Amazon S3's, and nobody here. */
const types: ReadonlySet<string> = new Set(['AWS', 'Service', 'Federated', 'CanonicalUser'])

/** Null for anything but text or a list of texts. */
export function listOf(value: unknown): readonly string[] | null {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.every((element) => typeof element === 'string') ? list : null
}

/**
 * What an Allow for these principals is to the caller; null: nothing. Everyone is every user, role and root; a service or
 * the bearer of a web token has to be named. An Allow for all but some is nothing to anybody, as AWS does not take it.
 */
export function standingAmong(
  { isNegated, isEveryone, accounts, named, services, federated }: PrincipalElement,
  principal: Principal,
  ids: PrincipalIds,
): Standing | null {
  if (isNegated) return null
  if (principal.kind === 'service') return services.includes(principal.arn) ? 'direct' : null
  if (principal.kind === 'federated') return federated.includes(principal.arn) ? 'direct' : null
  if (isEveryone || isNamed(named, principal.arn, principal.id, ids)) return 'direct'
  if (principal.session !== null && isNamed(named, principal.session.roleArn, principal.session.roleId, ids)) {
    return 'role'
  }
  if (!accounts.includes(principal.account)) return null
  return principal.kind === 'root' ? 'direct' : 'account'
}

/** Whether a Deny for these principals hits the caller: by its own name, its role's, or its account's. */
export function isAmong(element: PrincipalElement, principal: Principal, ids: PrincipalIds): boolean {
  if (element.isNegated) return !isExempt(element, principal, ids)
  if (element.isEveryone || standingAmong(element, principal, ids) !== null) return true
  if (principal.kind === 'service') return element.services.includes('*')
  return principal.kind === 'federated' && element.federated.includes('*')
}

/** NotPrincipal spares whom it names in full: a session with its role and account, a user with its account. */
function isExempt(element: PrincipalElement, principal: Principal, ids: PrincipalIds): boolean {
  const { isEveryone, accounts, named, services, federated } = element
  if (isEveryone) return true
  const { kind, arn, id, account, session } = principal
  if (kind === 'service') return services.includes(arn)
  if (kind === 'federated') return federated.includes(arn)
  if (!accounts.includes(account)) return false
  if (kind === 'root') return true
  return isNamed(named, arn, id, ids) && (session === null || isNamed(named, session.roleArn, session.roleId, ids))
}

/** By unique id where the policy's entries are bound to ids, so that a namesake of who was named is a stranger. */
function isNamed(named: readonly string[], arn: string, id: string, ids: PrincipalIds): boolean {
  if (ids === null) return named.includes(arn)
  return named.some((entry) => Object.hasOwn(ids, entry) && ids[entry] === id)
}
