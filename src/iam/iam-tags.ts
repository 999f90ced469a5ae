import type { SQL } from 'drizzle-orm'
import { isThere } from '../catalog/conditional.ts'
import { type IamTag, listTags, putTags, removeTags } from '../catalog/iam-tags.ts'
import { policyIdIsThere } from '../catalog/managed-policies.ts'
import { providerIsThere } from '../catalog/oidc-providers.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import { type Member, required, shape } from '../model/shapes.ts'
import { entityNamed, entityWords } from './entities.ts'
import { type IamServices, query, type Target } from './operation.ts'
import { type PageRequest, page } from './page.ts'
import { ownPolicyNamed, policyNamed } from './policies-named.ts'
import { providerNamed } from './providers-named.ts'
import { arnType, paging, tagKeyListType, tagListType } from './types.ts'

type TagMembers = readonly { readonly Key: string; readonly Value: string }[]

export function tagsOf(tags: TagMembers = []): IamTag[] {
  return tags.map(({ Key, Value }) => ({ tagKey: Key, tagValue: Value }))
}

/** Undefined: there are none, and the member is left out. */
export function tagMembers(tags: readonly IamTag[]): TagMembers | undefined {
  return tags.length === 0 ? undefined : tags.map(({ tagKey, tagValue }) => ({ Key: tagKey, Value: tagValue }))
}

/** Null: all of them can be put on one owner. */
export function tagsRefusal(
  tags: readonly IamTag[],
  hasCase = false,
): Refusal<'InvalidInput' | 'LimitExceeded'> | null {
  const keys = new Set(tags.map(({ tagKey }) => (hasCase ? tagKey : tagKey.toLowerCase())))
  if (keys.size < tags.length) {
    return refuse('InvalidInput', 'Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  }
  const isReserved = tags.some(({ tagKey }) => /^aws:/i.test(tagKey))
  if (isReserved) return refuse('InvalidInput', 'Tag keys beginning with aws: are reserved for system use.')
  return tags.length > limits.iamTagsMax ? tooMany() : null
}

function tooMany(): Refusal<'LimitExceeded'> {
  return refuse('LimitExceeded', 'The number of tags has reached the maximum limit.')
}

/** What Tag…, Untag… and List…Tags have to know of what they tag. */
interface Taggable<Found> {
  readonly word: string
  readonly naming: Readonly<Record<string, Member<string, true>>>
  /** Finds it for reading. */
  on(input: Input, call: Call, services: IamServices): NowOrLater<Target<Found>>
  /** Finds it for a change. */
  onChange(input: Input, call: Call, services: IamServices): NowOrLater<Target<Found>>
  ownerId(found: Found): string
  /** In SQL, so that what has been removed meanwhile gets no tags. */
  isThere(ownerId: string): SQL
  /** Users and roles know a tag key whatever its case. */
  readonly hasCase: boolean
}

type Input = Readonly<Record<string, unknown>>

function taggingOf<Found>({ word, naming, on, onChange, ownerId, isThere, hasCase }: Taggable<Found>) {
  return {
    Tag: query({
      input: shape({ ...naming, Tags: required(tagListType) }),
      action: `iam:Tag${word}`,
      isReadOnly: false,
      errors: ['InvalidInput', 'LimitExceeded', 'NoSuchEntity'],
      on: onChange,
      async handle(input, _call, found: Found, { database }) {
        const tags = tagsOf(input.Tags as TagMembers)
        const refusal = tagsRefusal(tags, hasCase)
        if (refusal !== null) return refusal
        const id = ownerId(found)
        return (await putTags(database, { ownerId: id, hasCase }, tags, isThere(id))) ? undefined : tooMany()
      },
    }),
    Untag: query({
      input: shape({ ...naming, TagKeys: required(tagKeyListType) }),
      action: `iam:Untag${word}`,
      isReadOnly: false,
      errors: ['InvalidInput', 'NoSuchEntity'],
      on: onChange,
      async handle(input, _call, found: Found, { database }) {
        await removeTags(database, { ownerId: ownerId(found), hasCase }, input.TagKeys as readonly string[])
        return undefined
      },
    }),
    List: query({
      input: shape({ ...naming, ...paging }),
      action: `iam:List${word}Tags`,
      isReadOnly: true,
      errors: ['InvalidInput', 'NoSuchEntity'],
      on,
      async handle(input, call, found: Found, services) {
        const id = ownerId(found)
        const tags = await page(input as PageRequest, call, services, {
          query: [`List${word}Tags`, id],
          fetch: (place, count) => listTags(services.database, id, place, count),
          placeOf: ({ tagKey }) => tagKey,
        })
        return isRefusal(tags) ? tags : { Tags: tagMembers(tags.items) ?? [], ...tags.next }
      },
    }),
  }
}

function taggingOfEntity(kind: 'user' | 'role') {
  const { word, naming } = entityWords[kind]
  const on = entityNamed<'user' | 'role'>(kind)
  return taggingOf({
    word,
    naming,
    on,
    onChange: on,
    ownerId: ({ id }) => id,
    isThere: (id) => isThere(kind, id),
    hasCase: false,
  })
}

export const tagging = {
  user: taggingOfEntity('user'),
  role: taggingOfEntity('role'),
  policy: taggingOf({
    word: 'Policy',
    naming: { PolicyArn: required(arnType) },
    on: policyNamed,
    onChange: ownPolicyNamed,
    ownerId: ({ id }) => id,
    isThere: policyIdIsThere,
    hasCase: true,
  }),
  provider: taggingOf({
    word: 'OpenIDConnectProvider',
    naming: { OpenIDConnectProviderArn: required(arnType) },
    on: providerNamed,
    onChange: providerNamed,
    ownerId: ({ arn }) => arn,
    isThere: providerIsThere,
    hasCase: true,
  }),
}
