import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import type { Principal } from '../../src/model/call.ts'
import { allow, deleteUser, deny, type Isolate, isolate, root, statement, storedUser } from '../support/isolate.ts'
import { account, env, region } from '../support/workerd.ts'

const Plaintext = 'aGVsbG8='

async function newKey(at: Isolate, policy?: object): Promise<string> {
  const input = policy === undefined ? {} : { Policy: JSON.stringify(policy) }
  const { KeyMetadata } = await at.must('CreateKey', input)
  return (KeyMetadata as { KeyId: string }).KeyId
}

async function grantTo(at: Isolate, keyId: string, grantee: Principal, options: object = {}) {
  const input = { KeyId: keyId, GranteePrincipal: grantee.arn, Operations: ['Encrypt', 'Decrypt'], ...options }
  return (await at.must('CreateGrant', input)) as { GrantId: string; GrantToken: string }
}

const denied = { refused: 'AccessDeniedException' }
const invalidToken = { refused: 'InvalidGrantTokenException' }

describe('a grant', () => {
  it('lets its grantee do what it says and nothing else, until it is revoked', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, user)).toMatchObject(denied)
    const { GrantId, GrantToken } = await grantTo(at, keyId, user)
    const { CiphertextBlob } = await at.must('Encrypt', { KeyId: keyId, Plaintext, GrantTokens: [GrantToken] }, user)
    expect(await at.must('Decrypt', { CiphertextBlob: base64(CiphertextBlob) }, user)).toHaveProperty('Plaintext')
    expect(await at.ask('GenerateDataKey', { KeyId: keyId, KeySpec: 'AES_256' }, user)).toMatchObject(denied)
    expect(await at.ask('DescribeKey', { KeyId: keyId }, user)).toMatchObject(denied)
    await at.must('RevokeGrant', { KeyId: keyId, GrantId })
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, user)).toMatchObject(denied)
  })

  it('is nobody else’s: not another user’s, not a namesake’s', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser({ name: 'taken-again' })
    const { GrantToken } = await grantTo(at, keyId, user)
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, await storedUser())).toMatchObject(denied)
    await deleteUser(user)
    const namesake = await storedUser({ name: 'taken-again' })
    expect(namesake.arn).toBe(user.arn)
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, namesake)).toMatchObject(denied)
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext, GrantTokens: [GrantToken] }, namesake)).toMatchObject(
      invalidToken,
    )
    expect(await at.must('ListGrants', { KeyId: keyId })).toMatchObject({ Grants: [{ GranteePrincipal: user.id }] })
  })

  it('is beaten by a Deny wherever it stands', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser({}, deny('kms:Encrypt'))
    await grantTo(at, keyId, user)
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, user)).toMatchObject(denied)
  })

  it('with a constraint holds for that encryption context alone', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    await grantTo(at, keyId, user, { Constraints: { EncryptionContextSubset: { tenant: 'a' } } })
    const EncryptionContext = { tenant: 'a', other: 'x' }
    expect(await at.must('Encrypt', { KeyId: keyId, Plaintext, EncryptionContext }, user)).toHaveProperty('KeyId')
    for (const context of [{}, { tenant: 'b' }, { Tenant: 'a' }, { tenant: 'A' }]) {
      const input = { KeyId: keyId, Plaintext, EncryptionContext: context }
      expect(await at.ask('Encrypt', input, user), JSON.stringify(context)).toMatchObject(denied)
    }
  })

  it('to the account needs a policy of the user as well', async () => {
    const at = await isolate()
    const user = await storedUser({}, allow('kms:Encrypt'))
    const other = await storedUser()
    const only = statement({ Effect: 'Allow', Principal: { AWS: user.arn }, Action: 'kms:PutKeyPolicy', Resource: '*' })
    const input = { Policy: JSON.stringify(only), BypassPolicyLockoutSafetyCheck: true }
    const { KeyMetadata } = await at.must('CreateKey', input)
    const keyId = (KeyMetadata as { KeyId: string }).KeyId
    expect(
      await at.ask('CreateGrant', { KeyId: keyId, GranteePrincipal: account, Operations: ['Encrypt'] }),
    ).toMatchObject(denied)
    const own = await newKey(at)
    await at.must('CreateGrant', {
      KeyId: own,
      GranteePrincipal: `arn:aws:iam::${account}:root`,
      Operations: ['Encrypt'],
    })
    expect(await at.must('Encrypt', { KeyId: own, Plaintext }, user)).toHaveProperty('KeyId')
    expect(await at.ask('Encrypt', { KeyId: own, Plaintext }, other)).toMatchObject(denied)
  })

  it('with CreateGrant makes narrower grants only', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const [user, third] = [await storedUser(), await storedUser()]
    const Constraints = { EncryptionContextSubset: { tenant: 'a' } }
    await grantTo(at, keyId, user, { Operations: ['Decrypt', 'CreateGrant'], Constraints })
    const child = { KeyId: keyId, GranteePrincipal: third.arn, Operations: ['Decrypt'], Constraints }
    const wider = [
      { ...child, Operations: ['Decrypt', 'Encrypt'] },
      { ...child, Constraints: undefined },
      { ...child, Constraints: { EncryptionContextSubset: { tenant: 'b' } } },
    ]
    for (const input of wider) expect(await at.ask('CreateGrant', input, user)).toMatchObject(denied)
    const stricter = { ...child, Constraints: { EncryptionContextEquals: { tenant: 'a', x: 'y' } } }
    expect(await at.must('CreateGrant', stricter, user)).toHaveProperty('GrantToken')
  })

  it('of the same name and content is the same grant', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    const first = await grantTo(at, keyId, user, { Name: 'one' })
    expect((await grantTo(at, keyId, user, { Name: 'one' })).GrantId).toBe(first.GrantId)
    expect((await grantTo(at, keyId, user, { Name: 'one', Operations: ['Decrypt'] })).GrantId).not.toBe(first.GrantId)
    expect((await grantTo(at, keyId, user)).GrantId).not.toBe((await grantTo(at, keyId, user)).GrantId)
  })

  it('is refused to a key that has 50,000', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    const { GrantId } = await grantTo(at, keyId, user, { Name: 'last-but-one' })
    await runInDurableObject(env.KEYS.getByName(`${region}/${keyId}`), (_, { storage }) => {
      storage.sql.exec('update kms_key set grants = 49999')
    })
    await grantTo(at, keyId, user)
    const more = { KeyId: keyId, GranteePrincipal: user.arn, Operations: ['Decrypt'] }
    expect(await at.ask('CreateGrant', more)).toMatchObject({ refused: 'LimitExceededException' })
    expect((await grantTo(at, keyId, user, { Name: 'last-but-one' })).GrantId).toBe(GrantId)
    await at.must('RevokeGrant', { KeyId: keyId, GrantId })
    expect(await at.must('CreateGrant', more)).toHaveProperty('GrantToken')
  })

  it('on a disabled key is not made, and may be revoked', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    const { GrantId } = await grantTo(at, keyId, user)
    await at.must('DisableKey', { KeyId: keyId })
    const again = { KeyId: keyId, GranteePrincipal: user.arn, Operations: ['Decrypt'] }
    expect(await at.ask('CreateGrant', again)).toMatchObject({ refused: 'DisabledException' })
    expect(await at.must('RevokeGrant', { KeyId: keyId, GrantId })).toEqual({})
  })

  it('is only tried in a dry run', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    const dryRun = { refused: 'DryRunOperationException' }
    const input = { KeyId: keyId, GranteePrincipal: user.arn, Operations: ['Decrypt'], DryRun: true }
    expect(await at.ask('CreateGrant', input)).toMatchObject(dryRun)
    expect(await at.ask('CreateGrant', input, user)).toMatchObject(denied)
    const { GrantId } = await grantTo(at, keyId, user)
    expect(await at.ask('RevokeGrant', { KeyId: keyId, GrantId, DryRun: true })).toMatchObject(dryRun)
    expect(await at.ask('RetireGrant', { KeyId: keyId, GrantId, DryRun: true })).toMatchObject(dryRun)
    expect(await at.must('ListGrants', { KeyId: keyId })).toMatchObject({ Grants: [{ GrantId }] })
  })

  it.each([
    ['no grantee', { GranteePrincipal: undefined }, 'ValidationException'],
    ['two grantees', { GranteeServicePrincipal: 's3.amazonaws.com' }, 'ValidationException'],
    ['a grantee that is not there', { GranteePrincipal: `arn:aws:iam::${account}:user/nobody` }, 'InvalidArnException'],
    ['a grantee that is no ARN', { GranteePrincipal: 'nobody' }, 'InvalidArnException'],
    [
      'a retiring principal that is not there',
      { RetiringPrincipal: `arn:aws:iam::${account}:role/no` },
      'InvalidArnException',
    ],
    ['a service that is not ours', { RetiringServicePrincipal: 'ec2.amazonaws.com' }, 'ValidationException'],
    ['an operation that the key has not', { Operations: ['Sign'] }, 'ValidationException'],
    ['an operation that no key has', { Operations: ['DisableKey'] }, 'ValidationException'],
    [
      'a constraint that is too long',
      { Constraints: { EncryptionContextEquals: { a: 'x'.repeat(385) } } },
      'ValidationException',
    ],
    ['a token that is none', { GrantTokens: ['bm8'] }, 'InvalidGrantTokenException'],
  ])('with %s is refused', async (_name, change, refused) => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    const input = { KeyId: keyId, GranteePrincipal: user.arn, Operations: ['Decrypt'], ...change }
    expect(await at.ask('CreateGrant', input)).toMatchObject({ refused })
    expect(await at.must('ListGrants', { KeyId: keyId })).toMatchObject({ Grants: [] })
  })
})

