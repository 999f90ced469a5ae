import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RootKeys } from '../../src/crypto/root-keys.ts'
import { keyObject } from '../../src/key/directory.ts'
import type { KeyCall } from '../../src/key/key.ts'
import { anyRegion } from '../../src/model/call.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { faults, sealing, testClock } from '../support/test-worker.ts'
import {
  account,
  callBy,
  createKey,
  dayMs,
  env,
  indexRow,
  region,
  request,
  succeed,
  sweepCall,
} from '../support/workerd.ts'
import { bring, importInto, newMaterial, wrapped } from './import.ts'

/** What becomes of imports where time passes, where two come at once, and where something fails between. */

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

afterEach(() => {
  sealing.roots = null
  Object.assign(testClock, { wallMs: 0, lifecycleMs: 0 })
  Object.assign(faults, { indexIsDown: false, rootsAreUnproven: false })
  vi.restoreAllMocks()
})

const external = () => createKey(undefined, { origin: 'EXTERNAL' })
const later = (ms: number, options: Partial<KeyCall> = {}) => callBy({ time: Date.now() + ms, ...options })
const refusedOf = (answer: unknown) => (isRefusal(answer) ? answer.refused : null)
type Stub = Awaited<ReturnType<typeof createKey>>['stub']

/** Every row that the object has. */
function dump(stub: Stub) {
  return runInDurableObject(stub, (_, { storage }) =>
    Object.fromEntries(
      ['kms_key', 'material', 'wrapping_key', 'outbox'].map((table) => [
        table,
        storage.sql.exec(`select * from ${table}`).toArray(),
      ]),
    ),
  )
}

async function rowCount(stub: Stub, table: 'material' | 'wrapping_key'): Promise<number> {
  return (await dump(stub))[table]?.length ?? 0
}

