import { afterEach, describe, expect, it } from 'vitest'
import { RootKeys } from '../../src/crypto/root-keys.ts'
import { openSession } from '../../src/crypto/session-token.ts'
import {
  accountRoot,
  allow,
  type FormInput,
  type Keys,
  keysIn,
  kms,
  must,
  newRole,
  newUser,
  now,
  otherAccount,
  otherRoot,
  query,
  root,
  trust,
} from '../support/query-door.ts'
import { testClock } from '../support/test-worker.ts'
import { account, createKey, env } from '../support/workerd.ts'

afterEach(() => {
  testClock.wallMs = 0
})

type Input = Readonly<Record<string, FormInput>>

const assume = (RoleArn: string, by: Keys, input: Input = {}) =>
  query('sts', 'AssumeRole', { RoleArn, RoleSessionName: 'job', ...input }, { by })

async function sessionOf(RoleArn: string, by: Keys, input: Input = {}): Promise<Keys> {
  return keysIn(await must('sts', 'AssumeRole', { RoleArn, RoleSessionName: 'job', ...input }, { by }))
}

const whoIs = async (by: Keys) => {
  const { error, field } = await query('sts', 'GetCallerIdentity', {}, { by })
  return error ?? field('Arn')
}

/** What an operation of KMS on a key of the account says. */
async function asked(operation: string, by: Keys, overEnv = env): Promise<string> {
  const { keyId } = await createKey()
  const members = operation === 'Encrypt' ? { Plaintext: 'aGVsbG8=' } : {}
  return String((await kms(operation, { KeyId: keyId, ...members }, by, overEnv)).body.__type ?? 'allowed')
}

