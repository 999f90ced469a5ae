import { principalsNamed, withPrincipalsReplaced } from '../access/check-policy.ts'
import type { Database } from '../catalog/database.ts'
import { principalIds } from '../catalog/principals.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { documentRefusal } from './policy-document.ts'

/** A trust policy, and the unique id that each principal's ARN in it stands for. */
export interface TrustPolicy {
  readonly text: string
  readonly principalIds: Readonly<Record<string, string>>
}

const sizeLimit = { max: limits.trustPolicySizeMax, name: 'ACLSizePerRole' } as const

/** Binds each user, role and session that the policy names to its unique id, which no namesake will have. */
export async function boundTrustPolicy(
  db: Database,
  text: string,
): Promise<TrustPolicy | Refusal<'LimitExceeded' | 'MalformedPolicyDocument'>> {
  const refusal = documentRefusal(text, 'trust', sizeLimit)
  if (refusal !== null) return refusal
  const named = principalsNamed(text)
  const ids = await principalIds(db, named)
  const nobody = named.find((principal) => !ids.has(principal))
  if (nobody !== undefined) {
    return refuse('MalformedPolicyDocument', `Invalid principal in policy: "AWS":"${nobody}"`)
  }
  return { text, principalIds: Object.fromEntries(ids) }
}

interface TrustRow {
  readonly trustPolicy: string
  readonly trustPrincipalIds: string
}

/** The policies as they are shown: where a principal is gone, or is another by now, its unique id stands for its ARN. */
export async function shownTrustPolicies(db: Database, rows: readonly TrustRow[]): Promise<readonly string[]> {
  const bound = rows.map((row) => JSON.parse(row.trustPrincipalIds) as Record<string, string>)
  const now = await principalIds(db, bound.flatMap(Object.keys))
  return rows.map(({ trustPolicy }, index) => {
    const others = Object.entries(bound[index] ?? {}).filter(([arn, id]) => now.get(arn) !== id)
    return withPrincipalsReplaced(trustPolicy, Object.fromEntries(others))
  })
}
