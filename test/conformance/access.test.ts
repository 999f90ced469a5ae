import {
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  type KMSClient,
  ListGrantsCommand,
  ListRetirableGrantsCommand,
  PutKeyPolicyCommand,
  RetireGrantCommand,
  RevokeGrantCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { type Caller, openKms, refusalOf, rootPolicy } from '../support/conformance.ts'
import {
  allow,
  assume,
  deny,
  done,
  newAccessKey,
  newName,
  newRole,
  newUser,
  policyOf,
  putUserPolicy,
} from '../support/principals.ts'

/** Who may do what, as administrators, users, roles and other accounts see it. */

const kms = await openKms()
const { account } = kms.caller
const root = kms.client()
const { KeyMetadata } = await root.send(new CreateKeyCommand({ Description: 'shared by all of this file' }))
const key = { id: KeyMetadata?.KeyId ?? '', arn: KeyMetadata?.Arn ?? '' }
const tenant = (name: string) => ({ tenant: name })
const hello = Buffer.from('hello')

async function encrypt(client: KMSClient, EncryptionContext = {}, rest: object = {}) {
  const { CiphertextBlob } = await client.send(
    new EncryptCommand({ KeyId: key.arn, Plaintext: hello, EncryptionContext, ...rest }),
  )
  return CiphertextBlob
}

async function decrypt(client: KMSClient, CiphertextBlob: Uint8Array | undefined, EncryptionContext = {}, rest = {}) {
  const { Plaintext } = await client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext, ...rest }))
  return Buffer.from(Plaintext ?? []).toString()
}

const client = (by: Caller) => kms.client({ by })

function denied(arn: string, action: string, why: string, resource = key.arn): string {
  return `AccessDeniedException: User: ${arn} is not authorized to perform: ${action} on resource: ${resource} ${why}`
}

const noIdentityPolicy = (action: string) => `because no identity-based policy allows the ${action} action`
const hiddenKey =
  'AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.'
const isElsewhere =
  'because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access'

