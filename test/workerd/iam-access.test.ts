import { afterEach, describe, expect, it, vi } from 'vitest'
import { database } from '../../src/catalog/database.ts'
import { iam } from '../../src/iam/index.ts'
import { invokeQuery } from '../../src/iam/invoke.ts'
import { callBy } from '../support/workerd.ts'
import { allow, asRole, asUser, type Door, newAccount, policy, services, trust } from './iam-door.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** A user with one inline policy, as its own caller. */
async function user(root: Door, document: string | null, input: object = {}): Promise<Door> {
  await root.ok('CreateUser', { UserName: 'caller', ...input })
  if (document !== null)
    await root.ok('PutUserPolicy', { UserName: 'caller', PolicyName: 'p', PolicyDocument: document })
  return asUser(root, 'caller')
}

const denied = (caller: Door, action: string, resource: string, why = 'no identity-based policy allows the') =>
  `AccessDeniedException: User: ${caller.principal.arn} is not authorized to perform: iam:${action} on resource: ${resource} because ${why} iam:${action} action`

describe('who may do what', () => {
  it('refuses a user without policies everything, in the words of AWS', async () => {
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'target', Path: '/x/' })
    const caller = await user(root, null)
    for (const [action, input, resource] of [
      ['CreateUser', { UserName: 'new', Path: '/a/' }, root.arn('user/a/new')],
      ['GetUser', {}, root.arn('user/caller')],
      ['GetUser', { UserName: 'TARGET' }, root.arn('user/x/target')],
      ['DeleteUser', { UserName: 'none' }, root.arn('user/none')],
      ['ListUsers', {}, '*'],
      ['CreateAccessKey', {}, root.arn('user/caller')],
      ['CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('*') }, root.arn('policy/p')],
      ['GetPolicy', { PolicyArn: root.arn('policy/none') }, root.arn('policy/none')],
      ['CreateRole', { RoleName: 'r', AssumeRolePolicyDocument: 'x' }, root.arn('role/r')],
      [
        'SimulatePrincipalPolicy',
        { PolicySourceArn: root.arn('user/caller'), ActionNames: ['kms:Sign'] },
        root.arn('user/caller'),
      ],
    ] as const) {
      expect(await caller.refused(action, input)).toBe(denied(caller, action, resource))
    }
    expect((await root.ok('ListUsers')).Users).toHaveLength(2)
  })

  it('every operation asks policies for itself', () => {
    for (const [name, { action }] of Object.entries(iam)) expect(action).toBe(`iam:${name}`)
  })

  it('lets a user do what its policies say, on what they say', async () => {
    const root = newAccount()
    const statement = {
      Effect: 'Allow',
      Action: ['iam:CreateUser', 'iam:DeleteUser'],
      Resource: root.arn('user/team/*'),
    }
    const caller = await user(root, policy(statement))
    await caller.ok('CreateUser', { UserName: 'a', Path: '/team/' })
    expect(await caller.refused('CreateUser', { UserName: 'b' })).toBe(denied(caller, 'CreateUser', root.arn('user/b')))
    await caller.ok('DeleteUser', { UserName: 'a' })
    expect(await caller.refused('DeleteUser', { UserName: 'caller' })).toMatch(/^AccessDeniedException/)
  })

  it('needs both names of a renaming, and tagging beside making with tags', async () => {
    const root = newAccount()
    const caller = await user(
      root,
      policy({ Effect: 'Allow', Action: ['iam:UpdateUser', 'iam:CreateUser'], Resource: root.arn('user/a/*') }),
    )
    await caller.ok('CreateUser', { UserName: 'x', Path: '/a/' })
    const Tags = [{ Key: 'k', Value: 'v' }]
    expect(await caller.refused('CreateUser', { UserName: 'y', Path: '/a/', Tags })).toBe(
      denied(caller, 'TagUser', root.arn('user/a/y')),
    )
    await caller.ok('UpdateUser', { UserName: 'x', NewUserName: 'z' })
    expect(await caller.refused('UpdateUser', { UserName: 'z', NewPath: '/b/' })).toBe(
      denied(caller, 'UpdateUser', root.arn('user/b/z')),
    )
  })

  it('knows the policy, the boundary and the tags that conditions ask for', async () => {
    const root = newAccount()
    const readOnly = 'arn:aws:iam::aws:policy/IAMReadOnlyAccess'
    const admin = 'arn:aws:iam::aws:policy/AdministratorAccess'
    const when = (Action: string, Condition: object) => ({ Effect: 'Allow', Action, Resource: '*', Condition })
    const caller = await user(
      root,
      policy(
        when('iam:AttachUserPolicy', { ArnEquals: { 'iam:PolicyARN': readOnly } }),
        when('iam:CreateUser', { StringEquals: { 'iam:PermissionsBoundary': readOnly } }),
        when('iam:PutUserPolicy', { StringEquals: { 'iam:PermissionsBoundary': readOnly } }),
        when('iam:DeleteUser', { StringEquals: { 'aws:ResourceTag/team': 'crypto' } }),
        when('iam:CreateAccessKey', { StringEquals: { 'iam:ResourceTag/team': 'crypto' } }),
        when('iam:TagUser', { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] } }),
        when('iam:TagRole', { StringEquals: { 'aws:RequestTag/team': 'crypto' } }),
      ),
    )
    const bounded = { UserName: 'b', PermissionsBoundary: readOnly }
    const document = { PolicyName: 'p', PolicyDocument: allow('kms:*') }
    await root.ok('CreateRole', { RoleName: 'r', AssumeRolePolicyDocument: trust(root.arn('root')) })
    await caller.ok('CreateUser', bounded)
    await root.ok('CreateUser', { UserName: 'free', Tags: [{ Key: 'Team', Value: 'ops' }] })
    const rows: [string, object, object][] = [
      ['CreateUser', { ...bounded, UserName: 'c' }, { UserName: 'd' }],
      ['CreateUser', { ...bounded, UserName: 'e' }, { UserName: 'f', PermissionsBoundary: admin }],
      ['AttachUserPolicy', { UserName: 'b', PolicyArn: readOnly }, { UserName: 'b', PolicyArn: admin }],
      ['PutUserPolicy', { UserName: 'b', ...document }, { UserName: 'free', ...document }],
      [
        'TagUser',
        { UserName: 'c', Tags: [{ Key: 'team', Value: 'crypto' }] },
        { UserName: 'c', Tags: [{ Key: 'other', Value: 'crypto' }] },
      ],
      [
        'TagRole',
        { RoleName: 'r', Tags: [{ Key: 'team', Value: 'crypto' }] },
        { RoleName: 'r', Tags: [{ Key: 'team', Value: 'ops' }] },
      ],
      ['CreateAccessKey', { UserName: 'c' }, { UserName: 'free' }],
    ]
    for (const [action, allowed, refused] of rows) {
      await caller.ok(action, { ...allowed })
      expect(await caller.refused(action, { ...refused }), action).toMatch(/^AccessDeniedException/)
    }
    expect(await caller.refused('DeleteUser', { UserName: 'free' })).toMatch(/^AccessDeniedException/)
    expect(await caller.refused('DeleteUser', { UserName: 'c' })).toMatch(/^DeleteConflict/)
  })

  it('lets a deny, a boundary and a group decide', async () => {
    const root = newAccount()
    await root.ok('CreateGroup', { GroupName: 'admins' })
    await root.ok('AttachGroupPolicy', { GroupName: 'admins', PolicyArn: 'arn:aws:iam::aws:policy/IAMFullAccess' })
    await user(root, policy({ Effect: 'Deny', Action: 'iam:ListRoles', Resource: '*' }))
    await root.ok('AddUserToGroup', { GroupName: 'admins', UserName: 'caller' })
    const grouped = await asUser(root, 'caller')
    await grouped.ok('ListUsers')
    expect(await grouped.refused('ListRoles')).toMatch(/with an explicit deny in an identity-based policy$/)
    const boundary = await root.ok('CreatePolicy', { PolicyName: 'b', PolicyDocument: allow('iam:ListUsers') })
    await root.ok('PutUserPermissionsBoundary', { UserName: 'caller', PermissionsBoundary: boundary.Policy.Arn })
    const bounded = await asUser(root, 'caller')
    await bounded.ok('ListUsers')
    expect(await bounded.refused('ListGroups')).toBe(
      denied(bounded, 'ListGroups', '*', 'no permissions boundary allows the'),
    )
  })

  it('decides a change by the policies of this moment', async () => {
    const root = newAccount()
    const held = await user(root, allow('iam:*'))
    await root.ok('DeleteUserPolicy', { UserName: 'caller', PolicyName: 'p' })
    // The documents that the isolate held still say yes.
    await held.ok('ListUsers')
    expect(await held.refused('CreateUser', { UserName: 'x' })).toBe(denied(held, 'CreateUser', root.arn('user/x')))
    await root.ok('DeleteUser', { UserName: 'caller' })
    expect(await held.refused('CreateUser', { UserName: 'x' })).toMatch(/^UnrecognizedClientException/)
  })

  it('serves sessions of a role by its policies', async () => {
    const root = newAccount()
    await root.ok('CreateRole', { RoleName: 'r', AssumeRolePolicyDocument: trust(root.arn('root')) })
    expect(await (await asRole(root, 'r')).refused('ListUsers')).toMatch(/^AccessDeniedException: User: arn:aws:sts::/)
    await root.ok('AttachRolePolicy', { RoleName: 'r', PolicyArn: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess' })
    const session = await asRole(root, 'r')
    await session.ok('ListUsers')
    expect(await session.refused('CreateUser', { UserName: 'x' })).toMatch(/^AccessDeniedException/)
  })

  it('keeps accounts apart', async () => {
    const [root, other] = [newAccount(), newAccount()]
    await root.ok('CreateUser', { UserName: 'alice' })
    expect(await other.refused('GetUser', { UserName: 'alice' })).toMatch(/^NoSuchEntity/)
    expect((await other.ok('ListUsers')).Users).toEqual([])
  })
})

