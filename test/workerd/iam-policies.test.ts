import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../src/model/errors.ts'
import { env } from '../support/workerd.ts'
import { allow, type Door, newAccount, rowsWith, trust } from './iam-door.ts'

const admin = 'arn:aws:iam::aws:policy/AdministratorAccess'
const kinds = [
  { kind: 'user', word: 'User', member: 'UserName', max: 2048 },
  { kind: 'group', word: 'Group', member: 'GroupName', max: 5120 },
  { kind: 'role', word: 'Role', member: 'RoleName', max: 10_240 },
] as const

/** One of each kind, named `it`. */
async function entities(root: Door) {
  await root.ok('CreateUser', { UserName: 'it', Path: '/p/' })
  await root.ok('CreateGroup', { GroupName: 'it', Path: '/p/' })
  await root.ok('CreateRole', { RoleName: 'it', AssumeRolePolicyDocument: trust(root.arn('root')) })
}

/** An identity policy of exactly so many characters that count. */
function documentOf(size: number): string {
  const empty = allow('kms:Decrypt', '')
  return allow('kms:Decrypt', `kms:${'x'.repeat(size - empty.length - 4)}`).replaceAll(',', ' ,\n\t')
}

async function newPolicy(root: Door, PolicyName: string, input: object = {}): Promise<string> {
  return (await root.ok('CreatePolicy', { PolicyName, PolicyDocument: allow('kms:*'), ...input })).Policy.Arn
}

describe.each(kinds)('inline policies of a $kind', ({ kind, word, member, max }) => {
  it('are put, shown, listed and deleted', async () => {
    const root = newAccount()
    await entities(root)
    const named = (PolicyName: string) => ({ [member]: 'it', PolicyName })
    for (const name of ['b', 'a', 'c']) {
      const PolicyDocument = allow(`kms:Sign`).replace(':', ' :\n')
      expect(await root.ask(`Put${word}Policy`, { ...named(name), PolicyDocument })).toBeUndefined()
    }
    const shown = await root.ok(`Get${word}Policy`, named('b'))
    expect(shown).toEqual({
      [member]: 'it',
      PolicyName: 'b',
      PolicyDocument: expect.stringMatching(/^[A-Za-z0-9%._~-]+$/),
    })
    expect(decodeURIComponent(shown.PolicyDocument)).toBe(allow('kms:Sign').replace(':', ' :\n'))
    await root.ok(`Put${word}Policy`, { ...named('b'), PolicyDocument: allow('kms:Verify') })
    expect(decodeURIComponent((await root.ok(`Get${word}Policy`, named('b'))).PolicyDocument)).toBe(allow('kms:Verify'))
    expect(await root.pages(`List${word}Policies`, 'PolicyNames', { [member]: 'it' })).toEqual([['a', 'b'], ['c']])
    await root.ok(`Delete${word}Policy`, named('b'))
    const absent = `NoSuchEntity: The ${kind} policy with name b cannot be found.`
    expect(await root.refused(`Get${word}Policy`, named('b'))).toBe(absent)
    expect(await root.refused(`Delete${word}Policy`, named('b'))).toBe(absent)
    expect(await root.refused(`Put${word}Policy`, { ...named('x'), PolicyDocument: '{}' })).toMatch(
      /^MalformedPolicyDocument: /,
    )
    const nobody = { [member]: 'none', PolicyName: 'p', PolicyDocument: allow('kms:*') }
    for (const action of [`Put${word}Policy`, `Get${word}Policy`, `List${word}Policies`, `Delete${word}Policy`]) {
      expect(await root.refused(action, nobody)).toBe(`NoSuchEntity: The ${kind} with name none cannot be found.`)
    }
  })

  it(`are ${max} characters together, white space apart, also when put at once`, async () => {
    const root = newAccount()
    await entities(root)
    const put = (PolicyName: string, size: number) =>
      root.ask(`Put${word}Policy`, { [member]: 'it', PolicyName, PolicyDocument: documentOf(size) })
    expect(await put('a', max)).toBeUndefined()
    expect(await put('a', max)).toBeUndefined()
    expect(await put('a', max + 1)).toMatchObject({
      refused: 'LimitExceeded',
      message: `Maximum policy size of ${max} bytes exceeded for ${kind} it`,
    })
    expect(await put('a', max - 1500)).toBeUndefined()
    const answers = await Promise.all(['b', 'c', 'd'].map((name) => put(name, 700)))
    expect(answers.filter(isRefusal)).toHaveLength(1)
  })
})