it('from an administrator to a grant, as it is told', async () => {
  // An administrator of principals, who may use no key, makes a user with an access key.
  const administrator = await newUser(kms, [allow(['iam:*', 'sts:*'])])
  expect(await refusalOf(encrypt(client(administrator)))).toBe(
    denied(administrator.arn, 'kms:Encrypt', noIdentityPolicy('kms:Encrypt')),
  )
  const web = await newUser(kms, [], administrator)
  expect(await done(kms.query('sts', 'GetCallerIdentity', {}, web))).toEqual({
    UserId: expect.stringMatching(/^AIDA[A-Z2-7]{17}$/),
    Account: account,
    Arn: web.arn,
  })
  await putUserPolicy(kms, web.name, [allow('kms:Encrypt', { Resource: key.arn })], administrator)

  // The user may encrypt, and not decrypt.
  const ofA = await encrypt(client(web), tenant('a'))
  const ofB = await encrypt(client(web), tenant('b'))
  expect(await refusalOf(decrypt(client(web), ofA, tenant('a')))).toBe(hiddenKey)
  expect(await refusalOf(client(web).send(new GenerateDataKeyCommand({ KeyId: key.arn, KeySpec: 'AES_256' })))).toBe(
    denied(web.arn, 'kms:GenerateDataKey', noIdentityPolicy('kms:GenerateDataKey')),
  )
  expect(await refusalOf(client(web).send(new ScheduleKeyDeletionCommand({ KeyId: key.id })))).toBe(
    denied(web.arn, 'kms:ScheduleKeyDeletion', noIdentityPolicy('kms:ScheduleKeyDeletion')),
  )
  expect((await kms.query('iam', 'CreateUser', { UserName: newName() }, web)).refusal).toMatch(
    /^AccessDenied: User: \S+ is not authorized to perform: iam:CreateUser on resource: \S+ because no identity-based policy allows the iam:CreateUser action$/,
  )

  // A role, assumed with the external id that it asks for, may decrypt for one tenant.
  const onlyA = { StringEquals: { 'kms:EncryptionContext:tenant': 'a' } }
  const trust = { Principal: { AWS: web.arn }, Condition: { StringEquals: { 'sts:ExternalId': 'a-secret-word' } } }
  const role = await newRole(kms, trust, [allow('kms:Decrypt', { Condition: onlyA })])
  for (const input of [{}, { ExternalId: 'another-word' }]) {
    const refused = await kms.query('sts', 'AssumeRole', { RoleArn: role.arn, RoleSessionName: 'job', ...input }, web)
    expect(refused).toMatchObject({
      status: 403,
      refusal: `AccessDenied: User: ${web.arn} is not authorized to perform: sts:AssumeRole on resource: ${role.arn}`,
    })
  }
  const session = await assume(kms, web, role.arn, { ExternalId: 'a-secret-word', RoleSessionName: 'job' })
  const sessionArn = `arn:aws:sts::${account}:assumed-role/${role.name}/job`
  expect(await done(kms.query('sts', 'GetCallerIdentity', {}, session))).toMatchObject({ Arn: sessionArn })
  expect(await decrypt(client(session), ofA, tenant('a'))).toBe('hello')
  expect(await refusalOf(decrypt(client(session), ofB, tenant('b')))).toBe(hiddenKey)
  expect(await refusalOf(decrypt(client(session), ofA))).toBe(hiddenKey)
  expect(await refusalOf(encrypt(client(session)))).toBe(
    denied(sessionArn, 'kms:Encrypt', noIdentityPolicy('kms:Encrypt')),
  )

  // A grant lets a third principal in at once, by its token, for one context.
  const worker = await newUser(kms)
  expect(await refusalOf(decrypt(client(worker), ofA, tenant('a')))).toBe(hiddenKey)
  const { GrantId, GrantToken = '' } = await root.send(
    new CreateGrantCommand({
      KeyId: key.id,
      GranteePrincipal: worker.arn,
      Operations: ['Decrypt'],
      Constraints: { EncryptionContextSubset: tenant('a') },
      Name: 'for-the-worker',
    }),
  )
  const GrantTokens = [GrantToken]
  expect(await decrypt(client(worker), ofA, tenant('a'), { GrantTokens })).toBe('hello')
  expect(await decrypt(client(worker), ofA, tenant('a'))).toBe('hello')
  expect(await refusalOf(decrypt(client(worker), ofB, tenant('b'), { GrantTokens }))).toBe(hiddenKey)
  // A token is for its grantee.
  expect(await refusalOf(decrypt(client(web), ofA, tenant('a'), { GrantTokens }))).toBe(
    'InvalidGrantTokenException: The grant token is not valid.',
  )
  const { Grants } = await root.send(new ListGrantsCommand({ KeyId: key.id, GrantId }))
  expect(Grants).toEqual([
    {
      KeyId: key.arn,
      GrantId,
      Name: 'for-the-worker',
      CreationDate: expect.any(Date),
      GranteePrincipal: worker.arn,
      IssuingAccount: `arn:aws:iam::${account}:root`,
      Operations: ['Decrypt'],
      Constraints: { EncryptionContextSubset: tenant('a') },
    },
  ])
  await root.send(new RevokeGrantCommand({ KeyId: key.id, GrantId }))
  expect(await refusalOf(decrypt(client(worker), ofA, tenant('a')))).toBe(hiddenKey)
  expect(await refusalOf(decrypt(client(worker), ofA, tenant('a'), { GrantTokens }))).toBe(
    'InvalidGrantTokenException: The grant token is not valid.',
  )

  // An explicit Deny beats all: here the policy, and a grant.
  await root.send(
    new CreateGrantCommand({ KeyId: key.id, GranteePrincipal: web.arn, Operations: ['Decrypt', 'Encrypt'] }),
  )
  expect(await decrypt(client(web), ofA, tenant('a'))).toBe('hello')
  await putUserPolicy(kms, web.name, [allow('kms:*'), deny('kms:Encrypt')])
  expect(await refusalOf(encrypt(client(web)))).toBe(
    denied(web.arn, 'kms:Encrypt', 'with an explicit deny in an identity-based policy'),
  )
  expect(await decrypt(client(web), ofA, tenant('a'))).toBe('hello')
  const denyAll = { Effect: 'Deny', Principal: { AWS: web.arn }, Action: 'kms:Decrypt', Resource: '*' }
  const { Statement } = JSON.parse(rootPolicy(account)) as { Statement: object[] }
  await root.send(new PutKeyPolicyCommand({ KeyId: key.id, Policy: policyOf(...Statement, denyAll) }))
  expect(await refusalOf(decrypt(client(web), ofA, tenant('a')))).toBe(hiddenKey)
  await root.send(new PutKeyPolicyCommand({ KeyId: key.id, Policy: rootPolicy(account) }))
})

