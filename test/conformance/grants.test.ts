import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { itRefuses, newKey, openKms, type RefusalRow, refusalIn } from '../support/conformance.ts'
import { newUser } from '../support/principals.ts'

/** CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant. What a grant opens is in `access.test.ts`. */

const kms = await openKms()
const { account } = kms.caller
const key = await newKey(kms)
const user = await newUser(kms)
const root = `arn:aws:iam::${account}:root`
const good = { KeyId: key.id, GranteePrincipal: user.arn, Operations: ['Decrypt'] }
const nobody = `arn:aws:iam::${account}:user/${randomUUID()}`
const noGrant = '0'.repeat(64)
const dryRun = 'DryRunOperationException: The request would have succeeded, but the DryRun option is set.'
const noToken = 'InvalidGrantTokenException: The grant token is not valid.'

const create = (name: string, change: object, refusal: string | RegExp): RefusalRow => [
  name,
  'CreateGrant',
  { ...good, ...change },
  refusal,
]

describe('refused is', () => {
  itRefuses(kms, [
    create('no grantee', { GranteePrincipal: undefined }, /^ValidationException: /),
    create('two grantees', { GranteeServicePrincipal: 's3.amazonaws.com' }, /^ValidationException: /),
    create('a grantee who is not there', { GranteePrincipal: nobody }, /^InvalidArnException: ./),
    create('a grantee that is none', { GranteePrincipal: 'me' }, /^InvalidArnException: ./),
    create('a group', { GranteePrincipal: `arn:aws:iam::${account}:group/g` }, /^InvalidArnException: ./),
    create('everybody', { GranteePrincipal: '*' }, /^ValidationException: 1 validation error/),
    create('a retiring principal who is not there', { RetiringPrincipal: nobody }, /^InvalidArnException: ./),
    create('a service that is not ours', { RetiringServicePrincipal: 'ec2.amazonaws.com' }, /^ValidationException: /),
    create(
      'no operation',
      { Operations: undefined },
      /^ValidationException: 1 validation error detected: Value null at 'operations'/,
    ),
    create('an operation of nobody', { Operations: ['DisableKey'] }, /^ValidationException: 1 validation error/),
    create('an operation of other keys', { Operations: ['Sign'] }, /^ValidationException: ./),
    create(
      'a long constraint',
      { Constraints: { EncryptionContextEquals: { a: 'x'.repeat(385) } } },
      /^ValidationException: ./,
    ),
    create(
      'many constraints',
      { Constraints: { EncryptionContextSubset: Object.fromEntries([...'abcdefghi'].map((name) => [name, ''])) } },
      /^ValidationException: ./,
    ),
    create(
      'a constraint of null',
      { Constraints: { EncryptionContextSubset: { a: null } } },
      /^ValidationException: ./,
    ),
    create('a token that is none', { GrantTokens: ['bm8'] }, noToken),
    create('nothing, were it real', { DryRun: true }, dryRun),
    create('an alias', { KeyId: key.alias }, `NotFoundException: Invalid keyId '${key.alias}'`),
    [
      'a grant of no id',
      'RevokeGrant',
      { KeyId: key.id, GrantId: 'g' },
      "InvalidGrantIdException: Invalid grant ID 'g'",
    ],
    [
      'a grant that is not there',
      'RevokeGrant',
      { KeyId: key.id, GrantId: noGrant },
      /^(InvalidGrantId|NotFound)Exception: ./,
    ],
    [
      'a grant that is not there',
      'RetireGrant',
      { KeyId: key.arn, GrantId: noGrant },
      /^(InvalidGrantId|NotFound)Exception: ./,
    ],
    ['nothing at all', 'RetireGrant', {}, /^ValidationException: ./],
    ['half a name', 'RetireGrant', { KeyId: key.arn }, /^ValidationException: ./],
    ['a token that is none', 'RetireGrant', { GrantToken: 'bm8' }, noToken],
    ['nobody', 'ListRetirableGrants', {}, /^ValidationException: ./],
    ['somebody who is not there', 'ListRetirableGrants', { RetiringPrincipal: nobody }, /^InvalidArnException: ./],
    [
      'a grant of no id',
      'ListGrants',
      { KeyId: key.id, GrantId: 'g' },
      "InvalidGrantIdException: Invalid grant ID 'g'",
    ],
  ])

  it('and leaves no grant behind', async () => {
    const { Grants } = (await kms.ask('ListGrants', { KeyId: key.id })).json
    expect(Grants).toMatchObject([{ GrantId: key.grantId }])
  })
})

it('one name, grantee and content is one grant; the token is another each time', async () => {
  const { id } = await newKey(kms)
  const make = async (change = {}) => (await kms.ask('CreateGrant', { ...good, KeyId: id, ...change })).json
  const [first, again] = [await make({ Name: 'one' }), await make({ Name: 'one' })]
  expect(again.GrantId).toBe(first.GrantId)
  expect(again.GrantToken).not.toBe(first.GrantToken)
  expect((await make({ Name: 'one', Operations: ['Encrypt'] })).GrantId).not.toBe(first.GrantId)
  expect((await make({ Name: 'two' })).GrantId).not.toBe(first.GrantId)
  expect((await make()).GrantId).not.toBe((await make()).GrantId)
})

it('is shown as it was made, and narrowed by what is asked', async () => {
  const { id, arn, grantId } = await newKey(kms)
  const Constraints = { EncryptionContextEquals: { a: 'b', ü: '鍵' }, EncryptionContextSubset: {} }
  const wish = { Name: 'all', RetiringPrincipal: root, Operations: ['Encrypt', 'Decrypt', 'Encrypt'], Constraints }
  const { GrantId } = (await kms.ask('CreateGrant', { ...good, ...wish, KeyId: id })).json
  const list = async (input: object) => (await kms.ask('ListGrants', { KeyId: id, ...input })).json.Grants
  expect(await list({ GranteePrincipal: user.arn })).toEqual([
    {
      KeyId: arn,
      GrantId,
      Name: 'all',
      CreationDate: expect.any(Number),
      GranteePrincipal: user.arn,
      RetiringPrincipal: root,
      IssuingAccount: root,
      Operations: ['Encrypt', 'Decrypt'],
      Constraints,
    },
  ])
  expect(await list({ GrantId: grantId })).toMatchObject([{ GrantId: grantId, GranteePrincipal: root }])
  expect(await list({ GranteePrincipal: nobody })).toEqual([])
  expect(await list({})).toHaveLength(2)
  // Twice is once: it is gone.
  expect((await kms.ask('RevokeGrant', { KeyId: id, GrantId })).status).toBe(200)
  expect(refusalIn(await kms.ask('RevokeGrant', { KeyId: id, GrantId }))).toMatch(
    /^(InvalidGrantId|NotFound)Exception: ./,
  )
  expect(await list({})).toHaveLength(1)
})
