import {
  DescribeKeyCommand,
  DisableKeyCommand,
  DisableKeyRotationCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  GetKeyRotationStatusCommand,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, newKey, openKms, refusalOf } from '../support/conformance.ts'

/** EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand, ListKeyRotations. */

const kms = await openKms()
const client = kms.client()
const dayMs = 86_400_000

async function statusOf(KeyId: string) {
  const { $metadata: _, ...status } = await client.send(new GetKeyRotationStatusCommand({ KeyId }))
  return status
}

async function rotationsOf(KeyId: string, IncludeKeyMaterial?: 'ALL_KEY_MATERIAL' | 'ROTATIONS_ONLY') {
  const input = IncludeKeyMaterial === undefined ? { KeyId } : { KeyId, IncludeKeyMaterial }
  return (await client.send(new ListKeyRotationsCommand(input))).Rotations ?? []
}

async function currentOf(KeyId: string) {
  return (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.CurrentKeyMaterialId
}

describe('the schedule', () => {
  it('is off at first', async () => {
    const { id } = await newKey(kms)
    expect(await statusOf(id)).toEqual({ KeyId: id, KeyRotationEnabled: false })
  })

  it.each([
    [undefined, 365],
    [90, 90],
    [2560, 2560],
  ])('every %s days', async (asked, days) => {
    const { id } = await newKey(kms)
    const before = Date.now()
    await client.send(new EnableKeyRotationCommand({ KeyId: id, RotationPeriodInDays: asked }))
    const { NextRotationDate, ...status } = await statusOf(id)
    expect(status).toEqual({ KeyId: id, KeyRotationEnabled: true, RotationPeriodInDays: days })
    expect(Math.abs(Number(NextRotationDate) - before - days * dayMs)).toBeLessThan(300_000)
  })

  it('takes another period, and starts again from off', async () => {
    const { id } = await newKey(kms)
    await client.send(new EnableKeyRotationCommand({ KeyId: id, RotationPeriodInDays: 100 }))
    await client.send(new EnableKeyRotationCommand({ KeyId: id, RotationPeriodInDays: 200 }))
    expect(await statusOf(id)).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 200 })
    await client.send(new DisableKeyRotationCommand({ KeyId: id }))
    expect(await statusOf(id)).toEqual({ KeyId: id, KeyRotationEnabled: false })
    await client.send(new EnableKeyRotationCommand({ KeyId: id }))
    expect(await statusOf(id)).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 365 })
  })

  it('may be switched off twice', async () => {
    const { id } = await newKey(kms)
    await client.send(new DisableKeyRotationCommand({ KeyId: id }))
    expect(await statusOf(id)).toEqual({ KeyId: id, KeyRotationEnabled: false })
  })

  it('is the same for a disabled key', async () => {
    const { id } = await newKey(kms)
    await client.send(new EnableKeyRotationCommand({ KeyId: id }))
    const status = await statusOf(id)
    await client.send(new DisableKeyCommand({ KeyId: id }))
    expect(await statusOf(id)).toEqual(status)
    await client.send(new EnableKeyCommand({ KeyId: id }))
    expect(await statusOf(id)).toEqual(status)
  })

  it('is off while the deletion is pending, and back after its cancellation', async () => {
    const { id } = await newKey(kms)
    await client.send(new EnableKeyRotationCommand({ KeyId: id, RotationPeriodInDays: 90 }))
    const status = await statusOf(id)
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    expect(await statusOf(id)).toEqual({ KeyId: id, KeyRotationEnabled: false })
    await kms.ask('CancelKeyDeletion', { KeyId: id })
    expect(await statusOf(id)).toEqual(status)
  })
})

describe('RotateKeyOnDemand', () => {
  it('makes new material, and lists what was', async () => {
    const { id } = await newKey(kms)
    const first = await currentOf(id)
    expect(await rotationsOf(id)).toEqual([])
    expect(await rotationsOf(id, 'ALL_KEY_MATERIAL')).toEqual([
      { KeyId: id, KeyMaterialId: first, KeyMaterialState: 'CURRENT' },
    ])
    expect((await client.send(new RotateKeyOnDemandCommand({ KeyId: id }))).KeyId).toBe(id)
    const second = await currentOf(id)
    expect(second).not.toBe(first)
    const rotation = {
      KeyId: id,
      KeyMaterialId: second,
      KeyMaterialState: 'CURRENT',
      RotationDate: expect.any(Date),
      RotationType: 'ON_DEMAND',
    }
    expect(await rotationsOf(id)).toEqual([rotation])
    expect(await rotationsOf(id, 'ROTATIONS_ONLY')).toEqual([rotation])
    expect(await rotationsOf(id, 'ALL_KEY_MATERIAL')).toEqual([
      { KeyId: id, KeyMaterialId: first, KeyMaterialState: 'NON_CURRENT' },
      rotation,
    ])
  })

  it('does not move the schedule', async () => {
    const { id } = await newKey(kms)
    await client.send(new EnableKeyRotationCommand({ KeyId: id, RotationPeriodInDays: 90 }))
    const status = await statusOf(id)
    await client.send(new RotateKeyOnDemandCommand({ KeyId: id }))
    expect(await statusOf(id)).toEqual(status)
  })

  it('is allowed 25 times, and all that was encrypted stays readable', async () => {
    const { id, arn, blob } = await newKey(kms)
    const rotate = () => client.send(new RotateKeyOnDemandCommand({ KeyId: id }))
    for (let time = 0; time < 25; time++) await rotate()
    const limit = `LimitExceededException: The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: ${arn}`
    expect(await refusalOf(rotate())).toBe(limit)
    expect(await rotationsOf(id)).toHaveLength(25)
    expect((await kms.ask('Decrypt', { CiphertextBlob: blob })).json.Plaintext).toBe('aGVsbG8=')
    // The state is told before the limit.
    await client.send(new DisableKeyCommand({ KeyId: id }))
    expect(await refusalOf(rotate())).toBe(`DisabledException: ${arn} is disabled.`)
  })

  it('never lets more than 25 through at once', async () => {
    const { id } = await newKey(kms)
    const rotate = () => client.send(new RotateKeyOnDemandCommand({ KeyId: id }))
    const made = await Promise.allSettled(Array.from({ length: 28 }, rotate))
    const count = made.filter(({ status }) => status === 'fulfilled').length
    expect(count).toBeLessThanOrEqual(25)
    expect(await rotationsOf(id)).toHaveLength(count)
  })
})

describe('no key', () => {
  const absent = '00000000-0000-4000-8000-000000000000'
  const notFound = `NotFoundException: Key 'arn:aws:kms:${kms.region}:${kms.caller.account}:key/${absent}' does not exist`
  itRefuses(
    kms,
    ['EnableKeyRotation', 'DisableKeyRotation', 'GetKeyRotationStatus', 'RotateKeyOnDemand', 'ListKeyRotations'].map(
      (operation) => ['that is there', operation, { KeyId: absent }, notFound] as const,
    ),
  )
})
