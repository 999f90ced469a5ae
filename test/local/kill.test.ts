import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  KeyUnavailableException,
  type KMSClient,
  ListKeysCommand,
  paginateListAliases,
  paginateListKeyRotations,
  paginateListKeys,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { kmsClient, openIndex, type RunningKms, startKms, temporaryState } from '../support/server.ts'

const rounds = process.env.SLOW ? 20 : 2
const chains = 50
const operationsPerChain = 4
const spreadMs = 300
const objectsFolder = 'storage/do/edge-kms-KeyObject'

/** What was promised to the clients of a server that is then killed. */
interface Acknowledged {
  readonly keyIds: Set<string>
  readonly aliases: Map<string, string>
  /** How often each key was rotated. */
  readonly rotations: Map<string, number>
  readonly blobs: { keyId: string; plaintext: string; blob: Uint8Array }[]
}

it(`keeps what it acknowledged through ${rounds} kills`, { timeout: rounds * 60_000 }, async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  console.log(`SEED=${seed}`)
  const random = randomNumbers(seed)
  const state = temporaryState()
  const acknowledged: Acknowledged = { keyIds: new Set(), aliases: new Map(), rotations: new Map(), blobs: [] }
  let kms = await startKms(['--state', state])
  for (let round = 0; round < rounds; round++) {
    const acks = 1 + Math.floor(random() * chains * operationsPerChain * 0.75)
    const delays = Array.from({ length: chains }, () => random() * spreadMs)
    await workUntilKilled(kms, { round, acks, delays }, acknowledged)
    const stored = storedKeyIds(state)
    kms = await startKms(['--state', state])
    const client = busyClient(kms)
    // No object is touched before: its alarm alone tells the index what is left to tell.
    await expect.poll(() => listedKeyIds(client), { timeout: 20_000, interval: 200 }).toEqual(stored)
    await checkAll(client, acknowledged)
  }
  expect(await kms.stop()).toBe(0)
})

interface Campaign {
  readonly round: number
  /** The server is killed after so many answers. */
  readonly acks: number
  /** When each chain of operations begins: together they are of all kinds at any moment. */
  readonly delays: readonly number[]
}

async function workUntilKilled(kms: RunningKms, { round, acks, delays }: Campaign, acknowledged: Acknowledged) {
  const client = busyClient(kms)
  const { keyIds, aliases, rotations, blobs } = acknowledged
  let answers = 0
  let killing: Promise<void> | undefined
  const failures: unknown[] = []
  const acknowledge = () => {
    if (++answers === acks) killing = kms.killTree()
  }
  const chain = async (delay: number, at: number) => {
    await sleep(delay)
    const { KeyMetadata } = await client.send(new CreateKeyCommand({ Description: `${round}/${at}` }))
    const keyId = KeyMetadata?.KeyId ?? ''
    keyIds.add(keyId)
    acknowledge()
    const name = async () => {
      const AliasName = `alias/${round}/${at}`
      await client.send(new CreateAliasCommand({ AliasName, TargetKeyId: keyId }))
      aliases.set(AliasName, keyId)
      acknowledge()
    }
    const rotate = async () => {
      await client.send(new RotateKeyOnDemandCommand({ KeyId: keyId }))
      rotations.set(keyId, (rotations.get(keyId) ?? 0) + 1)
      acknowledge()
    }
    const encrypt = async () => {
      const plaintext = `secret ${round}/${at}`
      const { CiphertextBlob = new Uint8Array() } = await client.send(
        new EncryptCommand({ KeyId: keyId, Plaintext: Buffer.from(plaintext) }),
      )
      blobs.push({ keyId, plaintext, blob: CiphertextBlob })
      acknowledge()
    }
    await allDone([name(), rotate(), encrypt()])
  }
  const results = delays.map((delay, at) =>
    chain(delay, at).catch((failure) => {
      if (killing === undefined) failures.push(failure)
    }),
  )
  await Promise.all(results)
  await killing
  expect(failures).toEqual([])
  expect(answers).toBeGreaterThanOrEqual(acks)
}

