import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { database } from '../../src/catalog/database.ts'
import { loadRole, loadUser, principalIds } from '../../src/catalog/principals.ts'
import type { Env } from '../../src/deployment.ts'
import {
  accountRoot,
  allow,
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
  send,
  signedBy,
  trust,
} from '../support/query-door.ts'
import { testClock } from '../support/test-worker.ts'
import { account, createKey, env } from '../support/workerd.ts'

afterEach(() => {
  testClock.wallMs = 0
  vi.restoreAllMocks()
})

const db = database(env.DB)

/** Its own isolate, as far as memory goes, over a D1 that can go away and whose batches are counted. */
function isolate(settings: Partial<Env> = {}) {
  const state = { isAway: false, batches: 0, delayed: null as Promise<void> | null }
  const DB = {
    prepare: (sql: string) => env.DB.prepare(sql),
    async batch(statements: D1PreparedStatement[]) {
      state.batches++
      await state.delayed
      if (state.isAway) throw new Error('D1_ERROR: it is away')
      return env.DB.batch(statements)
    },
  } as D1Database
  return { state, env: { ...env, ...settings, DB } }
}

const unrecognized = 'InvalidClientTokenId: The security token included in the request is invalid.'

describe('principals by name', () => {
  it('are found by what names them now, and by nothing else', async () => {
    const UserName = `Ada-${crypto.randomUUID()}`
    const user = await must('iam', 'CreateUser', { UserName, Path: '/staff/dev/' })
    const [userArn, userId] = [user.field('Arn') ?? '', user.field('UserId') ?? '']
    const role = await newRole(trust(accountRoot))
    const session = `arn:aws:sts::${account}:assumed-role/${role.name}/job.1`
    expect(userArn).toBe(`arn:aws:iam::${account}:user/staff/dev/${UserName}`)
    const found = await principalIds(db, [
      userArn,
      userArn.toLowerCase(),
      userArn.replace('/staff/dev/', '/'),
      userArn.replace('/staff/dev/', '/staff/'),
      userArn.replace(account, otherAccount),
      userArn.replace(':user/', ':role/'),
      userArn.replace('arn:aws:', 'arn:aws-cn:'),
      role.arn,
      role.arn.replace('role/', 'role/path/'),
      session,
      session.replace(role.name, 'nobody'),
      userId,
      role.id,
      `${role.id}:job`,
      `${userId}:job`,
      'AIDANOBODYNOBODYNOBOD',
      '*',
      '',
      accountRoot.AWS,
    ])
    expect(Object.fromEntries(found)).toEqual({
      [userArn]: userId,
      [role.arn]: role.id,
      [session]: `${role.id}:job.1`,
      [userId]: userId,
      [role.id]: role.id,
      [`${role.id}:job`]: `${role.id}:job`,
    })
  })

  it('are found many at a time', async () => {
    const { arn, id } = await newUser()
    const many = Array.from({ length: 500 }, (_, at) => `arn:aws:iam::${account}:user/nobody-${at}`)
    expect([...(await principalIds(db, [...many, arn]))]).toEqual([[arn, id]])
    expect((await principalIds(db, [])).size).toBe(0)
  })

  it('have the policies, the boundary and the tags that they have', async () => {
    const { name: UserName, id } = await newUser(allow('kms:Encrypt'))
    const GroupName = `group-${crypto.randomUUID()}`
    const PolicyName = `policy-${crypto.randomUUID()}`
    await must('iam', 'CreateGroup', { GroupName })
    await must('iam', 'AddUserToGroup', { GroupName, UserName })
    await must('iam', 'PutGroupPolicy', { GroupName, PolicyName: 'g', PolicyDocument: allow('kms:Decrypt') })
    const created = await must('iam', 'CreatePolicy', { PolicyName, PolicyDocument: allow('kms:Sign') })
    const PolicyArn = created.field('Arn') ?? ''
    await must('iam', 'AttachUserPolicy', { UserName, PolicyArn })
    await must('iam', 'AttachGroupPolicy', { GroupName, PolicyArn })
    const PolicyDocument = allow('kms:Verify')
    await must('iam', 'CreatePolicyVersion', { PolicyArn, PolicyDocument, SetAsDefault: 'true' })
    await must('iam', 'PutUserPermissionsBoundary', { UserName, PermissionsBoundary: PolicyArn })
    await must('iam', 'TagUser', { UserName, Tags: [{ Key: 'team', Value: 'a' }] })
    expect(await loadUser(db, id)).toMatchObject({
      policies: [
        { name: PolicyArn, text: PolicyDocument },
        { name: 'p', text: allow('kms:Encrypt') },
        { name: PolicyArn, text: PolicyDocument },
        { name: 'g', text: allow('kms:Decrypt') },
      ],
      boundary: { name: PolicyArn, text: PolicyDocument },
      tags: { team: 'a' },
    })
    expect(await loadUser(db, 'AIDANOBODY')).toBeNull()
    expect(await loadRole(db, { id: 'AROANOBODY' })).toBeNull()
    expect(await loadRole(db, { account, name: 'nobody' })).toBeNull()
  })
})

