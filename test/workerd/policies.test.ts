import { describe, expect, it } from 'vitest'
import { defaultKeyPolicy } from '../../src/access/key-policy.ts'
import type { Call, Principal } from '../../src/model/call.ts'
import { invoke } from '../../src/operations/invoke.ts'
import { allow, deleteUser, deny, type Isolate, isolate, root, statement, storedUser } from '../support/isolate.ts'
import { account, callBy, region } from '../support/workerd.ts'

const Plaintext = 'aGVsbG8='
const denied = { refused: 'AccessDeniedException' }
const accountsStatement = { Effect: 'Allow', Principal: { AWS: account }, Action: 'kms:*', Resource: '*' }
const foreignAccount = '444455556666'
const foreignRoot: Principal = {
  ...root,
  account: foreignAccount,
  id: foreignAccount,
  arn: `arn:aws:iam::${foreignAccount}:root`,
}

function arnOf(keyId: string): string {
  return `arn:aws:kms:${region}:${account}:key/${keyId}`
}

async function newKey(at: Isolate, policy?: object, input: object = {}): Promise<string> {
  const Policy = policy === undefined ? {} : { Policy: JSON.stringify(policy) }
  const { KeyMetadata } = await at.must('CreateKey', { ...Policy, ...input })
  return (KeyMetadata as { KeyId: string }).KeyId
}

async function policyOf(at: Isolate, keyId: string): Promise<string> {
  return (await at.must('GetKeyPolicy', { KeyId: keyId })).Policy as string
}

describe('a key policy', () => {
  it('is kept to the letter', async () => {
    const at = await isolate()
    const Policy = `{ "Version":"2012-10-17",\n\t"Statement": [${JSON.stringify(accountsStatement)}] }`
    const keyId = await newKey(at, undefined, { Policy })
    expect(await policyOf(at, keyId)).toBe(Policy)
    const other = Policy.replace('\t', '    ')
    await at.must('PutKeyPolicy', { KeyId: keyId, Policy: other })
    expect(await policyOf(at, keyId)).toBe(other)
  })

  it('lets in whom it names, without a policy of their own', async () => {
    const at = await isolate()
    const [user, other] = [await storedUser(), await storedUser()]
    const named = { Effect: 'Allow', Principal: { AWS: user.arn }, Action: 'kms:Encrypt', Resource: '*' }
    const keyId = await newKey(at, statement(accountsStatement, named))
    expect(await at.must('Encrypt', { KeyId: keyId, Plaintext }, user)).toHaveProperty('KeyId')
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, other)).toMatchObject(denied)
  })

  it('is bound to the user that it named, and shows the id once that user is gone', async () => {
    const at = await isolate()
    const user = await storedUser({ name: 'bound' })
    const named = { Effect: 'Allow', Principal: { AWS: user.arn }, Action: 'kms:Encrypt', Resource: '*' }
    const keyId = await newKey(at, statement(accountsStatement, named))
    await deleteUser(user)
    expect(await policyOf(at, keyId)).toContain(user.id)
    expect(await policyOf(at, keyId)).not.toContain(user.arn)
    const namesake = await storedUser({ name: 'bound' })
    expect(namesake.arn).toBe(user.arn)
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, namesake)).toMatchObject(denied)
    expect(await policyOf(at, keyId)).toContain(user.id)
  })

  it('is over root as over anybody', async () => {
    const at = await isolate()
    const no = { Effect: 'Deny', Principal: '*', Action: 'kms:Encrypt', Resource: '*' }
    const keyId = await newKey(at, statement(accountsStatement, no))
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext })).toMatchObject(denied)
  })

  it.each([
    ['that is no JSON', '{', /./],
    ['of another shape', '[]', /./],
    ['with an unknown element', statement({ ...accountsStatement, Colour: 'red' }), /./],
    ['without a principal', allow('kms:*'), /./],
    [
      'that names nobody',
      statement(accountsStatement, { ...accountsStatement, Principal: { AWS: `arn:aws:iam::${account}:user/no` } }),
      /^Policy contains a statement with one or more invalid principals\.$/,
    ],
    [
      'that names a user of an account elsewhere',
      statement(accountsStatement, { ...accountsStatement, Principal: { AWS: 'arn:aws:iam::999999999999:role/x' } }),
      /invalid principals/,
    ],
    [
      'that locks its writer out',
      statement({ ...accountsStatement, Action: 'kms:Encrypt' }),
      /^The new key policy will not allow you to update the key policy in the future\.$/,
    ],
  ])('%s is refused, and nothing changes', async (_name, policy, message) => {
    const at = await isolate()
    const keyId = await newKey(at)
    const Policy = typeof policy === 'string' ? policy : JSON.stringify(policy)
    const refusal = { refused: 'MalformedPolicyDocumentException', message: expect.stringMatching(message) }
    expect(await at.ask('PutKeyPolicy', { KeyId: keyId, Policy })).toMatchObject(refusal)
    expect(await at.ask('CreateKey', { Policy })).toMatchObject(refusal)
    expect(await policyOf(at, keyId)).toBe(defaultKeyPolicy(account))
  })

  it('that is too large is refused', async () => {
    const at = await isolate()
    const Policy = JSON.stringify(statement({ ...accountsStatement, Sid: 'x'.repeat(32_768) }))
    expect(await at.ask('CreateKey', { Policy })).toMatchObject({ refused: 'LimitExceededException' })
  })

  it('locks its writer out where the writer insists', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const Policy = JSON.stringify(statement({ ...accountsStatement, Action: 'kms:Encrypt' }))
    await at.must('PutKeyPolicy', { KeyId: keyId, Policy, BypassPolicyLockoutSafetyCheck: true })
    expect(await at.ask('PutKeyPolicy', { KeyId: keyId, Policy: defaultKeyPolicy(account) })).toMatchObject(denied)
    expect(await at.must('Encrypt', { KeyId: keyId, Plaintext })).toHaveProperty('KeyId')
  })

  it('may keep the key to a user who has to be able to change it', async () => {
    const at = await isolate()
    const user = await storedUser({}, allow('kms:*'))
    const Policy = JSON.stringify(
      statement({ Effect: 'Allow', Principal: { AWS: user.arn }, Action: 'kms:*', Resource: '*' }),
    )
    const { KeyMetadata } = await at.must('CreateKey', { Policy }, user)
    const { KeyId } = KeyMetadata as { KeyId: string }
    expect(await at.ask('DescribeKey', { KeyId })).toMatchObject(denied)
    expect(await at.must('DescribeKey', { KeyId }, user)).toHaveProperty('KeyMetadata')
  })
})

