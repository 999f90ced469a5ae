import { defaultKeyPolicy } from '../access/key-policy.ts'
import type { Database } from '../catalog/database.ts'
import { newKeyId } from '../crypto/random.ts'
import { askTwice, keyObject } from '../key/directory.ts'
import { keyCall, type NewKey } from '../key/key.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { isKeySpec, type KeyUsage, keySpecRow, type KeySpec as ServedSpec } from '../model/key-specs.ts'
import { optional, type Parsed, shape } from '../model/shapes.ts'
import { noCustomKeyStore } from './custom-key-stores.ts'
import { keyMetadata } from './key-metadata.ts'
import { boundPolicy } from './key-policy.ts'
import { wholeAccountNow } from './needs.ts'
import { need, operation } from './operation.ts'
import { tagsOf, tagsRefusal } from './tags.ts'
import {
  BooleanType,
  CustomerMasterKeySpec,
  CustomKeyStoreIdType,
  DescriptionType,
  KeySpec,
  KeyUsageType,
  NullableBooleanType,
  OriginType,
  PolicyType,
  TagList,
  XksKeyIdType,
} from './types.ts'

const members = {
  Policy: optional(PolicyType),
  Description: optional(DescriptionType),
  KeyUsage: optional(KeyUsageType),
  CustomerMasterKeySpec: optional(CustomerMasterKeySpec),
  KeySpec: optional(KeySpec),
  Origin: optional(OriginType),
  CustomKeyStoreId: optional(CustomKeyStoreIdType),
  BypassPolicyLockoutSafetyCheck: optional(BooleanType),
  Tags: optional(TagList),
  MultiRegion: optional(NullableBooleanType),
  XksKeyId: optional(XksKeyIdType),
} as const

export const CreateKey = operation({
  changes: 'key',
  input: shape(members),
  needs: { caller: need('kms:CreateKey', wholeAccountNow()) },
  errors: [
    'CustomKeyStoreNotFoundException',
    'InvalidArnException',
    'LimitExceededException',
    'MalformedPolicyDocumentException',
    'TagException',
    'UnsupportedOperationException',
  ],
  async handle(input, call, { caller }, { namespace, keys, database, record }) {
    const { account } = call.principal
    const kind = kindOf(input)
    if (isRefusal(kind)) return kind
    const own = await ownProperties(input, account, database)
    if (isRefusal(own)) return own
    // The id is minted once, so that repeating a creation whose answer was lost makes no second key.
    const keyId = newKeyId(kind.isMultiRegion)
    const key: NewKey = {
      ...kind,
      ...own,
      keyId,
      manager: 'CUSTOMER',
      rotationPeriodDays: null,
      createdBy: call.requestId,
    }
    const creation = keyCall(caller, { keyAccount: account, parameters: input, event: record.draft() })
    const created = await askTwice(() => keyObject(namespace, call.region, keyId).create(creation, key))
    if (isRefusal(created)) return created as Refusal<never>
    await keys.keep(created, call.wallTime)
    return { KeyMetadata: keyMetadata(created.record) }
  },
})

interface OwnMembers {
  readonly Policy?: string
  readonly Description?: string
  readonly BypassPolicyLockoutSafetyCheck?: boolean
  readonly Tags?: Parameters<typeof tagsOf>[0]
}

/** What every key has of its own from the first, a replica too. */
export async function ownProperties(input: OwnMembers, account: string, database: Database) {
  const policy = await boundPolicy(input.Policy ?? defaultKeyPolicy(account), database)
  if (isRefusal(policy)) return policy
  const tags = tagsOf(input.Tags ?? [])
  return (
    tagsRefusal(tags) ?? {
      ...policy,
      tags,
      description: input.Description ?? '',
      // The default policy leaves the key to the account, which is never locked out.
      isLockoutChecked: input.Policy !== undefined && input.BypassPolicyLockoutSafetyCheck !== true,
    }
  )
}

/** Which kind of key is asked for, as far as this service makes it. */
function kindOf(input: Parsed<typeof members>) {
  if (input.KeySpec !== undefined && input.CustomerMasterKeySpec !== undefined) {
    return refuse(
      'ValidationException',
      'You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.',
    )
  }
  const spec = input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT'
  if (input.KeyUsage === undefined && spec !== 'SYMMETRIC_DEFAULT') {
    return refuse(
      'ValidationException',
      'You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.',
    )
  }
  if (input.CustomKeyStoreId !== undefined) return noCustomKeyStore(input.CustomKeyStoreId)
  if (!isKeySpec(spec)) return unsupported(`KeySpec ${spec}`)
  const origin = input.Origin ?? 'AWS_KMS'
  if (origin !== 'AWS_KMS' && origin !== 'EXTERNAL') return unsupported(`Origin ${origin}`)
  if (input.XksKeyId !== undefined) return unsupported('XksKeyId')
  const usage = usageOf(spec, input.KeyUsage)
  return isRefusal(usage) ? usage : { spec, usage, origin, isMultiRegion: input.MultiRegion === true }
}

function usageOf(spec: ServedSpec, wanted: string | undefined) {
  const { usages } = keySpecRow(spec)
  const usage = wanted ?? usages[0]
  if (usage !== undefined && usages.includes(usage as KeyUsage)) return usage as KeyUsage
  return refuse('ValidationException', `KeyUsage ${usage} is not compatible with KeySpec ${spec}`)
}

function unsupported(what: string) {
  return refuse('UnsupportedOperationException', `${what} is a feature of AWS KMS that edge-kms does not serve yet.`)
}