describe.skipIf(kms.stranger === null)('between two accounts', () => {
  const stranger = kms.stranger as Caller
  const foreignRoot = `arn:aws:iam::${stranger?.account}:root`
  const { Statement: ours } = JSON.parse(rootPolicy(account)) as { Statement: object[] }
  const shared = (Principal: object, Action: string | string[] = ['kms:Encrypt', 'kms:Decrypt']) =>
    policyOf(...ours, { Effect: 'Allow', Principal, Action, Resource: '*' })
  const write = async (Policy: string) => root.send(new PutKeyPolicyCommand({ KeyId: key.id, Policy }))

  it('a key takes the word of both sides', async () => {
    const visitor = await newUser(kms, [allow('kms:*')], stranger)
    const idle = await newUser(kms, [], stranger)
    const refused = (by: Caller & { arn: string }) => denied(by.arn, 'kms:Encrypt', isElsewhere)
    // Neither the key's side, nor both.
    expect(await refusalOf(encrypt(client(visitor)))).toBe(refused(visitor))
    expect(await refusalOf(encrypt(client(stranger)))).toBe(refused({ ...stranger, arn: foreignRoot }))
    await write(shared({ AWS: foreignRoot }))
    const blob = await encrypt(client(visitor))
    expect(await decrypt(client(visitor), blob, {}, { KeyId: key.arn })).toBe('hello')
    // The other side alone.
    expect(await refusalOf(encrypt(client(idle)))).toBe(
      denied(idle.arn, 'kms:Encrypt', noIdentityPolicy('kms:Encrypt')),
    )
    await putUserPolicy(kms, idle.name, [allow('kms:Encrypt', { Resource: key.arn })], stranger)
    expect(await encrypt(client(idle))).toBeInstanceOf(Uint8Array)
    // A user who is named needs the word of its own account all the same.
    await write(shared({ AWS: idle.arn }))
    expect(await encrypt(client(idle))).toBeInstanceOf(Uint8Array)
    expect(await refusalOf(encrypt(client(visitor)))).toBe(refused(visitor))
    await done(kms.query('iam', 'DeleteUserPolicy', { UserName: idle.name, PolicyName: 'test' }, stranger))
    expect(await refusalOf(encrypt(client(idle)))).toBe(
      denied(idle.arn, 'kms:Encrypt', noIdentityPolicy('kms:Encrypt')),
    )
    await write(rootPolicy(account))
  })

  it('a grant, too, needs the word of the grantee’s account', async () => {
    const visitor = await newUser(kms, [], stranger)
    const grant = { KeyId: key.id, GranteePrincipal: visitor.arn, Operations: ['Encrypt' as const] }
    const { GrantToken = '' } = await root.send(new CreateGrantCommand(grant))
    const GrantTokens = [GrantToken]
    expect(await refusalOf(encrypt(client(visitor), {}, { GrantTokens }))).toMatch(/^AccessDeniedException: /)
    await putUserPolicy(kms, visitor.name, [allow('kms:Encrypt')], stranger)
    expect(await encrypt(client(visitor), {}, { GrantTokens })).toBeInstanceOf(Uint8Array)
  })

  it('management never crosses, whatever policies say', async () => {
    const visitor = await newUser(kms, [allow('kms:*')], stranger)
    await write(shared({ AWS: [foreignRoot, visitor.arn] }, 'kms:*'))
    const by = client(visitor)
    const refused = (action: string) => denied(visitor.arn, action, isElsewhere)
    expect((await by.send(new DescribeKeyCommand({ KeyId: key.arn }))).KeyMetadata?.AWSAccountId).toBe(account)
    expect(await refusalOf(by.send(new GetKeyPolicyCommand({ KeyId: key.arn })))).toBe(refused('kms:GetKeyPolicy'))
    const Tags = [{ TagKey: 'a', TagValue: 'b' }]
    expect(await refusalOf(by.send(new TagResourceCommand({ KeyId: key.arn, Tags })))).toBe(refused('kms:TagResource'))
    expect(await refusalOf(by.send(new ScheduleKeyDeletionCommand({ KeyId: key.arn })))).toBe(
      refused('kms:ScheduleKeyDeletion'),
    )
    await write(rootPolicy(account))
  })

  it('a role is assumed by both sides’ word', async () => {
    const visitor = await newUser(kms, [], stranger)
    const role = await newRole(kms, { Principal: { AWS: foreignRoot } }, [allow('kms:Encrypt')])
    const ask = () => kms.query('sts', 'AssumeRole', { RoleArn: role.arn, RoleSessionName: 'abroad' }, visitor)
    expect((await ask()).refusal).toMatch(/^AccessDenied: /)
    await putUserPolicy(kms, visitor.name, [allow('sts:AssumeRole', { Resource: role.arn })], stranger)
    expect((await ask()).refusal).toBeNull()
    const session = await assume(kms, visitor, role.arn)
    expect(session.account).toBe(account)
    expect(await encrypt(client(session))).toBeInstanceOf(Uint8Array)
  })

  it('one account’s names say nothing of the other’s', async () => {
    const UserName = newName()
    await done(kms.query('iam', 'CreateUser', { UserName }))
    const absent = `NoSuchEntity: The user with name ${UserName} cannot be found.`
    expect(await kms.query('iam', 'GetUser', { UserName }, stranger)).toMatchObject({ status: 404, refusal: absent })
    expect((await kms.query('iam', 'DeleteUser', { UserName }, stranger)).refusal).toBe(absent)
    const { Users } = await done(kms.query('iam', 'ListUsers', {}, stranger))
    expect(JSON.stringify(Users)).not.toContain(UserName)
    const { User } = await done(kms.query('iam', 'CreateUser', { UserName }, stranger))
    expect(User).toMatchObject({ Arn: `arn:aws:iam::${stranger.account}:user/${UserName}` })
  })
})

