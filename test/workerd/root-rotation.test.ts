import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RootKeys } from '../../src/crypto/root-keys.ts'
import { keyObject } from '../../src/key/directory.ts'
import type { Key, KeyCall } from '../../src/key/key.ts'
import { anyRegion } from '../../src/model/call.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { faults, sealing } from '../support/test-worker.ts'
import { callBy, createKey, dayMs, env, indexRow, region, succeed, sweepCall } from '../support/workerd.ts'

const first = env.ROOT_KEYS as string
const second = '2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8='
const newRoots = (await RootKeys.parse(`${first} ${second}`)) as RootKeys
/** A deployment that has both, and one from which the old version was taken: each its own isolate. */
// Without records of what is read, which a test would wait for.
const withBoth = () => ({ ...env, AUDIT: 'off', ROOT_KEYS: `${first} ${second}` })
const withNew = () => ({ ...env, AUDIT: 'off', ROOT_KEYS: second })

beforeEach(() => {
  sealing.roots = newRoots
})

afterEach(() => {
  sealing.roots = null
  Object.assign(faults, { indexIsDown: false, rootsAreUnproven: false })
  vi.restoreAllMocks()
})

const call = (options: Partial<KeyCall> = {}) => sweepCall({ region: anyRegion, ...options })

interface Sealed {
  readonly keyId: string
  readonly key: Key
  readonly stub: Awaited<ReturnType<typeof createKey>>['stub']
  readonly plaintexts: Map<string, string>
}

/** A key of so many versions under the old root key, with a ciphertext under each. */
async function sealedUnderOld(versions: number): Promise<Sealed> {
  sealing.roots = null
  const { keyId, key, stub } = await createKey()
  const plaintexts = new Map<string, string>()
  const fresh = { ...env, AUDIT: 'off', KEY_SNAPSHOT_SECONDS: '0' }
  for (let version = 0; version < versions; version++) {
    if (version > 0) expect(isRefusal(await key.rotateOnDemand(callBy()))).toBe(false)
    const Plaintext = btoa(`${keyId} ${version}`)
    const { CiphertextBlob } = await succeed('Encrypt', { KeyId: keyId, Plaintext }, fresh)
    plaintexts.set(CiphertextBlob as string, Plaintext)
  }
  sealing.roots = newRoots
  return { keyId, key, stub, plaintexts }
}

async function expectOpen({ plaintexts }: Sealed, overEnv: typeof env) {
  for (const [CiphertextBlob, Plaintext] of plaintexts) {
    expect(await succeed('Decrypt', { CiphertextBlob }, overEnv)).toMatchObject({ Plaintext })
  }
}

/** The root version of each row of material, in the order they were made. */
function rootVersions({ stub }: Pick<Sealed, 'stub'>): Promise<number[]> {
  return runInDurableObject(stub, (_, { storage }) =>
    storage.sql
      .exec('select root_version from material order by sequence')
      .toArray()
      .map((row) => row.root_version as number),
  )
}

async function revisionOf({ key }: Pick<Sealed, 'key'>): Promise<number> {
  const snapshot = await key.snapshot(sweepCall())
  if (isRefusal(snapshot)) throw new Error(snapshot.reason)
  return snapshot.record.revision
}

/** The new root keys, with something that happens whenever the n-th wrapping key is asked for. */
function watchedRoots(before: (asked: number) => unknown): RootKeys {
  let asked = 0
  return {
    current: newRoots.current,
    has: (version: number) => newRoots.has(version),
    versions: () => newRoots.versions(),
    async wrappingKey(...args: Parameters<RootKeys['wrappingKey']>) {
      await before(++asked)
      return newRoots.wrappingKey(...args)
    },
  } as unknown as RootKeys
}

