import { describe, expect, it } from 'vitest'
import { type Caller, openKms, type QueryAnswer, queryAnswer, refusalIn, signedBy } from '../support/conformance.ts'
import { allow, assume, done, newName, newRole, newUser, policyOf, type User } from '../support/principals.ts'
import { type QueryInput, type QueryService, queryDraft } from '../support/query.ts'

/** Callers, roles, web tokens, policies and forms that are refused: with AWS's exception, and nothing is stored. */

const kms = await openKms()
const { account } = kms.caller
const inactive = 'Inactive' as const

/** What IAM and STS, and KMS, say to credentials that are none. */
const unrecognized = 'The security token included in the request is invalid.'

async function session(user: User, rest: object = {}): Promise<Caller> {
  const role = await newRole(kms, { Principal: { AWS: user.arn } })
  return assume(kms, user, role.arn, { ...rest })
}

async function userWith(change: (user: User) => Promise<unknown>): Promise<Caller> {
  const user = await newUser(kms)
  await done(kms.query('sts', 'GetCallerIdentity', {}, user))
  await change(user)
  return user
}

const keyOf = ({ name, accessKeyId }: User) => ({ UserName: name, AccessKeyId: accessKeyId })
const flipped = (text: string) => (text.startsWith('A') ? `B${text.slice(1)}` : `A${text.slice(1)}`)

describe('credentials: refused are', () => {
  it.each<[string, () => Promise<Caller>]>([
    ['a deleted access key', () => userWith((user) => done(kms.query('iam', 'DeleteAccessKey', keyOf(user))))],
    [
      'an inactive access key',
      () => userWith((user) => done(kms.query('iam', 'UpdateAccessKey', { ...keyOf(user), Status: inactive }))),
    ],
    ['a session’s key without its token', async () => ({ ...(await session(await newUser(kms))), sessionToken: '' })],
    [
      'a token whose last character is another',
      async () => {
        const mine = await session(await newUser(kms))
        const token = mine.sessionToken ?? ''
        return { ...mine, sessionToken: `${token.slice(0, -2)}${flipped(token.slice(-2, -1))}${token.slice(-1)}` }
      },
    ],
    [
      'a token whose first character is another',
      async () => {
        const mine = await session(await newUser(kms))
        return { ...mine, sessionToken: flipped(mine.sessionToken ?? '') }
      },
    ],
    [
      'half a token',
      async () => {
        const mine = await session(await newUser(kms))
        return { ...mine, sessionToken: mine.sessionToken?.slice(0, 40) ?? '' }
      },
    ],
    [
      'the token of another session',
      async () => {
        const user = await newUser(kms)
        return { ...(await session(user)), sessionToken: (await session(user)).sessionToken ?? '' }
      },
    ],
    [
      'the token of a session of another account',
      async () => {
        const by = kms.stranger ?? kms.caller
        const stranger = await newUser(kms, [], by)
        const role = await newRole(kms, { Principal: { AWS: stranger.arn } }, [], by)
        const { sessionToken = '' } = await assume(kms, stranger, role.arn)
        return { ...(await session(await newUser(kms))), sessionToken }
      },
    ],
    [
      'a user’s key with the token of a session',
      async () => {
        const user = await newUser(kms)
        return { ...user, sessionToken: (await session(user)).sessionToken ?? '' }
      },
    ],
    [
      'a root’s key with the token of a session',
      async () => ({ ...kms.caller, sessionToken: (await session(await newUser(kms))).sessionToken ?? '' }),
    ],
    [
      'the session of a role that is gone',
      async () => {
        const user = await newUser(kms)
        const role = await newRole(kms, { Principal: { AWS: user.arn } })
        const mine = await assume(kms, user, role.arn)
        await done(kms.query('sts', 'GetCallerIdentity', {}, mine))
        await done(kms.query('iam', 'DeleteRole', { RoleName: role.name }))
        return mine
      },
    ],
    [
      'an access key of the form of a user’s',
      async () => ({ ...kms.caller, accessKeyId: `AKIA${'A'.repeat(16)}`, secretAccessKey: 'x' }),
    ],
  ])('%s', async (_name, credentials) => {
    const by = await credentials()
    expect(refusalIn(await kms.ask('ListKeys', {}, signedBy(by)))).toBe(`UnrecognizedClientException: ${unrecognized}`)
    const refused = { status: 403, refusal: `InvalidClientTokenId: ${unrecognized}` }
    expect(await kms.query('sts', 'GetCallerIdentity', {}, by)).toMatchObject(refused)
    expect(await kms.query('iam', 'CreateUser', { UserName: newName() }, by)).toMatchObject(refused)
  })

  it('a session signed with another secret', async () => {
    const user = await newUser(kms)
    const by = { ...(await session(user)), secretAccessKey: user.secretAccessKey }
    expect(refusalIn(await kms.ask('ListKeys', {}, signedBy(by)))).toMatch(/^InvalidSignatureException: /)
    const refused = await kms.query('sts', 'GetCallerIdentity', {}, by)
    expect(refused).toMatchObject({ status: 403, refusal: expect.stringMatching(/^SignatureDoesNotMatch: /) })
  })

  it('an inactive access key only until it is active again', async () => {
    const user = await newUser(kms)
    const set = (Status: string) => done(kms.query('iam', 'UpdateAccessKey', { ...keyOf(user), Status }))
    await set('Inactive')
    expect((await kms.query('sts', 'GetCallerIdentity', {}, user)).status).toBe(403)
    await set('Active')
    expect((await kms.query('sts', 'GetCallerIdentity', {}, user)).status).toBe(200)
  })
})

