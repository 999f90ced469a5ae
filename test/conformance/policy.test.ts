import { GetKeyPolicyCommand, ListKeyPoliciesCommand, PutKeyPolicyCommand } from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, newKey, openKms, rootPolicy } from '../support/conformance.ts'

/** GetKeyPolicy, PutKeyPolicy, ListKeyPolicies. */

const kms = await openKms()
const client = kms.client()
const { account } = kms.caller
const { id } = await newKey(kms)
const policy = JSON.parse(rootPolicy(account)) as { Statement: [Record<string, unknown>] }
const [statement] = policy.Statement

async function stored(PolicyName?: string) {
  const input = PolicyName === undefined ? { KeyId: id } : { KeyId: id, PolicyName }
  return client.send(new GetKeyPolicyCommand(input))
}

it('gives a new key the policy that AWS gives it', async () => {
  const { Policy, PolicyName } = await client.send(new GetKeyPolicyCommand({ KeyId: (await newKey(kms)).id }))
  expect(JSON.parse(Policy ?? '')).toEqual({ Id: 'key-default-1', ...policy })
  expect(PolicyName).toBe('default')
})

describe('PutKeyPolicy', () => {
  it.each([
    ['as AWS writes it', rootPolicy(account)],
    ['with white space', JSON.stringify(policy, null, '\t')],
    ['with an Id', JSON.stringify({ ...policy, Id: 'mine ü' })],
    [
      'with the bare account',
      JSON.stringify({ ...policy, Statement: [{ ...statement, Principal: { AWS: account } }] }),
    ],
    [
      'with lists of one',
      JSON.stringify({ ...policy, Statement: { ...statement, Action: ['kms:*'], Resource: ['*'] } }),
    ],
    ['without a Version', JSON.stringify({ Statement: policy.Statement })],
  ])('keeps the default policy as it is given: %s', async (_name, Policy) => {
    await client.send(new PutKeyPolicyCommand({ KeyId: id, Policy, PolicyName: 'default' }))
    expect(await stored('default')).toMatchObject({ Policy, PolicyName: 'default' })
    expect((await stored()).Policy).toBe(Policy)
  })

  const put = (change: object) => ({ KeyId: id, Policy: JSON.stringify({ ...policy, ...change }) })
  const malformed = /^MalformedPolicyDocumentException: ./
  const unsupported = /^UnsupportedOperationException: Key policies are not evaluated yet/
  const deny = { ...statement, Effect: 'Deny' }
  const none = 'NotFoundException: No such policy exists'
  itRefuses(kms, [
    ['no JSON', 'PutKeyPolicy', { KeyId: id, Policy: 'allow all' }, malformed],
    ['a list', 'PutKeyPolicy', { KeyId: id, Policy: '[]' }, malformed],
    ['nothing', 'PutKeyPolicy', { KeyId: id, Policy: 'null' }, malformed],
    ['more than 32,768 bytes', 'PutKeyPolicy', put({ Id: 'i'.repeat(32_768) }), /^LimitExceededException: ./],
    ['two bytes a letter count as two', 'PutKeyPolicy', put({ Id: 'ü'.repeat(16_384) }), /^LimitExceededException: ./],
    ['a second statement', 'PutKeyPolicy', put({ Statement: [statement, deny] }), unsupported],
    ['a denial', 'PutKeyPolicy', put({ Statement: [deny] }), unsupported],
    ['a condition', 'PutKeyPolicy', put({ Statement: [{ ...statement, Condition: {} }] }), unsupported],
    ['fewer actions', 'PutKeyPolicy', put({ Statement: [{ ...statement, Action: 'kms:Encrypt' }] }), unsupported],
    ['anybody', 'PutKeyPolicy', put({ Statement: [{ ...statement, Principal: '*' }] }), unsupported],
    [
      'another account',
      'PutKeyPolicy',
      put({ Statement: [{ ...statement, Principal: { AWS: '999988887777' } }] }),
      unsupported,
    ],
    ['a policy of another name', 'PutKeyPolicy', { ...put({}), PolicyName: 'other' }, none],
    ['a policy of another name', 'GetKeyPolicy', { KeyId: id, PolicyName: 'other' }, none],
    ['no key', 'PutKeyPolicy', { ...put({}), KeyId: 'fake' }, "NotFoundException: Invalid keyId 'fake'"],
    ['no ARN', 'GetKeyPolicy', { KeyId: 'arn:aws:kms:x' }, /^InvalidArnException: ./],
  ])

  it('leaves the policy alone where it is refused', async () => {
    const before = (await stored()).Policy
    await kms.ask('PutKeyPolicy', put({ Statement: [deny] }))
    expect((await stored()).Policy).toBe(before)
  })
})

it('ListKeyPolicies lists the one there is', async () => {
  const { PolicyNames, Truncated } = await client.send(new ListKeyPoliciesCommand({ KeyId: id, Limit: 1 }))
  expect({ PolicyNames, Truncated }).toEqual({ PolicyNames: ['default'], Truncated: false })
})
