import { describe, expect, it } from 'vitest'
import { expectOutput, newAlias, newKey, openKms, refusalIn } from '../support/conformance.ts'
import type { Draft } from '../support/sign.ts'

/** Pages and markers of every list of KMS. */

const kms = await openKms()
const root = `arn:aws:iam::${kms.caller.account}:root`
const retirable = { GranteePrincipal: root, RetiringPrincipal: root }
const [key, other] = [await newKey(kms), await newKey(kms)]
for (const { id } of [key, other]) {
  await kms.ask('TagResource', { KeyId: id, Tags: [...'bcdefg'].map((TagKey) => ({ TagKey, TagValue: 'x' })) })
  for (let at = 0; at < 6; at++) {
    await kms.ask('CreateAlias', { AliasName: newAlias(), TargetKeyId: id })
    await kms.ask('RotateKeyOnDemand', { KeyId: id })
    await kms.ask('CreateKey', {})
    await kms.ask('CreateGrant', { ...retirable, KeyId: id, Operations: ['Decrypt'] })
  }
}

interface List {
  readonly name: string
  readonly operation: string
  readonly input: Readonly<Record<string, unknown>>
  /** The member with the items, and what one is known by. */
  readonly items: string
  readonly by: string
  readonly max: number
}

const onKey = { KeyId: key.id }
const all = { ...onKey, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' }
const lists: readonly List[] = [
  { name: 'ListKeys', operation: 'ListKeys', input: {}, items: 'Keys', by: 'KeyId', max: 1000 },
  { name: 'ListAliases', operation: 'ListAliases', input: {}, items: 'Aliases', by: 'AliasName', max: 100 },
  { name: 'ListAliases of a key', operation: 'ListAliases', input: onKey, items: 'Aliases', by: 'AliasName', max: 100 },
  {
    name: 'ListKeyRotations',
    operation: 'ListKeyRotations',
    input: onKey,
    items: 'Rotations',
    by: 'KeyMaterialId',
    max: 1000,
  },
  {
    name: 'ListKeyRotations of all',
    operation: 'ListKeyRotations',
    input: all,
    items: 'Rotations',
    by: 'KeyMaterialId',
    max: 1000,
  },
  { name: 'ListGrants', operation: 'ListGrants', input: onKey, items: 'Grants', by: 'GrantId', max: 100 },
  {
    name: 'ListGrants of a grantee',
    operation: 'ListGrants',
    input: { ...onKey, GranteePrincipal: root },
    items: 'Grants',
    by: 'GrantId',
    max: 100,
  },
  {
    name: 'ListRetirableGrants',
    operation: 'ListRetirableGrants',
    input: { RetiringPrincipal: root },
    items: 'Grants',
    by: 'GrantId',
    max: 100,
  },
  { name: 'ListResourceTags', operation: 'ListResourceTags', input: onKey, items: 'Tags', by: 'TagKey', max: 50 },
]

async function pageOf({ operation, input, items, by }: List, limits: object) {
  const answer = await kms.ask(operation, { ...input, ...limits })
  expectOutput(operation, answer)
  const { Truncated, NextMarker, [items]: found } = answer.json
  expect(NextMarker !== undefined).toBe(Truncated)
  const names = (found as readonly Record<string, string>[]).map((item) => item[by])
  return { names, marker: NextMarker as string | undefined }
}

async function pagesOf(list: List, Limit: number) {
  const pages: (readonly (string | undefined)[])[] = []
  let next: { Marker?: string } = {}
  do {
    const { names, marker } = await pageOf(list, { Limit, ...next })
    pages.push(names)
    next = marker === undefined ? {} : { Marker: marker }
  } while (next.Marker !== undefined)
  return pages
}

describe.each(lists)('$name', (list) => {
  it.each([1, 2, 3, 5])('comes whole in pages of %i', async (limit) => {
    const [whole = []] = await pagesOf(list, list.max)
    expect(whole.length).toBeGreaterThan(5)
    const pages = await pagesOf(list, limit)
    expect(pages.flat()).toEqual(whole)
    expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true)
  })

  it('ends without a marker where the last page is full', async () => {
    const [whole = []] = await pagesOf(list, list.max)
    expect((await pageOf(list, { Limit: whole.length })).marker).toBeUndefined()
  })

  it('may change its limit from page to page, and take a marker twice', async () => {
    const [whole = []] = await pagesOf(list, list.max)
    const { marker: Marker } = await pageOf(list, { Limit: 2 })
    expect((await pageOf(list, { Limit: 1, Marker })).names).toEqual(whole.slice(2, 3))
    expect((await pageOf(list, { Limit: 3, Marker })).names).toEqual(whole.slice(2, 5))
  })

  it('takes no marker but its own', async () => {
    const { marker = '' } = await pageOf(list, { Limit: 2 })
    const refusal = async (Marker: string, draft: Draft = {}, input: object = list.input) =>
      refusalIn(await kms.ask(list.operation, { ...input, Limit: 2, Marker }, draft))
    const foreign = await Promise.all(
      lists
        .filter(({ name }) => name !== list.name)
        .map(async (from) => (await pageOf(from, { Limit: 2 })).marker ?? ''),
    )
    const flipped = (at: number) => marker.slice(0, at) + (marker[at] === 'A' ? 'B' : 'A') + marker.slice(at + 1)
    const altered = Array.from({ length: 12 }, (_, at) => flipped(Math.floor((at * (marker.length - 2)) / 11)))
    const forged = ['x', '0', 'AAAA', '%%%', 'A'.repeat(80), `${marker}A`, marker.slice(0, -4), marker.slice(4)]
    for (const text of [...forged, ...altered, ...foreign]) {
      expect(await refusal(text), text).toMatch(/^InvalidMarkerException: ./)
    }
    if (list.input.KeyId !== undefined) {
      expect(await refusal(marker, {}, { ...list.input, KeyId: other.id })).toMatch(/^InvalidMarkerException: ./)
    } else {
      expect(await refusal(marker, { region: 'eu-west-2' })).toMatch(/^InvalidMarkerException: ./)
      if (kms.stranger === null) return
      // A list of the other account's, where it names one.
      const input = JSON.parse(JSON.stringify(list.input).replace(kms.caller.account, kms.stranger.account)) as object
      expect(await refusal(marker, kms.stranger, input)).toMatch(/^InvalidMarkerException: ./)
    }
  })
})