describe('the pipeline', () => {
  it.each(['constructor', 'toString', 'DescribeKey', ''])('knows no operation %j', async (action) => {
    expect(await newAccount().refused(action)).toBe(
      `UnknownOperationException: Could not find operation ${action} for version 2010-05-08`,
    )
    expect(await invokeQuery('sts', action, {}, callBy(), services)).toMatchObject({
      refused: 'UnknownOperationException',
      message: `Could not find operation ${action} for version 2011-06-15`,
    })
  })

  it('forgets what it held of callers after a change, and only then', async () => {
    const root = newAccount()
    const forgetAll = vi.spyOn(services.credentials, 'forgetAll')
    await root.ok('ListUsers')
    const caller = await user(root, allow('iam:List*'))
    expect(forgetAll).toHaveBeenCalledTimes(2)
    await caller.refused('CreateUser', { UserName: 'x' })
    expect(forgetAll).toHaveBeenCalledTimes(2)
  })

  it.each([
    ['ListUsers', {}],
    ['CreateUser', { UserName: 'a' }],
    ['UpdateUser', { UserName: 'a', NewUserName: 'b' }],
  ])('answers a timeout to %s while the database is away', async (action, input) => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const away = async () => {
      throw new Error('D1 is away')
    }
    const statement = { bind: () => statement, all: away, raw: away, run: away }
    const binding = { prepare: () => statement, batch: away } as unknown as D1Database
    const answer = await invokeQuery('iam', action, input, callBy(), { ...services, database: database(binding) })
    expect(answer).toMatchObject({ refused: 'DependencyTimeoutException' })
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('D1 is away'))
  })
})

