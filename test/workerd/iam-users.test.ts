import { describe, expect, it, vi } from 'vitest'
import { openAccessKey } from '../../src/crypto/secret.ts'
import { invokeQuery } from '../../src/iam/invoke.ts'
import { callBy, env } from '../support/workerd.ts'
import { allow, asRole, asUser, newAccount, rowsWith, services, trust } from './iam-door.ts'

describe('users', () => {
  it('are made, shown, listed, renamed and deleted', async () => {
    const root = newAccount()
    const Tags = [{ Key: 'Team', Value: 'crypto' }]
    const { User } = await root.ok('CreateUser', { UserName: 'Alice', Path: '/staff/', Tags })
    expect(User).toEqual({
      Path: '/staff/',
      UserName: 'Alice',
      UserId: expect.stringMatching(/^AIDA[A-Z2-7]{17}$/),
      Arn: root.arn('user/staff/Alice'),
      CreateDate: expect.any(Date),
      PermissionsBoundary: undefined,
      Tags,
    })
    expect((await root.ok('GetUser', { UserName: 'alice' })).User).toEqual(User)
    const { PermissionsBoundary, Tags: _, ...listed } = User
    expect(await root.ok('ListUsers')).toEqual({ Users: [listed], IsTruncated: false })
    await root.ok('UpdateUser', { UserName: 'alice', NewUserName: 'Bob', NewPath: '/x/y/' })
    expect((await root.ok('GetUser', { UserName: 'Bob' })).User).toMatchObject({
      UserId: User.UserId,
      Arn: root.arn('user/x/y/Bob'),
    })
    expect(await root.refused('GetUser', { UserName: 'Alice' })).toBe(
      'NoSuchEntity: The user with name Alice cannot be found.',
    )
    expect(await root.ask('DeleteUser', { UserName: 'Bob' })).toBeUndefined()
    expect(await root.refused('DeleteUser', { UserName: 'Bob' })).toMatch(/^NoSuchEntity: The user with name Bob/)
    expect(await rowsWith('iam_tags', User.UserId)).toBe(0)
  })

  it('have names that are unique whatever their case, in their account', async () => {
    const [root, other] = [newAccount(), newAccount()]
    await root.ok('CreateUser', { UserName: 'alice' })
    await other.ok('CreateUser', { UserName: 'alice' })
    expect(await root.refused('CreateUser', { UserName: 'ALICE' })).toBe(
      'EntityAlreadyExists: User with name ALICE already exists.',
    )
    await root.ok('CreateUser', { UserName: 'bob' })
    expect(await root.refused('UpdateUser', { UserName: 'bob', NewUserName: 'Alice' })).toBe(
      'EntityAlreadyExists: User with name Alice already exists.',
    )
    await root.ok('UpdateUser', { UserName: 'bob', NewUserName: 'BOB' })
    expect((await root.ok('GetUser', { UserName: 'bob' })).User.UserName).toBe('BOB')
  })

  it('are made once when three ask at once, with the tags of the one', async () => {
    const root = newAccount()
    const asked = ['1', '2', '3'].map((Value) =>
      root.ask('CreateUser', { UserName: 'alice', Tags: [{ Key: 'n', Value }] }),
    )
    const answers = await Promise.all(asked)
    expect(answers.filter((answer) => 'User' in (answer ?? {}))).toHaveLength(1)
    expect(answers.filter((answer) => (answer as { refused?: string }).refused === 'EntityAlreadyExists')).toHaveLength(
      2,
    )
    expect((await root.ok('ListUserTags', { UserName: 'alice' })).Tags).toHaveLength(1)
  })

  it('are listed in pages, by path', async () => {
    const root = newAccount()
    for (const name of ['e', 'B', 'a', 'D', 'c']) {
      await root.ok('CreateUser', { UserName: name, Path: name < 'a' ? '/upper/' : '/lower/' })
    }
    const names = (pages: { UserName: string }[][]) => pages.map((page) => page.map(({ UserName }) => UserName))
    expect(names(await root.pages('ListUsers', 'Users'))).toEqual([['a', 'B'], ['c', 'D'], ['e']])
    expect(names(await root.pages('ListUsers', 'Users', { PathPrefix: '/upper' }))).toEqual([['B', 'D']])
    const { Marker } = await root.ok('ListUsers', { MaxItems: '1' })
    const invalid = 'ValidationException: Invalid Marker.'
    expect(await root.refused('ListUsers', { Marker, PathPrefix: '/upper' })).toBe(invalid)
    expect(await root.refused('ListUsers', { Marker: 'x' })).toBe(invalid)
    expect(await newAccount().refused('ListUsers', { Marker })).toBe(invalid)
  })

  it.each([
    [{}, `Value null at 'userName' failed to satisfy constraint: Member must not be null`],
    [{ UserName: 'a b' }, 'Member must satisfy regular expression pattern: [\\w+=,.@-]+'],
    [{ UserName: 'a'.repeat(65) }, 'Member must have length less than or equal to 64'],
    [{ UserName: 'a', Path: 'x' }, `Value 'x' at 'path' failed to satisfy constraint`],
    [{ UserName: 'a', Tags: [{ Key: 'k' }] }, `Value null at 'tags.1.member.value' failed`],
    [{ UserName: 'a', Tags: Array(51).fill({ Key: 'k', Value: '' }) }, 'length less than or equal to 50'],
  ])('are not made of %j', async (input, text) => {
    expect(await newAccount().refused('CreateUser', input)).toContain(
      `ValidationException: 1 validation error detected: `,
    )
    expect(await newAccount().refused('CreateUser', input)).toContain(text)
  })

  it('are not deleted while anything depends on them', async () => {
    const root = newAccount()
    const { User } = await root.ok('CreateUser', { UserName: 'alice' })
    await root.ok('CreateGroup', { GroupName: 'devs' })
    const named = { UserName: 'alice' }
    const attached = { ...named, PolicyArn: 'arn:aws:iam::aws:policy/IAMReadOnlyAccess' }
    const { AccessKey } = await root.ok('CreateAccessKey', named)
    await root.ok('PutUserPolicy', { ...named, PolicyName: 'p', PolicyDocument: allow('kms:*') })
    await root.ok('AttachUserPolicy', attached)
    await root.ok('AddUserToGroup', { ...named, GroupName: 'devs' })
    const obstacles: [string, string, object][] = [
      ['must delete access keys first.', 'DeleteAccessKey', { ...named, AccessKeyId: AccessKey.AccessKeyId }],
      ['must delete policies first.', 'DeleteUserPolicy', { ...named, PolicyName: 'p' }],
      ['must detach all policies first.', 'DetachUserPolicy', attached],
      ['must remove users from group first.', 'RemoveUserFromGroup', { ...named, GroupName: 'devs' }],
    ]
    for (const [text, removal, input] of obstacles) {
      expect(await root.refused('DeleteUser', named)).toBe(`DeleteConflict: Cannot delete entity, ${text}`)
      await root.ok(removal, { ...input })
    }
    await root.ok('DeleteUser', named)
    expect(await rowsWith('users', User.UserId)).toBe(0)
  })

  it('are the caller where none is named', async () => {
    const root = newAccount()
    expect(await root.ok('GetUser')).toEqual({
      User: { Path: '/', UserId: root.account, Arn: root.arn('root'), CreateDate: expect.any(Date) },
    })
    expect(await root.refused('ListAccessKeys')).toBe(
      'ValidationException: Must specify userName when calling with non-User credentials',
    )
    await root.ok('CreateUser', { UserName: 'alice' })
    await root.ok('PutUserPolicy', { UserName: 'alice', PolicyName: 'p', PolicyDocument: allow('iam:*') })
    const alice = await asUser(root, 'alice')
    expect((await alice.ok('GetUser')).User.UserName).toBe('alice')
    const { AccessKey } = await alice.ok('CreateAccessKey')
    expect((await alice.ok('ListAccessKeys')).AccessKeyMetadata).toMatchObject([{ UserName: 'alice' }])
    await alice.ok('DeleteAccessKey', { AccessKeyId: AccessKey.AccessKeyId })
    await root.ok('CreateRole', { RoleName: 'r', AssumeRolePolicyDocument: trust(root.arn('root')) })
    await root.ok('AttachRolePolicy', { RoleName: 'r', PolicyArn: 'arn:aws:iam::aws:policy/IAMFullAccess' })
    expect(await (await asRole(root, 'r')).refused('GetUser')).toMatch(/Must specify userName/)
  })
})

