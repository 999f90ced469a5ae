import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openKms, queryAnswer } from '../support/conformance.ts'
import { allow, done, newName, newRole, newUser, policyOf } from '../support/principals.ts'
import { type QueryService, queryDraft } from '../support/query.ts'

/** Forms that no client of AWS sends: answered in AWS's words, and never with a 500. */

const kms = await openKms()
const { account } = kms.caller
const runs = process.env.SLOW ? 20_000 : 400

async function post(service: QueryService, body: string | Uint8Array) {
  return kms.send({ ...queryDraft(service, '', '', {}), body })
}

describe('CreateUser refuses', () => {
  const create = (rest: string) => `Action=CreateUser&Version=2010-05-08&${rest}`
  it.each<[string, string | Uint8Array, RegExp]>([
    ['no name', create(''), /^ValidationError: .*'userName'/],
    ['a name with no value', create('UserName'), /^ValidationError: .*'userName'/],
    ['a name twice', create('UserName={}&UserName={}'), /^MalformedInput: /],
    ['a name that is a list', create('UserName.member.1={}'), /^MalformedInput: /],
    ['a name that is a structure', create('UserName.a={}'), /^MalformedInput: /],
    ['a name and a structure', create('UserName={}&UserName.a={}'), /^MalformedInput: /],
    ['a name of half an escape', create('UserName={}%4'), /^MalformedInput: /],
    ['a name of no escape', create('UserName={}%ZZ'), /^MalformedInput: /],
    ['a name of a lone surrogate', create('UserName={}%ED%A0%80'), /^MalformedInput: /],
    ['a name of an escaped byte', create('UserName={}%FF'), /^MalformedInput: /],
    ['a name of a raw byte', Buffer.from(create('UserName={}\xff'), 'latin1'), /^MalformedInput: /],
    ['a name of a NUL', create('UserName={}%00'), /^ValidationError: .*'userName'/],
    ['a name of markup', create('UserName={}%3C%2FMessage%3E'), /^ValidationError: .*'userName'/],
    ['a name of a control character', create('UserName={}%1B%EF%BF%BE'), /^ValidationError: .*'userName'/],
    ['tags that are text', create('UserName={}&Tags=a'), /^MalformedInput: /],
    ['tags that are no list', create('UserName={}&Tags.1.Key=a'), /^MalformedInput: /],
    ['a tag that is text', create('UserName={}&Tags.member.1=a'), /^MalformedInput: /],
    [
      'a tag without a value',
      create('UserName={}&Tags.member.1.Key=a'),
      /^ValidationError: .*'tags\.1\.member\.value'/,
    ],
    ['a tag without a key', create('UserName={}&Tags.member.1.Value=a'), /^ValidationError: .*'tags\.1\.member\.key'/],
    ['a tag of a huge number', create('UserName={}&Tags.member.4294967296.Key=a'), /^MalformedInput: /],
    ['a tag of number 0', create('UserName={}&Tags.member.0.Key=a'), /^MalformedInput: /],
    ['a tag of number -1', create('UserName={}&Tags.member.-1.Key=a'), /^MalformedInput: /],
    ['a tag of number 1e3', create('UserName={}&Tags.member.1e3.Key=a'), /^MalformedInput: /],
    ['a tag of a prototype', create('UserName={}&Tags.member.__proto__.Key=a'), /^MalformedInput: /],
    ['deep tags', create(`UserName={}&Tags${'.a'.repeat(10_000)}=a`), /^MalformedInput: /],
    [
      '10,001 parameters',
      create(`UserName={}${Array.from({ length: 10_001 }, (_, at) => `&a${at}=`).join('')}`),
      /^MalformedInput: /,
    ],
    ['JSON', '{"Action":"CreateUser","Version":"2010-05-08","UserName":"{}"}', /^MalformedInput: /],
    [
      'a boundary that is not there',
      create(`UserName={}&PermissionsBoundary=arn:aws:iam::${account}:policy/none`),
      /^NoSuchEntity: /,
    ],
    ['a boundary of a user', create(`UserName={}&PermissionsBoundary=arn:aws:iam::${account}:user/none`), /^\w+: /],
  ])('%s', async (_name, form, refusal) => {
    const UserName = newName()
    const body =
      typeof form === 'string'
        ? form.replaceAll('{}', UserName)
        : Buffer.from(String(form.toString()).replaceAll('{}', UserName), 'latin1')
    const answer = queryAnswer('CreateUser', await post('iam', body))
    expect(answer.refusal).toMatch(refusal)
    expect((await kms.query('iam', 'GetUser', { UserName })).refusal).toMatch(/^NoSuchEntity: /)
  })

  it('nothing for parameters that nobody knows, prototypes among them', async () => {
    const UserName = newName()
    const odd = '__proto__.polluted=1&constructor.prototype.polluted=1&Tags.member.1.__proto__.Key=x&hasOwnProperty=1'
    const body = create(`UserName=${UserName}&Tags.member.1.Key=a&Tags.member.1.Value=b&${odd}`)
    const { User } = await done(post('iam', body).then((answer) => queryAnswer('CreateUser', answer)))
    expect(User).toMatchObject({ UserName, Tags: [{ Key: 'a', Value: 'b' }] })
  })
})