describe('a grant token', () => {
  it('makes a grant known at once where the isolate remembers that there was none', async () => {
    const [at, elsewhere] = [await isolate(), await isolate()]
    const keyId = await newKey(at)
    const user = await storedUser()
    expect(await elsewhere.ask('Encrypt', { KeyId: keyId, Plaintext }, user)).toMatchObject(denied)
    const { GrantToken } = await grantTo(at, keyId, user)
    expect(await elsewhere.ask('Encrypt', { KeyId: keyId, Plaintext }, user)).toMatchObject(denied)
    const input = { KeyId: keyId, Plaintext, GrantTokens: [GrantToken] }
    expect(await elsewhere.must('Encrypt', input, user)).toHaveProperty('KeyId')
  })

  it('of a revoked grant is refused, by a warm isolate as by a cold one', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    const { GrantId, GrantToken } = await grantTo(at, keyId, user)
    const input = { KeyId: keyId, Plaintext, GrantTokens: [GrantToken] }
    await at.must('Encrypt', input, user)
    await at.must('RevokeGrant', { KeyId: keyId, GrantId })
    expect(await at.ask('Encrypt', input, user)).toMatchObject(invalidToken)
    expect(await (await isolate()).ask('Encrypt', input, user)).toMatchObject(invalidToken)
    expect(await at.ask('DescribeKey', { KeyId: keyId, GrantTokens: [GrantToken] })).toMatchObject(invalidToken)
  })

  it('allows nothing by itself, nor to anybody else', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const { GrantToken } = await grantTo(at, keyId, await storedUser())
    const input = { KeyId: keyId, Plaintext, GrantTokens: [GrantToken] }
    expect(await at.ask('Encrypt', input, await storedUser())).toMatchObject(invalidToken)
  })

  it('that is forged costs no call of an object', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    const { GrantToken } = await grantTo(at, keyId, user)
    await at.must('Encrypt', { KeyId: keyId, Plaintext }, user)
    const before = at.calls
    for (let count = 0; count < 1_000; count++) {
      const bytes = Uint8Array.fromBase64(GrantToken, { alphabet: 'base64url' })
      const bit = count % (bytes.length * 8)
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      const forged = bytes.toBase64({ alphabet: 'base64url', omitPadding: true })
      const input = { KeyId: keyId, Plaintext, GrantTokens: [forged] }
      expect(await at.ask('Encrypt', input, user)).toMatchObject(invalidToken)
    }
    expect(at.calls).toBe(before)
  })
})

