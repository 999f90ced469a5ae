import { describe, expect, it } from 'vitest'
import { allow, newAccount, policy, trust } from './iam-door.ts'

const decisions = (results: { EvalActionName: string; EvalResourceName: string; EvalDecision: string }[]) =>
  results.map(({ EvalActionName, EvalResourceName, EvalDecision }) => [EvalActionName, EvalResourceName, EvalDecision])

describe('SimulateCustomPolicy', () => {
  it('puts every action on every resource to the evaluator', async () => {
    const root = newAccount()
    const document = policy(
      { Effect: 'Allow', Action: 'kms:*', Resource: 'arn:aws:kms:*:*:key/a' },
      { Effect: 'Deny', Action: 'kms:Sign', Resource: '*' },
    )
    const input = {
      PolicyInputList: [document],
      ActionNames: ['kms:Decrypt', 'kms:Sign'],
      ResourceArns: ['arn:aws:kms:us-east-1:1:key/a', 'arn:aws:kms:us-east-1:1:key/b'],
    }
    const { EvaluationResults, IsTruncated } = await root.ok('SimulateCustomPolicy', input)
    expect(IsTruncated).toBe(false)
    const [a, b] = input.ResourceArns
    expect(decisions(EvaluationResults)).toEqual([
      ['kms:Decrypt', a, 'allowed'],
      ['kms:Decrypt', b, 'implicitDeny'],
      ['kms:Sign', a, 'explicitDeny'],
      ['kms:Sign', b, 'explicitDeny'],
    ])
    const statement = { SourcePolicyId: 'PolicyInputList.1', SourcePolicyType: 'none' }
    expect(EvaluationResults.map((result: { MatchedStatements: object[] }) => result.MatchedStatements)).toEqual([
      [statement],
      [],
      [statement],
      [statement],
    ])
    const pages = await root.pages('SimulateCustomPolicy', 'EvaluationResults', input, 3)
    expect(pages.map((page) => page.length)).toEqual([3, 1])
    expect(decisions(pages.flat())).toEqual(decisions(EvaluationResults))
  })

  it('supposes what the context says, and tells what is missing', async () => {
    const root = newAccount()
    const Condition = { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' }, StringLike: { 'aws:PrincipalArn': '*' } }
    const input = {
      PolicyInputList: [policy({ Effect: 'Allow', Action: 'kms:*', Resource: '*', Condition })],
      ActionNames: ['kms:Sign'],
    }
    const [missing] = (await root.ok('SimulateCustomPolicy', input)).EvaluationResults
    expect(missing).toMatchObject({ EvalDecision: 'implicitDeny', MissingContextValues: ['aws:SourceIp'] })
    for (const [address, decision] of [
      ['10.1.2.3', 'allowed'],
      ['11.1.2.3', 'implicitDeny'],
    ]) {
      const ContextEntries = [{ ContextKeyName: 'AWS:sourceip', ContextKeyValues: [address], ContextKeyType: 'ip' }]
      const [result] = (await root.ok('SimulateCustomPolicy', { ...input, ContextEntries })).EvaluationResults
      expect(result).toMatchObject({ EvalDecision: decision, MissingContextValues: [] })
    }
    expect(await root.ok('GetContextKeysForCustomPolicy', { PolicyInputList: input.PolicyInputList })).toEqual({
      ContextKeyNames: ['aws:PrincipalArn', 'aws:SourceIp'],
    })
  })

  it('cuts by a boundary, and adds what a resource gives', async () => {
    const root = newAccount()
    const input = {
      PolicyInputList: [allow('kms:Sign', 's3:GetObject')],
      ActionNames: ['kms:Sign', 'kms:Verify', 's3:PutObject'],
    }
    const bounded = await root.ok('SimulateCustomPolicy', {
      ...input,
      PermissionsBoundaryPolicyInputList: [allow('kms:Verify')],
    })
    expect(bounded.EvaluationResults).toMatchObject([
      { EvalDecision: 'implicitDeny', PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: false } },
      { EvalDecision: 'implicitDeny', PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: true } },
      { EvalDecision: 'implicitDeny', PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: false } },
    ])
    const CallerArn = root.arn('user/x')
    const give = (Effect: string) =>
      policy({ Effect, Action: ['kms:*', 's3:PutObject'], Resource: '*', Principal: { AWS: CallerArn } })
    const given = await root.ok('SimulateCustomPolicy', { ...input, CallerArn, ResourcePolicy: give('Allow') })
    expect(given.EvaluationResults).toMatchObject([
      { EvalDecision: 'allowed' },
      {
        EvalDecision: 'allowed',
        MatchedStatements: [{ SourcePolicyId: 'ResourcePolicy', SourcePolicyType: 'resource' }],
      },
      { EvalDecision: 'allowed' },
    ])
    const taken = await root.ok('SimulateCustomPolicy', { ...input, CallerArn, ResourcePolicy: give('Deny') })
    for (const result of taken.EvaluationResults) expect(result.EvalDecision).toBe('explicitDeny')
  })

  it.each([
    [{ PolicyInputList: ['{}'] }, /^InvalidInput: Invalid policy: /],
    [{ ActionNames: ['decrypt'] }, /^InvalidInput: Invalid action name: decrypt$/],
    [{ ActionNames: undefined }, /^ValidationException: .*'actionNames'/],
    [{ ResourcePolicy: '{}' }, /^InvalidInput/],
  ])('refuses %j', async (change, text) => {
    const input = { PolicyInputList: [allow('kms:*')], ActionNames: ['kms:Sign'], ...change }
    expect(await newAccount().refused('SimulateCustomPolicy', input)).toMatch(text)
  })
})

