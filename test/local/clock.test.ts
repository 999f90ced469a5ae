import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GetKeyRotationStatusCommand,
  type KMSClient,
  ListAliasesCommand,
  ListKeyRotationsCommand,
  ListKeysCommand,
  NotFoundException,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { failedStart, kmsClient, startKms, temporaryState } from '../support/server.ts'

const dayMs = 86_400_000

async function newKey(client: KMSClient): Promise<{ keyId: string; createdAt: number }> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  return { keyId: KeyMetadata?.KeyId ?? '', createdAt: KeyMetadata?.CreationDate?.getTime() ?? 0 }
}

async function encrypted(client: KMSClient, keyId: string, plaintext: string): Promise<Uint8Array> {
  const input = { KeyId: keyId, Plaintext: Buffer.from(plaintext) }
  return (await client.send(new EncryptCommand(input))).CiphertextBlob ?? new Uint8Array()
}

async function decrypted(client: KMSClient, blob: Uint8Array) {
  const { Plaintext, KeyMaterialId } = await client.send(new DecryptCommand({ CiphertextBlob: blob }))
  return { plaintext: Buffer.from(Plaintext ?? []).toString(), KeyMaterialId }
}

function versionIdIn(blob: Uint8Array): string {
  return Buffer.from(blob.subarray(18, 34)).toString('hex')
}

it('moves a year forward, and what falls due on the way is done', async () => {
  const state = temporaryState()
  let kms = await startKms(['--state', state])
  let client = kmsClient(kms.endpoint)
  const { keyId, createdAt } = await newKey(client)
  await client.send(new EnableKeyRotationCommand({ KeyId: keyId }))
  const before = await encrypted(client, keyId, 'before')
  const doomed = await newKey(client)
  await client.send(new CreateAliasCommand({ AliasName: 'alias/doomed', TargetKeyId: doomed.keyId }))
  await client.send(new ScheduleKeyDeletionCommand({ KeyId: doomed.keyId, PendingWindowInDays: 7 }))
  expect((await client.send(new ListKeysCommand({}))).Keys).toHaveLength(2)
  expect((await client.send(new ListAliasesCommand({}))).Aliases).toHaveLength(1)
  expect(await kms.stop()).toBe(0)

  kms = await startKms(['--state', state, '--clock', '+366d'])
  client = kmsClient(kms.endpoint)
  const { Rotations = [] } = await client.send(
    new ListKeyRotationsCommand({ KeyId: keyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' }),
  )
  const [first, second] = Rotations
  expect(Rotations).toHaveLength(2)
  expect(first).not.toHaveProperty('RotationType')
  expect(second).toMatchObject({ RotationType: 'AUTOMATIC', KeyMaterialState: 'CURRENT' })
  expect(second?.RotationDate?.getTime()).toBeGreaterThan(createdAt + 365 * dayMs)
  const after = await encrypted(client, keyId, 'after')
  expect(await decrypted(client, before)).toEqual({ plaintext: 'before', KeyMaterialId: first?.KeyMaterialId })
  expect(await decrypted(client, after)).toEqual({ plaintext: 'after', KeyMaterialId: second?.KeyMaterialId })
  expect([versionIdIn(before), versionIdIn(after)]).toEqual(Rotations.map((row) => row.KeyMaterialId?.slice(0, 32)))
  expect(versionIdIn(after)).not.toBe(versionIdIn(before))
  // The schedule is kept although the sweep came a day late.
  const { NextRotationDate } = await client.send(new GetKeyRotationStatusCommand({ KeyId: keyId }))
  const next = NextRotationDate?.getTime() ?? 0
  expect(Math.round((next - createdAt) / dayMs)).toBe(730)
  for (const KeyId of [doomed.keyId, 'alias/doomed']) {
    await expect(client.send(new DescribeKeyCommand({ KeyId }))).rejects.toThrow(NotFoundException)
  }
  expect((await client.send(new ListAliasesCommand({}))).Aliases).toEqual([])
  expect((await client.send(new ListKeysCommand({}))).Keys?.map(({ KeyId }) => KeyId)).toEqual([keyId])
  expect(await kms.stop()).toBe(0)

  const earlier = await failedStart(['--state', state, '--clock', '+1d'])
  expect(earlier.stderr).toMatch(/^The clock of this state is at \d{4}-\d\d-\d\dT\S+Z and only moves forward\. .*\.\n$/)
  expect(earlier.code).toBe(1)

  kms = await startKms(['--state', state])
  client = kmsClient(kms.endpoint)
  expect((await newKey(client)).createdAt).toBeGreaterThan(createdAt + 365.9 * dayMs)
  expect((await decrypted(client, before)).plaintext).toBe('before')
  expect(await kms.stop()).toBe(0)
})