describe('the slice of a caller', () => {
  it('is read once, and again when the key has changed or its time is over', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    await grantTo(at, keyId, user)
    await at.must('Encrypt', { KeyId: keyId, Plaintext }, user)
    const before = at.calls
    for (let count = 0; count < 10; count++) await at.must('Encrypt', { KeyId: keyId, Plaintext }, user)
    expect(at.calls).toBe(before)
    await at.must('TagResource', { KeyId: keyId, Tags: [{ TagKey: 'a', TagValue: 'b' }] })
    await at.must('Encrypt', { KeyId: keyId, Plaintext }, user)
    expect(at.calls).toBe(before + 2)
  })

  it('that is empty is remembered, too', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    await at.ask('Encrypt', { KeyId: keyId, Plaintext }, user)
    const before = at.calls
    for (let count = 0; count < 10; count++)
      expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext }, user)).toMatchObject(denied)
    expect(at.calls).toBe(before)
  })

  it('is not even asked for where a policy allows', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser({}, allow('kms:Encrypt'))
    await at.must('Encrypt', { KeyId: keyId, Plaintext }, user)
    const before = at.calls
    await at.must('Encrypt', { KeyId: keyId, Plaintext }, await storedUser({}, allow('kms:Encrypt')))
    expect(at.calls).toBe(before)
  })

  it('of more than 1,000 is left to the object', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    const { GrantId } = await grantTo(at, keyId, user, { Constraints: { EncryptionContextEquals: { number: 'x' } } })
    await copyGrant(keyId, GrantId, 1_100)
    const EncryptionContext = { number: '1050' }
    expect(await at.must('Encrypt', { KeyId: keyId, Plaintext, EncryptionContext }, user)).toHaveProperty('KeyId')
    const other = { KeyId: keyId, Plaintext, EncryptionContext: { number: '2000' } }
    expect(await at.ask('Encrypt', other, user)).toMatchObject(denied)
  })

  it('ends with the snapshot’s seconds elsewhere, and at once with 0', async () => {
    const [at, elsewhere, strict] = [await isolate(), await isolate(), await isolate({ snapshotSeconds: 0 })]
    const keyId = await newKey(at)
    const user = await storedUser()
    const { GrantId } = await grantTo(at, keyId, user)
    const input = { KeyId: keyId, Plaintext }
    const now = Date.now()
    for (const each of [elsewhere, strict]) await each.must('Encrypt', input, user, { wallTime: now })
    await at.must('RevokeGrant', { KeyId: keyId, GrantId })
    expect(await strict.ask('Encrypt', input, user, { wallTime: now })).toMatchObject(denied)
    expect(await elsewhere.must('Encrypt', input, user, { wallTime: now + 1_000 })).toHaveProperty('KeyId')
    expect(await elsewhere.ask('Encrypt', input, user, { wallTime: now + 5_000 })).toMatchObject(denied)
  })
})