describe('what narrows', () => {
  it('a permissions boundary', async () => {
    const PolicyName = newName()
    const PolicyDocument = policyOf(allow('kms:Encrypt'))
    const { Policy } = await done(kms.query('iam', 'CreatePolicy', { PolicyName, PolicyDocument }))
    const user = await newUser(kms, [allow('kms:*')])
    const blob = await encrypt(client(user))
    expect(await decrypt(client(user), blob)).toBe('hello')
    const PermissionsBoundary = (Policy as { Arn: string }).Arn
    const bounded = { UserName: user.name, PermissionsBoundary }
    await done(kms.query('iam', 'PutUserPermissionsBoundary', bounded))
    expect(await encrypt(client(user))).toBeInstanceOf(Uint8Array)
    expect(await refusalOf(decrypt(client(user), blob))).toBe(hiddenKey)
    expect(await refusalOf(client(user).send(new DescribeKeyCommand({ KeyId: key.id })))).toBe(
      denied(user.arn, 'kms:DescribeKey', 'because no permissions boundary allows the kms:DescribeKey action'),
    )
    await done(kms.query('iam', 'DeleteUserPermissionsBoundary', { UserName: user.name }))
    expect(await decrypt(client(user), blob)).toBe('hello')
  })

  it('a session policy, and session tags', async () => {
    const user = await newUser(kms)
    const Action = ['sts:AssumeRole', 'sts:TagSession']
    const tagged = { StringEquals: { 'kms:EncryptionContext:tenant': `\${aws:PrincipalTag/tenant}` } }
    const role = await newRole(kms, { Principal: { AWS: user.arn }, Action }, [
      allow(['kms:Encrypt', 'kms:Decrypt'], { Condition: tagged }),
    ])
    const Tags = [{ Key: 'tenant', Value: 'a' }]
    const session = client(await assume(kms, user, role.arn, { Tags }))
    const blob = await encrypt(session, tenant('a'))
    expect(await refusalOf(encrypt(session, tenant('b')))).toMatch(/because no identity-based policy allows/)
    const narrow = client(await assume(kms, user, role.arn, { Tags, Policy: policyOf(allow('kms:Decrypt')) }))
    expect(await decrypt(narrow, blob, tenant('a'))).toBe('hello')
    expect(await refusalOf(encrypt(narrow, tenant('a')))).toMatch(/because no session policy allows the kms:Encrypt/)
  })

  it('a namesake is somebody else', async () => {
    const user = await newUser(kms)
    const { Statement } = JSON.parse(rootPolicy(account)) as { Statement: object[] }
    const named = { Effect: 'Allow', Principal: { AWS: user.arn }, Action: 'kms:Encrypt', Resource: '*' }
    await root.send(new PutKeyPolicyCommand({ KeyId: key.id, Policy: policyOf(...Statement, named) }))
    expect(await encrypt(client(user))).toBeInstanceOf(Uint8Array)
    await done(kms.query('iam', 'DeleteAccessKey', { UserName: user.name, AccessKeyId: user.accessKeyId }))
    await done(kms.query('iam', 'DeleteUser', { UserName: user.name }))
    await done(kms.query('iam', 'CreateUser', { UserName: user.name }))
    const namesake = await newAccessKey(kms, user.name)
    expect(await refusalOf(encrypt(client(namesake)))).toBe(
      denied(user.arn, 'kms:Encrypt', noIdentityPolicy('kms:Encrypt')),
    )
    await root.send(new PutKeyPolicyCommand({ KeyId: key.id, Policy: rootPolicy(account) }))
  })
})

