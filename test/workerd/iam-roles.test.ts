import { describe, expect, it } from 'vitest'
import { env } from '../support/workerd.ts'
import { allow, type Door, newAccount, policy, rowsWith, trust } from './iam-door.ts'

const shownTrust = async (root: Door, RoleName: string) => {
  const { AssumeRolePolicyDocument } = (await root.ok('GetRole', { RoleName })).Role
  const { Roles } = await root.ok('ListRoles')
  const listed = Roles.find((role: { RoleName: string }) => role.RoleName === RoleName)
  expect(listed.AssumeRolePolicyDocument).toBe(AssumeRolePolicyDocument)
  return decodeURIComponent(AssumeRolePolicyDocument)
}

describe('roles', () => {
  it('are made, shown, listed, changed and deleted', async () => {
    const root = newAccount()
    const document = trust(root.arn('root'))
    const { Role } = await root.ok('CreateRole', {
      RoleName: 'App',
      Path: '/svc/',
      AssumeRolePolicyDocument: document,
      Description: "It's (for) the app!*",
      MaxSessionDuration: '7200',
      Tags: [{ Key: 'k', Value: 'v' }],
    })
    expect(Role).toMatchObject({
      Path: '/svc/',
      RoleName: 'App',
      RoleId: expect.stringMatching(/^AROA[A-Z2-7]{17}$/),
      Arn: root.arn('role/svc/App'),
      CreateDate: expect.any(Date),
      Description: "It's (for) the app!*",
      MaxSessionDuration: 7200,
      Tags: [{ Key: 'k', Value: 'v' }],
    })
    expect(Role.AssumeRolePolicyDocument).not.toMatch(/[^A-Za-z0-9%._~-]/)
    expect(decodeURIComponent(Role.AssumeRolePolicyDocument)).toBe(document)
    expect((await root.ok('GetRole', { RoleName: 'app' })).Role).toEqual(Role)
    const [listed] = (await root.ok('ListRoles', { PathPrefix: '/svc/' })).Roles
    expect(listed).toMatchObject({ RoleName: 'App', MaxSessionDuration: 7200 })
    expect(listed).not.toHaveProperty('Tags')
    expect(await root.ok('UpdateRole', { RoleName: 'App', MaxSessionDuration: '3600' })).toEqual({})
    const changed = await root.ok('UpdateRoleDescription', { RoleName: 'App', Description: 'new' })
    expect(changed.Role).toMatchObject({ Description: 'new', MaxSessionDuration: 3600, RoleId: Role.RoleId })
    expect((await root.ok('GetRole', { RoleName: 'App' })).Role).toEqual(changed.Role)
    expect(await root.refused('CreateRole', { RoleName: 'APP', AssumeRolePolicyDocument: document })).toBe(
      'EntityAlreadyExists: Role with name APP already exists.',
    )
    await root.ok('PutRolePolicy', { RoleName: 'App', PolicyName: 'p', PolicyDocument: allow('kms:*') })
    expect(await root.refused('DeleteRole', { RoleName: 'App' })).toBe(
      'DeleteConflict: Cannot delete entity, must delete policies first.',
    )
    await root.ok('DeleteRolePolicy', { RoleName: 'App', PolicyName: 'p' })
    const AdministratorAccess = 'arn:aws:iam::aws:policy/AdministratorAccess'
    await root.ok('AttachRolePolicy', { RoleName: 'App', PolicyArn: AdministratorAccess })
    expect(await root.refused('DeleteRole', { RoleName: 'App' })).toBe(
      'DeleteConflict: Cannot delete entity, must detach all policies first.',
    )
    await root.ok('DetachRolePolicy', { RoleName: 'App', PolicyArn: AdministratorAccess })
    await root.ok('DeleteRole', { RoleName: 'App' })
    expect(await root.refused('GetRole', { RoleName: 'App' })).toBe(
      'NoSuchEntity: The role with name App cannot be found.',
    )
    expect(await rowsWith('iam_tags', Role.RoleId)).toBe(0)
  })

  it.each([
    [{ MaxSessionDuration: '60' }, /ValidationException.*'maxSessionDuration'.*greater than or equal to 3600/],
    [{ MaxSessionDuration: 'x' }, /^SerializationException: STRING_VALUE cannot be converted to Integer/],
    [{ RoleName: 'a'.repeat(65) }, /length less than or equal to 64/],
    [{ AssumeRolePolicyDocument: '{' }, /^MalformedPolicyDocument: This policy contains invalid Json/],
    [
      { AssumeRolePolicyDocument: allow('sts:AssumeRole') },
      /^MalformedPolicyDocument: Missing required field Principal/,
    ],
    [{ PermissionsBoundary: 'arn:aws:s3:::bucket/x' }, /^InvalidInput: ARN arn:aws:s3:::bucket\/x is not valid\.$/],
  ])('are not made with %j', async (input, text) => {
    const root = newAccount()
    const whole = { RoleName: 'r', AssumeRolePolicyDocument: trust(root.arn('root')), ...input }
    expect(await root.refused('CreateRole', whole)).toMatch(text)
  })

  it('have trust policies of 2,048 characters at most, white space apart', async () => {
    const root = newAccount()
    const document = trust(root.arn('root'))
    const padded = (count: number) =>
      document.replace('"Allow"', `"Allow",${' '.repeat(3000)}"Sid":"${'x'.repeat(count)}"`)
    const room = 2048 - document.length - ',"Sid":""'.length
    await root.ok('CreateRole', { RoleName: 'r', AssumeRolePolicyDocument: padded(room) })
    const tooLong = { RoleName: 's', AssumeRolePolicyDocument: padded(room + 1) }
    expect(await root.refused('CreateRole', tooLong)).toBe(
      'LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048',
    )
    const change = { RoleName: 'r', PolicyDocument: padded(room + 1) }
    expect(await root.refused('UpdateAssumeRolePolicy', change)).toMatch(/^LimitExceeded/)
  })
})