describe('retiring', () => {
  it('is for the retiring principal, by token or by id, and not for the grantee', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const [user, retiring] = [await storedUser(), await storedUser()]
    const options = { RetiringPrincipal: retiring.arn }
    const byToken = await grantTo(at, keyId, user, options)
    const byId = await grantTo(at, keyId, user, options)
    expect(await at.ask('RetireGrant', { GrantToken: byToken.GrantToken }, user)).toMatchObject(denied)
    const KeyId = `arn:aws:kms:${region}:${account}:key/${keyId}`
    expect(await at.ask('RetireGrant', { KeyId, GrantId: byId.GrantId }, user)).toMatchObject(denied)
    expect(await at.ask('RevokeGrant', { KeyId, GrantId: byId.GrantId }, retiring)).toMatchObject(denied)
    const { Grants } = await at.must('ListRetirableGrants', { RetiringPrincipal: retiring.arn })
    expect((Grants as { GrantId: string }[]).map(({ GrantId }) => GrantId).sort()).toEqual(
      [byToken.GrantId, byId.GrantId].sort(),
    )
    expect(await at.must('RetireGrant', { GrantToken: byToken.GrantToken }, retiring)).toEqual({})
    expect(await at.must('RetireGrant', { KeyId, GrantId: byId.GrantId }, retiring)).toEqual({})
    expect(await at.must('ListGrants', { KeyId: keyId })).toMatchObject({ Grants: [] })
    expect(await at.must('ListRetirableGrants', { RetiringPrincipal: retiring.arn })).toMatchObject({ Grants: [] })
  })

  it('is for a grantee whose grant says so, and for the root of the key’s account', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const user = await storedUser()
    const first = await grantTo(at, keyId, user, { Operations: ['RetireGrant', 'Decrypt'] })
    const second = await grantTo(at, keyId, user)
    expect(await at.must('RetireGrant', { GrantToken: first.GrantToken }, user)).toEqual({})
    expect(await at.must('RetireGrant', { KeyId: keyId, GrantId: second.GrantId })).toEqual({})
    expect(await at.ask('RetireGrant', { KeyId: keyId, GrantId: second.GrantId })).toMatchObject({
      refused: 'NotFoundException',
    })
  })

  it('across accounts is for whom the grant names', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const foreign = await storedUser({ by: '444455556666' })
    const stranger = await storedUser({ by: '444455556666' })
    const { GrantToken } = await grantTo(at, keyId, await storedUser(), { RetiringPrincipal: foreign.arn })
    expect(await at.ask('RetireGrant', { GrantToken }, stranger)).toMatchObject(denied)
    expect(
      await at.must(
        'ListRetirableGrants',
        { RetiringPrincipal: foreign.arn },
        { ...foreign, ...root, account: '444455556666', id: '444455556666', arn: 'arn:aws:iam::444455556666:root' },
      ),
    ).toMatchObject({ Grants: [{}] })
    expect(await at.must('RetireGrant', { GrantToken }, foreign)).toEqual({})
  })

  it.each([
    ['nothing', {}, 'ValidationException'],
    ['a grant without its key', { GrantId: 'ab'.repeat(32) }, 'ValidationException'],
    ['what is no grant id', { KeyId: 'x', GrantId: 'ab' }, 'InvalidGrantIdException'],
    ['what is no token', { GrantToken: 'ab' }, 'InvalidGrantTokenException'],
  ])('of %s is refused', async (_name, input, refused) => {
    expect(await (await isolate()).ask('RetireGrant', input)).toMatchObject({ refused })
  })
})