describe('a list refuses', () => {
  it.each([
    ['ListUsers', 'MaxItems=0', /^ValidationError: .*'maxItems'/],
    ['ListUsers', 'MaxItems=1001', /^ValidationError: .*'maxItems'/],
    ['ListUsers', 'MaxItems=1e2', /^MalformedInput: /],
    ['ListUsers', 'MaxItems=', /^MalformedInput: /],
    ['ListUsers', 'Marker=', /^ValidationError: .*'marker'/],
    ['ListUsers', 'Marker=nothing', /^ValidationError: ./],
    ['ListUsers', `Marker=${'m'.repeat(5000)}`, /^ValidationError: .*'marker'/],
    ['ListUsers', 'PathPrefix=path', /^ValidationError: .*'pathPrefix'/],
    ['ListPolicies', 'Scope=Everything', /^ValidationError: .*'scope'/],
    ['ListPolicies', 'OnlyAttached=maybe', /^MalformedInput: /],
    ['ListAccessKeys', 'UserName=nobody', /^NoSuchEntity: /],
  ])('%s: %s', async (action, rest, refusal) => {
    const body = `Action=${action}&Version=2010-05-08&${rest}`
    expect(queryAnswer(action, await post('iam', body)).refusal).toMatch(refusal)
  })

  it('the marker of another list, and of another account', async () => {
    for (let at = 0; at < 2; at++) await newUser(kms)
    const { Marker } = await done(kms.query('iam', 'ListUsers', { MaxItems: 1 }))
    const input = { Marker: String(Marker) }
    expect((await kms.query('iam', 'ListUsers', { ...input, MaxItems: 1 })).refusal).toBeNull()
    expect((await kms.query('iam', 'ListRoles', input)).refusal).toMatch(/^ValidationError: /)
    expect((await kms.query('iam', 'ListUsers', { ...input, PathPrefix: '/x/' })).refusal).toMatch(/^ValidationError: /)
    if (kms.stranger === null) return
    expect((await kms.query('iam', 'ListUsers', input, kms.stranger)).refusal).toMatch(/^ValidationError: /)
  })
})

/** All of both services, and one of neither. */
const actions = {
  iam: `AddClientIDToOpenIDConnectProvider AddUserToGroup AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreateAccessKey
    CreateGroup CreateOpenIDConnectProvider CreatePolicy CreatePolicyVersion CreateRole CreateUser DeleteAccessKey DeleteGroup
    DeleteGroupPolicy DeleteLoginProfile DeleteOpenIDConnectProvider DeletePolicy DeletePolicyVersion DeleteRole
    DeleteRolePermissionsBoundary DeleteRolePolicy DeleteUser DeleteUserPermissionsBoundary DeleteUserPolicy DetachGroupPolicy
    DetachRolePolicy DetachUserPolicy GetAccessKeyLastUsed GetAccountPasswordPolicy GetAccountSummary
    GetContextKeysForCustomPolicy GetContextKeysForPrincipalPolicy GetGroup GetGroupPolicy GetLoginProfile
    GetOpenIDConnectProvider GetPolicy GetPolicyVersion GetRole GetRolePolicy GetUser GetUserPolicy ListAccessKeys
    ListAttachedGroupPolicies ListAttachedRolePolicies ListAttachedUserPolicies ListEntitiesForPolicy ListGroupPolicies
    ListGroups ListGroupsForUser ListOpenIDConnectProviders ListOpenIDConnectProviderTags ListPolicies ListPolicyTags
    ListPolicyVersions ListRolePolicies ListRoles ListRoleTags ListSAMLProviders ListUserPolicies ListUsers ListUserTags
    PutGroupPolicy PutRolePermissionsBoundary PutRolePolicy PutUserPermissionsBoundary PutUserPolicy
    RemoveClientIDFromOpenIDConnectProvider RemoveUserFromGroup SetDefaultPolicyVersion SimulateCustomPolicy
    SimulatePrincipalPolicy TagOpenIDConnectProvider TagPolicy TagRole TagUser UntagOpenIDConnectProvider UntagPolicy UntagRole
    UntagUser UpdateAccessKey UpdateAssumeRolePolicy UpdateGroup UpdateOpenIDConnectProviderThumbprint UpdateRole
    UpdateRoleDescription UpdateUser Nonsense`.split(/\s+/),
  sts: 'AssumeRole AssumeRoleWithWebIdentity GetAccessKeyInfo GetCallerIdentity Nonsense'.split(' '),
} as const
const versions = { iam: '2010-05-08', sts: '2011-06-15' } as const