describe('access keys', () => {
  it('show their secret once, and keep it sealed', async () => {
    const log = ['log', 'warn', 'error', 'info'].map((name) => vi.spyOn(console, name as 'log'))
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'alice' })
    const { AccessKey } = await root.ok('CreateAccessKey', { UserName: 'Alice' })
    const { AccessKeyId, SecretAccessKey } = AccessKey
    expect(AccessKey).toEqual({
      UserName: 'alice',
      AccessKeyId: expect.stringMatching(/^AKIA[A-Z2-7]{16}$/),
      Status: 'Active',
      SecretAccessKey: expect.stringMatching(/^[A-Za-z0-9+/]{40}$/),
      CreateDate: expect.any(Date),
    })
    const list = await root.ok('ListAccessKeys', { UserName: 'alice' })
    expect(list.AccessKeyMetadata).toEqual([
      { UserName: 'alice', AccessKeyId, Status: 'Active', CreateDate: AccessKey.CreateDate },
    ])
    const row = await env.DB.prepare('select * from access_keys where access_key_id = ?').bind(AccessKeyId).first()
    expect(JSON.stringify([list, row])).not.toContain(SecretAccessKey)
    const sealed = { accessKeyId: AccessKeyId, rootVersion: Number(row?.root_version), sealed: String(row?.sealed) }
    expect(await openAccessKey(services.roots, root.account, sealed)).toBe(SecretAccessKey)
    expect(await openAccessKey(services.roots, newAccount().account, sealed)).toBeNull()
    for (const table of ['events', 'event_resources', 'access_keys']) {
      expect(await rowsWith(table, SecretAccessKey)).toBe(0)
    }
    for (const spy of log) expect(JSON.stringify(spy.mock.calls)).not.toContain(SecretAccessKey)
    vi.restoreAllMocks()
  })

  it('are two at most, also when three are asked for at once', async () => {
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'alice' })
    const answers = await Promise.all([1, 2, 3].map(() => root.ask('CreateAccessKey', { UserName: 'alice' })))
    expect(answers.filter((answer) => 'AccessKey' in (answer ?? {}))).toHaveLength(2)
    expect(answers).toContainEqual(
      expect.objectContaining({ refused: 'LimitExceeded', message: 'Cannot exceed quota for AccessKeysPerUser: 2' }),
    )
    expect((await root.ok('ListAccessKeys', { UserName: 'alice' })).AccessKeyMetadata).toHaveLength(2)
    const pages = await root.pages('ListAccessKeys', 'AccessKeyMetadata', { UserName: 'alice' }, 1)
    expect(pages.map((page) => page.length)).toEqual([1, 1])
  })

  it('are not made while the root keys are unproven', async () => {
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'alice' })
    const unproven = { ...services, isProven: false }
    const call = callBy({ principal: root.principal })
    expect(await invokeQuery('iam', 'CreateAccessKey', { UserName: 'alice' }, call, unproven)).toMatchObject({
      refused: 'DependencyTimeoutException',
    })
    expect((await root.ok('ListAccessKeys', { UserName: 'alice' })).AccessKeyMetadata).toEqual([])
  })

  it('are made inactive and deleted under the name of their own user alone', async () => {
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'alice' })
    await root.ok('CreateUser', { UserName: 'bob' })
    const { AccessKeyId } = (await root.ok('CreateAccessKey', { UserName: 'alice' })).AccessKey
    const alices = { UserName: 'alice', AccessKeyId }
    const absent = `NoSuchEntity: The Access Key with id ${AccessKeyId} cannot be found.`
    expect(await root.refused('UpdateAccessKey', { UserName: 'bob', AccessKeyId, Status: 'Inactive' })).toBe(absent)
    expect(await root.refused('DeleteAccessKey', { UserName: 'bob', AccessKeyId })).toBe(absent)
    expect(await root.refused('UpdateAccessKey', { ...alices, Status: 'Off' })).toMatch(/enum value set/)
    await root.ok('UpdateAccessKey', { ...alices, Status: 'Inactive' })
    expect((await root.ok('ListAccessKeys', { UserName: 'alice' })).AccessKeyMetadata[0].Status).toBe('Inactive')
    await root.ok('DeleteAccessKey', alices)
    expect(await root.refused('DeleteAccessKey', alices)).toBe(absent)
  })

  it('tell when they were last used, to their own account', async () => {
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'alice' })
    const { AccessKeyId } = (await root.ok('CreateAccessKey', { UserName: 'alice' })).AccessKey
    expect(await root.ok('GetAccessKeyLastUsed', { AccessKeyId })).toEqual({
      UserName: 'alice',
      AccessKeyLastUsed: { LastUsedDate: undefined, ServiceName: 'N/A', Region: 'N/A' },
    })
    await env.DB.prepare(
      `update access_keys set last_used_at = 1000, last_used_service = 'kms', last_used_region = 'eu-west-1' where access_key_id = ?`,
    )
      .bind(AccessKeyId)
      .run()
    expect((await root.ok('GetAccessKeyLastUsed', { AccessKeyId })).AccessKeyLastUsed).toEqual({
      LastUsedDate: new Date(1000),
      ServiceName: 'kms',
      Region: 'eu-west-1',
    })
    expect(await newAccount().refused('GetAccessKeyLastUsed', { AccessKeyId })).toMatch(/^NoSuchEntity/)
  })
})