describe('an identity policy', () => {
  it('allows what it says, and the text of a refusal tells no statement', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const secret = { ...allow('kms:Encrypt').Statement[0], Sid: 'SecretStatement' }
    const user = await storedUser({}, statement(secret))
    const { CiphertextBlob } = await at.must('Encrypt', { KeyId: keyId, Plaintext }, user)
    const Blob = (CiphertextBlob as Uint8Array).toBase64()
    expect(await at.ask('Decrypt', { CiphertextBlob: Blob }, user)).toMatchObject({
      ...denied,
      message:
        'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
    })
    expect(await at.ask('Decrypt', { CiphertextBlob: Blob, KeyId: keyId }, user)).toMatchObject(denied)
    expect(await at.ask('DisableKey', { KeyId: keyId }, user)).toMatchObject({
      ...denied,
      message: `User: ${user.arn} is not authorized to perform: kms:DisableKey on resource: ${arnOf(keyId)} because no identity-based policy allows the kms:DisableKey action`,
    })
    const refusal = await at.ask('Encrypt', { KeyId: keyId, Plaintext }, await storedUser({}, deny('kms:*')))
    expect(refusal).toMatchObject({
      ...denied,
      message: expect.stringMatching(/with an explicit deny in an identity-based policy$/),
    })
    expect(JSON.stringify((refusal as { message: string }).message)).not.toContain('Secret')
  })

  it('is asked for what is about no key', async () => {
    const at = await isolate()
    const user = await storedUser({}, allow('kms:ListKeys'))
    expect(await at.must('ListKeys', {}, user)).toHaveProperty('Keys')
    for (const operation of ['ListAliases', 'GenerateRandom', 'CreateKey']) {
      expect(await at.ask(operation, { NumberOfBytes: 1 }, user), operation).toMatchObject(denied)
    }
  })

  it('that lets keys be made needs another word for their tags', async () => {
    const at = await isolate()
    const user = await storedUser({}, allow('kms:CreateKey'))
    const Tags = [{ TagKey: 'team', TagValue: 'a' }]
    const input = {}
    expect(await at.must('CreateKey', input, user)).toHaveProperty('KeyMetadata')
    expect(await at.ask('CreateKey', { ...input, Tags }, user)).toMatchObject(denied)
    const tagger = await storedUser({}, allow(['kms:CreateKey', 'kms:TagResource']))
    expect(await at.must('CreateKey', { ...input, Tags }, tagger)).toHaveProperty('KeyMetadata')
  })

  it('sees the key’s tags and aliases, and the context', async () => {
    const at = await isolate()
    const keyId = await newKey(at, undefined, { Tags: [{ TagKey: 'team', TagValue: 'a' }] })
    const aliasName = `alias/p-${crypto.randomUUID()}`
    const conditions: [object, object, boolean][] = [
      [{ StringEquals: { 'aws:ResourceTag/team': 'a' } }, {}, true],
      [{ StringEquals: { 'aws:ResourceTag/team': 'b' } }, {}, false],
      [{ 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': aliasName } }, {}, false],
      [{ StringEquals: { 'kms:EncryptionContext:tenant': 'a' } }, { EncryptionContext: { tenant: 'a' } }, true],
      [{ StringEquals: { 'kms:EncryptionContext:tenant': 'a' } }, { EncryptionContext: { tenant: 'b' } }, false],
      [{ IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } }, {}, true],
      [{ Bool: { 'aws:SecureTransport': 'false' } }, {}, false],
    ]
    for (const [condition, input, isAllowed] of conditions) {
      const user = await storedUser({}, allow('kms:Encrypt', arnOf(keyId), condition))
      const answer = await at.ask('Encrypt', { KeyId: keyId, Plaintext, ...input }, user)
      expect('refused' in (answer as object), JSON.stringify(condition)).toBe(!isAllowed)
    }
    const byAlias = await storedUser(
      {},
      allow('kms:*', '*', { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': aliasName } }),
    )
    await at.must('CreateAlias', { AliasName: aliasName, TargetKeyId: keyId })
    expect(await at.must('Encrypt', { KeyId: keyId, Plaintext }, byAlias)).toHaveProperty('KeyId')
    expect(await at.must('DescribeKey', { KeyId: keyId }, byAlias)).toHaveProperty('KeyMetadata')
    await at.must('DeleteAlias', { AliasName: aliasName })
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, byAlias)).toMatchObject(denied)
    expect(await at.ask('DescribeKey', { KeyId: keyId }, byAlias)).toMatchObject(denied)
  })

  it('for the two keys of a ReEncrypt has to allow each its own part', async () => {
    const at = await isolate()
    const [from, to] = [await newKey(at), await newKey(at)]
    const { CiphertextBlob } = await at.must('Encrypt', { KeyId: from, Plaintext })
    const input = { CiphertextBlob: (CiphertextBlob as Uint8Array).toBase64(), DestinationKeyId: to }
    const halves = [allow('kms:ReEncryptFrom', arnOf(from)), allow('kms:ReEncryptTo', arnOf(to))]
    expect(await at.must('ReEncrypt', input, await storedUser({}, ...halves))).toHaveProperty('CiphertextBlob')
    for (const half of halves)
      expect(await at.ask('ReEncrypt', input, await storedUser({}, half))).toMatchObject(denied)
    const inPlace = { Bool: { 'kms:ReEncryptOnSameKey': 'true' } }
    const user = await storedUser({}, allow('kms:ReEncrypt*', '*', inPlace))
    expect(await at.ask('ReEncrypt', input, user)).toMatchObject(denied)
    expect(await at.must('ReEncrypt', { ...input, DestinationKeyId: arnOf(from) }, user)).toHaveProperty('KeyId')
  })
})