describe('what nobody has here', () => {
  it.each([
    ['ListAccountAliases', 'AccountAliases'],
    ['ListInstanceProfiles', 'InstanceProfiles'],
    ['ListMFADevices', 'MFADevices'],
    ['ListServerCertificates', 'ServerCertificateMetadataList'],
    ['ListServiceSpecificCredentials', 'ServiceSpecificCredentials'],
    ['ListSigningCertificates', 'Certificates'],
    ['ListSSHPublicKeys', 'SSHPublicKeys'],
    ['ListVirtualMFADevices', 'VirtualMFADevices'],
  ])('%s is empty', async (action, list) => {
    expect(await newAccount().ok(action)).toEqual({ [list]: [], IsTruncated: false })
  })

  it('is nothing of those that are there, and of nobody else', async () => {
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'a' })
    await root.ok('CreateRole', { RoleName: 'r', AssumeRolePolicyDocument: trust(root.arn('root')) })
    for (const action of [
      'ListMFADevices',
      'ListSSHPublicKeys',
      'ListSigningCertificates',
      'ListServiceSpecificCredentials',
    ]) {
      await root.ok(action, { UserName: 'a' })
      expect(await root.refused(action, { UserName: 'none' })).toMatch(/^NoSuchEntity: The user with name none/)
    }
    expect((await root.ok('ListInstanceProfilesForRole', { RoleName: 'r' })).InstanceProfiles).toEqual([])
    expect(await root.refused('ListInstanceProfilesForRole', { RoleName: 'none' })).toMatch(/^NoSuchEntity/)
    for (const action of ['GetLoginProfile', 'DeleteLoginProfile']) {
      expect(await root.refused(action, { UserName: 'a' })).toBe(
        'NoSuchEntity: Login Profile for User a cannot be found.',
      )
    }
    expect(await root.refused('GetAccountPasswordPolicy')).toMatch(
      /^NoSuchEntity: The Password Policy with domain name/,
    )
    expect(await root.ok('ListSAMLProviders')).toEqual({ SAMLProviderList: [] })
  })

  it('is counted in the summary of what is there', async () => {
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'a' })
    await root.ok('CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('kms:*') })
    const { SummaryMap } = await root.ok('GetAccountSummary')
    expect(SummaryMap.get('Users')).toBe(1)
    expect(SummaryMap.get('Policies')).toBe(1)
    expect(SummaryMap.get('Groups')).toBe(0)
    expect(SummaryMap.get('AccessKeysPerUserQuota')).toBe(2)
  })
})