describe('SimulatePrincipalPolicy', () => {
  it('is about all that a user has, by whom it has it', async () => {
    const root = newAccount()
    const { Policy } = await root.ok('CreatePolicy', { PolicyName: 'm', PolicyDocument: allow('kms:Verify') })
    await root.ok('CreateUser', { UserName: 'alice', Path: '/a/', PermissionsBoundary: Policy.Arn })
    await root.ok('CreateGroup', { GroupName: 'g' })
    await root.ok('AddUserToGroup', { UserName: 'alice', GroupName: 'g' })
    await root.ok('PutUserPolicy', { UserName: 'alice', PolicyName: 'u', PolicyDocument: allow('kms:Verify') })
    await root.ok('PutGroupPolicy', { GroupName: 'g', PolicyName: 'i', PolicyDocument: allow('kms:Verify') })
    await root.ok('AttachUserPolicy', { UserName: 'alice', PolicyArn: Policy.Arn })
    await root.ok('AttachGroupPolicy', { GroupName: 'g', PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' })
    const input = { PolicySourceArn: root.arn('user/a/alice'), ActionNames: ['kms:Verify', 'kms:Sign'] }
    const { EvaluationResults } = await root.ok('SimulatePrincipalPolicy', input)
    expect(decisions(EvaluationResults)).toEqual([
      ['kms:Verify', '*', 'allowed'],
      ['kms:Sign', '*', 'implicitDeny'],
    ])
    expect(EvaluationResults[0].MatchedStatements).toEqual([
      { SourcePolicyId: 'user_alice_u', SourcePolicyType: 'user' },
      { SourcePolicyId: 'm', SourcePolicyType: 'user-managed' },
      { SourcePolicyId: 'group_g_i', SourcePolicyType: 'group' },
      { SourcePolicyId: 'AdministratorAccess', SourcePolicyType: 'aws-managed' },
    ])
    const unbound = await root.ok('SimulatePrincipalPolicy', {
      ...input,
      PermissionsBoundaryPolicyInputList: [allow('kms:*')],
    })
    expect(unbound.EvaluationResults[1].EvalDecision).toBe('allowed')
    const PolicyInputList = [policy({ Effect: 'Deny', Action: 'kms:Verify', Resource: '*' })]
    const supposed = await root.ok('SimulatePrincipalPolicy', { ...input, PolicyInputList })
    expect(supposed.EvaluationResults[0]).toMatchObject({
      EvalDecision: 'explicitDeny',
      MatchedStatements: [{ SourcePolicyId: 'PolicyInputList.1', SourcePolicyType: 'none' }],
    })
  })

  it('is about a group and a role as well', async () => {
    const root = newAccount()
    await root.ok('CreateGroup', { GroupName: 'g' })
    await root.ok('CreateRole', { RoleName: 'r', AssumeRolePolicyDocument: trust(root.arn('root')) })
    const Condition = { StringEquals: { 'aws:PrincipalArn': root.arn('role/r') } }
    const mine = policy({ Effect: 'Allow', Action: 'kms:Sign', Resource: '*', Condition })
    await root.ok('PutRolePolicy', { RoleName: 'r', PolicyName: 'p', PolicyDocument: mine })
    await root.ok('PutGroupPolicy', { GroupName: 'g', PolicyName: 'p', PolicyDocument: allow('kms:Sign') })
    for (const [name, id] of [
      ['role/r', 'role_r_p'],
      ['group/g', 'group_g_p'],
    ]) {
      const input = { PolicySourceArn: root.arn(String(name)), ActionNames: ['kms:Sign'] }
      const [result] = (await root.ok('SimulatePrincipalPolicy', input)).EvaluationResults
      expect(result).toMatchObject({ EvalDecision: 'allowed', MatchedStatements: [{ SourcePolicyId: id }] })
    }
    expect(await root.ok('GetContextKeysForPrincipalPolicy', { PolicySourceArn: root.arn('role/r') })).toEqual({
      ContextKeyNames: ['aws:PrincipalArn'],
    })
    const ActionNames = ['kms:Sign']
    for (const [PolicySourceArn, text] of [
      [root.arn('user/none'), /^NoSuchEntity: The user with name none/],
      [root.arn('role/x/r'), /^NoSuchEntity/],
      [newAccount().arn('role/r'), /^NoSuchEntity/],
      [root.arn('policy/none'), /^InvalidInput/],
    ] as const) {
      expect(await root.refused('SimulatePrincipalPolicy', { PolicySourceArn, ActionNames })).toMatch(text)
    }
  })
})