describe('groups', () => {
  it('are made, shown with their users, renamed and deleted', async () => {
    const root = newAccount()
    const { Group } = await root.ok('CreateGroup', { GroupName: 'Devs', Path: '/a/' })
    expect(Group).toEqual({
      Path: '/a/',
      GroupName: 'Devs',
      GroupId: expect.stringMatching(/^AGPA[A-Z2-7]{17}$/),
      Arn: root.arn('group/a/Devs'),
      CreateDate: expect.any(Date),
    })
    expect(await root.refused('CreateGroup', { GroupName: 'devs' })).toBe(
      'EntityAlreadyExists: Group with name devs already exists.',
    )
    for (const UserName of ['c', 'a', 'b']) {
      await root.ok('CreateUser', { UserName })
      await root.ok('AddUserToGroup', { UserName, GroupName: 'devs' })
      await root.ok('AddUserToGroup', { UserName, GroupName: 'devs' })
    }
    expect((await root.ok('GetGroup', { GroupName: 'devs' })).Group).toEqual(Group)
    const pages = await root.pages('GetGroup', 'Users', { GroupName: 'devs' })
    expect(pages.map((page) => page.map(({ UserName }) => UserName))).toEqual([['a', 'b'], ['c']])
    expect(await root.ok('ListGroups')).toEqual({ Groups: [Group], IsTruncated: false })
    expect(await root.ok('ListGroupsForUser', { UserName: 'a' })).toEqual({ Groups: [Group], IsTruncated: false })
    expect(await root.refused('DeleteGroup', { GroupName: 'devs' })).toBe(
      'DeleteConflict: Cannot delete entity, must remove users from group first.',
    )
    for (const UserName of ['a', 'b', 'c']) await root.ok('RemoveUserFromGroup', { UserName, GroupName: 'devs' })
    await root.ok('UpdateGroup', { GroupName: 'devs', NewGroupName: 'ops' })
    expect((await root.ok('GetGroup', { GroupName: 'ops' })).Group.Arn).toBe(root.arn('group/a/ops'))
    await root.ok('DeleteGroup', { GroupName: 'ops' })
    expect(await root.refused('GetGroup', { GroupName: 'ops' })).toBe(
      'NoSuchEntity: The group with name ops cannot be found.',
    )
  })

  it('take users that are there, and a user is in ten at most', async () => {
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'alice' })
    for (let at = 0; at < 11; at++) await root.ok('CreateGroup', { GroupName: `g${at}` })
    const member = (GroupName: string, UserName = 'alice') => ({ GroupName, UserName })
    expect(await root.refused('AddUserToGroup', member('g0', 'bob'))).toMatch(/^NoSuchEntity: The user with name bob/)
    expect(await root.refused('AddUserToGroup', member('none'))).toMatch(/^NoSuchEntity: The group with name none/)
    expect(await root.refused('RemoveUserFromGroup', member('g0', 'bob'))).toMatch(/^NoSuchEntity/)
    const added = Array.from({ length: 11 }, (_, at) => root.ask('AddUserToGroup', member(`g${at}`)))
    const refused = (await Promise.all(added)).filter((answer) => answer !== undefined)
    expect(refused).toMatchObject([{ refused: 'LimitExceeded', message: 'Cannot exceed quota for GroupsPerUser: 10' }])
    const pages = await root.pages('ListGroupsForUser', 'Groups', { UserName: 'alice' }, 4)
    expect(pages.map((page) => page.length)).toEqual([4, 4, 2])
  })
})
