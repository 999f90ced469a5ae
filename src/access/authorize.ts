import { keyArn, rootArn } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { type Refusal, refuse } from '../model/errors.ts'

/** The key as far as a decision looks at it. */
export interface GuardedKey {
  readonly region: string
  readonly account: string
  readonly keyId: string
}

/**
 * May this caller do this with this key? Null: yes. Pure and synchronous, so that an object can decide in the same
 * block as it writes. Every key carries the default policy, which lets the root of its own account and nobody else in;
 * what only this deployment does by itself is open to its services alone.
 */
export function authorize(
  { principal }: Call,
  action: string,
  { region, account, keyId }: GuardedKey,
): Refusal<'AccessDeniedException'> | null {
  if (action.startsWith('internal:')) return principal.kind === 'service' ? null : denied(principal.arn, action, '')
  if (principal.kind === 'root' && principal.account === account && principal.arn === rootArn(account)) return null
  return denied(principal.arn, action, keyArn(region, account, keyId))
}

/** AWS's text for a key of another account, the same whether the key exists or not. */
export function denied(callerArn: string, action: string, resource: string): Refusal<'AccessDeniedException'> {
  return refuse(
    'AccessDeniedException',
    `User: ${callerArn} is not authorized to perform: ${action} on resource: ${resource} because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access`,
    'no key policy allows this principal',
  )
}
