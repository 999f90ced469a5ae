import type { Tag } from '../key/key.ts'
import { compareUtf8 } from '../model/bytes.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { changed, nothing } from './change.ts'
import { keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { page } from './page.ts'
import { KeyIdType, limitType, MarkerType, TagKeyList, TagList } from './types.ts'

export const TagResource = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType), Tags: required(TagList) }),
  needs: { key: need('kms:TagResource', keyObjectNamed('KeyId')) },
  errors: [
    'InvalidArnException',
    'KMSInvalidStateException',
    'LimitExceededException',
    'NotFoundException',
    'TagException',
  ],
  async handle({ Tags }, call, { key }, services) {
    const tags = tagsOf(Tags)
    const refusal = tagsRefusal(tags)
    if (refusal !== null) return refusal
    return changed(key.object.tag(key.call, tags), call, services, nothing)
  },
})

export const UntagResource = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType), TagKeys: required(TagKeyList) }),
  needs: { key: need('kms:UntagResource', keyObjectNamed('KeyId')) },
  errors: ['InvalidArnException', 'KMSInvalidStateException', 'NotFoundException', 'TagException'],
  async handle({ TagKeys }, call, { key }, services) {
    return changed(key.object.untag(key.call, TagKeys), call, services, nothing)
  },
})

export const ListResourceTags = operation({
  input: shape({ KeyId: required(KeyIdType), Limit: optional(limitType(50)), Marker: optional(MarkerType) }),
  needs: { key: need('kms:ListResourceTags', keyObjectNamed('KeyId')) },
  errors: ['InvalidArnException', 'InvalidMarkerException', 'NotFoundException'],
  async handle(input, call, { key }, services) {
    const record = await key.object.describe(key.call, 'ListResourceTags')
    if (isRefusal(record)) return record
    const tags = await page(input, call, services, {
      query: ['ListResourceTags', record.keyId],
      limitDefault: 50,
      fetch: async (place, count) => record.tags.filter(({ tagKey }) => compareUtf8(tagKey, place) > 0).slice(0, count),
      placeOf: ({ tagKey }) => tagKey,
    })
    if (isRefusal(tags)) return tags
    return { Tags: tags.items.map(({ tagKey, tagValue }) => ({ TagKey: tagKey, TagValue: tagValue })), ...tags.next }
  },
})

export function tagsOf(tags: readonly { TagKey: string; TagValue: string }[]): Tag[] {
  return tags.map(({ TagKey, TagValue }) => ({ tagKey: TagKey, tagValue: TagValue }))
}

/** Null: the tags may be put on a key. */
export function tagsRefusal(tags: readonly Tag[]) {
  if (tags.some(({ tagKey }) => /^aws:/i.test(tagKey))) {
    return refuse('TagException', 'Tags beginning with aws: are reserved')
  }
  if (new Set(tags.map(({ tagKey }) => tagKey)).size < tags.length) return refuse('TagException', 'Duplicate tag keys')
  return tags.length > limits.tagsPerKeyMax ? refuse('TagException', 'Too many tags') : null
}