describe('AssumeRole refuses', async () => {
  const user = await newUser(kms)
  const role = await newRole(kms, { Principal: { AWS: user.arn } })
  const other = await newRole(kms, { Principal: { AWS: (await newUser(kms)).arn } })
  const own = { RoleArn: role.arn, RoleSessionName: 'session' }
  const denied = (RoleArn: string) =>
    `AccessDenied: User: ${user.arn} is not authorized to perform: sts:AssumeRole on resource: ${RoleArn}`
  const absent = `arn:aws:iam::${account}:role/${newName()}`
  const elsewhere = `arn:aws:iam::999988887777:role/${newName()}`
  const tag = (Key: string) => ({ Key, Value: '' })

  it.each<[string, QueryInput, number, string | RegExp]>([
    ['a role that trusts somebody else', { ...own, RoleArn: other.arn }, 403, denied(other.arn)],
    ['a role that is not there', { ...own, RoleArn: absent }, 403, denied(absent)],
    ['a role of an account that is not there', { ...own, RoleArn: elsewhere }, 403, denied(elsewhere)],
    [
      'tags, where the role does not trust with tags',
      { ...own, Tags: [tag('a')] },
      403,
      /^AccessDenied: .*sts:TagSession/,
    ],
    ['no role', { RoleSessionName: 'session' }, 400, /^ValidationError: .*'roleArn'/],
    ['the ARN of a user', { ...own, RoleArn: user.arn }, 400, /^ValidationError: /],
    ['an ARN that is none', { ...own, RoleArn: 'arn:aws:iam::nothing:at:all' }, 400, /^ValidationError: /],
    ['no name', { RoleArn: role.arn }, 400, /^ValidationError: .*'roleSessionName'/],
    ['a name of other characters', { ...own, RoleSessionName: 'a/b' }, 400, /^ValidationError: .*'roleSessionName'/],
    ['a name that is too long', { ...own, RoleSessionName: 'a'.repeat(65) }, 400, /^ValidationError: /],
    ['too short a time', { ...own, DurationSeconds: 899 }, 400, /^ValidationError: .*'durationSeconds'/],
    [
      'a longer time than the role allows',
      { ...own, DurationSeconds: 3601 },
      400,
      /^ValidationError: .*MaxSessionDuration/,
    ],
    ['a time that is no number', { ...own, DurationSeconds: 'soon' }, 400, /^\w+: /],
    ['a policy that is no JSON', { ...own, Policy: 'allow' }, 400, /^MalformedPolicyDocument: /],
    ['a policy with an unknown element', { ...own, Policy: '{"Nonsense":1}' }, 400, /^MalformedPolicyDocument: /],
    [
      'a policy with a principal',
      { ...own, Policy: policyOf(allow('kms:*', { Principal: '*' })) },
      400,
      /^MalformedPolicyDocument: /,
    ],
    [
      'a policy that is too large',
      { ...own, Policy: policyOf(allow('kms:*', { Sid: 'a'.repeat(2048) })) },
      400,
      /^ValidationError: .*'policy'/,
    ],
    [
      'a policy that is not there',
      { ...own, PolicyArns: [{ arn: `arn:aws:iam::${account}:policy/none` }] },
      400,
      /^ValidationError: /,
    ],
    ['tags of one key', { ...own, Tags: [tag('a'), tag('A')] }, 400, /^ValidationError: /],
    ['51 tags', { ...own, Tags: Array.from({ length: 51 }, (_, at) => tag(`k${at}`)) }, 400, /^ValidationError: /],
    [
      'a device',
      { ...own, SerialNumber: `arn:aws:iam::${account}:mfa/me`, TokenCode: '123456' },
      403,
      /^AccessDenied: /,
    ],
  ])('%s', async (_name, input, status, refusal) =>
    expectRefused(kms.query('sts', 'AssumeRole', input, user), status, refusal),
  )

  it('roots', async () =>
    expectRefused(kms.query('sts', 'AssumeRole', own), 403, 'AccessDenied: Roles may not be assumed by root accounts.'))
})

