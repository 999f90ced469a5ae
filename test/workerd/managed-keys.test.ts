import { describe, expect, it } from 'vitest'
import { defaultKeyPolicy } from '../../src/access/key-policy.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { ownedKey } from '../../src/operations/managed-keys.ts'
import { allow, type Isolate, isolate, storedUser } from '../support/isolate.ts'
import { account, callBy, indexRow, region } from '../support/workerd.ts'

const Plaintext = 'aGVsbG8='
const denied = { refused: 'AccessDeniedException' }
const KeyId = 'alias/aws/s3'
const throughS3 = { viaService: `s3.${region}.amazonaws.com` }

describe('the key of an integration', () => {
  it('is made when the integration first uses it, once whoever comes first', async () => {
    const isolates = await Promise.all([isolate(), isolate(), isolate()])
    const first = isolates[0] as Isolate
    expect(await first.ask('Encrypt', { KeyId, Plaintext })).toMatchObject({ refused: 'NotFoundException' })
    const used = isolates.map((at) => at.must('Encrypt', { KeyId, Plaintext }, undefined, throughS3))
    const keys = new Set((await Promise.all(used)).map((answer) => answer.KeyId))
    expect(keys.size).toBe(1)
    const { KeyMetadata } = await first.must('DescribeKey', { KeyId })
    expect(KeyMetadata).toMatchObject({ KeyManager: 'AWS', KeyState: 'Enabled', Arn: [...keys][0] })
    const { Aliases } = await first.must('ListAliases', {})
    expect(Aliases).toContainEqual(expect.objectContaining({ AliasName: KeyId }))
  })

  it('comes to be when somebody asks what it is', async () => {
    const at = await isolate()
    const call = { region: 'eu-west-1' }
    expect(await at.must('DescribeKey', { KeyId }, undefined, call)).toHaveProperty('KeyMetadata')
    expect(await at.ask('DescribeKey', { KeyId: 'alias/aws/nothing' })).toMatchObject({ refused: 'NotFoundException' })
  })

  it('is used through the integration alone, by whomever the account lets use that', async () => {
    const at = await isolate()
    const user = await storedUser()
    const { CiphertextBlob } = await at.must('Encrypt', { KeyId, Plaintext }, user, throughS3)
    const input = { CiphertextBlob: (CiphertextBlob as Uint8Array).toBase64() }
    expect(await at.must('Decrypt', input, user, throughS3)).toHaveProperty('Plaintext')
    expect(await at.ask('Decrypt', input, user)).toMatchObject(denied)
    expect(await at.ask('Decrypt', input)).toMatchObject(denied)
    expect(await at.ask('Encrypt', { KeyId, Plaintext }, await storedUser({}, allow('kms:*')))).toMatchObject(denied)
    const elsewhere = { viaService: `s3.eu-west-1.amazonaws.com` }
    expect(await at.ask('Decrypt', input, user, elsewhere)).toMatchObject(denied)
  })

  it('is seen, and managed by nobody', async () => {
    const at = await isolate()
    const { KeyMetadata } = await at.must('DescribeKey', { KeyId })
    const id = (KeyMetadata as { KeyId: string }).KeyId
    expect(await at.must('GetKeyRotationStatus', { KeyId: id })).toMatchObject({
      KeyRotationEnabled: true,
      RotationPeriodInDays: 365,
    })
    expect((await at.must('GetKeyPolicy', { KeyId: id })).Policy).toContain('kms:ViaService')
    for (const [operation, input] of [
      ['DisableKey', {}],
      ['ScheduleKeyDeletion', {}],
      ['PutKeyPolicy', { Policy: defaultKeyPolicy(account), BypassPolicyLockoutSafetyCheck: true }],
      ['TagResource', { Tags: [{ TagKey: 'a', TagValue: 'b' }] }],
      ['UpdateKeyDescription', { Description: 'mine' }],
      ['DisableKeyRotation', {}],
      ['RotateKeyOnDemand', {}],
      ['CreateGrant', { GranteePrincipal: account, Operations: ['Decrypt'] }],
    ] as const) {
      expect(await at.ask(operation, { KeyId: id, ...input }), operation).toMatchObject(denied)
    }
    const theirs = { refused: 'NotAuthorizedException' }
    expect(await at.ask('DeleteAlias', { AliasName: KeyId })).toMatchObject(theirs)
    expect(await at.ask('UpdateAlias', { AliasName: KeyId, TargetKeyId: id })).toMatchObject(theirs)
  })
})

describe('a key of the deployment’s own', () => {
  it('is there once, and for no account', async () => {
    const at = await isolate()
    const made = await ownedKey('test', callBy(), at.services)
    if (isRefusal(made)) throw new Error(made.reason)
    const { keyId } = made.record
    expect(await ownedKey('test', callBy(), at.services)).toMatchObject({ record: { keyId } })
    expect(await indexRow(keyId)).toMatchObject({ account: 'edge-kms' })
    const absent = { refused: 'NotFoundException' }
    for (const operation of ['DescribeKey', 'GetKeyPolicy', 'DisableKey', 'ScheduleKeyDeletion', 'ListGrants']) {
      expect(await at.ask(operation, { KeyId: keyId }), operation).toMatchObject(absent)
    }
    expect(await at.ask('Encrypt', { KeyId: keyId, Plaintext })).toMatchObject(absent)
    const { Keys } = await at.must('ListKeys', { Limit: 1000 })
    expect(JSON.stringify(Keys)).not.toContain(keyId)
  })
})