describe('who signs', () => {
  it('is told who it is', async () => {
    const user = await newUser()
    const answer = await must('sts', 'GetCallerIdentity', {}, { by: user.keys })
    expect(['UserId', 'Account', 'Arn'].map(answer.field)).toEqual([user.id, account, user.arn])
    const asRoot = await must('sts', 'GetCallerIdentity', {}, { by: otherRoot, region: 'eu-west-1' })
    expect(['UserId', 'Account', 'Arn'].map(asRoot.field)).toEqual([
      otherAccount,
      otherAccount,
      `arn:aws:iam::${otherAccount}:root`,
    ])
    const { error } = await query('sts', 'GetCallerIdentity', {}, { region: 'moon-1' })
    expect(error).toBe('SignatureDoesNotMatch: Credential should be scoped to a valid region.')
  })

  it.each<[string, (keys: Keys) => Keys, RegExp]>([
    ['another secret', (keys) => ({ ...keys, secretAccessKey: 'guess' }), /^SignatureDoesNotMatch: /],
    ['an access key that nobody has', (keys) => ({ ...keys, accessKeyId: `AKIA${'A'.repeat(16)}` }), /^InvalidClient/],
    ['no access key at all', (keys) => ({ ...keys, accessKeyId: 'me' }), /^InvalidClientTokenId/],
    ['a session token with it', (keys) => ({ ...keys, sessionToken: 'token' }), /^InvalidClientTokenId/],
    ['a session token with a root', () => ({ ...root, sessionToken: 'token' }), /^InvalidClientTokenId/],
  ])('is nobody with %s', async (_, spoil, refusal) => {
    const { keys } = await newUser()
    const { status, error } = await query('sts', 'GetCallerIdentity', {}, { by: spoil(keys) })
    expect(error).toMatch(refusal)
    expect(status).toBe(403)
  })

  it('is refused by KMS in its own words', async () => {
    const { keyId } = await createKey()
    const by = { accessKeyId: `AKIA${'A'.repeat(16)}`, secretAccessKey: 'x' }
    expect(await kms('DescribeKey', { KeyId: keyId }, by)).toEqual({
      status: 400,
      body: {
        __type: 'UnrecognizedClientException',
        message: 'The security token included in the request is invalid.',
      },
    })
  })

  it('is asked by the service that it signed for', async () => {
    const form = 'Action=GetCallerIdentity&Version=2011-06-15'
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const asKms = await send(await signedBy(root, 'kms', headers, form))
    expect(JSON.parse(asKms.text)).toEqual({ __type: 'UnknownOperationException' })
    const json = { 'x-amz-target': 'TrentService.ListKeys', 'content-type': 'application/x-amz-json-1.1' }
    const asIam = await send(await signedBy(root, 'iam', json, '{}'))
    expect(asIam.error).toBe("MalformedInput: A parameter's name is malformed")
    const asOther = await send(await signedBy(root, 's3', json, '{}'))
    expect(JSON.parse(asOther.text).message).toBe("Credential should be scoped to correct service: 'kms'.")
  })
})