async function expectRefused(asked: Promise<QueryAnswer>, status: number, refusal: string | RegExp): Promise<void> {
  const answer = await asked
  if (typeof refusal === 'string') expect(answer.refusal).toBe(refusal)
  else expect(answer.refusal).toMatch(refusal)
  expect(answer.status, answer.refusal ?? '').toBe(status)
}

describe('a web token is refused that', async () => {
  const issuer = `issuer-${newName()}.example.com`
  const audience = 'sts.amazonaws.com'
  const input = { Url: `https://${issuer}`, ClientIDList: [audience], ThumbprintList: ['a'.repeat(40)] }
  const { OpenIDConnectProviderArn } = await done(kms.query('iam', 'CreateOpenIDConnectProvider', input))
  const Principal = { Federated: String(OpenIDConnectProviderArn) }
  const role = await newRole(kms, { Principal, Action: 'sts:AssumeRoleWithWebIdentity' })
  const now = Math.floor(Date.now() / 1000)
  const good = { iss: `https://${issuer}`, aud: audience, sub: 'job', iat: now, exp: now + 600 }
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = (claims: object, header: object = { alg: 'RS256', kid: '1' }, signature = 'AAAA') =>
    `${part(header)}.${part({ ...good, ...claims })}.${signature}`
  const ask = (WebIdentityToken: string, RoleArn = role.arn) =>
    kms.query('sts', 'AssumeRoleWithWebIdentity', { RoleArn, RoleSessionName: 'web', WebIdentityToken }, kms.caller, {
      authorization: () => null,
    })
  const noJwt = /^InvalidIdentityToken: The ID Token provided is not a valid JWT/
  const unregistered = /^InvalidIdentityToken: No OpenIDConnect provider found in your account for /

  it.each<[string, string, RegExp]>([
    ['is none', 'not a token', noJwt],
    ['is empty between its dots', '..xx', noJwt],
    ['has two parts', `${part({ alg: 'RS256' })}.${part(good)}`, noJwt],
    ['has four parts', `${token({})}.AAAA`, noJwt],
    ['is no JSON', 'bm8.bm8.AAAA', noJwt],
    ['is a list', `${part([])}.${part([])}.AAAA`, noJwt],
    ['has the algorithm none', token({}, { alg: 'none' }, ''), noJwt],
    ['has the algorithm None', token({}, { alg: 'None' }), noJwt],
    ['has a MAC', token({}, { alg: 'HS256' }), noJwt],
    ['has the algorithm of a prototype', token({}, { alg: '__proto__' }), noJwt],
    ['has something critical', token({}, { alg: 'RS256', crit: ['x'] }), noJwt],
    ['has no issuer', token({ iss: undefined }), /^InvalidIdentityToken: The token has no issuer/],
    ['has an issuer that nobody registered', token({ iss: 'https://issuer.example.org' }), unregistered],
    ['has its issuer by http', token({ iss: `http://${issuer}` }), unregistered],
    ['has an issuer with a path', token({ iss: `https://${issuer}/x` }), unregistered],
    ['has an issuer in this network', token({ iss: 'https://169.254.169.254' }), unregistered],
    [
      'has an issuer that is no text',
      token({ iss: { toString: 1 } }),
      /^InvalidIdentityToken: The token has no issuer/,
    ],
    ['is for somebody else', token({ aud: 'another' }), /^InvalidIdentityToken: Incorrect token audience/],
    ['is for nobody', token({ aud: undefined }), /^InvalidIdentityToken: Incorrect token audience/],
    ['is for a prototype', token({ aud: '__proto__' }), /^InvalidIdentityToken: Incorrect token audience/],
    ['has an authorised party who is somebody else', token({ azp: 'another' }), /^InvalidIdentityToken: /],
    ['has no subject', token({ sub: undefined }), /^InvalidIdentityToken: /],
    ['is not valid yet', token({ nbf: now + 600 }), /^InvalidIdentityToken: /],
    ['never expires', token({ exp: undefined }), /^InvalidIdentityToken: /],
    ['is too short', 'a', /^ValidationError: /],
    ['is too long', 'a'.repeat(20_001), /^ValidationError: /],
  ])('%s', async (_name, text, refusal) => {
    await expectRefused(ask(text), 400, refusal)
    // Whether there is such a role is not told.
    await expectRefused(ask(text, `arn:aws:iam::${account}:role/${newName()}`), 400, refusal)
  })

  it('is brought with an action that needs a signature', async () => {
    for (const Action of ['AssumeRole', 'GetCallerIdentity', 'assumeRoleWithWebIdentity']) {
      const answer = kms.query('sts', Action, { WebIdentityToken: token({}) }, kms.caller, {
        authorization: () => null,
      })
      await expectRefused(answer, 403, /^MissingAuthenticationToken: /)
    }
  })

  it('is brought to a provider that is gone', async () => {
    await done(kms.query('iam', 'DeleteOpenIDConnectProvider', { OpenIDConnectProviderArn: Principal.Federated }))
    await expectRefused(ask(token({})), 400, unregistered)
  })
})