describe('managed policies', () => {
  it('are made, shown, listed and deleted', async () => {
    const root = newAccount()
    const Tags = [{ Key: 'k', Value: 'v' }]
    const input = { PolicyName: 'Crypto', Path: '/a/', PolicyDocument: allow('kms:*'), Description: 'all of it', Tags }
    const { Policy } = await root.ok('CreatePolicy', input)
    const listed = {
      PolicyName: 'Crypto',
      PolicyId: expect.stringMatching(/^ANPA[A-Z2-7]{17}$/),
      Arn: root.arn('policy/a/Crypto'),
      Path: '/a/',
      DefaultVersionId: 'v1',
      AttachmentCount: 0,
      PermissionsBoundaryUsageCount: 0,
      IsAttachable: true,
      CreateDate: expect.any(Date),
      UpdateDate: expect.any(Date),
    }
    expect(Policy).toEqual({ ...listed, Tags })
    expect((await root.ok('GetPolicy', { PolicyArn: Policy.Arn })).Policy).toEqual({
      ...listed,
      Description: 'all of it',
      Tags,
    })
    expect((await root.ok('ListPolicies', { Scope: 'Local' })).Policies).toEqual([listed])
    expect(await root.refused('CreatePolicy', { ...input, PolicyName: 'CRYPTO' })).toBe(
      'EntityAlreadyExists: A policy called CRYPTO already exists. Duplicate names are not allowed.',
    )
    await root.ok('DeletePolicy', { PolicyArn: Policy.Arn })
    expect(await root.refused('GetPolicy', { PolicyArn: Policy.Arn })).toBe(
      `NoSuchEntity: Policy ${Policy.Arn} was not found.`,
    )
    expect(await root.refused('DeletePolicy', { PolicyArn: Policy.Arn })).toMatch(/^NoSuchEntity/)
    for (const table of ['managed_policies', 'policy_versions', 'iam_tags']) {
      expect(await rowsWith(table, Policy.PolicyId)).toBe(0)
    }
  })

  it('are made once when three ask at once', async () => {
    const root = newAccount()
    const asked = [1, 2, 3].map(() => root.ask('CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('kms:*') }))
    expect((await Promise.all(asked)).filter(isRefusal)).toHaveLength(2)
    expect((await root.ok('ListPolicies', { Scope: 'Local' })).Policies).toHaveLength(1)
  })

  it.each([
    ['an empty document', { PolicyDocument: '{}' }, /^MalformedPolicyDocument/],
    ['a trust policy', { PolicyDocument: trust('*') }, /^MalformedPolicyDocument/],
    [
      'a long document',
      { PolicyDocument: documentOf(6145) },
      /^LimitExceeded: Cannot exceed quota for PolicySize: 6144$/,
    ],
    ['a bad path', { Path: '/a b/' }, /^ValidationException/],
    ['a reserved tag', { Tags: [{ Key: 'aws:x', Value: '' }] }, /^InvalidInput/],
  ])('are not made of %s', async (_, input, text) => {
    const whole = { PolicyName: 'p', PolicyDocument: allow('kms:*'), ...input }
    expect(await newAccount().refused('CreatePolicy', whole)).toMatch(text)
  })

  it('may have 6,144 characters that count', async () => {
    await newPolicy(newAccount(), 'p', { PolicyDocument: documentOf(6144) })
  })

  it('are of one account', async () => {
    const [root, other] = [newAccount(), newAccount()]
    const PolicyArn = await newPolicy(other, 'p')
    await entities(root)
    expect(await root.refused('GetPolicy', { PolicyArn })).toMatch(/^NoSuchEntity/)
    expect(await root.refused('DeletePolicy', { PolicyArn })).toMatch(/^NoSuchEntity/)
    expect(await root.refused('AttachUserPolicy', { UserName: 'it', PolicyArn })).toBe(
      `NoSuchEntity: Policy ${PolicyArn} does not exist or is not attachable.`,
    )
    expect(await root.refused('PutUserPermissionsBoundary', { UserName: 'it', PermissionsBoundary: PolicyArn })).toBe(
      `NoSuchEntity: Scope ARN: ${PolicyArn} does not exist or is not attachable.`,
    )
    expect(await root.refused('GetPolicy', { PolicyArn: 'arn:aws:iam::1:role/xyz' })).toBe(
      'InvalidInput: ARN arn:aws:iam::1:role/xyz is not valid.',
    )
  })
})

describe('policy versions', () => {
  it('are five at most, also when asked for at once, and their numbers are never used again', async () => {
    const root = newAccount()
    const PolicyArn = await newPolicy(root, 'p')
    const document = (at: number) => allow(`kms:Action${at}`)
    const { PolicyVersion } = await root.ok('CreatePolicyVersion', {
      PolicyArn,
      PolicyDocument: document(2),
      SetAsDefault: 'true',
    })
    expect(PolicyVersion).toEqual({ VersionId: 'v2', IsDefaultVersion: true, CreateDate: expect.any(Date) })
    const more = [3, 4, 5, 6, 7].map((at) =>
      root.ask('CreatePolicyVersion', { PolicyArn, PolicyDocument: document(at) }),
    )
    const refused = (await Promise.all(more)).filter(isRefusal)
    expect(refused).toHaveLength(2)
    expect(refused[0]).toMatchObject({
      refused: 'LimitExceeded',
      message:
        'A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.',
    })
    const ids = async () =>
      (await root.ok('ListPolicyVersions', { PolicyArn })).Versions.map(
        ({ VersionId }: { VersionId: string }) => VersionId,
      )
    expect(await ids()).toEqual(['v5', 'v4', 'v3', 'v2', 'v1'])
    const pages = await root.pages('ListPolicyVersions', 'Versions', { PolicyArn }, 2)
    expect(pages.flat().map(({ VersionId }) => VersionId)).toEqual(['v5', 'v4', 'v3', 'v2', 'v1'])
    await root.ok('DeletePolicyVersion', { PolicyArn, VersionId: 'v5' })
    const next = await root.ok('CreatePolicyVersion', { PolicyArn, PolicyDocument: document(8), SetAsDefault: 'false' })
    expect(next.PolicyVersion).toMatchObject({ VersionId: 'v6', IsDefaultVersion: false })
    expect(await ids()).toEqual(['v6', 'v4', 'v3', 'v2', 'v1'])
    expect((await root.ok('GetPolicy', { PolicyArn })).Policy.DefaultVersionId).toBe('v2')
  })

  it('are shown, and one of them is the default, which stays', async () => {
    const root = newAccount()
    const PolicyArn = await newPolicy(root, 'p')
    await root.ok('CreatePolicyVersion', { PolicyArn, PolicyDocument: allow('kms:Sign') })
    const { PolicyVersion } = await root.ok('GetPolicyVersion', { PolicyArn, VersionId: 'v2' })
    expect(PolicyVersion).toMatchObject({ VersionId: 'v2', IsDefaultVersion: false })
    expect(decodeURIComponent(PolicyVersion.Document)).toBe(allow('kms:Sign'))
    expect(await root.refused('DeletePolicyVersion', { PolicyArn, VersionId: 'v1' })).toBe(
      'DeleteConflict: Cannot delete the default version of a policy.',
    )
    expect(await root.refused('DeletePolicy', { PolicyArn })).toBe(
      "DeleteConflict: This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
    )
    await root.ok('SetDefaultPolicyVersion', { PolicyArn, VersionId: 'v2' })
    await root.ok('DeletePolicyVersion', { PolicyArn, VersionId: 'v1' })
    const absent = `NoSuchEntity: Policy ${PolicyArn} version v1 does not exist or is not attachable.`
    for (const action of ['GetPolicyVersion', 'SetDefaultPolicyVersion', 'DeletePolicyVersion']) {
      expect(await root.refused(action, { PolicyArn, VersionId: 'v1' })).toBe(absent)
    }
    expect(await root.refused('GetPolicyVersion', { PolicyArn, VersionId: '1' })).toMatch(/^ValidationException/)
    expect(await root.refused('CreatePolicyVersion', { PolicyArn, PolicyDocument: '{' })).toMatch(/^MalformedPolicy/)
    await root.ok('DeletePolicy', { PolicyArn })
  })
})

describe("AWS's own policies", () => {
  it('are there for every account, and nobody changes them', async () => {
    const root = newAccount()
    await entities(root)
    const { Policy } = await root.ok('GetPolicy', { PolicyArn: admin })
    expect(Policy).toMatchObject({ PolicyName: 'AdministratorAccess', DefaultVersionId: 'v1', AttachmentCount: 0 })
    const { PolicyVersion } = await root.ok('GetPolicyVersion', { PolicyArn: admin, VersionId: 'v1' })
    expect(JSON.parse(decodeURIComponent(PolicyVersion.Document)).Statement).toMatchObject([{ Action: '*' }])
    expect((await root.ok('ListPolicyVersions', { PolicyArn: admin })).Versions).toHaveLength(1)
    const outside = 'AccessDeniedException: Policy is outside your own account.'
    const change = { PolicyArn: admin, VersionId: 'v1', PolicyDocument: allow('*'), Tags: [], TagKeys: [] }
    for (const action of [
      'DeletePolicy',
      'CreatePolicyVersion',
      'SetDefaultPolicyVersion',
      'DeletePolicyVersion',
      'TagPolicy',
      'UntagPolicy',
    ]) {
      expect(await root.refused(action, change)).toBe(outside)
    }
    expect(await root.ok('ListPolicyTags', { PolicyArn: admin })).toEqual({ Tags: [], IsTruncated: false })
    const unserved = 'arn:aws:iam::aws:policy/AmazonS3FullAccess'
    expect(await root.refused('GetPolicy', { PolicyArn: unserved })).toMatch(/^NoSuchEntity/)
    expect(await root.refused('AttachUserPolicy', { UserName: 'it', PolicyArn: unserved })).toBe(
      `NoSuchEntity: Policy ${unserved} does not exist or is not attachable.`,
    )
  })

  it('are listed behind the own ones of the account, by scope, path and use', async () => {
    const root = newAccount()
    await entities(root)
    const [own, bounding, idle] = [
      await newPolicy(root, 'own'),
      await newPolicy(root, 'bounding', { Path: '/b/' }),
      await newPolicy(root, 'idle'),
    ]
    await root.ok('AttachUserPolicy', { UserName: 'it', PolicyArn: own })
    await root.ok('AttachGroupPolicy', { GroupName: 'it', PolicyArn: admin })
    await root.ok('PutRolePermissionsBoundary', { RoleName: 'it', PermissionsBoundary: bounding })
    const arns = async (input: object) => {
      const pages = await root.pages('ListPolicies', 'Policies', { ...input }, 2)
      expect(pages.every((page) => page.length <= 2)).toBe(true)
      return pages.flat().map(({ Arn }) => Arn)
    }
    const aws = (await root.ok('ListPolicies', { Scope: 'AWS' })).Policies.map(({ Arn }: { Arn: string }) => Arn)
    expect(aws).toContain(admin)
    expect(await arns({})).toEqual([bounding, idle, own, ...aws])
    expect(await arns({ Scope: 'Local' })).toEqual([bounding, idle, own])
    expect(await arns({ Scope: 'Local', PathPrefix: '/b/' })).toEqual([bounding])
    expect(await arns({ OnlyAttached: 'true' })).toEqual([own, admin])
    expect(await arns({ PolicyUsageFilter: 'PermissionsPolicy' })).toEqual([own, admin])
    expect(await arns({ PolicyUsageFilter: 'PermissionsBoundary' })).toEqual([bounding])
    expect(await arns({ Scope: 'AWS', OnlyAttached: 'true' })).toEqual([admin])
    expect((await newAccount().ok('ListPolicies', { OnlyAttached: 'true' })).Policies).toEqual([])
  })
})

describe.each(kinds)('policies attached to a $kind', ({ kind, word, member }) => {
  it('are attached, listed and detached', async () => {
    const root = newAccount()
    await entities(root)
    const PolicyArn = await newPolicy(root, 'p', { Path: '/a/' })
    const named = { [member]: 'it', PolicyArn }
    expect(await root.ask(`Attach${word}Policy`, named)).toBeUndefined()
    await root.ok(`Attach${word}Policy`, named)
    await root.ok(`Attach${word}Policy`, { ...named, PolicyArn: admin })
    const listed = [
      { PolicyName: 'p', PolicyArn },
      { PolicyName: 'AdministratorAccess', PolicyArn: admin },
    ]
    const list = `ListAttached${word}Policies`
    expect(await root.ok(list, { [member]: 'it' })).toEqual({ AttachedPolicies: listed, IsTruncated: false })
    expect((await root.pages(list, 'AttachedPolicies', { [member]: 'it' }, 1)).flat()).toEqual(listed)
    expect((await root.ok(list, { [member]: 'it', PathPrefix: '/a/' })).AttachedPolicies).toEqual([listed[0]])
    expect((await root.ok('GetPolicy', { PolicyArn })).Policy.AttachmentCount).toBe(1)
    expect(await root.refused('DeletePolicy', { PolicyArn })).toBe(
      'DeleteConflict: Cannot delete a policy attached to entities.',
    )
    await root.ok(`Detach${word}Policy`, named)
    expect(await root.refused(`Detach${word}Policy`, named)).toBe(`NoSuchEntity: Policy ${PolicyArn} was not found.`)
    const nowhere = root.arn('policy/none')
    expect(await root.refused(`Attach${word}Policy`, { [member]: 'it', PolicyArn: nowhere })).toBe(
      `NoSuchEntity: Policy ${nowhere} does not exist or is not attachable.`,
    )
    expect(await root.refused(`Attach${word}Policy`, { [member]: 'none', PolicyArn })).toBe(
      `NoSuchEntity: The ${kind} with name none cannot be found.`,
    )
    expect(await root.refused(`Attach${word}Policy`, { [member]: 'it', PolicyArn: 'x'.repeat(20) })).toMatch(
      /^InvalidInput/,
    )
    await root.ok('DeletePolicy', { PolicyArn })
  })

  it('are ten at most, also when attached at once', async () => {
    const root = newAccount()
    await entities(root)
    const arns = await Promise.all(Array.from({ length: 12 }, (_, at) => newPolicy(root, `p${at}`)))
    const answers = await Promise.all(
      arns.map((PolicyArn) => root.ask(`Attach${word}Policy`, { [member]: 'it', PolicyArn })),
    )
    const refused = answers.filter(isRefusal)
    expect(refused).toHaveLength(2)
    expect(refused[0]?.message).toBe(`Cannot exceed quota for PoliciesPer${word}: 10`)
    expect((await root.ok(`ListAttached${word}Policies`, { [member]: 'it' })).AttachedPolicies).toHaveLength(10)
  })

  it('are not attached to what is deleted at the same time', async () => {
    const root = newAccount()
    for (let at = 0; at < 4; at++) {
      await entities(root)
      const PolicyArn = await newPolicy(root, `p${at}`)
      const [attached, deletedPolicy, deletedOwner] = await Promise.all([
        root.ask(`Attach${word}Policy`, { [member]: 'it', PolicyArn }),
        root.ask('DeletePolicy', { PolicyArn }),
        root.ask(`Delete${word}`, { [member]: 'it' }),
      ])
      const isAttached = attached === undefined
      expect([isRefusal(deletedPolicy), isRefusal(deletedOwner)].includes(isAttached)).toBe(true)
      const { results } = await env.DB.prepare(
        `select 1 from attachments where policy_arn = ? and (not exists (select 1 from managed_policies where arn = policy_arn)
         or owner_id not in (select id from users union select id from groups union select id from roles))`,
      )
        .bind(PolicyArn)
        .all()
      expect(results).toEqual([])
      if (isAttached) await root.ok(`Detach${word}Policy`, { [member]: 'it', PolicyArn })
      for (const { word, member } of kinds) await root.ask(`Delete${word}`, { [member]: 'it' })
    }
  })
})

describe('boundaries', () => {
  it.each([kinds[0], kinds[2]])('of a $kind are set, shown and removed', async ({ word, member }) => {
    const root = newAccount()
    await entities(root)
    const arn = await newPolicy(root, 'limit')
    const shown = async () => (await root.ok(`Get${word}`, { [member]: 'it' }))[word].PermissionsBoundary
    const put = (PermissionsBoundary: string) => ({ [member]: 'it', PermissionsBoundary })
    expect(await shown()).toBeUndefined()
    await root.ok(`Put${word}PermissionsBoundary`, put(arn))
    expect(await shown()).toEqual({ PermissionsBoundaryType: 'PermissionsBoundaryPolicy', PermissionsBoundaryArn: arn })
    expect((await root.ok('GetPolicy', { PolicyArn: arn })).Policy).toMatchObject({
      AttachmentCount: 0,
      PermissionsBoundaryUsageCount: 1,
    })
    expect(await root.refused('DeletePolicy', { PolicyArn: arn })).toMatch(/^DeleteConflict/)
    expect(await root.refused(`Put${word}PermissionsBoundary`, put(root.arn('policy/none')))).toBe(
      `NoSuchEntity: Scope ARN: ${root.arn('policy/none')} does not exist or is not attachable.`,
    )
    await root.ok(`Put${word}PermissionsBoundary`, put(admin))
    await root.ok(`Delete${word}PermissionsBoundary`, { [member]: 'it' })
    expect(await shown()).toBeUndefined()
    expect(await root.refused(`Delete${word}PermissionsBoundary`, { [member]: 'none' })).toMatch(/^NoSuchEntity/)
  })

  it('are there at creation', async () => {
    const root = newAccount()
    const PermissionsBoundary = await newPolicy(root, 'limit')
    const none = { PermissionsBoundary: root.arn('policy/none') }
    const user = { UserName: 'a', PermissionsBoundary }
    const role = { RoleName: 'a', AssumeRolePolicyDocument: trust(root.arn('root')), PermissionsBoundary }
    expect((await root.ok('CreateUser', user)).User.PermissionsBoundary.PermissionsBoundaryArn).toBe(
      PermissionsBoundary,
    )
    expect((await root.ok('CreateRole', role)).Role.PermissionsBoundary.PermissionsBoundaryArn).toBe(
      PermissionsBoundary,
    )
    expect(await root.refused('CreateUser', { ...user, UserName: 'b', ...none })).toMatch(/^NoSuchEntity: Scope ARN/)
    expect(await root.refused('CreateRole', { ...role, RoleName: 'b', ...none })).toMatch(/^NoSuchEntity: Scope ARN/)
    expect(await root.refused('CreateUser', user)).toMatch(/^EntityAlreadyExists/)
  })
})

describe('ListEntitiesForPolicy', () => {
  it('tells who has it, by kind, path and use', async () => {
    const root = newAccount()
    await entities(root)
    const PolicyArn = await newPolicy(root, 'p')
    for (const { word, member } of kinds) await root.ok(`Attach${word}Policy`, { [member]: 'it', PolicyArn })
    await root.ok('CreateUser', { UserName: 'bound', PermissionsBoundary: PolicyArn })
    const entitiesBy = async (input: object) => {
      const { PolicyGroups, PolicyRoles, PolicyUsers } = await root.ok('ListEntitiesForPolicy', { PolicyArn, ...input })
      return [...PolicyGroups, ...PolicyRoles, ...PolicyUsers].map((entity) => Object.values(entity)[0])
    }
    const all = await root.ok('ListEntitiesForPolicy', { PolicyArn })
    expect(all).toEqual({
      PolicyGroups: [{ GroupName: 'it', GroupId: expect.stringMatching(/^AGPA/) }],
      PolicyRoles: [{ RoleName: 'it', RoleId: expect.stringMatching(/^AROA/) }],
      PolicyUsers: [
        { UserName: 'bound', UserId: expect.stringMatching(/^AIDA/) },
        { UserName: 'it', UserId: expect.stringMatching(/^AIDA/) },
      ],
      IsTruncated: false,
    })
    expect(await entitiesBy({ EntityFilter: 'User' })).toEqual(['bound', 'it'])
    expect(await entitiesBy({ EntityFilter: 'LocalManagedPolicy' })).toEqual([])
    expect(await entitiesBy({ PathPrefix: '/p/' })).toEqual(['it', 'it'])
    expect(await entitiesBy({ PolicyUsageFilter: 'PermissionsBoundary' })).toEqual(['bound'])
    expect(await entitiesBy({ PolicyUsageFilter: 'PermissionsPolicy' })).toEqual(['it', 'it', 'it'])
    const pages = await root.pages('ListEntitiesForPolicy', 'PolicyUsers', { PolicyArn }, 3)
    expect(pages.map((page) => page.length)).toEqual([1, 1])
    expect(await root.refused('ListEntitiesForPolicy', { PolicyArn: root.arn('policy/none') })).toMatch(/^NoSuchEntity/)
  })
})