describe('material that expires', () => {
  it('is not used from that moment on, swept or not, by whatever isolate holds it', async () => {
    const { keyId, key } = await external()
    const material = newMaterial()
    const at = Date.now() + 5 * dayMs
    await importInto(key, material, { expiresAt: at })
    const { CiphertextBlob } = await succeed('Encrypt', { KeyId: keyId, Plaintext: 'aGVsbG8=' })
    testClock.lifecycleMs = 5 * dayMs - 60_000
    await succeed('Decrypt', { CiphertextBlob })
    testClock.lifecycleMs = 5 * dayMs + 60_000
    const isPending = {
      __type: 'KMSInvalidStateException',
      message: `arn:aws:kms:${region}:${account}:key/${keyId} is pending import.`,
    }
    // Nothing has told this isolate, nor swept the key.
    for (const [operation, input] of [
      ['Decrypt', { CiphertextBlob }],
      ['Encrypt', { KeyId: keyId, Plaintext: 'aGVsbG8=' }],
      ['GenerateDataKey', { KeyId: keyId, KeySpec: 'AES_256' }],
      ['EnableKey', { KeyId: keyId }],
      ['RotateKeyOnDemand', { KeyId: keyId }],
    ] as const) {
      expect((await request(operation, input)).body, operation).toEqual(isPending)
    }
    const { KeyMetadata } = await succeed('DescribeKey', { KeyId: keyId })
    expect(KeyMetadata).toMatchObject({ KeyState: 'PendingImport', Enabled: false })
    expect(KeyMetadata).not.toHaveProperty('ValidTo')
    const { Rotations } = await succeed('ListKeyRotations', { KeyId: keyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' })
    expect(Rotations).toMatchObject([{ ImportState: 'PENDING_IMPORT' }])

    // Brought back before the sweep comes: the sweep finds nothing to erase.
    await importInto(key, material, { expiresAt: at + 10 * dayMs }, later(testClock.lifecycleMs))
    await key.settle(sweepCall({ time: at + dayMs }))
    testClock.lifecycleMs = 6 * dayMs
    expect(await succeed('Decrypt', { CiphertextBlob }, { ...env, KEY_SNAPSHOT_SECONDS: '0' })).toMatchObject({
      Plaintext: 'aGVsbG8=',
    })
  })

  it.each(['swept', 'not swept'])('of several stops the key, and each has to come back (%s)', async (swept) => {
    const { keyId, key } = await external()
    const [first, second] = [newMaterial(), newMaterial()]
    const now = Date.now()
    await importInto(key, first, { expiresAt: now + 3 * dayMs })
    await importInto(key, second, { importType: 'NEW_KEY_MATERIAL', expiresAt: now + 2 * dayMs })
    // What waits for its rotation is not the key's, and does not end its use.
    const validTo = async () =>
      ((await succeed('DescribeKey', { KeyId: keyId })).KeyMetadata as { ValidTo: number }).ValidTo * 1000
    expect(await validTo()).toBe(now + 3 * dayMs)
    await succeed('RotateKeyOnDemand', { KeyId: keyId })
    expect(await validTo()).toBe(now + 2 * dayMs)
    const state = async () =>
      ((await succeed('DescribeKey', { KeyId: keyId })).KeyMetadata as { KeyState: string }).KeyState
    testClock.lifecycleMs = 4 * dayMs
    if (swept === 'swept') {
      // The wrapping keys, and the two materials: whatever is due goes at once.
      expect(await key.settle(sweepCall({ time: now + 4 * dayMs }))).toBe('expired')
      expect(await key.settle(sweepCall({ time: now + 4 * dayMs }))).toBe('nothing')
    }
    expect(await state()).toBe('PendingImport')
    await importInto(key, second, {}, later(4 * dayMs))
    expect(await state()).toBe('PendingImport')
    await importInto(key, first, {}, later(4 * dayMs))
    expect(await state()).toBe('Enabled')
  })

  it('before it is rotated to is gone, and leaves the key as it is', async () => {
    const { key, stub, keyId } = await external()
    await importInto(key, newMaterial())
    const at = Date.now() + 2 * dayMs
    const pending = { importType: 'NEW_KEY_MATERIAL', expiresAt: at } as const
    await importInto(key, newMaterial(), pending)
    expect(refusedOf(await key.rotateOnDemand(callBy({ time: at })))).toBe('KMSInvalidStateException')
    expect(await key.settle(sweepCall({ time: at }))).toBe('expired')
    expect(await rowCount(stub, 'material')).toBe(1)
    expect(await indexRow(keyId)).toMatchObject({ state: 'Enabled', due_at: null })
    // Its place is free for another.
    await importInto(key, newMaterial(), { importType: 'NEW_KEY_MATERIAL' }, callBy({ time: at }))
    expect(isRefusal(await key.rotateOnDemand(callBy({ time: at })))).toBe(false)
  })
})

describe('a wrapping key', () => {
  it('is good for a day, and erased after it', async () => {
    const { key, stub, keyId } = await external()
    const brought = await wrapped(key, newMaterial())
    const { tokenExpiresAt } = brought
    expect(await indexRow(keyId)).toMatchObject({ state: 'PendingImport', due_at: tokenExpiresAt })
    const before = await dump(stub)
    expect(refusedOf(await bring(key, brought, {}, callBy({ time: tokenExpiresAt })))).toBe(
      'ExpiredImportTokenException',
    )
    expect(await dump(stub)).toEqual(before)
    expect(await key.settle(sweepCall({ time: tokenExpiresAt - 1 }))).toBe('nothing')
    expect(await rowCount(stub, 'wrapping_key')).toBe(1)
    expect(await key.settle(sweepCall({ time: tokenExpiresAt }))).toBe('expired')
    expect(await rowCount(stub, 'wrapping_key')).toBe(0)
    expect(await indexRow(keyId)).toMatchObject({ state: 'PendingImport', due_at: null })
    expect(refusedOf(await bring(key, brought, {}, callBy({ time: tokenExpiresAt })))).toBe(
      'ExpiredImportTokenException',
    )
    // A clock that is behind the sweep's knows the token, and not its key.
    expect(refusedOf(await bring(key, brought))).toBe('InvalidImportTokenException')
  })

  it('is sealed to its key, its algorithm, its size and its public half', async () => {
    const { key, stub } = await external()
    const brought = await wrapped(key, newMaterial())
    for (const column of ['algorithm', 'spec', 'public_key', 'wrapping_key_id', 'sealed', 'root_version']) {
      const other = { algorithm: 'RSAES_OAEP_SHA_1', spec: 'RSA_4096', wrapping_key_id: 'x', root_version: 2 }[column]
      const before = await dump(stub)
      await runInDurableObject(stub, (_, { storage }) =>
        storage.sql.exec(`update wrapping_key set ${column} = ?`, other ?? new Uint8Array(300)),
      )
      const answer = await Promise.resolve(bring(key, brought)).catch(() => 'does not open')
      expect(isRefusal(answer) || answer === 'does not open', column).toBe(true)
      await runInDurableObject(stub, (_, { storage }) =>
        storage.sql.exec(`update wrapping_key set ${column} = ?`, before.wrapping_key?.[0]?.[column]),
      )
      expect(await dump(stub)).toEqual(before)
    }
    expect(refusedOf(await bring(key, brought))).toBe(null)
  })

  it('goes with its key', async () => {
    const { key, stub } = await external()
    await wrapped(key, newMaterial())
    faults.indexIsDown = false
    await key.scheduleDeletion(callBy(), 7)
    await key.settle(sweepCall({ time: Date.now() + 8 * dayMs }))
    expect(await key.settle(sweepCall({ time: Date.now() + 8 * dayMs }))).toMatch(/deleted|nothing/)
    const tables = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec(`select name from sqlite_master where name = 'wrapping_key'`).toArray(),
    )
    expect(tables).toEqual([])
  })

  it('is sealed anew with the key, and its import still comes', async () => {
    const { key, stub } = await external()
    const brought = await wrapped(key, newMaterial())
    await importInto(key, newMaterial())
    const roots = await RootKeys.parse(`${env.ROOT_KEYS} 2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=`)
    if (typeof roots === 'string') throw new Error(roots)
    sealing.roots = roots
    const call = sweepCall({ region: anyRegion })
    expect(await key.rootVersions(call)).toMatchObject({ rootVersions: [1] })
    expect(await key.rewrap(call)).toEqual({ rewrapped: 3, left: 0 })
    expect(await key.rootVersions(call)).toMatchObject({ rootVersions: [2] })
    // Material that was erased needs no root key.
    expect(isRefusal(await key.deleteMaterial(callBy(), null))).toBe(false)
    expect(await key.rewrap(call)).toEqual({ rewrapped: 0, left: 0 })
    await evictDurableObject(stub)
    expect(refusedOf(await bring(key, brought))).toBe('IncorrectKeyMaterialException')
  })
})

describe('at once', () => {
  it('two first imports: one is the key’s material', async () => {
    const { key, stub } = await external()
    const brought = await Promise.all([wrapped(key, newMaterial()), wrapped(key, newMaterial())])
    const answers = await Promise.all(brought.map((each) => bring(key, each)))
    expect(answers.map(refusedOf).sort()).toEqual(['IncorrectKeyMaterialException', null].sort())
    expect(await rowCount(stub, 'material')).toBe(1)
  })

  it('the same import twice: once', async () => {
    const { key, stub } = await external()
    const brought = await wrapped(key, newMaterial())
    const answers = await Promise.all([bring(key, brought), bring(key, brought)])
    expect(answers.map(refusedOf)).toEqual([null, null])
    expect(await rowCount(stub, 'material')).toBe(1)
  })

  it('two new materials: one waits', async () => {
    const { key, stub } = await external()
    await importInto(key, newMaterial())
    const brought = await Promise.all([wrapped(key, newMaterial()), wrapped(key, newMaterial())])
    const answers = await Promise.all(brought.map((each) => bring(key, each, { importType: 'NEW_KEY_MATERIAL' })))
    expect(answers.map(refusedOf).sort()).toEqual(['KMSInvalidStateException', null].sort())
    expect(await rowCount(stub, 'material')).toBe(2)
  })

  it.each([
    ['first', ['sweep', 'import']],
    ['last', ['import', 'sweep']],
  ] as const)('an expiry and the import that renews it, the sweep %s', async (_name, order) => {
    const { key, keyId } = await external()
    const material = newMaterial()
    const at = Date.now() + dayMs / 2
    await importInto(key, material, { expiresAt: at })
    const call = callBy({ time: at })
    const brought = await wrapped(key, material, call)
    const work = {
      sweep: () => key.settle(sweepCall({ time: at })),
      import: () => bring(key, brought, {}, call),
    }
    const answers = await Promise.all(order.map((name) => work[name]()))
    expect(answers.map(refusedOf)).toEqual([null, null])
    expect(await key.describe(callBy({ time: at + 1 }), 'DescribeKey')).toMatchObject({
      state: 'Enabled',
      materialExpiresAt: null,
    })
    expect(await indexRow(keyId)).toMatchObject({ state: 'Enabled' })
  })

  it('a deletion of the key and an import: the import is refused or undone by nothing', async () => {
    const { key } = await external()
    const brought = await wrapped(key, newMaterial())
    const [, imported] = await Promise.all([key.scheduleDeletion(callBy(), 7), bring(key, brought)])
    const record = await key.describe(callBy(), 'DescribeKey')
    expect(record).toMatchObject({ state: 'PendingDeletion' })
    if (!isRefusal(imported)) return
    expect(imported.refused).toBe('KMSInvalidStateException')
    expect(record).toMatchObject({ currentMaterialId: null })
  })
})

describe('an import that fails changes nothing', () => {
  it.each([
    ['while the index cannot be compared', { indexIsDown: true }],
    ['while the root keys are unproven', { rootsAreUnproven: true }],
  ])('%s', async (_name, fault) => {
    const { key, stub } = await external()
    const brought = await wrapped(key, newMaterial())
    const before = await dump(stub)
    await evictDurableObject(stub)
    Object.assign(faults, fault)
    expect(refusedOf(await bring(key, brought))).toBe('DependencyTimeoutException')
    expect(await dump(stub)).toEqual(before)
    Object.assign(faults, { indexIsDown: false, rootsAreUnproven: false })
    expect(refusedOf(await bring(key, brought))).toBe(null)
  })

  it('nor does one that only resembles this key’s', async () => {
    const [{ key, stub }, other] = [await external(), await external()]
    const [own, others] = [await wrapped(key, newMaterial()), await wrapped(other.key, newMaterial())]
    const before = await dump(stub)
    expect(refusedOf(await bring(key, others))).toBe('InvalidImportTokenException')
    expect(refusedOf(await bring(key, { ...own, encrypted: others.encrypted }))).toBe('InvalidCiphertextException')
    // The same id in another Region is another key.
    const elsewhere = keyObject(env.KEYS, 'eu-west-1', other.keyId)
    const call = callBy({ region: 'eu-west-1' })
    expect(refusedOf(await bring(elsewhere, others, {}, call))).toBe('NotFoundException')
    expect(await dump(stub)).toEqual(before)
  })
})

it('is on record without what it brought', async () => {
  const { key, keyId } = await external()
  const brought = await wrapped(key, newMaterial())
  const base64 = (bytes: Uint8Array) => bytes.toBase64()
  const ValidTo = Math.floor(Date.now() / 1000) + 3600
  const { KeyMaterialId } = await succeed('ImportKeyMaterial', {
    KeyId: keyId,
    ImportToken: base64(brought.importToken),
    EncryptedKeyMaterial: base64(brought.encrypted),
    ValidTo,
  })
  const { results } = await env.DB.prepare(
    `select body from events join event_resources as place using (sequence)
     where resource_name = ? and name = 'ImportKeyMaterial'`,
  )
    .bind(`arn:aws:kms:${region}:${account}:key/${keyId}`)
    .all<{ body: string }>()
  expect(results.map(({ body }) => JSON.parse(body))).toMatchObject([
    {
      readOnly: false,
      responseElements: { keyMaterialId: KeyMaterialId },
      requestParameters: { keyId, validTo: `${new Date(ValidTo * 1000).toISOString().slice(0, 19)}Z` },
    },
  ])
  const body = results[0]?.body ?? ''
  for (const bytes of [brought.importToken, brought.encrypted]) expect(body).not.toContain(base64(bytes).slice(0, 40))
})