describe('the door refuses', () => {
  const json = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'TrentService.ListKeys' }
  const create = (name: string) => `Action=CreateUser&Version=2010-05-08&UserName=${name}`
  const form = 'application/x-www-form-urlencoded'

  it.each<[string, QueryService, string, string]>([
    ['an Action of nobody', 'iam', 'Action=EncryptEverything&Version=2010-05-08', 'EncryptEverything'],
    ['an Action in lower case', 'iam', 'Action=listUsers&Version=2010-05-08', 'listUsers'],
    ['an Action of a prototype', 'iam', 'Action=constructor&Version=2010-05-08', 'constructor'],
    ['an Action of a prototype of STS', 'sts', 'Action=__proto__&Version=2011-06-15', '__proto__'],
    ['an Action of IAM at STS', 'sts', 'Action=ListUsers&Version=2011-06-15', 'ListUsers'],
    ['an Action of STS at IAM', 'iam', 'Action=GetCallerIdentity&Version=2010-05-08', 'GetCallerIdentity'],
    ['an Action that is not served', 'iam', 'Action=CreateSAMLProvider&Version=2010-05-08', 'CreateSAMLProvider'],
    ['the Version of STS at IAM', 'iam', 'Action=ListUsers&Version=2011-06-15', 'ListUsers'],
    ['the Version of IAM at STS', 'sts', 'Action=GetCallerIdentity&Version=2010-05-08', 'GetCallerIdentity'],
    ['a Version of nobody', 'iam', 'Action=ListUsers&Version=__proto__', 'ListUsers'],
  ])('%s', async (_name, service, body, action) => {
    const answer = queryAnswer('', await kms.send(queryDraft(service, '', body, {})))
    const version = /Version=(.*)/.exec(body)?.[1]
    expect(answer).toMatchObject({
      status: 400,
      refusal: `InvalidAction: Could not find operation ${action} for version ${version}`,
    })
  })

  it('a form of IAM that is signed for KMS', async () => {
    const UserName = newName()
    const answer = await kms.send(queryDraft('iam', '', create(UserName), { service: 'kms' }))
    expect(refusalIn(answer)).toBe('UnknownOperationException: ')
    expect((await kms.query('iam', 'GetUser', { UserName })).refusal).toMatch(/^NoSuchEntity: /)
  })

  it.each(['iam', 'sts'])('a request of KMS that is signed for %s', async (service) => {
    const answer = queryAnswer('', await kms.send({ service, headers: json, body: '{}' }))
    expect(answer.refusal).toMatch(/^(MalformedInput|InvalidAction): /)
  })

  it('a form that is signed for IAM, its scope changed to STS', async () => {
    const authorization = (header: string) => header.replace('/iam/', '/sts/')
    const body = 'Action=GetCallerIdentity&Version=2011-06-15'
    const answer = queryAnswer('', await kms.send(queryDraft('iam', '', body, { authorization })))
    expect(answer).toMatchObject({ status: 403, refusal: expect.stringMatching(/^SignatureDoesNotMatch: /) })
  })

  it.each([form, `${form};charset=UTF-8`])('a form of a web page: %s', async (type) => {
    const UserName = newName()
    const headers = { 'content-type': type, origin: 'https://page.example', referer: 'https://page.example/' }
    const draft = { headers, authorization: () => null }
    const answer = queryAnswer('', await kms.send(queryDraft('iam', '', create(UserName), draft)))
    expect(answer).toMatchObject({ status: 403, refusal: 'MissingAuthenticationToken: Missing Authentication Token' })
    expect((await kms.query('iam', 'GetUser', { UserName })).refusal).toMatch(/^NoSuchEntity: /)
  })

  it.each(['text/plain', 'multipart/form-data; boundary=x'])('other posts of a web page: %s', async (type) => {
    const headers = { 'content-type': type, origin: 'https://page.example' }
    const answer = await kms.send({ operation: null, headers, body: create(newName()), authorization: () => null })
    expect(refusalIn(answer)).toMatch(/^MissingAuthenticationTokenException: /)
  })
})