describe('a user that is known', () => {
  it('waits for no read of D1', async () => {
    const { keys } = await newUser(allow('kms:*'))
    const { keyId } = await createKey()
    const here = isolate()
    const input = { KeyId: keyId, Plaintext: 'aGVsbG8=' }
    expect((await kms('Encrypt', input, keys, here.env)).status).toBe(200)
    here.state.delayed = new Promise(() => {})
    here.state.batches = 0
    for (let at = 0; at < 20; at++) expect((await kms('Encrypt', input, keys, here.env)).status).toBe(200)
    expect(here.state.batches).toBe(0)
  })

  it('shares one read with all who ask meanwhile', async () => {
    const { keys } = await newUser()
    const here = isolate()
    await must('sts', 'GetCallerIdentity', {}, { env: here.env })
    here.state.batches = 0
    const asked = Array.from({ length: 10 }, () => query('sts', 'GetCallerIdentity', {}, { by: keys, env: here.env }))
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect(here.state.batches).toBe(1)
  })
})

describe.each([
  ['5', 6_000],
  ['0', 0],
])('with KEY_SNAPSHOT_SECONDS=%s', (seconds, laterMs) => {
  const settings = { KEY_SNAPSHOT_SECONDS: seconds }
  let user: Awaited<ReturnType<typeof newUser>>
  let key: string
  // Another isolate than the one that makes the change.
  let there: ReturnType<typeof isolate>

  const encrypts = async () => {
    const { body } = await kms('Encrypt', { KeyId: key, Plaintext: 'aGVsbG8=' }, user.keys, there.env)
    return body.__type ?? 'allowed'
  }

  beforeEach(async () => {
    user = await newUser(allow('kms:*'))
    key = (await createKey()).keyId
    there = isolate(settings)
    expect(await encrypts()).toBe('allowed')
  })

  const keyOf = () => ({ UserName: user.name, AccessKeyId: user.keys.accessKeyId })

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'an inactive access key',
      () => must('iam', 'UpdateAccessKey', { ...keyOf(), Status: 'Inactive' }),
      'UnrecognizedClientException',
    ],
    ['a deleted access key', () => must('iam', 'DeleteAccessKey', keyOf()), 'UnrecognizedClientException'],
    [
      'a policy that is gone',
      () => must('iam', 'DeleteUserPolicy', { UserName: user.name, PolicyName: 'p' }),
      'AccessDeniedException',
    ],
  ])('%s stops working in time', async (_, change, refusal) => {
    await change()
    testClock.wallMs = laterMs
    expect(await encrypts()).toBe(refusal)
  })

  it('what is new works at once', async () => {
    await must('iam', 'UpdateAccessKey', { ...keyOf(), Status: 'Inactive' })
    testClock.wallMs = laterMs
    expect(await encrypts()).toBe('UnrecognizedClientException')
    await must('iam', 'UpdateAccessKey', { ...keyOf(), Status: 'Active' })
    expect(await encrypts()).toBe('allowed')
  })
})

describe('while D1 is away', () => {
  it('who is known goes on for STALE_SECONDS, and who is not has to wait', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const [known, unknown] = [await newUser(), await newUser()]
    const { env: overEnv, state } = isolate({ STALE_SECONDS: '60' })
    const ask = async (by: Keys) => (await query('sts', 'GetCallerIdentity', {}, { by, env: overEnv })).error
    expect(await ask(known.keys)).toBeNull()
    state.isAway = true
    testClock.wallMs = 59_000
    expect(await ask(known.keys)).toBeNull()
    const away = /^ServiceUnavailable: The system timed out/
    expect(await ask(unknown.keys)).toMatch(away)
    expect(await ask(root)).toBeNull()
    testClock.wallMs = 61_000
    expect(await ask(known.keys)).toMatch(away)
    const overKms = await kms('ListKeys', {}, known.keys, overEnv)
    expect(overKms).toMatchObject({ status: 500, body: { __type: 'DependencyTimeoutException' } })
    state.isAway = false
    expect(await ask(known.keys)).toBeNull()
    expect(await ask(unknown.keys)).toBeNull()
  })

  it('a revoked key is revoked with 0 seconds, whatever STALE_SECONDS says', async () => {
    const { keys } = await newUser()
    const { env: overEnv, state } = isolate({ KEY_SNAPSHOT_SECONDS: '0', STALE_SECONDS: '60' })
    await must('sts', 'GetCallerIdentity', {}, { by: keys, env: overEnv })
    state.isAway = true
    expect((await query('sts', 'GetCallerIdentity', {}, { by: keys, env: overEnv })).status).toBe(503)
  })
})