it(`${runs} forms of anything: less than a 500, and well-formed`, { timeout: runs * 300 }, async () => {
  const user = await newUser(kms, [allow('kms:ListKeys')])
  const role = await newRole(kms, { Principal: { AWS: user.arn } }, [allow('kms:*')])
  const GroupName = newName()
  await done(kms.query('iam', 'CreateGroup', { GroupName }))
  const PolicyName = newName()
  const { Policy } = await done(
    kms.query('iam', 'CreatePolicy', { PolicyName, PolicyDocument: policyOf(allow('kms:*')) }),
  )
  const PolicyArn = (Policy as { Arn: string }).Arn
  const input = { Url: `https://${newName()}.example.com`, ClientIDList: ['a'], ThumbprintList: ['a'.repeat(40)] }
  const { OpenIDConnectProviderArn } = await done(kms.query('iam', 'CreateOpenIDConnectProvider', input))
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const jwt = (claims: unknown) => `${part({ alg: 'ES256' })}.${part(claims)}.AAAA`

  /** What the action wants, so that the form gets further than the first check. */
  const wanted: Readonly<Record<string, string>> = {
    UserName: user.name,
    RoleName: role.name,
    GroupName,
    PolicyName: 'test',
    PolicyArn,
    PolicyDocument: policyOf(allow('kms:*')),
    AssumeRolePolicyDocument: policyOf({ Effect: 'Allow', Principal: '*', Action: 'sts:AssumeRole' }),
    PermissionsBoundary: PolicyArn,
    OpenIDConnectProviderArn: String(OpenIDConnectProviderArn),
    AccessKeyId: user.accessKeyId,
    Status: 'Active',
    VersionId: 'v1',
    'Tags.member.1.Key': 'a',
    'Tags.member.1.Value': 'b',
    'TagKeys.member.1': 'a',
    'ClientIDList.member.1': 'a',
    ClientID: 'b',
    Url: 'https://issuer.example.com',
    'ThumbprintList.member.1': 'b'.repeat(40),
    PolicySourceArn: user.arn,
    'PolicyInputList.member.1': policyOf(allow('kms:*')),
    'ActionNames.member.1': 'kms:Decrypt',
    'ResourceArns.member.1': '*',
    'ContextEntries.member.1.ContextKeyName': 'aws:SourceIp',
    'ContextEntries.member.1.ContextKeyType': 'ip',
    'ContextEntries.member.1.ContextKeyValues.member.1': '::1',
    RoleArn: role.arn,
    RoleSessionName: 'session',
    WebIdentityToken: jwt({ iss: 'https://nobody.example.com' }),
    DurationSeconds: '900',
    Policy: policyOf(allow('kms:*')),
    'PolicyArns.member.1.arn': PolicyArn,
    MaxItems: '1',
    MaxSessionDuration: '3600',
    Description: 'd',
    Path: '/a/',
    PathPrefix: '/',
    Scope: 'Local',
    OnlyAttached: 'true',
  }
  const anything = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.json(),
    fc.constantFrom(
      ...Object.values(wanted),
      '',
      '*',
      '__proto__',
      '-1',
      '1e999',
      'NaN',
      'arn:aws:iam::',
      '%',
      '\u0000',
    ),
    fc.jsonValue().map((claims) => jwt(claims)),
    fc.jsonValue().map((Statement) => JSON.stringify({ Version: '2012-10-17', Statement })),
    fc
      .dictionary(
        fc.constantFrom('Sid', 'Effect', 'Principal', 'NotPrincipal', 'Action', 'NotAction', 'Resource', 'Condition'),
        fc.oneof(fc.jsonValue(), fc.constantFrom('Allow', 'Deny', '*', 'kms:*', 'sts:AssumeRole', { AWS: '*' })),
      )
      .map((statement) => policyOf(statement)),
  )
  const names = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...Object.keys(wanted)) },
    fc.constantFrom(
      'Marker',
      'Tags.member.2.Key',
      'Tags.member.1',
      'Tags',
      '__proto__',
      'a.constructor.b',
      'member.1',
      'x.member.2',
    ),
    fc.string(),
  )
  const requests = fc.constantFrom('iam' as const, 'sts' as const).chain((service) =>
    fc.record({
      service: fc.constant(service),
      action: fc.constantFrom(...actions[service]),
      kept: fc.subarray(Object.entries(wanted), { minLength: Object.keys(wanted).length - 6 }),
      changed: fc.dictionary(names, anything, { maxKeys: 4, noNullPrototype: true }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(requests, async ({ service, action, kept, changed }) => {
      const members = { Action: action, Version: versions[service], ...Object.fromEntries(kept), ...changed }
      const pairs = Object.entries(members).map((pair) => pair.map((text) => encodeURIComponent(text.toWellFormed())))
      queryAnswer(action, await post(service, pairs.map((pair) => pair.join('=')).join('&')))
    }),
    { numRuns: runs },
  )
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .array(
        fc.constantFrom('Action=', 'ListUsers', '&', 'Version=2010-05-08', '%', '%4', '=', '.', 'member', '1', '+'),
      )
      .map((parts) => Buffer.from(parts.join(''))),
  )
  await fc.assert(
    fc.asyncProperty(bytes, async (body) => void queryAnswer('ListUsers', await post('iam', body))),
    { numRuns: runs / 4 },
  )
  expect(kms.output()).not.toContain('"bug"')
})
