import { randomUUID } from 'node:crypto'
import { GetKeyPolicyCommand, ListKeyPoliciesCommand, PutKeyPolicyCommand } from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, newKey, openKms, refusalOf, rootPolicy } from '../support/conformance.ts'
import { allow, deny, done, newUser, policyOf } from '../support/principals.ts'

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

const withMore = (...more: readonly object[]) => JSON.stringify({ ...policy, Statement: [statement, ...more] })
const invalidPrincipals =
  'MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.'
const lockedOut =
  'MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future.'

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
    ['with a denial', withMore(deny('kms:Decrypt', { Principal: '*' }))],
    [
      'with a condition',
      withMore({
        ...deny('kms:Decrypt'),
        Principal: { AWS: '*' },
        Condition: { Bool: { 'aws:SecureTransport': 'no' } },
      }),
    ],
    [
      'with another account and a service',
      withMore(allow('kms:Decrypt', { Principal: { AWS: ['444455556666'], Service: 's3.amazonaws.com' } })),
    ],
    ['with a NotPrincipal', withMore({ ...deny('kms:Decrypt'), NotPrincipal: statement.Principal })],
    ['with a NotAction', withMore({ Effect: 'Deny', Principal: '*', NotAction: 'kms:*', Resource: '*' })],
    ['of 32,768 bytes', JSON.stringify({ ...policy, Id: 'i'.repeat(32_768 - 9 - rootPolicy(account).length) })],
  ])('keeps what is given: %s', async (_name, Policy) => {
    await client.send(new PutKeyPolicyCommand({ KeyId: id, Policy, PolicyName: 'default' }))
    expect(await stored('default')).toMatchObject({ Policy, PolicyName: 'default' })
    expect((await stored()).Policy).toBe(Policy)
  })

  it('shows the unique id of a user who is gone, and its ARN before', async () => {
    const user = await newUser(kms)
    const Policy = withMore(allow('kms:Decrypt', { Principal: { AWS: user.arn } }))
    await client.send(new PutKeyPolicyCommand({ KeyId: id, Policy }))
    expect((await stored()).Policy).toBe(Policy)
    const gone = { UserName: user.name, AccessKeyId: user.accessKeyId }
    await done(kms.query('iam', 'DeleteAccessKey', gone))
    await done(kms.query('iam', 'DeleteUser', { UserName: user.name }))
    const shown = JSON.parse((await stored()).Policy ?? '') as typeof policy
    expect(shown.Statement.at(1)?.Principal).toEqual({ AWS: expect.stringMatching(/^AIDA[A-Z0-9]{17}$/) })
    // Once it shows, it may be written, as who reads and writes does.
    await client.send(new PutKeyPolicyCommand({ KeyId: id, Policy: rootPolicy(account) }))
  })

  const put = (change: object) => ({ KeyId: id, Policy: JSON.stringify({ ...policy, ...change }) })
  const more = (...statements: readonly object[]) => ({ KeyId: id, Policy: withMore(...statements) })
  const nobody = { AWS: `arn:aws:iam::${account}:user/nobody-${randomUUID()}` }
  const malformed = /^MalformedPolicyDocumentException: ./
  const none = 'NotFoundException: No such policy exists'
  itRefuses(kms, [
    ['no JSON', 'PutKeyPolicy', { KeyId: id, Policy: 'allow all' }, malformed],
    ['a list', 'PutKeyPolicy', { KeyId: id, Policy: '[]' }, malformed],
    ['nothing', 'PutKeyPolicy', { KeyId: id, Policy: 'null' }, malformed],
    ['no statement', 'PutKeyPolicy', put({ Statement: [] }), malformed],
    [
      'a member twice',
      'PutKeyPolicy',
      { KeyId: id, Policy: `{"Id":"a",${rootPolicy(account).slice(1, -1)},"Id":"b"}` },
      malformed,
    ],
    ['another Version', 'PutKeyPolicy', put({ Version: '2025-01-01' }), malformed],
    ['an unknown element', 'PutKeyPolicy', put({ Nonsense: 1 }), malformed],
    ['an unknown element of a statement', 'PutKeyPolicy', more({ ...statement, Sid: 'b', Nonsense: 1 }), malformed],
    [
      'an unknown operator',
      'PutKeyPolicy',
      more({ ...statement, Sid: 'b', Condition: { Like: { a: 'b' } } }),
      malformed,
    ],
    ['an Effect in lower case', 'PutKeyPolicy', more({ ...statement, Sid: 'b', Effect: 'allow' }), malformed],
    ['no principal', 'PutKeyPolicy', more(allow('kms:Decrypt')), malformed],
    ['a Sid twice', 'PutKeyPolicy', more(statement), malformed],
    ['an action without a service', 'PutKeyPolicy', more({ ...statement, Sid: 'b', Action: 'Decrypt' }), malformed],
    ['a user who is not there', 'PutKeyPolicy', more(allow('kms:Decrypt', { Principal: nobody })), invalidPrincipals],
    [
      'a group',
      'PutKeyPolicy',
      more(allow('kms:*', { Principal: { AWS: `arn:aws:iam::${account}:group/g` } })),
      invalidPrincipals,
    ],
    ['a principal that is none', 'PutKeyPolicy', more(allow('kms:*', { Principal: { AWS: 'me' } })), invalidPrincipals],
    [
      'a web provider',
      'PutKeyPolicy',
      more(allow('kms:*', { Principal: { Federated: 'accounts.google.com' } })),
      invalidPrincipals,
    ],
    ['nothing but a denial', 'PutKeyPolicy', put({ Statement: [{ ...statement, Effect: 'Deny' }] }), lockedOut],
    ['fewer actions', 'PutKeyPolicy', put({ Statement: [{ ...statement, Action: 'kms:Encrypt' }] }), lockedOut],
    [
      'another account alone',
      'PutKeyPolicy',
      put({ Statement: [{ ...statement, Principal: { AWS: '999988887777' } }] }),
      lockedOut,
    ],
    [
      'a policy that locks out',
      'CreateKey',
      { Policy: put({ Statement: [{ ...statement, Effect: 'Deny' }] }).Policy },
      lockedOut,
    ],
    [
      'a user who is not there',
      'CreateKey',
      { Policy: more(allow('kms:*', { Principal: nobody })).Policy },
      invalidPrincipals,
    ],
    ['more than 32,768 bytes', 'PutKeyPolicy', put({ Id: 'i'.repeat(32_768) }), /^LimitExceededException: ./],
    ['two bytes a letter count as two', 'PutKeyPolicy', put({ Id: 'ü'.repeat(16_384) }), /^LimitExceededException: ./],
    ['a policy of another name', 'PutKeyPolicy', { ...put({}), PolicyName: 'other' }, none],
    ['a policy of another name', 'GetKeyPolicy', { KeyId: id, PolicyName: 'other' }, none],
    ['no key', 'PutKeyPolicy', { ...put({}), KeyId: 'fake' }, "NotFoundException: Invalid keyId 'fake'"],
    ['no ARN', 'GetKeyPolicy', { KeyId: 'arn:aws:kms:x' }, /^InvalidArnException: ./],
  ])

  it('leaves the policy alone where it is refused', async () => {
    const before = (await stored()).Policy
    await kms.ask('PutKeyPolicy', put({ Statement: [{ ...statement, Effect: 'Deny' }] }))
    expect((await stored()).Policy).toBe(before)
  })

  it('may lock its writer out where that is asked for', async () => {
    const key = await newKey(kms)
    const Policy = policyOf({ ...deny('kms:PutKeyPolicy'), Principal: '*' }, { ...statement, Action: 'kms:Describe*' })
    const BypassPolicyLockoutSafetyCheck = true
    await client.send(new PutKeyPolicyCommand({ KeyId: key.id, Policy, BypassPolicyLockoutSafetyCheck }))
    expect(await refusalOf(client.send(new PutKeyPolicyCommand({ KeyId: key.id, Policy: rootPolicy(account) })))).toBe(
      `AccessDeniedException: User: arn:aws:iam::${account}:root is not authorized to perform: kms:PutKeyPolicy on resource: ${key.arn} with an explicit deny in a resource-based policy`,
    )
    expect(await refusalOf(client.send(new GetKeyPolicyCommand({ KeyId: key.id })))).toBe(
      `AccessDeniedException: User: arn:aws:iam::${account}:root is not authorized to perform: kms:GetKeyPolicy on resource: ${key.arn} because no resource-based policy allows the kms:GetKeyPolicy action`,
    )
  })
})

it('ListKeyPolicies lists the one there is', async () => {
  const { PolicyNames, Truncated } = await client.send(new ListKeyPoliciesCommand({ KeyId: id, Limit: 1 }))
  expect({ PolicyNames, Truncated }).toEqual({ PolicyNames: ['default'], Truncated: false })
})