describe('grants', () => {
  it('are listed by who may retire them, and retired by token or id', async () => {
    const [grantee, retiree] = [await newUser(kms), await newUser(kms, [allow('kms:ListRetirableGrants')])]
    const grant = { KeyId: key.id, GranteePrincipal: grantee.arn, RetiringPrincipal: retiree.arn }
    const make = () => root.send(new CreateGrantCommand({ ...grant, Operations: ['Encrypt', 'DescribeKey'] }))
    const grants = [await make(), await make(), await make()]
    const mine = async () => {
      const list = new ListRetirableGrantsCommand({ RetiringPrincipal: retiree.arn })
      const { Grants = [] } = await client(retiree).send(list)
      return Grants.map(({ GrantId }) => GrantId).sort()
    }
    await expect.poll(mine).toEqual(grants.map(({ GrantId }) => GrantId).sort())
    const [first, second, third] = grants
    expect(await refusalOf(client(grantee).send(new RetireGrantCommand({ GrantToken: first?.GrantToken })))).toBe(
      denied(grantee.arn, 'kms:RetireGrant', noIdentityPolicy('kms:RetireGrant')),
    )
    await client(retiree).send(new RetireGrantCommand({ GrantToken: first?.GrantToken }))
    await client(retiree).send(new RetireGrantCommand({ KeyId: key.arn, GrantId: second?.GrantId }))
    await root.send(new RetireGrantCommand({ KeyId: key.arn, GrantId: third?.GrantId }))
    await expect.poll(mine).toEqual([])
    expect(await refusalOf(encrypt(client(grantee)))).toMatch(/^AccessDeniedException: /)
  })

  it('whose grantee may make further ones: narrower', async () => {
    const [agent, helper] = [await newUser(kms), await newUser(kms)]
    const grant = { KeyId: key.id, GranteePrincipal: agent.arn, Operations: ['CreateGrant', 'Encrypt'] as const }
    const { GrantToken = '' } = await root.send(new CreateGrantCommand({ ...grant, Operations: [...grant.Operations] }))
    const further = { KeyId: key.arn, GranteePrincipal: helper.arn, GrantTokens: [GrantToken] }
    const wider = new CreateGrantCommand({ ...further, Operations: ['Encrypt', 'Decrypt'] })
    expect(await refusalOf(client(agent).send(wider))).toMatch(/^AccessDeniedException: /)
    const made = await client(agent).send(new CreateGrantCommand({ ...further, Operations: ['Encrypt'] }))
    expect(await encrypt(client(helper), {}, { GrantTokens: [made.GrantToken] })).toBeInstanceOf(Uint8Array)
  })
})