describe('a policy is refused that', async () => {
  const UserName = newName()
  await done(kms.query('iam', 'CreateUser', { UserName }))
  const GroupName = newName()
  await done(kms.query('iam', 'CreateGroup', { GroupName }))
  const role = await newRole(kms, { Principal: { AWS: account } })
  const PolicyName = newName()
  const made = await done(
    kms.query('iam', 'CreatePolicy', { PolicyName, PolicyDocument: policyOf(allow('kms:ListKeys')) }),
  )
  const PolicyArn = (made.Policy as { Arn: string }).Arn
  const malformed = /^MalformedPolicyDocument: ./

  const stored = async () => ({
    user: (await kms.query('iam', 'ListUserPolicies', { UserName })).result.PolicyNames,
    group: (await kms.query('iam', 'ListGroupPolicies', { GroupName })).result.PolicyNames,
    role: (await kms.query('iam', 'ListRolePolicies', { RoleName: role.name })).result.PolicyNames,
    trust: (await kms.query('iam', 'GetRole', { RoleName: role.name })).result.Role,
    policies: (await kms.query('iam', 'ListPolicies', { Scope: 'Local' })).result.Policies,
    versions: (await kms.query('iam', 'ListPolicyVersions', { PolicyArn })).result.Versions,
    roles: ((await kms.query('iam', 'ListRoles')).result.Roles as object[]).length,
  })

  const writes = (PolicyDocument: string): readonly [string, QueryInput][] => [
    ['PutUserPolicy', { UserName, PolicyName, PolicyDocument }],
    ['PutGroupPolicy', { GroupName, PolicyName, PolicyDocument }],
    ['PutRolePolicy', { RoleName: role.name, PolicyName, PolicyDocument }],
    ['CreatePolicy', { PolicyName: newName(), PolicyDocument }],
    ['CreatePolicyVersion', { PolicyArn, PolicyDocument, SetAsDefault: true }],
  ]
  const trusts = (PolicyDocument: string): readonly [string, QueryInput][] => [
    ['UpdateAssumeRolePolicy', { RoleName: role.name, PolicyDocument }],
    ['CreateRole', { RoleName: newName(), AssumeRolePolicyDocument: PolicyDocument }],
  ]

  const everywhere: [string, string, RegExp][] = [
    ['is no JSON', 'allow all', malformed],
    ['is cut short', '{"Version":"2012-10-17","Statement":[', malformed],
    ['is a list', '[]', malformed],
    ['is null', 'null', malformed],
    ['is text', '"Allow"', malformed],
    ['has no statement', '{"Version":"2012-10-17","Statement":[]}', malformed],
    ['has a statement of null', '{"Version":"2012-10-17","Statement":[null]}', malformed],
    [
      'has an unknown Version',
      '{"Version":"2020-01-01","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}',
      malformed,
    ],
    ['has an unknown element', '{"Version":"2012-10-17","Statement":[],"Nonsense":1}', malformed],
    ['has a Statement twice', '{"Version":"2012-10-17","Statement":[],"Statement":[]}', malformed],
    ['has an Effect in lower case', policyOf({ ...allow('sts:AssumeRole'), Effect: 'allow' }), malformed],
    ['has an Action of a number', policyOf({ Effect: 'Allow', Action: 1, Resource: '*' }), malformed],
    ['has an operator of a prototype', policyOf(allow('sts:AssumeRole', { Condition: { __proto__x: {} } })), malformed],
    ['nests 1,000 deep', `${'['.repeat(1000)}${']'.repeat(1000)}`, malformed],
    ['has characters beyond those of policies', policyOf(allow('sts:AssumeRole', { Sid: '鍵' })), /^ValidationError: /],
    ['has 131,073 characters', 'p'.repeat(131_073), /^ValidationError: /],
  ]
  const identities: [string, string, RegExp][] = [
    ['has a principal', policyOf(allow('kms:*', { Principal: '*' })), malformed],
    ['has no resource', policyOf({ Effect: 'Allow', Action: 'kms:*' }), malformed],
    ['has no Version', JSON.stringify({ Statement: allow('kms:*') }), malformed],
    ['has an action without a service', policyOf(allow('Decrypt')), malformed],
    ['has a resource that is no ARN', policyOf(allow('kms:*', { Resource: 'key/1' })), malformed],
    ['has an unknown element of a statement', policyOf(allow('kms:*', { Nonsense: 1 })), malformed],
    ['has an unknown operator', policyOf(allow('kms:*', { Condition: { Like: { 'aws:a': 'b' } } })), malformed],
    ['is too large', policyOf(allow('kms:*', { Sid: 'a'.repeat(12_000) })), /^LimitExceeded: ./],
  ]
  const trust = (rest: object) => policyOf({ Effect: 'Allow', Action: 'sts:AssumeRole', ...rest })
  const nobody = `arn:aws:iam::${account}:user/${newName()}`
  const trusting: [string, string, RegExp][] = [
    ['has no principal', trust({}), malformed],
    ['has a resource', trust({ Principal: '*', Resource: '*' }), malformed],
    ['has an action of KMS', trust({ Principal: '*', Action: 'kms:Decrypt' }), malformed],
    [
      'names a principal that does not exist',
      trust({ Principal: { AWS: nobody } }),
      new RegExp(`^MalformedPolicyDocument: Invalid principal in policy: "AWS":"${nobody}"$`),
    ],
    ['names a principal that is none', trust({ Principal: { AWS: 'me' } }), malformed],
    ['names a principal of no kind', trust({ Principal: { Somebody: 'me' } }), malformed],
    ['is too large', trust({ Principal: '*', Sid: 'a'.repeat(2048) }), /^LimitExceeded: ./],
  ]
  const rows = [
    ...[...everywhere, ...identities].map(([name, text, refusal]) => [name, writes(text), refusal] as const),
    ...[...everywhere, ...trusting].map(([name, text, refusal]) => [`${name} (trust)`, trusts(text), refusal] as const),
  ]

  it.each(rows)('%s', async (_name, inputs, refusal) => {
    const before = await stored()
    for (const [action, input] of inputs) {
      const answer = await kms.query('iam', action, input)
      expect(answer.refusal, action).toMatch(refusal)
      expect(answer.status, action).toBe(answer.refusal?.startsWith('LimitExceeded') ? 409 : 400)
    }
    expect(await stored()).toEqual(before)
  })
})