describe('an alias', () => {
  it('needs the permission on itself and on every key that it points at', async () => {
    const at = await isolate()
    const [first, second] = [await newKey(at), await newKey(at)]
    const AliasName = `alias/a-${crypto.randomUUID()}`
    const aliasArn = `arn:aws:kms:${region}:${account}:${AliasName}`
    const create = { AliasName, TargetKeyId: first }
    for (const resource of [aliasArn, arnOf(first)]) {
      expect(await at.ask('CreateAlias', create, await storedUser({}, allow('kms:*', resource)))).toMatchObject(denied)
    }
    await at.must('CreateAlias', create, await storedUser({}, allow('kms:*', [aliasArn, arnOf(first)])))
    const update = { AliasName, TargetKeyId: second }
    for (const resources of [
      [aliasArn, arnOf(first)],
      [aliasArn, arnOf(second)],
      [arnOf(first), arnOf(second)],
    ]) {
      expect(await at.ask('UpdateAlias', update, await storedUser({}, allow('kms:*', resources)))).toMatchObject(denied)
    }
    await at.must('UpdateAlias', update, await storedUser({}, allow('kms:*', [aliasArn, arnOf(first), arnOf(second)])))
    for (const resources of [[aliasArn], [arnOf(second)], [aliasArn, arnOf(first)]]) {
      expect(await at.ask('DeleteAlias', { AliasName }, await storedUser({}, allow('kms:*', resources)))).toMatchObject(
        denied,
      )
    }
    expect(
      await at.must('DeleteAlias', { AliasName }, await storedUser({}, allow('kms:*', [aliasArn, arnOf(second)]))),
    ).toEqual({})
  })
})

