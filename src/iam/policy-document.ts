import { checkPolicy } from '../access/check-policy.ts'
import { policySize } from '../catalog/inline-policies.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'

/** A policy as IAM's answers have it: percent-encoded by RFC 3986. */
export function encodePolicy(document: string): string {
  return encodeURIComponent(document).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Null: a policy of that kind, and no longer than `limit` says. */
export function documentRefusal(
  document: string,
  kind: 'identity' | 'trust',
  limit: { readonly max: number; readonly name: string } | null,
): Refusal<'LimitExceeded' | 'MalformedPolicyDocument'> | null {
  if (limit !== null && policySize(document) > limit.max) {
    return refuse('LimitExceeded', `Cannot exceed quota for ${limit.name}: ${limit.max}`)
  }
  const malformed = checkPolicy(document, kind)
  return malformed === null ? null : refuse('MalformedPolicyDocument', malformed)
}

export const managedSizeLimit = { max: limits.managedPolicySizeMax, name: 'PolicySize' } as const