describe('names', () => {
  it.each(['__proto__', 'constructor', 'toString', 'a+=,.@-_Z', 'x'.repeat(64)])('may be %s', async (UserName) => {
    const Tags = [
      { Key: 'Größe @+=:/', Value: '' },
      { Key: '__proto__', Value: 'constructor' },
    ]
    await done(kms.query('iam', 'CreateUser', { UserName, Tags }))
    const { User } = await done(kms.query('iam', 'GetUser', { UserName }))
    expect(User).toMatchObject({ UserName, Tags, Arn: `arn:aws:iam::${account}:user/${UserName}` })
    await done(kms.query('iam', 'DeleteUser', { UserName }))
  })

  it('are kept with all that XML has to escape', async () => {
    const RoleName = newName()
    const Path = `/<&>"'%0a;]]>/`
    const Description = `<b>&amp;"' ]]> <![CDATA[ é\t\r\n`
    const AssumeRolePolicyDocument = `${policyOf({
      Effect: 'Allow',
      Action: 'sts:AssumeRole',
      Principal: '*',
      Condition: { StringEquals: { 'sts:ExternalId': '<&>"\'%+é' } },
    })}\n`
    await done(kms.query('iam', 'CreateRole', { RoleName, Path, Description, AssumeRolePolicyDocument }))
    const { Role } = await done(kms.query('iam', 'GetRole', { RoleName }))
    const role = Role as Record<string, string>
    expect(role).toMatchObject({ Path, Description, Arn: `arn:aws:iam::${account}:role${Path}${RoleName}` })
    expect(decodeURIComponent(role.AssumeRolePolicyDocument ?? '')).toBe(AssumeRolePolicyDocument)
  })

  it.each(['a b', 'a/b', 'a\u0000', 'é', '<', 'x'.repeat(65), '', '../a', 'a\n'])('may not be %j', async (UserName) => {
    await expectRefused(kms.query('iam', 'CreateUser', { UserName }), 400, /^ValidationError: .*'userName'/s)
  })

  it.each(['path', '/path', 'path/', '/pa th/', '/é/', '', `/${'p'.repeat(511)}/`])('no Path is %j', async (Path) => {
    const input = { UserName: newName(), Path }
    await expectRefused(kms.query('iam', 'CreateUser', input), 400, /^ValidationError: .*'path'/)
  })
})

it('has logged no bug and no secret by now', async () => {
  const { secretAccessKey, sessionToken = '' } = await session(await newUser(kms))
  for (const text of ['"bug"', 'hidden-secret', secretAccessKey, sessionToken]) expect(kms.output()).not.toContain(text)
})