describe('another account', () => {
  it('is let in where both sides say so', async () => {
    const at = await isolate()
    const shared = {
      Effect: 'Allow',
      Principal: { AWS: foreignAccount },
      Action: ['kms:Encrypt', 'kms:EnableKey'],
      Resource: '*',
    }
    const keyId = await newKey(at, statement(accountsStatement, shared))
    const KeyId = arnOf(keyId)
    const allowed = await storedUser({ by: foreignAccount }, allow('kms:*'))
    expect(await at.must('Encrypt', { KeyId, Plaintext }, allowed)).toHaveProperty('KeyId')
    expect(await at.ask('Encrypt', { KeyId, Plaintext }, await storedUser({ by: foreignAccount }))).toMatchObject(
      denied,
    )
    expect(await at.ask('EnableKey', { KeyId }, allowed)).toMatchObject(denied)
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, allowed)).toMatchObject({
      refused: 'NotFoundException',
    })
  })

  it('is not told whether a key exists', async () => {
    const at = await isolate()
    const [there, absent] = [arnOf(await newKey(at)), arnOf(crypto.randomUUID())]
    const user = await storedUser({ by: foreignAccount }, allow('kms:*'))
    for (const by of [user, foreignRoot]) {
      for (const [operation, input] of [
        ['Encrypt', { Plaintext }],
        ['DescribeKey', {}],
        ['DisableKey', {}],
        ['ListGrants', {}],
        ['GetKeyPolicy', {}],
      ] as const) {
        const answers = [there, absent].map(async (KeyId) => {
          const answer = (await at.ask(operation, { KeyId, ...input }, by)) as { refused: string; message: string }
          return { refused: answer.refused, message: answer.message.replace(KeyId, 'ARN') }
        })
        const [first, second] = await Promise.all(answers)
        expect(first, operation).toEqual(second)
        expect(first).toMatchObject(denied)
      }
    }
  })

  it('decrypts what was made for it without naming the key', async () => {
    const at = await isolate()
    const shared = { Effect: 'Allow', Principal: { AWS: foreignAccount }, Action: 'kms:Decrypt', Resource: '*' }
    const keyId = await newKey(at, statement(accountsStatement, shared))
    const { CiphertextBlob } = await at.must('Encrypt', { KeyId: keyId, Plaintext })
    const input = { CiphertextBlob: (CiphertextBlob as Uint8Array).toBase64() }
    expect(await at.must('Decrypt', input, foreignRoot)).toMatchObject({ KeyId: arnOf(keyId) })
    expect(await at.ask('Decrypt', input, await storedUser({ by: foreignAccount }))).toMatchObject(denied)
  })
})

