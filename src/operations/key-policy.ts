import { checkPolicy, principalsNamed, withPrincipalsReplaced } from '../access/check-policy.ts'
import type { Database } from '../catalog/database.ts'
import { principalIds } from '../catalog/principals.ts'
import type { KeyRecord } from '../key/key.ts'
import { utf8 } from '../model/bytes.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { changed, nothing } from './change.ts'
import { keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { BooleanType, KeyIdType, limitType, MarkerType, PolicyNameType, PolicyType } from './types.ts'

export const GetKeyPolicy = operation({
  input: shape({ KeyId: required(KeyIdType), PolicyName: optional(PolicyNameType) }),
  needs: { key: need('kms:GetKeyPolicy', keyObjectNamed('KeyId')) },
  errors: ['InvalidArnException', 'KMSInvalidStateException', 'NotFoundException'],
  async handle({ PolicyName = 'default' }, _call, { key }, { database }) {
    const record = await key.object.describe(key.call, 'GetKeyPolicy')
    if (isRefusal(record)) return record
    return PolicyName === 'default' ? { Policy: await shownPolicy(record, database), PolicyName } : noSuchPolicy()
  },
})

export const PutKeyPolicy = operation({
  changes: 'key',
  input: shape({
    KeyId: required(KeyIdType),
    PolicyName: optional(PolicyNameType),
    Policy: required(PolicyType),
    BypassPolicyLockoutSafetyCheck: optional(BooleanType),
  }),
  needs: { key: need('kms:PutKeyPolicy', keyObjectNamed('KeyId')) },
  errors: [
    'InvalidArnException',
    'KMSInvalidStateException',
    'LimitExceededException',
    'MalformedPolicyDocumentException',
    'NotFoundException',
    'UnsupportedOperationException',
  ],
  async handle({ Policy, PolicyName = 'default', BypassPolicyLockoutSafetyCheck }, call, { key }, services) {
    if (PolicyName !== 'default') return noSuchPolicy()
    const policy = await boundPolicy(Policy, services.database)
    if (isRefusal(policy)) return policy
    const isLockoutChecked = BypassPolicyLockoutSafetyCheck !== true
    return changed(key.object.putPolicy(key.call, { ...policy, isLockoutChecked }), call, services, nothing)
  },
})

export const ListKeyPolicies = operation({
  input: shape({ KeyId: required(KeyIdType), Limit: optional(limitType(1000)), Marker: optional(MarkerType) }),
  needs: { key: need('kms:ListKeyPolicies', keyObjectNamed('KeyId')) },
  errors: ['InvalidArnException', 'KMSInvalidStateException', 'NotFoundException'],
  async handle({ Marker }, _call, { key }) {
    const record = await key.object.describe(key.call, 'ListKeyPolicies')
    if (isRefusal(record)) return record
    // There is one policy and one page, so no marker was ever given out.
    if (Marker !== undefined) return refuse('ValidationException', 'The marker is not valid for this request.')
    return { PolicyNames: ['default'], Truncated: false }
  },
})

/** The policy as it may be stored: valid, and every user and role that it names bound to its unique id. */
export async function boundPolicy(policy: string, database: Database) {
  if (utf8(policy).length > limits.policyBytesMax) {
    return refuse('LimitExceededException', `The key policy is longer than ${limits.policyBytesMax} bytes.`)
  }
  const fault = checkPolicy(policy, 'key')
  if (fault !== null) return refuse('MalformedPolicyDocumentException', fault)
  const named = principalsNamed(policy)
  const ids = await principalIds(database, named)
  if (named.some((arn) => !ids.has(arn))) {
    const text = 'Policy contains a statement with one or more invalid principals.'
    return refuse('MalformedPolicyDocumentException', text)
  }
  return { policy, policyPrincipalIds: Object.fromEntries(ids) }
}

/** As it was given, but for principals that are gone: they show as the unique id that nobody has any more. */
async function shownPolicy({ policy, policyPrincipalIds }: KeyRecord, database: Database): Promise<string> {
  const arns = Object.keys(policyPrincipalIds)
  const ids = await principalIds(database, arns)
  const gone = arns.filter((arn) => ids.get(arn) !== policyPrincipalIds[arn])
  if (gone.length === 0) return policy
  return withPrincipalsReplaced(policy, Object.fromEntries(gone.map((arn) => [arn, policyPrincipalIds[arn] as string])))
}

function noSuchPolicy() {
  return refuse('NotFoundException', 'No such policy exists')
}