it('tags in every script come whole in pages of one', async () => {
  const { id } = await newKey(kms)
  const names = ['B', 'a', 'é', '鍵', '\uFFFD', '🔑', '🔑a', 'z']
  await kms.ask('TagResource', { KeyId: id, Tags: names.map((TagKey) => ({ TagKey, TagValue: '' })) })
  const list = { name: '', operation: 'ListResourceTags', input: { KeyId: id }, items: 'Tags', by: 'TagKey', max: 50 }
  expect((await pagesOf(list, 1)).flat().sort()).toEqual([...names].sort())
})

it('a marker is taken in no other spelling', async () => {
  const { NextMarker } = (await kms.ask('ListKeys', { Limit: 2 })).json
  for (const Marker of [` ${NextMarker}`, `${NextMarker} `, `${NextMarker}=`]) {
    expect(refusalIn(await kms.ask('ListKeys', { Marker }))).toMatch(/^InvalidMarkerException: ./)
  }
})

it('ListKeyPolicies refuses every marker, as it never gives one', async () => {
  const answer = await kms.ask('ListKeyPolicies', { ...onKey, Marker: 'AAAA' })
  // It does not list InvalidMarkerException.
  expect(refusalIn(answer)).toBe('ValidationException: The marker is not valid for this request.')
})

it('a page is 50 aliases, or 50 tags, where no limit is given', async () => {
  const { id } = await newKey(kms)
  const Tags = Array.from({ length: 49 }, (_, at) => ({ TagKey: `t${at}`, TagValue: '' }))
  await kms.ask('TagResource', { KeyId: id, Tags })
  for (let at = 0; at < 49; at++) await kms.ask('CreateAlias', { AliasName: newAlias(), TargetKeyId: id })
  const [aliases, tags] = [await kms.ask('ListAliases', {}), await kms.ask('ListResourceTags', { KeyId: id })]
  expect(aliases.json).toMatchObject({ Truncated: true, Aliases: { length: 50 } })
  expect(tags.json).toMatchObject({ Truncated: false, Tags: { length: 50 } })
})

it('a page is 100 keys where no limit is given', async () => {
  const region = 'ap-southeast-4'
  for (let at = 0; at < 101; at++) await kms.ask('CreateKey', {}, { region })
  const { json } = await kms.ask('ListKeys', {}, { region })
  expect(json).toMatchObject({ Truncated: true, Keys: { length: 100 } })
})
