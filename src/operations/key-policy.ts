import { checkKeyPolicy } from '../access/key-policy.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { changed, nothing } from './change.ts'
import { keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { optional, required, shape } from './shapes.ts'
import { BooleanType, KeyIdType, limitType, MarkerType, PolicyNameType, PolicyType } from './types.ts'

export const GetKeyPolicy = operation({
  input: shape({ KeyId: required(KeyIdType), PolicyName: optional(PolicyNameType) }),
  needs: { key: need('kms:GetKeyPolicy', keyObjectNamed('KeyId')) },
  errors: ['InvalidArnException', 'KMSInvalidStateException', 'NotFoundException'],
  async handle({ PolicyName = 'default' }, call, { key }) {
    const record = await key.describe(call, 'GetKeyPolicy')
    if (isRefusal(record)) return record
    return PolicyName === 'default' ? { Policy: record.policy, PolicyName } : noSuchPolicy()
  },
})

export const PutKeyPolicy = operation({
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
  async handle({ Policy, PolicyName = 'default' }, call, { key }, services) {
    if (PolicyName !== 'default') return noSuchPolicy()
    const refusal = checkKeyPolicy(Policy, call.principal.account)
    if (refusal !== null) return refusal
    return changed(key.putPolicy(call, Policy), call, services, nothing)
  },
})

export const ListKeyPolicies = operation({
  input: shape({ KeyId: required(KeyIdType), Limit: optional(limitType(1000)), Marker: optional(MarkerType) }),
  needs: { key: need('kms:ListKeyPolicies', keyObjectNamed('KeyId')) },
  errors: ['InvalidArnException', 'KMSInvalidStateException', 'NotFoundException'],
  async handle({ Marker }, call, { key }) {
    const record = await key.describe(call, 'ListKeyPolicies')
    if (isRefusal(record)) return record
    // There is one policy and one page, so no marker was ever given out.
    if (Marker !== undefined) return refuse('ValidationException', 'The marker is not valid for this request.')
    return { PolicyNames: ['default'], Truncated: false }
  },
})

function noSuchPolicy() {
  return refuse('NotFoundException', 'No such policy exists')
}
