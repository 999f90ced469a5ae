import { expect, it } from 'vitest'
import { database } from '../../src/catalog/database.ts'
import { invokeQuery } from '../../src/iam/invoke.ts'
import type { IamServices } from '../../src/iam/operation.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { invoke } from '../../src/operations/invoke.ts'
import { isolate } from '../support/isolate.ts'
import { callBy, env } from '../support/workerd.ts'
import { allow, type Door, newAccount, type Output, services } from './iam-door.ts'

/** Whoever needs a second transaction for the record of a change is not served. */
const recordChanges = () => Promise.reject(new Error('there is no second transaction'))
const oneTransaction: IamServices = { ...services, recordChanges }

async function ask({ principal }: Door, action: string, input: object, by = oneTransaction): Promise<Output> {
  const answer = await invokeQuery('iam', action, input, callBy({ principal }), by)
  return isRefusal(answer) ? answer.refused : answer
}

async function recordsOf({ account }: Door): Promise<string[]> {
  const named = 'select name from events where account = ? order by sequence'
  const { results } = await env.DB.prepare(named).bind(account).all<{ name: string }>()
  return results.map(({ name }) => name)
}

const count = (table: string, where: string, value: string) =>
  env.DB.prepare(`select count(*) as n from ${table} where ${where} = ?`).bind(value).first<number>('n')

it('is one transaction with its record, whatever a change of IAM is made of', async () => {
  const at = newAccount()
  const UserName = 'one'
  const Tags = [{ Key: 'a', Value: '1' }]
  const PolicyArn = at.arn('policy/p')
  const OpenIDConnectProviderArn = at.arn('oidc-provider/issuer.example')
  const steps: readonly (readonly [string, object])[] = [
    ['CreateUser', { UserName, Tags }],
    // The first statement of it finds nothing to remove.
    ['TagUser', { UserName, Tags: [{ Key: 'b', Value: '2' }] }],
    ['UntagUser', { UserName, TagKeys: ['a', 'b'] }],
    ['CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('kms:Encrypt'), Tags }],
    ['CreatePolicyVersion', { PolicyArn, PolicyDocument: allow('kms:Decrypt'), SetAsDefault: true }],
    ['DeletePolicyVersion', { PolicyArn, VersionId: 'v1' }],
    ['AttachUserPolicy', { UserName, PolicyArn }],
    ['DetachUserPolicy', { UserName, PolicyArn }],
    ['DeletePolicy', { PolicyArn }],
    ['CreateOpenIDConnectProvider', { Url: 'https://issuer.example', ClientIDList: ['c'], Tags }],
    ['AddClientIDToOpenIDConnectProvider', { OpenIDConnectProviderArn, ClientID: 'd' }],
    ['DeleteOpenIDConnectProvider', { OpenIDConnectProviderArn }],
    ['CreateGroup', { GroupName: 'g' }],
    ['AddUserToGroup', { GroupName: 'g', UserName }],
    ['RemoveUserFromGroup', { GroupName: 'g', UserName }],
    ['UpdateUser', { UserName, NewUserName: 'two' }],
    ['DeleteUser', { UserName: 'two' }],
  ]
  for (const [action, input] of steps) expect([action, typeof (await ask(at, action, input))]).not.toContain('string')
  expect(await recordsOf(at)).toEqual(steps.map(([action]) => action))
  expect(await count('iam_tags', 'owner_id', OpenIDConnectProviderArn)).toBe(0)
})

it('records what found nothing to change, too, and refuses it where that cannot be recorded', async () => {
  const at = newAccount()
  await ask(at, 'CreateUser', { UserName: 'one' })
  const attach = { UserName: 'one', PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' }
  expect(await ask(at, 'AttachUserPolicy', attach)).toBeUndefined()
  expect(await ask(at, 'AttachUserPolicy', attach)).toBe('DependencyTimeoutException')
  expect(await ask(at, 'AttachUserPolicy', attach, services)).toBeUndefined()
  expect(await recordsOf(at)).toEqual(['CreateUser', 'AttachUserPolicy', 'AttachUserPolicy'])
})

it('leaves no record where it is refused', async () => {
  const at = newAccount()
  await ask(at, 'CreateUser', { UserName: 'one' })
  expect(await ask(at, 'CreateUser', { UserName: 'One' })).toBe('EntityAlreadyExists')
  expect(await ask(at, 'DeleteUserPolicy', { UserName: 'one', PolicyName: 'none' })).toBe('NoSuchEntity')
  expect(await recordsOf(at)).toEqual(['CreateUser'])
})

it('is there with its record although D1’s answer was lost, and neither is there where D1 refused', async () => {
  const at = newAccount()
  await ask(at, 'CreateUser', { UserName: 'one' })
  const failing = (batch: D1Database['batch']) => {
    const binding = { prepare: (sql: string) => env.DB.prepare(sql), batch } as D1Database
    return { ...oneTransaction, database: database(binding) }
  }
  const away = new Error('D1 does not answer')
  const refusing = failing(() => Promise.reject(away))
  expect(await ask(at, 'CreateAccessKey', { UserName: 'one' }, refusing)).toBe('DependencyTimeoutException')
  expect(await recordsOf(at)).toEqual(['CreateUser'])
  const silent = failing(async (statements) => {
    await env.DB.batch(statements)
    throw away
  })
  expect(await ask(at, 'CreateAccessKey', { UserName: 'one' }, silent)).toBe('DependencyTimeoutException')
  expect(await recordsOf(at)).toEqual(['CreateUser', 'CreateAccessKey'])
  const { AccessKeyMetadata } = await at.ok('ListAccessKeys', { UserName: 'one' })
  expect(AccessKeyMetadata).toHaveLength(1)
})

it('is one transaction with its record where an alias changes, found by alias and key', async () => {
  const at = await isolate()
  const { KeyMetadata } = await at.must('CreateKey', {})
  const { KeyMetadata: other } = await at.must('CreateKey', {})
  const [TargetKeyId, otherId] = [KeyMetadata, other].map((key) => (key as { KeyId: string }).KeyId)
  const AliasName = `alias/${crypto.randomUUID()}`
  const by = { ...at.services, recordChanges }
  const call = callBy()
  const steps = [
    ['CreateAlias', { AliasName, TargetKeyId }],
    ['UpdateAlias', { AliasName, TargetKeyId: otherId }],
    ['DeleteAlias', { AliasName }],
  ] as const
  for (const [operation, input] of steps) {
    expect(await invoke(operation, input, { ...call, requestId: crypto.randomUUID() }, by)).toBeUndefined()
  }
  const found = `select name from event_resources join events using (sequence)
    where resource_name like ? order by sequence`
  const { results } = await env.DB.prepare(found).bind(`%${AliasName}`).all()
  expect(results.map(({ name }) => name)).toEqual(steps.map(([operation]) => operation))
})