describe('a key', () => {
  it('is sealed anew with all its versions, and opens its ciphertexts before, between and after', async () => {
    const sealed = await sealedUnderOld(26)
    const { keyId, key } = sealed
    const before = await revisionOf(sealed)
    const both = withBoth()
    await expectOpen(sealed, both)
    expect(await key.rewrap(call())).toEqual({ rewrapped: 25, left: 1 })
    expect((await rootVersions(sealed)).filter((version) => version === 1)).toHaveLength(1)
    await expectOpen(sealed, both)
    await expectOpen(sealed, withBoth())
    expect(await key.rootVersions(call())).toEqual({ name: `us-east-1/${keyId}`, rootVersions: [1, 2] })
    expect(await key.rewrap(call())).toEqual({ rewrapped: 1, left: 0 })
    expect(await key.rootVersions(call())).toMatchObject({ rootVersions: [2] })
    await expectOpen(sealed, both)
    await expectOpen(sealed, withNew())
    expect(await revisionOf(sealed)).toBe(before + 2)
    expect(await indexRow(keyId)).toMatchObject({ revision: before + 2 })
  })

  it('is left alone the second time', async () => {
    const sealed = await sealedUnderOld(2)
    expect(await sealed.key.rewrap(call())).toEqual({ rewrapped: 2, left: 0 })
    const revision = await revisionOf(sealed)
    expect(await sealed.key.rewrap(call())).toEqual({ rewrapped: 0, left: 0 })
    expect(await revisionOf(sealed)).toBe(revision)
  })

  it('is sealed anew once by many at once', async () => {
    const sealed = await sealedUnderOld(3)
    const revision = await revisionOf(sealed)
    const steps = await Promise.all(Array.from({ length: 6 }, () => sealed.key.rewrap(call())))
    expect(steps.reduce((sum, step) => sum + (isRefusal(step) ? Number.NaN : step.rewrapped), 0)).toBe(3)
    expect(await revisionOf(sealed)).toBe(revision + 1)
    await expectOpen(sealed, withNew())
  })

  it('may be rotated meanwhile', async () => {
    const sealed = await sealedUnderOld(2)
    const { key, keyId } = sealed
    let isRotated = false
    sealing.roots = watchedRoots(async () => {
      if (isRotated) return
      isRotated = true
      await keyObject(env.KEYS, region, keyId).rotateOnDemand(callBy())
    })
    expect(await key.rewrap(call())).toEqual({ rewrapped: 2, left: 0 })
    expect(await rootVersions(sealed)).toEqual([2, 2, 2])
    const rotations = await key.rotations(callBy(), { after: 0, limit: 10, isWithFirst: true })
    expect(rotations).toMatchObject([{ isCurrent: false }, { isCurrent: false }, { isCurrent: true }])
    await expectOpen(sealed, withNew())
  })

  it('may be changed and deleted meanwhile, and then stays as it was made', async () => {
    const sealed = await sealedUnderOld(2)
    const { key, keyId } = sealed
    const at = callBy()
    await key.scheduleDeletion(at, 7)
    sealing.roots = watchedRoots((asked) => {
      if (asked !== 3) return null
      return keyObject(env.KEYS, region, keyId).settle(sweepCall({ time: at.time + 8 * dayMs }))
    })
    expect(await key.rewrap(call())).toEqual({ rewrapped: 0, left: 0 })
    expect(await key.rewrap(call())).toMatchObject({ refused: 'NotFoundException' })
    expect(await key.rootVersions(call())).toMatchObject({ refused: 'NotFoundException' })
    expect((await indexRow(keyId))?.deleted_at).not.toBeNull()
  })

  it('waits for the index after a start, and for proven root keys', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const sealed = await sealedUnderOld(2)
    await evictDurableObject(sealed.stub)
    faults.indexIsDown = true
    expect(await sealed.key.rewrap(call())).toMatchObject({ refused: 'DependencyTimeoutException' })
    faults.indexIsDown = false
    faults.rootsAreUnproven = true
    expect(await sealed.key.rewrap(call())).toMatchObject({ refused: 'DependencyTimeoutException' })
    expect(await rootVersions(sealed)).toEqual([1, 1])
  })

  it('keeps what does not open, seals the rest, and says so', async () => {
    const sealed = await sealedUnderOld(3)
    await runInDurableObject(sealed.stub, (_, { storage }) => {
      storage.sql.exec(`update material set sealed = zeroblob(60) where sequence = 2`)
    })
    const refusal = await sealed.key.rewrap(call())
    expect(refusal).toMatchObject({ refused: 'KMSInternalException', message: null })
    expect(isRefusal(refusal) && refusal.reason).toMatch(
      /^material [0-9a-f]{64} does not open under root key version 1$/,
    )
    expect(await rootVersions(sealed)).toEqual([2, 1, 2])
  })

  it('loses nothing wherever it is cut short', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const both = withBoth()
    // Two wrapping keys for each of three versions.
    for (let step = 1; step <= 6; step++) {
      const sealed = await sealedUnderOld(3)
      const { key } = sealed
      sealing.roots = watchedRoots((asked) => {
        if (asked >= step) throw new Error('cut short')
      })
      expect(await key.rewrap(call())).toMatchObject({ refused: 'KMSInternalException' })
      await expectOpen(sealed, both)
      sealing.roots = newRoots
      await key.rewrap(call())
      expect(await rootVersions(sealed)).toEqual([2, 2, 2])
      await expectOpen(sealed, withNew())
    }
  })

  it('tells the index later where that could not be told', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const sealed = await sealedUnderOld(2)
    const { key, keyId, stub } = sealed
    await key.snapshot(sweepCall())
    faults.indexIsDown = true
    expect(await key.rewrap(call())).toEqual({ rewrapped: 2, left: 0 })
    await evictDurableObject(stub)
    faults.indexIsDown = false
    await runDurableObjectAlarm(stub)
    expect((await indexRow(keyId))?.revision).toBe(await revisionOf(sealed))
    await expectOpen(sealed, withNew())
  })
})
