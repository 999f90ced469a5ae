import { ListResourceTagsCommand, type Tag, TagResourceCommand, UntagResourceCommand } from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, newKey, openKms, type RefusalRow, refusalOf } from '../support/conformance.ts'

/** TagResource, UntagResource, ListResourceTags. */

const kms = await openKms()
const client = kms.client()
const { id, arn } = await newKey(kms)

async function tagsOf(KeyId: string): Promise<Readonly<Record<string, string>>> {
  const { Tags = [] } = await client.send(new ListResourceTagsCommand({ KeyId }))
  return Object.fromEntries(Tags.map(({ TagKey = '', TagValue = '' }) => [TagKey, TagValue]))
}

async function tag(KeyId: string, tags: Readonly<Record<string, string>>): Promise<unknown> {
  const Tags = Object.entries(tags).map(([TagKey, TagValue]): Tag => ({ TagKey, TagValue }))
  return client.send(new TagResourceCommand({ KeyId, Tags }))
}

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key${at}`, String(at)]))

describe('TagResource and UntagResource', () => {
  it('add, replace and remove', async () => {
    const { id } = await newKey(kms)
    expect(await tagsOf(id)).toEqual({ a: '1' })
    await tag(id, { b: '2', a: 'new' })
    expect(await tagsOf(id)).toEqual({ a: 'new', b: '2' })
    await client.send(new UntagResourceCommand({ KeyId: id, TagKeys: ['a', 'never there'] }))
    expect(await tagsOf(id)).toEqual({ b: '2' })
    await client.send(new UntagResourceCommand({ KeyId: id, TagKeys: ['b', 'b'] }))
    expect(await tagsOf(id)).toEqual({})
  })

  it('tell keys of other case apart, and take any characters', async () => {
    const { id } = await newKey(kms)
    const tags = { A: 'x', 'key with spaces': 'ü 鍵 🔑', constructor: '', 'a\0': 'b\0c' }
    const wanted = { ...tags, ['k'.repeat(128)]: 'v'.repeat(256) }
    await tag(id, wanted)
    expect(await tagsOf(id)).toEqual({ a: '1', ...wanted })
  })

  it('stop at 50, all or nothing', async () => {
    const { id } = await newKey(kms)
    await tag(id, many(49))
    expect(await refusalOf(tag(id, { one: '', more: '' }))).toBe('TagException: Too many tags')
    expect(Object.keys(await tagsOf(id))).toHaveLength(50)
    // A new value for an old tag is no further tag.
    await tag(id, { a: 'again' })
    expect((await tagsOf(id)).a).toBe('again')
  })

  const absent = '00000000-0000-4000-8000-000000000000'
  const notFound = `NotFoundException: Key '${arn.replace(id, absent)}' does not exist`
  const tags = (...names: string[]) => names.map((TagKey) => ({ TagKey, TagValue: 'v' }))
  const reserved = 'TagException: Tags beginning with aws: are reserved'

  itRefuses(kms, [
    ['twice the same', 'TagResource', { KeyId: id, Tags: tags('a', 'b', 'a') }, 'TagException: Duplicate tag keys'],
    ['51 at once', 'TagResource', { KeyId: id, Tags: tags(...Object.keys(many(51))) }, 'TagException: Too many tags'],
    ...['aws:x', 'AWS:x', 'aWs:'].map(
      (name): RefusalRow => [name, 'TagResource', { KeyId: id, Tags: tags(name) }, reserved],
    ),
    ['no key', 'TagResource', { KeyId: absent, Tags: tags('a') }, notFound],
    ['no key', 'UntagResource', { KeyId: absent, TagKeys: ['a'] }, notFound],
    ['no key', 'ListResourceTags', { KeyId: absent }, notFound],
    ['an alias', 'TagResource', { KeyId: 'alias/x', Tags: tags('a') }, "NotFoundException: Invalid keyId 'alias/x'"],
    ['no ARN', 'UntagResource', { KeyId: 'arn:aws:kms:x', TagKeys: ['a'] }, /^InvalidArnException: ./],
  ])
})