const invalidToken = 'InvalidClientTokenId: The security token included in the request is invalid.'
const anybody = trust(accountRoot, ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'])
const assumer = () => newUser(allow('sts:*'))

describe('AssumeRole', () => {
  it('makes a session that is what its role is', async () => {
    const [user, role] = [await assumer(), await newRole(anybody, allow('kms:Encrypt'))]
    const answer = await must('sts', 'AssumeRole', { RoleArn: role.arn, RoleSessionName: 'job.1' }, { by: user.keys })
    const arn = `arn:aws:sts::${account}:assumed-role/${role.name}/job.1`
    expect(answer.text).toContain('<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">')
    expect(answer.text).toContain(
      `<AssumedRoleUser><AssumedRoleId>${role.id}:job.1</AssumedRoleId><Arn>${arn}</Arn></AssumedRoleUser>`,
    )
    expect(answer.field('PackedPolicySize')).toBeNull()
    expect(Math.abs(Date.parse(answer.field('Expiration') ?? '') - now() - 3_600_000)).toBeLessThan(5_000)
    const session = keysIn(answer)
    expect(session.accessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/)
    expect(session.secretAccessKey).toMatch(/^[A-Za-z0-9+/]{40}$/)
    const identity = await must('sts', 'GetCallerIdentity', {}, { by: session })
    expect(['UserId', 'Account', 'Arn'].map(identity.field)).toEqual([`${role.id}:job.1`, account, arn])
    expect(await asked('Encrypt', session)).toBe('allowed')
    expect(await asked('DescribeKey', session)).toBe('AccessDeniedException')
  })

  it('reads the same for a role that is not there and for one that does not trust the caller', async () => {
    const user = await assumer()
    const stranger = await newRole(trust({ AWS: `arn:aws:iam::${otherAccount}:root` }))
    const missing = `arn:aws:iam::${account}:role/nobody`
    for (const arn of [stranger.arn, missing, stranger.arn.replace('role/', 'role/path/')]) {
      const { status, error } = await assume(arn, user.keys)
      expect(error).toBe(
        `AccessDenied: User: ${user.arn} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
      )
      expect(status).toBe(403)
    }
  })

  it('asks the identity policies where the trust is the account, and an explicit Deny always', async () => {
    const nobody = await newUser()
    const denied = await newUser(
      JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: 'sts:*', Resource: '*' }] }),
    )
    const byAccount = await newRole(anybody)
    const byName = await newRole(trust({ AWS: [nobody.arn, denied.arn] }))
    expect((await assume(byAccount.arn, nobody.keys)).status).toBe(403)
    expect((await assume(byName.arn, nobody.keys)).status).toBe(200)
    expect((await assume(byName.arn, denied.keys)).status).toBe(403)
  })

  it('asks both accounts', async () => {
    const [allowed, other] = [await assumer(), await newUser()]
    const open = await newRole(trust(accountRoot), null, otherRoot)
    expect(open.arn).toContain(otherAccount)
    const session = await sessionOf(open.arn, allowed.keys)
    expect(await whoIs(session)).toBe(`arn:aws:sts::${otherAccount}:assumed-role/${open.name}/job`)
    expect((await assume(open.arn, other.keys)).status).toBe(403)
    const closed = await newRole(trust({ AWS: `arn:aws:iam::${otherAccount}:root` }), null, otherRoot)
    expect((await assume(closed.arn, allowed.keys)).status).toBe(403)
  })

  it('is not for a root, of whichever account', async () => {
    const role = await newRole(anybody)
    for (const by of [root, otherRoot]) {
      const { error } = await assume(role.arn, by)
      expect(error).toBe('AccessDenied: Roles may not be assumed by root accounts.')
    }
  })

  it('knows a namesake of who was trusted as a stranger', async () => {
    const user = await assumer()
    const role = await newRole(trust({ AWS: user.arn }))
    expect((await assume(role.arn, user.keys)).status).toBe(200)
    await must('iam', 'DeleteAccessKey', { UserName: user.name, AccessKeyId: user.keys.accessKeyId })
    await must('iam', 'DeleteUserPolicy', { UserName: user.name, PolicyName: 'p' })
    await must('iam', 'DeleteUser', { UserName: user.name })
    await must('iam', 'CreateUser', { UserName: user.name })
    const keys = keysIn(await must('iam', 'CreateAccessKey', { UserName: user.name }))
    expect((await assume(role.arn, keys)).status).toBe(403)
  })

  it('takes the external id that the trust policy asks for', async () => {
    const user = await assumer()
    const role = await newRole(
      trust(accountRoot, 'sts:AssumeRole', { StringEquals: { 'sts:ExternalId': 'shared secret' } }),
    )
    expect((await assume(role.arn, user.keys)).status).toBe(403)
    expect((await assume(role.arn, user.keys, { ExternalId: 'other' })).status).toBe(403)
    const spelled = await newRole(trust(accountRoot, 'sts:AssumeRole', { StringEquals: { 'sts:ExternalId': 'a:b/c' } }))
    expect((await assume(spelled.arn, user.keys, { ExternalId: 'a:b/c' })).status).toBe(200)
  })

  it('decides by the policies of this moment, whatever this isolate remembers', async () => {
    const [user, role] = [await assumer(), await newRole(anybody)]
    expect((await assume(role.arn, user.keys)).status).toBe(200)
    // Behind the back of this isolate.
    await env.DB.prepare('delete from inline_policies where owner_id = ?').bind(user.id).run()
    expect((await assume(role.arn, user.keys)).status).toBe(403)
  })

  it.each<[string, Input, RegExp]>([
    ['no role', { RoleArn: 'arn:aws:iam::1:user/somebody' }, /^ValidationError: arn:aws:iam::1:user\/somebody is inv/],
    ['a name too short', { RoleSessionName: 'j' }, /^ValidationError: .*greater than or equal to 2/],
    ['a name with a slash', { RoleSessionName: 'a/b' }, /^ValidationError: .*regular expression pattern/],
    ['too short a time', { DurationSeconds: 899 }, /^ValidationError: .*greater than or equal to 900/],
    ['too long a time', { DurationSeconds: 43_201 }, /^ValidationError: .*less than or equal to 43200/],
    [
      'longer than the role',
      { DurationSeconds: 3601 },
      /^ValidationError: The requested DurationSeconds exceeds the Max/,
    ],
    ['a time that is none', { DurationSeconds: '1e3' }, /^MalformedInput/],
    ['a long policy', { Policy: ' '.repeat(2049) }, /^ValidationError: .*less than or equal to 2048/],
    ['no policy', { Policy: '{}' }, /^MalformedPolicyDocument: /],
    ['a policy that names somebody', { Policy: anybody }, /^MalformedPolicyDocument: /],
    ["another account's policy", { PolicyArns: [{ arn: `arn:aws:iam::${otherAccount}:policy/p` }] }, /^ValidationErr/],
    ['a policy that is not there', { PolicyArns: [{ arn: `arn:aws:iam::${account}:policy/none` }] }, /does not exist/],
    ['a tag twice', { Tags: ['a', 'A'].map((Key) => ({ Key, Value: '' })) }, /^ValidationError: Duplicate tag keys/],
    ["a tag of AWS's", { Tags: [{ Key: 'aws:a', Value: '' }] }, /^ValidationError: aws: prefixed/],
    ['a transitive key alone', { TransitiveTagKeys: ['a'] }, /^ValidationError: .*must be included/],
    ['an MFA device', { SerialNumber: 'arn:aws:iam::1:mfa/x', TokenCode: '123456' }, /^AccessDenied: MultiFactor/],
  ])('refuses %s', async (_, input, error) => {
    const [user, role] = [await assumer(), await newRole(anybody)]
    expect((await assume(role.arn, user.keys, input)).error).toMatch(error)
  })
})

describe('a session', () => {
  it('is narrowed by its policies, and widened by none', async () => {
    const [user, role] = [await assumer(), await newRole(anybody, allow(['kms:Encrypt', 'kms:DescribeKey']))]
    const PolicyName = `policy-${crypto.randomUUID()}`
    const created = await must('iam', 'CreatePolicy', { PolicyName, PolicyDocument: allow('kms:DescribeKey') })
    const narrow = await sessionOf(role.arn, user.keys, { Policy: allow(['kms:Encrypt', 'kms:DisableKey']) })
    expect(await asked('Encrypt', narrow)).toBe('allowed')
    expect(await asked('DescribeKey', narrow)).toBe('AccessDeniedException')
    expect(await asked('DisableKey', narrow)).toBe('AccessDeniedException')
    const byArn = { PolicyArns: [{ arn: created.field('Arn') ?? '' }] }
    const answer = await must(
      'sts',
      'AssumeRole',
      { RoleArn: role.arn, RoleSessionName: 'job', ...byArn },
      {
        by: user.keys,
      },
    )
    expect(Number(answer.field('PackedPolicySize'))).toBeGreaterThan(0)
    expect(await asked('DescribeKey', keysIn(answer))).toBe('allowed')
    expect(await asked('Encrypt', keysIn(answer))).toBe('AccessDeniedException')
  })

  it('has policies and tags that fit a header', async () => {
    const [user, role] = [await assumer(), await newRole(anybody)]
    const Tags = Array.from({ length: 50 }, (_, at) => ({ Key: `${'k'.repeat(100)}${at}`, Value: 'v'.repeat(256) }))
    const { status, error } = await assume(role.arn, user.keys, { Tags })
    expect(error).toMatch(/^PackedPolicyTooLarge: Serialized token too large for session: packed size is \d+% of the/)
    expect(status).toBe(400)
  })

  it('ends when it ends', async () => {
    const [user, role] = [await assumer(), await newRole(anybody, allow('kms:*'))]
    const session = await sessionOf(role.arn, user.keys, { DurationSeconds: 900 })
    testClock.wallMs = 898_000
    expect(await whoIs(session)).toContain('assumed-role')
    testClock.wallMs = 901_000
    const { status, error } = await query('sts', 'GetCallerIdentity', {}, { by: session })
    expect(error).toBe('ExpiredToken: The security token included in the request is expired')
    expect(status).toBe(403)
    expect(await asked('Encrypt', session)).toBe('ExpiredTokenException')
  })

  it('does not open with one bit of its token changed', async () => {
    const [user, role] = [await assumer(), await newRole(anybody)]
    const session = await sessionOf(role.arn, user.keys)
    const token = Uint8Array.fromBase64(session.sessionToken ?? '')
    for (let bit = 0; bit < token.length * 8; bit += bit < 64 ? 1 : 61) {
      const changed = token.slice()
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(await whoIs({ ...session, sessionToken: changed.toBase64() }), `bit ${bit}`).toBe(invalidToken)
    }
    expect(await whoIs(session)).toContain('assumed-role')
  })

  it.each<[string, (one: Keys, other: Keys) => Keys]>([
    ["another session's token", (one, other) => ({ ...one, sessionToken: other.sessionToken ?? '' })],
    ["another session's access key", (one, other) => ({ ...one, accessKeyId: other.accessKeyId })],
    ['no token', ({ accessKeyId, secretAccessKey }) => ({ accessKeyId, secretAccessKey })],
    ['an empty token', (one) => ({ ...one, sessionToken: ' ' })],
    ['half a token', (one) => ({ ...one, sessionToken: one.sessionToken?.slice(0, 400) ?? '' })],
    ['its token twice', (one) => ({ ...one, sessionToken: `${one.sessionToken}${one.sessionToken}` })],
    ['no token of ours', (one) => ({ ...one, sessionToken: 'AQAAAAFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh' })],
  ])('is nobody with %s', async (_, mix) => {
    const user = await assumer()
    const [one, other] = [await newRole(anybody), await newRole(trust(accountRoot), null, otherRoot)]
    const [mine, theirs] = [await sessionOf(one.arn, user.keys), await sessionOf(other.arn, user.keys)]
    // Both tokens have been opened and are held.
    expect([await whoIs(mine), await whoIs(theirs)].map((arn) => arn?.split(':')[4])).toEqual([account, otherAccount])
    expect(await whoIs(mix(mine, theirs))).toBe(invalidToken)
  })

  it("signs with its own secret, and no other deployment's root key opens it", async () => {
    const [user, role] = [await assumer(), await newRole(anybody)]
    const session = await sessionOf(role.arn, user.keys)
    expect(await whoIs({ ...session, secretAccessKey: 'guess' })).toMatch(/^SignatureDoesNotMatch/)
    expect(await whoIs({ ...user.keys, sessionToken: session.sessionToken ?? '' })).toBe(invalidToken)
    const open = async (rootKeys: string | undefined) => {
      const roots = (await RootKeys.parse(rootKeys)) as RootKeys
      return (await openSession(roots, session.accessKeyId, session.sessionToken ?? ''))?.arn ?? null
    }
    expect(await open(env.ROOT_KEYS)).toContain(role.name)
    const other = new Uint8Array(32).fill(7).toBase64()
    expect(await open(`1:${other}`)).toBeNull()
    expect(await open(`2:${other}`)).toBeNull()
    // A new version seals from now on, and the old one goes on opening.
    expect(await open(`${env.ROOT_KEYS} 2:${other}`)).toContain(role.name)
  })

  it('may what its role may now, and nothing once the role is gone', async () => {
    const [user, role] = [await assumer(), await newRole(anybody, allow('kms:Encrypt'))]
    const session = await sessionOf(role.arn, user.keys)
    expect(await asked('Encrypt', session)).toBe('allowed')
    await must('iam', 'DeleteRolePolicy', { RoleName: role.name, PolicyName: 'p' })
    expect(await asked('Encrypt', session)).toBe('AccessDeniedException')
    await must('iam', 'DeleteRole', { RoleName: role.name })
    expect(await whoIs(session)).toBe(invalidToken)
    const Policies = { RoleName: role.name, AssumeRolePolicyDocument: anybody }
    await must('iam', 'CreateRole', Policies)
    expect(await whoIs(session)).toBe(invalidToken)
    expect((await assume(role.arn, session)).error).toBe(invalidToken)
  })

  it('may assume a further role for an hour', async () => {
    const [user, first] = [await assumer(), await newRole(anybody, allow('sts:*'))]
    const second = await newRole(anybody)
    await must('iam', 'UpdateRole', { RoleName: second.name, MaxSessionDuration: '43200' })
    const session = await sessionOf(first.arn, user.keys)
    expect((await assume(second.arn, user.keys, { DurationSeconds: 43_200 })).status).toBe(200)
    const { error } = await assume(second.arn, session, { DurationSeconds: 3601 })
    expect(error).toMatch(/^ValidationError: .*1 hour session limit for roles assumed by role chaining$/)
    expect((await assume(second.arn, session)).status).toBe(200)
  })
})

describe('the tags of a session', () => {
  const tagged = {
    Tags: [
      { Key: 'team', Value: 'a' },
      { Key: 'cost', Value: '1' },
    ],
    TransitiveTagKeys: ['team'],
  }
  const ofTeam = (team: string) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: ['kms:*', 'sts:*'],
          Resource: '*',
          Condition: { StringEquals: { 'aws:PrincipalTag/team': team } },
        },
      ],
    })

  it('are over those of its role', async () => {
    const [user, role] = [await assumer(), await newRole(anybody, ofTeam('a'))]
    await must('iam', 'TagRole', { RoleName: role.name, Tags: [{ Key: 'team', Value: 'b' }] })
    expect(await asked('Encrypt', await sessionOf(role.arn, user.keys))).toBe('AccessDeniedException')
    const session = await sessionOf(role.arn, user.keys, tagged)
    expect(await asked('Encrypt', session)).toBe('allowed')
    // A change is decided by what D1 says, and by what the token holds.
    expect(await asked('DisableKey', session)).toBe('allowed')
  })

  it('need a permission of their own', async () => {
    const user = await assumer()
    const role = await newRole(trust(accountRoot))
    const { error } = await assume(role.arn, user.keys, tagged)
    expect(error).toBe(
      `AccessDenied: User: ${user.arn} is not authorized to perform: sts:TagSession on resource: ${role.arn}`,
    )
    const conditional = await newRole(
      trust(accountRoot, ['sts:AssumeRole', 'sts:TagSession'], { StringEquals: { 'aws:RequestTag/team': 'b' } }),
    )
    expect((await assume(conditional.arn, user.keys, tagged)).status).toBe(403)
    expect((await assume(conditional.arn, user.keys, { Tags: [{ Key: 'team', Value: 'b' }] })).status).toBe(200)
  })

  it('go on to a further role where they are transitive, and cannot be changed there', async () => {
    const [user, first] = [await assumer(), await newRole(anybody, allow('sts:*'))]
    const second = await newRole(anybody, ofTeam('a'))
    const session = await sessionOf(first.arn, user.keys, tagged)
    expect(await asked('Encrypt', await sessionOf(second.arn, session))).toBe('allowed')
    const other = await assume(second.arn, session, { Tags: [{ Key: 'TEAM', Value: 'b' }] })
    expect(other.error).toMatch(/^ValidationError: .*conflicts with a transitive tag key from the calling session/)
    const untagged = await newRole(trust(accountRoot))
    expect((await assume(untagged.arn, session)).error).toMatch(/sts:TagSession/)
  })
})

describe('the source identity of a session', () => {
  it('needs a permission of its own, and stays', async () => {
    const [user, first] = [await assumer(), await newRole(anybody, allow('sts:*'))]
    const closed = await newRole(trust(accountRoot))
    const SourceIdentity = 'ada'
    expect((await assume(closed.arn, user.keys, { SourceIdentity })).error).toMatch(/sts:SetSourceIdentity/)
    const answer = await assume(first.arn, user.keys, { SourceIdentity })
    expect(answer.field('SourceIdentity')).toBe('ada')
    const session = keysIn(answer)
    const second = await newRole(
      trust(accountRoot, ['sts:AssumeRole', 'sts:SetSourceIdentity'], {
        StringEquals: { 'aws:SourceIdentity': 'ada' },
      }),
    )
    expect((await assume(second.arn, session)).field('SourceIdentity')).toBe('ada')
    expect((await assume(second.arn, session, { SourceIdentity: 'bob' })).error).toMatch(/sts:SetSourceIdentity/)
    expect((await assume(closed.arn, session)).error).toMatch(/sts:SetSourceIdentity/)
  })
})

it.each(['GetFederationToken', 'constructor', '__proto__', 'toString', ''])('has no operation %j', async (action) => {
  const { status, error } = await query('sts', action)
  expect(error).toBe(`InvalidAction: Could not find operation ${action} for version 2011-06-15`)
  expect(status).toBe(400)
})
