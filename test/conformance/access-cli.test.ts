import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { awsCli, awsCliSkipped, awsCliVersion } from '../support/aws-cli.ts'
import { type Caller, openKms } from '../support/conformance.ts'
import { allow, newName, policyOf } from '../support/principals.ts'
import { temporaryState } from '../support/server.ts'

/** IAM and STS by the `aws` command. It is skipped, and says so, where there is no `aws`. */

type Members = Record<string, unknown>

describe.skipIf(awsCliVersion === null)(`aws-cli${awsCliSkipped}`, () => {
  it('walks through users, groups, roles and policies', async () => {
    const kms = await openKms()
    const { account } = kms.caller
    const folder = temporaryState()
    const aws = awsCli(kms, folder)
    const iam = (...args: readonly string[]) => aws(['iam', ...args])
    const sts = async (by: Caller, ...args: readonly string[]) => aws(['sts', ...args], by)
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text)
      return `file://${name}`
    }
    const [user, group, role, policy] = [newName(), newName(), newName(), newName()]
    const arn = (kind: string, name: string) => `arn:aws:iam::${account}:${kind}/${name}`
    const policyArn = arn('policy', `apps/${policy}`)

    expect(await sts(kms.caller, 'get-caller-identity')).toEqual({
      UserId: account,
      Account: account,
      Arn: `arn:aws:iam::${account}:root`,
    })

    // A managed policy and its versions.
    const document = file('policy.json', policyOf(allow(['kms:Encrypt', 'kms:DescribeKey'])))
    const { Policy } = await iam(
      'create-policy',
      '--policy-name',
      policy,
      '--path',
      '/apps/',
      '--policy-document',
      document,
    )
    expect(Policy).toMatchObject({ Arn: policyArn, DefaultVersionId: 'v1', AttachmentCount: 0, IsAttachable: true })
    const wider = file('wider.json', policyOf(allow('kms:*')))
    const onPolicy = ['--policy-arn', policyArn]
    const { PolicyVersion } = await iam(
      'create-policy-version',
      ...onPolicy,
      '--policy-document',
      wider,
      '--set-as-default',
    )
    expect(PolicyVersion).toMatchObject({ VersionId: 'v2', IsDefaultVersion: true })
    await iam('set-default-policy-version', ...onPolicy, '--version-id', 'v1')
    const first = (await iam('get-policy-version', ...onPolicy, '--version-id', 'v1')) as { PolicyVersion: Members }
    expect(first.PolicyVersion.Document).toEqual(JSON.parse(policyOf(allow(['kms:Encrypt', 'kms:DescribeKey']))))
    await iam('delete-policy-version', ...onPolicy, '--version-id', 'v2')
    const { Versions } = await iam('list-policy-versions', ...onPolicy)
    expect(Versions).toMatchObject([{ VersionId: 'v1', IsDefaultVersion: true }])

    // A user: tags, a boundary, a key, a group with an inline policy.
    const onUser = ['--user-name', user]
    const { User } = await iam(
      'create-user',
      ...onUser,
      '--tags',
      'Key=team,Value=a b',
      '--permissions-boundary',
      policyArn,
    )
    expect(User).toMatchObject({
      Arn: arn('user', user),
      UserId: expect.stringMatching(/^AIDA/),
      PermissionsBoundary: { PermissionsBoundaryArn: policyArn },
      Tags: [{ Key: 'team', Value: 'a b' }],
    })
    await iam('tag-user', ...onUser, '--tags', 'Key=more,Value=')
    await iam('untag-user', ...onUser, '--tag-keys', 'team')
    expect(await iam('list-user-tags', ...onUser)).toMatchObject({ Tags: [{ Key: 'more', Value: '' }] })
    const { AccessKey } = (await iam('create-access-key', ...onUser)) as { AccessKey: Record<string, string> }
    const by = { account, accessKeyId: AccessKey.AccessKeyId ?? '', secretAccessKey: AccessKey.SecretAccessKey ?? '' }
    const onGroup = ['--group-name', group]
    await iam('create-group', ...onGroup)
    await iam('add-user-to-group', ...onGroup, ...onUser)
    await iam('put-group-policy', ...onGroup, '--policy-name', 'use', '--policy-document', wider)
    expect(await iam('list-groups-for-user', ...onUser)).toMatchObject({ Groups: [{ GroupName: group }] })
    expect(await iam('get-group', ...onGroup)).toMatchObject({ Users: [{ UserName: user }] })
    expect(await sts(by, 'get-caller-identity')).toMatchObject({ Account: account, Arn: arn('user', user) })

    // The group gives, the boundary cuts.
    const { KeyMetadata } = (await aws(['kms', 'create-key'])) as { KeyMetadata: { Arn: string } }
    writeFileSync(join(folder, 'plain'), 'hello')
    const key = ['--key-id', KeyMetadata.Arn]
    const { CiphertextBlob } = await aws(['kms', 'encrypt', ...key, '--plaintext', 'fileb://plain'], by)
    writeFileSync(join(folder, 'cipher'), Buffer.from(String(CiphertextBlob), 'base64'))
    const decrypt = ['kms', 'decrypt', ...key, '--ciphertext-blob', 'fileb://cipher']
    await expect(aws(decrypt, by)).rejects.toThrow('(AccessDeniedException)')
    const simulate = ['simulate-principal-policy', '--policy-source-arn', arn('user', user)]
    const actions = ['--action-names', 'kms:Encrypt', 'kms:Decrypt', 'iam:CreateUser']
    const { EvaluationResults } = await iam(...simulate, ...actions, '--resource-arns', KeyMetadata.Arn)
    expect(EvaluationResults).toMatchObject([
      { EvalActionName: 'kms:Encrypt', EvalDecision: 'allowed', EvalResourceName: KeyMetadata.Arn },
      { EvalActionName: 'kms:Decrypt', EvalDecision: 'implicitDeny' },
      { EvalActionName: 'iam:CreateUser', EvalDecision: 'implicitDeny' },
    ])

    // A role, assumed by the user.
    const onRole = ['--role-name', role]
    const trust = { Effect: 'Allow', Principal: { AWS: arn('user', user) }, Action: 'sts:AssumeRole' }
    const trustFile = file('trust.json', policyOf(trust))
    await iam('create-role', ...onRole, '--assume-role-policy-document', trustFile, '--max-session-duration', '7200')
    await iam('attach-role-policy', ...onRole, '--policy-arn', 'arn:aws:iam::aws:policy/AdministratorAccess')
    expect(await iam('list-attached-role-policies', ...onRole)).toMatchObject({
      AttachedPolicies: [{ PolicyName: 'AdministratorAccess' }],
    })
    const asked = ['--role-arn', arn('role', role), '--role-session-name', 'job', '--duration-seconds', '7200']
    const assumed = (await sts(by, 'assume-role', ...asked)) as { Credentials: Record<string, string> }
    const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = assumed.Credentials
    const session = { account, accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken }
    expect(await aws(decrypt, session)).toMatchObject({ Plaintext: 'aGVsbG8=' })
    expect(await sts(session, 'get-caller-identity')).toMatchObject({
      Arn: `arn:aws:sts::${account}:assumed-role/${role}/job`,
    })

    // An OpenID Connect provider.
    const url = ['--url', `https://${newName()}.example.com`]
    const provider = (await iam('create-open-id-connect-provider', ...url, '--client-id-list', 'one')) as Members
    const onProvider = ['--open-id-connect-provider-arn', String(provider.OpenIDConnectProviderArn)]
    await iam('add-client-id-to-open-id-connect-provider', ...onProvider, '--client-id', 'two')
    expect(await iam('get-open-id-connect-provider', ...onProvider)).toMatchObject({ ClientIDList: ['one', 'two'] })
    await iam('delete-open-id-connect-provider', ...onProvider)

    // What is in use is not deleted; once it is not, nothing is left.
    await expect(iam('delete-user', ...onUser)).rejects.toThrow('(DeleteConflict)')
    await expect(iam('delete-policy', ...onPolicy)).rejects.toThrow('(DeleteConflict)')
    await iam('remove-user-from-group', ...onGroup, ...onUser)
    await iam('delete-access-key', ...onUser, '--access-key-id', by.accessKeyId)
    await iam('delete-user', ...onUser)
    await expect(iam('get-user', ...onUser)).rejects.toThrow(
      `An error occurred (NoSuchEntity) when calling the GetUser operation: The user with name ${user} cannot be found.`,
    )
    await iam('delete-policy', ...onPolicy)
    // The role's trust shows whom it trusted.
    const { Role } = (await iam('get-role', ...onRole)) as { Role: Members }
    expect(JSON.stringify(Role.AssumeRolePolicyDocument)).toMatch(/"AWS":"AIDA[A-Z0-9]{17}"/)
  })
})