it('remembers when an access key and a role were last used, about once a minute', async () => {
  const user = await newUser(allow('sts:AssumeRole'))
  const role = await newRole(trust(accountRoot))
  const assume = { RoleArn: role.arn, RoleSessionName: 'job' }
  const session = keysIn(await must('sts', 'AssumeRole', assume, { by: user.keys, region: 'eu-west-1' }))
  await must('sts', 'GetCallerIdentity', {}, { by: session, region: 'eu-west-3' })
  const used = () =>
    env.DB.prepare('select * from access_keys where access_key_id = ?').bind(user.keys.accessKeyId).first()
  const first = await used()
  expect(first).toMatchObject({ last_used_service: 'sts', last_used_region: 'eu-west-1' })
  expect(Math.abs((first?.last_used_at as number) - now())).toBeLessThan(60_000)
  const ofRole = await env.DB.prepare('select * from roles where id = ?').bind(role.id).first()
  expect(ofRole).toMatchObject({ last_used_region: 'eu-west-3' })
  testClock.wallMs = 30_000
  await kms('ListKeys', {}, user.keys)
  expect(await used()).toEqual(first)
  testClock.wallMs = 61_000
  await kms('ListKeys', {}, user.keys)
  expect(await used()).toMatchObject({ last_used_service: 'kms', last_used_region: 'us-east-1' })
})

it('keeps a secret access key sealed for its own row', async () => {
  const [one, other] = [await newUser(), await newUser()]
  const sealed = () =>
    env.DB.prepare('select sealed from access_keys where access_key_id = ?')
      .bind(other.keys.accessKeyId)
      .first('sealed')
  const stored = String(await sealed())
  expect(stored).not.toContain(other.keys.secretAccessKey)
  vi.spyOn(console, 'error').mockImplementation(() => {})
  await env.DB.prepare('update access_keys set sealed = ? where access_key_id = ?')
    .bind(stored, one.keys.accessKeyId)
    .run()
  const { env: overEnv } = isolate()
  const answer = await query('sts', 'GetCallerIdentity', {}, { by: one.keys, env: overEnv })
  expect(answer.error).toBe('ServiceFailure: ')
  const stolen = { accessKeyId: one.keys.accessKeyId, secretAccessKey: other.keys.secretAccessKey }
  expect((await query('sts', 'GetCallerIdentity', {}, { by: stolen, env: overEnv })).status).toBe(500)
})

it('knows the account of an access key', async () => {
  const { keys } = await newUser()
  const ask = (AccessKeyId: string) => query('sts', 'GetAccessKeyInfo', { AccessKeyId })
  expect((await ask(keys.accessKeyId)).field('Account')).toBe(account)
  expect((await ask(`AKIA${'B'.repeat(16)}`)).error).toBe('ValidationError: The access key ID is invalid.')
  expect((await query('sts', 'GetAccessKeyInfo', { AccessKeyId: 'x' })).error).toMatch(/^ValidationError: 1 validation/)
  const denied = await query('sts', 'GetAccessKeyInfo', { AccessKeyId: keys.accessKeyId }, { by: keys })
  expect(denied.error).toMatch(/^AccessDenied: User: .* is not authorized to perform: sts:GetAccessKeyInfo/)
})

it('tells a deleted user apart from a namesake', async () => {
  const user = await newUser(allow('iam:*'))
  const { env: overEnv } = isolate()
  await must('sts', 'GetCallerIdentity', {}, { by: user.keys, env: overEnv })
  await must('iam', 'DeleteAccessKey', { UserName: user.name, AccessKeyId: user.keys.accessKeyId })
  await must('iam', 'DeleteUserPolicy', { UserName: user.name, PolicyName: 'p' })
  await must('iam', 'DeleteUser', { UserName: user.name })
  await must('iam', 'CreateUser', { UserName: user.name })
  testClock.wallMs = 6_000
  expect((await query('sts', 'GetCallerIdentity', {}, { by: user.keys, env: overEnv })).error).toBe(unrecognized)
})