describe('trust policies', () => {
  it('name principals that are there', async () => {
    const root = newAccount()
    await root.ok('CreateUser', { UserName: 'alice', Path: '/a/' })
    const { User } = await root.ok('GetUser', { UserName: 'alice' })
    for (const principal of ['user/alice', 'user/a/bob', 'role/none'].map((name) => root.arn(name))) {
      const input = { RoleName: 'r', AssumeRolePolicyDocument: trust(root.arn('user/a/alice'), principal) }
      expect(await root.refused('CreateRole', input)).toBe(
        `MalformedPolicyDocument: Invalid principal in policy: "AWS":"${principal}"`,
      )
    }
    expect(await rowsWith('roles', root.account)).toBe(0)
    await root.ok('CreateRole', {
      RoleName: 'r',
      AssumeRolePolicyDocument: trust(User.Arn, User.UserId, '444455556666'),
    })
    const row = await env.DB.prepare('select trust_principal_ids from roles where account = ?')
      .bind(root.account)
      .first()
    expect(JSON.parse(String(row?.trust_principal_ids))).toEqual({
      [User.Arn]: User.UserId,
      [User.UserId]: User.UserId,
    })
  })

  it('show the unique id of a principal that is gone, also when a namesake is there', async () => {
    const root = newAccount()
    const { User } = await root.ok('CreateUser', { UserName: 'alice' })
    const { Role } = await root.ok('CreateRole', { RoleName: 'a', AssumeRolePolicyDocument: trust(User.Arn) })
    const session = `arn:aws:sts::${root.account}:assumed-role/a/session`
    await root.ok('CreateRole', { RoleName: 'b', AssumeRolePolicyDocument: trust(User.Arn, Role.Arn, session) })
    expect(await shownTrust(root, 'b')).toBe(trust(User.Arn, Role.Arn, session))
    await root.ok('DeleteUser', { UserName: 'alice' })
    expect(await shownTrust(root, 'b')).toBe(trust(User.UserId, Role.Arn, session))
    await root.ok('CreateUser', { UserName: 'alice' })
    expect(await shownTrust(root, 'b')).toBe(trust(User.UserId, Role.Arn, session))
    await root.ok('DeleteRole', { RoleName: 'a' })
    expect(await shownTrust(root, 'b')).toBe(trust(User.UserId, Role.RoleId, `${Role.RoleId}:session`))
    // Written again, the same text binds the namesake.
    await root.ok('UpdateAssumeRolePolicy', { RoleName: 'b', PolicyDocument: trust(User.Arn) })
    expect(await shownTrust(root, 'b')).toBe(trust(User.Arn))
  })

  it('are replaced as a whole, or not at all', async () => {
    const root = newAccount()
    const document = trust(root.arn('root'))
    await root.ok('CreateRole', { RoleName: 'r', AssumeRolePolicyDocument: document })
    const change = (PolicyDocument: string) => ({ RoleName: 'r', PolicyDocument })
    expect(await root.refused('UpdateAssumeRolePolicy', change(trust(root.arn('user/x'))))).toMatch(/Invalid principal/)
    expect(await root.refused('UpdateAssumeRolePolicy', change('[]'))).toMatch(/^MalformedPolicyDocument/)
    expect(await shownTrust(root, 'r')).toBe(document)
    const federated = policy({
      Effect: 'Allow',
      Principal: { Federated: root.arn('oidc-provider/example.com') },
      Action: 'sts:AssumeRoleWithWebIdentity',
    })
    await root.ok('UpdateAssumeRolePolicy', change(federated))
    expect(await shownTrust(root, 'r')).toBe(federated)
  })
})
