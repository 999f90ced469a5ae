import {
  CancelKeyDeletionCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EnableKeyCommand,
  EncryptCommand,
  ListKeysCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, newKey, openKms, refusalOf } from '../support/conformance.ts'

/** ScheduleKeyDeletion and CancelKeyDeletion. What the sweep deletes is in test/workerd. */

const kms = await openKms()
const client = kms.client()
const dayMs = 86_400_000

async function described(KeyId: string) {
  return (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata
}

describe('ScheduleKeyDeletion', () => {
  it.each([
    [undefined, 30],
    [7, 7],
    [30, 30],
  ])('in %s days', async (asked, days) => {
    const { id, arn } = await newKey(kms)
    const before = Date.now()
    const command = new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: asked })
    const { $metadata: _, DeletionDate, ...answer } = await client.send(command)
    expect(answer).toEqual({ KeyId: arn, KeyState: 'PendingDeletion', PendingWindowInDays: days })
    expect(Math.abs(Number(DeletionDate) - before - days * dayMs)).toBeLessThan(300_000)
    expect(await described(id)).toMatchObject({ KeyState: 'PendingDeletion', Enabled: false, DeletionDate })
  })

  it('is seen by the next Encrypt and Decrypt', async () => {
    const { id, arn } = await newKey(kms)
    const encrypt = () => client.send(new EncryptCommand({ KeyId: id, Plaintext: Buffer.from('x') }))
    const { CiphertextBlob } = await encrypt()
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    const refusal = `KMSInvalidStateException: ${arn} is pending deletion.`
    expect(await refusalOf(encrypt())).toBe(refusal)
    expect(await refusalOf(client.send(new DecryptCommand({ CiphertextBlob })))).toBe(refusal)
  })

  it('cannot be repeated to change the date', async () => {
    const { id, arn } = await newKey(kms)
    const { DeletionDate } = await client.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    const again = client.send(new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: 7 }))
    expect(await refusalOf(again)).toBe(`KMSInvalidStateException: ${arn} is pending deletion.`)
    expect((await described(id))?.DeletionDate).toEqual(DeletionDate)
  })

  it('leaves the key in the list', async () => {
    const { id, arn } = await newKey(kms)
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    const { Keys } = await client.send(new ListKeysCommand({ Limit: 1000 }))
    expect(Keys).toContainEqual({ KeyId: id, KeyArn: arn })
  })
})

describe('CancelKeyDeletion', () => {
  it('leaves the key disabled, and ready to be enabled', async () => {
    const { id, arn, blob } = await newKey(kms)
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    expect((await client.send(new CancelKeyDeletionCommand({ KeyId: id }))).KeyId).toBe(arn)
    const metadata = await described(id)
    expect(metadata).toMatchObject({ KeyState: 'Disabled', Enabled: false })
    expect(metadata).not.toHaveProperty('DeletionDate')
    await client.send(new EnableKeyCommand({ KeyId: id }))
    expect((await kms.ask('Decrypt', { CiphertextBlob: blob })).json.Plaintext).toBe('aGVsbG8=')
  })

  it('is refused twice', async () => {
    const { id, arn } = await newKey(kms)
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    await client.send(new CancelKeyDeletionCommand({ KeyId: id }))
    const again = client.send(new CancelKeyDeletionCommand({ KeyId: id }))
    expect(await refusalOf(again)).toBe(`KMSInvalidStateException: ${arn} is not pending deletion.`)
  })

  const absent = '00000000-0000-4000-8000-000000000000'
  const notFound = `NotFoundException: Key 'arn:aws:kms:${kms.region}:${kms.caller.account}:key/${absent}' does not exist`
  itRefuses(kms, [
    ['no key', 'CancelKeyDeletion', { KeyId: absent }, notFound],
    ['no key', 'ScheduleKeyDeletion', { KeyId: absent }, notFound],
    ['no ARN', 'CancelKeyDeletion', { KeyId: 'arn:aws:kms:x' }, /^InvalidArnException: ./],
    ['no ARN', 'ScheduleKeyDeletion', { KeyId: 'arn:aws:kms:x' }, /^InvalidArnException: ./],
  ])
})
