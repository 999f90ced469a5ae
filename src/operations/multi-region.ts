import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { changed, nothing } from './change.ts'
import { ownProperties } from './create-key.ts'
import { keyMetadata } from './key-metadata.ts'
import { keyHandle, keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { BooleanType, DescriptionType, KeyIdType, PolicyType, RegionType, TagList } from './types.ts'

const errors = [
  'DisabledException',
  'InvalidArnException',
  'KMSInvalidStateException',
  'NotFoundException',
  'UnsupportedOperationException',
] as const

/** In the primary's Region. What creating a key there needs, the caller needs in the replica's Region. */
export const ReplicateKey = operation({
  changes: 'key',
  input: shape({
    KeyId: required(KeyIdType),
    ReplicaRegion: required(RegionType),
    Policy: optional(PolicyType),
    BypassPolicyLockoutSafetyCheck: optional(BooleanType),
    Description: optional(DescriptionType),
    Tags: optional(TagList),
  }),
  needs: { key: need('kms:ReplicateKey', keyObjectNamed('KeyId')) },
  errors: [
    ...errors,
    'AlreadyExistsException',
    'LimitExceededException',
    'MalformedPolicyDocumentException',
    'TagException',
  ],
  async handle(input, call, { key }, services) {
    const { ReplicaRegion: region } = input
    if (!services.isRegionServed(region)) {
      return refuse('UnsupportedOperationException', `${region} is not a Region that is served here.`)
    }
    const own = await ownProperties(input, key.call.keyAccount, services.database)
    if (isRefusal(own)) return own
    const replication = await key.object.replicate(key.call, { ...own, region })
    if (isRefusal(replication)) return replication
    await services.keys.keep(replication.snapshot, call.wallTime)
    const { replica } = replication
    return {
      ReplicaKeyMetadata: keyMetadata(replica),
      ReplicaPolicy: replica.policy,
      ReplicaTags: replica.tags.map(({ tagKey, tagValue }) => ({ TagKey: tagKey, TagValue: tagValue })),
    }
  },
})

/** In the primary's Region. The caller needs the permission on the replica, too, by the replica's own policy. */
export const UpdatePrimaryRegion = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType), PrimaryRegion: required(RegionType) }),
  needs: { key: need('kms:UpdatePrimaryRegion', keyObjectNamed('KeyId')) },
  errors,
  async handle(input, call, { key }, services) {
    const meant = { account: key.call.keyAccount, keyId: key.keyId }
    const inRegion = { ...call, region: input.PrimaryRegion }
    const replica = await keyHandle(meant, key.call.keyNamed, input, inRegion, services)
    if (isRefusal(replica)) return replica as Refusal<never>
    return changed(key.object.updatePrimaryRegion(key.call, replica.call), call, services, nothing)
  },
})