/** Like `Promise.all`, but waits for the others where one fails. */
async function allDone(promises: readonly Promise<void>[]) {
  const results = await Promise.allSettled(promises)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

function busyClient({ endpoint }: RunningKms): KMSClient {
  const httpAgent = { maxSockets: 200 }
  return kmsClient(endpoint, { requestHandler: { httpAgent, socketAcquisitionWarningTimeout: 60_000 } })
}

async function checkAll(client: KMSClient, { keyIds, aliases, rotations, blobs }: Acknowledged) {
  const materials = new Map<string, string[]>()
  await Promise.all(
    [...keyIds].map(async (keyId) => {
      expect(await stateOf(client, keyId)).toBe('Enabled')
      const rows = await collect(
        paginateListKeyRotations({ client }, { KeyId: keyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' }),
        ({ Rotations }) => Rotations,
      )
      // A rotation that was cut off may have happened or not.
      expect([rotations.get(keyId) ?? 0, 1]).toContain(rows.length - 1)
      expect(rows.filter(({ KeyMaterialState }) => KeyMaterialState === 'CURRENT')).toHaveLength(1)
      const ids = rows.map(({ KeyMaterialId }) => KeyMaterialId ?? '')
      materials.set(keyId, ids)
    }),
  )
  await Promise.all(
    blobs.map(async ({ keyId, plaintext, blob }) => {
      const { Plaintext, KeyMaterialId } = await client.send(new DecryptCommand({ CiphertextBlob: blob }))
      expect(Buffer.from(Plaintext ?? []).toString()).toBe(plaintext)
      expect(materials.get(keyId)).toContain(KeyMaterialId)
    }),
  )
  await Promise.all([...aliases].map(async ([name, keyId]) => expect(await keyIdOf(client, name)).toBe(keyId)))

  const listed = await listedKeyIds(client)
  expect(keyIds.difference(listed)).toEqual(new Set())
  // Creations that were cut off are listed whole or not at all.
  await Promise.all(
    [...listed].map(async (keyId) => {
      expect(await stateOf(client, keyId)).toBe('Enabled')
      await client.send(new EncryptCommand({ KeyId: keyId, Plaintext: Buffer.from('whole') }))
    }),
  )
  const named = await collect(paginateListAliases({ client, pageSize: 30 }, {}), ({ Aliases }) => Aliases)
  for (const { TargetKeyId } of named) expect(listed).toContain(TargetKeyId)
}

/** Read from a copy of the objects of a killed server: the next one must find what the kill has left. */
function storedKeyIds(state: string): Set<string> {
  const copy = temporaryState()
  cpSync(join(state, objectsFolder), copy, { recursive: true })
  const ids = objectsIn(copy).flatMap((name) => {
    const object = new DatabaseSync(join(copy, name))
    const isKey = object.prepare(`select 1 from sqlite_master where name = 'kms_key'`).get() !== undefined
    const rows = isKey ? object.prepare('select key_id from kms_key').all() : []
    object.close()
    return rows.map((row) => String(row.key_id))
  })
  return new Set(ids)
}

async function listedKeyIds(client: KMSClient): Promise<Set<string>> {
  const keys = await collect(paginateListKeys({ client, pageSize: 30 }, {}), ({ Keys }) => Keys)
  return new Set(keys.map(({ KeyId = '' }) => KeyId))
}

async function collect<Page, Item>(pages: AsyncIterable<Page>, itemsOf: (page: Page) => Item[] | undefined) {
  const items: Item[] = []
  for await (const page of pages) items.push(...(itemsOf(page) ?? []))
  return items
}

async function describeKey(client: KMSClient, keyId: string) {
  return (await client.send(new DescribeKeyCommand({ KeyId: keyId }))).KeyMetadata
}

async function stateOf(client: KMSClient, keyId: string) {
  return (await describeKey(client, keyId))?.KeyState
}

async function keyIdOf(client: KMSClient, name: string) {
  return (await describeKey(client, name))?.KeyId
}

/** mulberry32: the same numbers from 0 to 1 for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

it('tells the index after a kill what it could not tell before', async () => {
  const state = temporaryState()
  let kms = await startKms(['--state', state])
  let client = kmsClient(kms.endpoint)
  const index = openIndex(state)
  // Who has the one lock on writing keeps the server from it.
  index.exec('begin immediate')
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  await kms.killTree()
  expect(index.prepare('select * from keys').all()).toEqual([])
  index.exec('rollback')
  index.close()

  kms = await startKms(['--state', state])
  client = kmsClient(kms.endpoint)
  // The object is not touched: its alarm alone does it.
  await expect
    .poll(() => listedKeyIds(client), { timeout: 20_000, interval: 200 })
    .toEqual(new Set([KeyMetadata?.KeyId]))
  expect(await kms.stop()).toBe(0)
})

it('serves nothing of an old copy of an object until the copy is accepted', async () => {
  const state = temporaryState()
  const objects = join(state, objectsFolder)
  let kms = await startKms(['--state', state])
  let client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const keyId = KeyMetadata?.KeyId ?? ''
  const other = (await client.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? ''
  const encrypt = (id = keyId) => client.send(new EncryptCommand({ KeyId: id, Plaintext: Buffer.from('x') }))
  const { CiphertextBlob } = await encrypt()
  expect(await kms.stop()).toBe(0)
  const copy = temporaryState()
  cpSync(objects, copy, { recursive: true })

  kms = await startKms(['--state', state])
  client = kmsClient(kms.endpoint)
  await client.send(new DisableKeyCommand({ KeyId: keyId }))
  expect(await isRolledBack(kms)).toBe(false)
  expect(await kms.stop()).toBe(0)
  const changed = objectsIn(objects).filter((name) => contentOf(objects, name) !== contentOf(copy, name))
  expect(changed).toHaveLength(1)
  const [object = ''] = changed
  for (const name of filesOf(objects, object)) rmSync(join(objects, name))
  for (const name of filesOf(copy, object)) cpSync(join(copy, name), join(objects, name))

  kms = await startKms(['--state', state])
  client = kmsClient(kms.endpoint)
  await expect(encrypt()).rejects.toThrow(KeyUnavailableException)
  await expect(client.send(new DecryptCommand({ CiphertextBlob }))).rejects.toThrow(KeyUnavailableException)
  await expect(stateOf(client, keyId)).rejects.toThrow(KeyUnavailableException)
  await expect(client.send(new RotateKeyOnDemandCommand({ KeyId: keyId }))).rejects.toThrow(KeyUnavailableException)
  await encrypt(other)
  await expect.poll(() => isRolledBack(kms), { timeout: 10_000, interval: 200 }).toBe(true)
  expect(await kms.stop()).toBe(0)

  const index = openIndex(state)
  const accepted = index.prepare('update keys set is_restore_accepted = 1 where key_id = ?').run(keyId)
  index.close()
  expect(accepted.changes).toBe(1)
  kms = await startKms(['--state', state])
  client = kmsClient(kms.endpoint)
  await encrypt()
  expect(await client.send(new DecryptCommand({ CiphertextBlob }))).toMatchObject({ Plaintext: Uint8Array.of(120) })
  expect(await stateOf(client, keyId)).toBe('Enabled')
  await expect.poll(() => isRolledBack(kms), { timeout: 10_000, interval: 200 }).toBe(false)
  expect((await client.send(new ListKeysCommand({}))).Keys).toHaveLength(2)
  expect(await kms.stop()).toBe(0)
})

async function isRolledBack(kms: RunningKms): Promise<unknown> {
  const readiness = (await (await fetch(`${kms.endpoint}/health/ready`)).json()) as { rolledBack: boolean }
  return readiness.rolledBack
}

function objectsIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => /^[0-9a-f]+\.sqlite$/.test(name))
}

/** The database, its write-ahead log, and the index of that log. */
function filesOf(folder: string, object: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith(object))
}

function contentOf(folder: string, object: string): string {
  const files = filesOf(folder, object).filter((name) => !name.endsWith('-shm'))
  return files.map((name) => readFileSync(join(folder, name), 'latin1')).join('\n')
}