describe('lists', () => {
  it('come in pages, and narrowed to a grantee or a grant', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const [user, other] = [await storedUser(), await storedUser()]
    const made: string[] = []
    for (let count = 0; count < 5; count++) made.push((await grantTo(at, keyId, user)).GrantId)
    const { GrantId } = await grantTo(at, keyId, other)
    const seen: string[] = []
    let Marker: unknown
    do {
      const page = await at.must('ListGrants', { KeyId: keyId, Limit: 2, ...(Marker === undefined ? {} : { Marker }) })
      seen.push(...(page.Grants as { GrantId: string }[]).map((grant) => grant.GrantId))
      Marker = page.NextMarker
    } while (Marker !== undefined)
    expect(seen).toEqual([...made, GrantId].sort())
    expect(await at.must('ListGrants', { KeyId: keyId, GranteePrincipal: other.arn })).toMatchObject({
      Grants: [{ GrantId }],
    })
    expect(await at.must('ListGrants', { KeyId: keyId, GrantId })).toMatchObject({ Grants: [{ GrantId }] })
  })

  it('of retirable grants show nothing of other principals, and need the permission', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const [user, retiring] = [await storedUser(), await storedUser()]
    await grantTo(at, keyId, user, { RetiringPrincipal: retiring.arn })
    expect(await at.must('ListRetirableGrants', { RetiringPrincipal: user.arn })).toMatchObject({ Grants: [] })
    expect(await at.ask('ListRetirableGrants', { RetiringPrincipal: retiring.arn }, retiring)).toMatchObject(denied)
    const allowed = await storedUser({}, allow('kms:ListRetirableGrants'))
    expect(await at.must('ListRetirableGrants', { RetiringPrincipal: retiring.arn }, allowed)).toMatchObject({
      Grants: [{ RetiringPrincipal: retiring.arn }],
    })
  })
})

/** The same grant many times, each with its number in the constraint. */
async function copyGrant(keyId: string, grantId: string, times: number): Promise<void> {
  await runInDurableObject(env.KEYS.getByName(`${region}/${keyId}`), (_, { storage }) => {
    const body = storage.sql.exec<{ body: string }>('select body from kms_grant where grant_id = ?', grantId).one().body
    for (let number = 0; number < times; number++) {
      const id = number.toString(16).padStart(64, '0')
      const grant = {
        ...JSON.parse(body),
        grantId: id,
        constraints: { encryptionContextEquals: { number: `${number}` } },
      }
      storage.sql.exec(
        'insert into kms_grant (grant_id, grantee_id, name, operations, body) values (?, ?, null, ?, ?)',
        id,
        grant.granteeId,
        JSON.stringify(grant.operations),
        JSON.stringify(grant),
      )
    }
  })
}

function base64(bytes: unknown): string {
  return (bytes as Uint8Array).toBase64()
}
