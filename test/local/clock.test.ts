import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
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
import { AwsClient } from 'aws4fetch'
import { describe, expect, it } from 'vitest'
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

describe('the clock of a running server', () => {
  /** Signed by the root of the default credentials. */
  async function moveClock(endpoint: string, body: unknown, secretAccessKey = 'test') {
    const aws = new AwsClient({ accessKeyId: 'test', secretAccessKey, service: 'kms', region: 'us-east-1' })
    const init = { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }
    const response = await fetch(await aws.sign(`${endpoint}/local/clock`, init))
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  it('moves a year in a second, does what falls due, and stays there', async () => {
    const state = temporaryState()
    let kms = await startKms(['--state', state])
    let client = kmsClient(kms.endpoint)
    const { keyId, createdAt } = await newKey(client)
    await client.send(new EnableKeyRotationCommand({ KeyId: keyId }))
    const before = await encrypted(client, keyId, 'before')
    const year = await moveClock(kms.endpoint, { advance: '366d' })
    expect(year).toMatchObject({ status: 200, body: { rotated: 1, deleted: 0, expired: 0, failed: 0 } })
    expect(Date.parse(String(year.body.time))).toBeGreaterThan(createdAt + 366 * dayMs - 1)
    const { Rotations = [] } = await client.send(new ListKeyRotationsCommand({ KeyId: keyId }))
    expect(Rotations).toMatchObject([{ RotationType: 'AUTOMATIC' }])
    // Nothing that this isolate remembers is as old as the time before.
    const after = await encrypted(client, keyId, 'after')
    expect(versionIdIn(after)).not.toBe(versionIdIn(before))
    expect((await decrypted(client, before)).plaintext).toBe('before')
    expect((await decrypted(client, after)).plaintext).toBe('after')

    await client.send(new ScheduleKeyDeletionCommand({ KeyId: keyId, PendingWindowInDays: 7 }))
    expect((await moveClock(kms.endpoint, { advance: '6d' })).body).toMatchObject({ deleted: 0 })
    expect((await moveClock(kms.endpoint, { advance: '24h' })).body).toMatchObject({ deleted: 1 })
    await expect(client.send(new DescribeKeyCommand({ KeyId: keyId }))).rejects.toThrow(NotFoundException)
    await expect(encrypted(client, keyId, 'gone')).rejects.toThrow(NotFoundException)
    expect(await kms.stop()).toBe(0)
    expect(tablesOfObjects(state)).toEqual([])

    kms = await startKms(['--state', state])
    client = kmsClient(kms.endpoint)
    expect((await newKey(client)).createdAt).toBeGreaterThan(createdAt + 373 * dayMs - 1)
    const to = new Date(createdAt + 1000 * dayMs).toISOString()
    const moves = await Promise.all([moveClock(kms.endpoint, { to }), moveClock(kms.endpoint, { advance: '1d' })])
    expect(moves.map(({ status }) => status)).toEqual([200, 200])
    // A date that is over by now.
    expect(await moveClock(kms.endpoint, { to: new Date(createdAt + 900 * dayMs).toISOString() })).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(/^The clock is at \d{4}-\d\d-\d\dT\S+Z and only moves forward\.$/) },
    })
    // Alive after a kill, too.
    await kms.killTree()
    kms = await startKms(['--state', state])
    client = kmsClient(kms.endpoint)
    expect((await newKey(client)).createdAt).toBeGreaterThan(createdAt + 1000 * dayMs - 1)
    expect(await kms.stop()).toBe(0)
  })

  it('says what it takes, and takes nothing from strangers', async () => {
    const kms = await startKms(['--state', 'memory'])
    const distance = /^"advance" takes a distance such as "366d"/
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [{}, /^Give either "advance", .* or "to", /],
      [{ advance: '1d', to: '2099-01-01' }, /^Give either/],
      [[], /^Give either/],
      [{ advance: '-1d' }, distance],
      [{ advance: 'a year' }, distance],
      [{ advance: 366 }, distance],
      [{ to: 'tomorrow' }, /^"to" takes a date such as/],
      [{ to: 1 }, /^"to" takes a date such as/],
      [{ advance: '999999999d' }, /^The clock moves at most 1000 years at once\.$/],
      [{ to: '2020-01-01' }, /only moves forward\.$/],
      ['{', /not JSON/],
    ]
    for (const [body, sentence] of cases) {
      const answer = await moveClock(kms.endpoint, body)
      expect([body, answer.status]).toEqual([body, 400])
      expect(answer.body.message).toMatch(sentence)
    }
    expect(await moveClock(kms.endpoint, { advance: '1d' }, 'wrong')).toMatchObject({ status: 403 })
    const bare = await fetch(`${kms.endpoint}/local/clock`, { method: 'POST', body: '{"advance":"1d"}' })
    expect(await bare.json()).toMatchObject({ __type: 'MissingAuthenticationTokenException' })
    for (const path of ['sweep', 'drain']) {
      const asked = await fetch(`${kms.endpoint}/local/${path}`, {
        method: 'POST',
        headers: { 'x-local-control': 'guessed', authorization: 'AWS4-HMAC-SHA256 Credential=test/x' },
      })
      expect(asked.status).toBe(404)
    }
    expect(Math.abs((await newKey(kmsClient(kms.endpoint))).createdAt - Date.now())).toBeLessThan(60_000)
    expect(await kms.stop()).toBe(0)
  })
})

/** What any key's object in the state has in storage. */
function tablesOfObjects(state: string): string[] {
  const folder = join(state, 'storage/do/edge-kms-KeyObject')
  return readdirSync(folder)
    .filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
    .flatMap((name) => {
      const object = new DatabaseSync(join(folder, name))
      const tables = object.prepare(`select name from sqlite_master where type = 'table'`).all()
      object.close()
      return tables.map((row) => String(row.name)).filter((table) => !table.startsWith('_cf'))
    })
}