it('a change reads its caller once, however many needs ask', async () => {
  const at = await isolate()
  const [former, next] = [await newKey(at), await newKey(at)]
  let readings = 0
  const fresh = ({ principal }: Call) => {
    readings++
    return principal
  }
  const services = { ...at.services, callers: { fresh } }
  const AliasName = `alias/once-${crypto.randomUUID()}`
  for (const [operation, TargetKeyId] of [
    ['CreateAlias', former],
    ['UpdateAlias', next],
  ] as const) {
    readings = 0
    expect(await invoke(operation, { AliasName, TargetKeyId }, callBy(), services)).toBeUndefined()
    expect(readings).toBe(1)
  }
})

describe('what changes between the Worker’s part and the object’s', () => {
  it.each([
    ['untags the key', (at: Isolate, KeyId: string) => at.must('UntagResource', { KeyId, TagKeys: ['team'] })],
    [
      'replaces the policy',
      (at: Isolate, KeyId: string) => {
        const no = { Effect: 'Deny', Principal: '*', Action: 'kms:DisableKey', Resource: '*' }
        return at.must('PutKeyPolicy', { KeyId, Policy: JSON.stringify(statement(accountsStatement, no)) })
      },
    ],
  ])('%s: the change is refused', async (_name, meanwhile) => {
    const at = await isolate()
    const keyId = await newKey(at, undefined, { Tags: [{ TagKey: 'team', TagValue: 'a' }] })
    const user = await storedUser({}, allow('kms:*', '*', { StringEquals: { 'aws:ResourceTag/team': 'a' } }))
    await at.must('UpdateKeyDescription', { KeyId: keyId, Description: 'may' }, user)
    at.before = () => meanwhile(at, keyId)
    expect(await at.ask('DisableKey', { KeyId: keyId }, user)).toMatchObject(denied)
    expect(await at.must('DescribeKey', { KeyId: keyId })).toMatchObject({ KeyMetadata: { KeyState: 'Enabled' } })
  })

  it('revokes the grant: the change is refused', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const [user, third] = [await storedUser(), await storedUser()]
    const input = { KeyId: keyId, GranteePrincipal: user.arn, Operations: ['CreateGrant', 'Decrypt'] }
    const { GrantId } = await at.must('CreateGrant', input)
    const child = { KeyId: keyId, GranteePrincipal: third.arn, Operations: ['Decrypt'] }
    at.before = () => at.must('RevokeGrant', { KeyId: keyId, GrantId })
    expect(await at.ask('CreateGrant', child, user)).toMatchObject(denied)
    expect(await at.must('ListGrants', { KeyId: keyId })).toMatchObject({ Grants: [] })
  })

  it('moves the alias: nothing is written', async () => {
    const at = await isolate()
    const [first, second] = [await newKey(at), await newKey(at)]
    const AliasName = `alias/m-${crypto.randomUUID()}`
    await at.must('CreateAlias', { AliasName, TargetKeyId: first })
    at.before = () => at.must('UpdateAlias', { AliasName, TargetKeyId: second })
    expect(await at.ask('DeleteAlias', { AliasName })).toMatchObject({ refused: 'DependencyTimeoutException' })
    expect(await at.must('DeleteAlias', { AliasName })).toEqual({})
  })
})

describe('a policy that has changed', () => {
  it('holds elsewhere within the snapshot’s seconds, here at once, and everywhere at once with 0', async () => {
    const [at, elsewhere, strict] = [await isolate(), await isolate(), await isolate({ snapshotSeconds: 0 })]
    const keyId = await newKey(at)
    const input = { KeyId: keyId, Plaintext }
    const now = Date.now()
    for (const each of [at, elsewhere, strict]) await each.must('Encrypt', input, root, { wallTime: now })
    const no = { Effect: 'Deny', Principal: '*', Action: 'kms:Encrypt', Resource: '*' }
    const Policy = JSON.stringify(statement(accountsStatement, no))
    await at.must('PutKeyPolicy', { KeyId: keyId, Policy })
    expect(await at.ask('Encrypt', input, root, { wallTime: now })).toMatchObject(denied)
    expect(await strict.ask('Encrypt', input, root, { wallTime: now })).toMatchObject(denied)
    expect(await elsewhere.must('Encrypt', input, root, { wallTime: now })).toHaveProperty('KeyId')
    expect(await elsewhere.ask('Encrypt', input, root, { wallTime: now + 5_000 })).toMatchObject(denied)
  })
})
