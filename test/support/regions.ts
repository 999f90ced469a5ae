import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { expect } from 'vitest'
import { defaultKeyPolicy } from '../../src/access/key-policy.ts'
import { decrypt, encrypt, openedMaterial, parseHeader } from '../../src/crypto/ciphertext.ts'
import { newKeyId } from '../../src/crypto/random.ts'
import { RootKeys } from '../../src/crypto/root-keys.ts'
import { openMaterial } from '../../src/crypto/seal.ts'
import type { SealedVersion } from '../../src/crypto/version.ts'
import { keyObject } from '../../src/key/directory.ts'
import type { KeyRecord, KeyRotation, KeySnapshot, NewKey, NewMaterial } from '../../src/key/key.ts'
import { utf8 } from '../../src/model/bytes.ts'
import { isRefusal, type Refusal } from '../../src/model/errors.ts'
import { bring, newMaterial, wrapped } from '../workerd/import.ts'
import { account, callBy, env, newKey, sweepCall } from './workerd.ts'

/** One multi-Region key in the Regions of a test, all that was ever encrypted under it, and what has to hold of it. */

export const regions = ['us-east-1', 'eu-west-1', 'ap-southeast-2'] as const
export type Region = (typeof regions)[number]

const parsed = await RootKeys.parse(env.ROOT_KEYS)
if (typeof parsed === 'string') throw new Error(parsed)
const roots = parsed
const plaintext = utf8('in every Region that has the key')

interface Held {
  readonly region: Region
  readonly snapshot: KeySnapshot
}

export class World {
  readonly keyId: string
  /** Lifecycle time, which tests move. */
  time = Date.now()
  /** Of a key whose material is imported: all that was brought, the first first. */
  readonly materials = [newMaterial(), newMaterial()] as const
  readonly #ciphertexts: { readonly blob: Uint8Array<ArrayBuffer>; readonly region: Region }[] = []

  private constructor(keyId: string) {
    this.keyId = keyId
  }

  /** With its primary in the first Region. */
  static async create(options: Partial<NewKey> = {}): Promise<World> {
    const world = new World(newKeyId(true))
    await world.must(
      world.key('us-east-1').create(world.call('us-east-1'), {
        ...newKey(world.keyId),
        isMultiRegion: true,
        ...options,
      }),
    )
    return world
  }

  /** As `create`, and what it has was imported. */
  static async imported(): Promise<World> {
    const world = await World.create({ origin: 'EXTERNAL' })
    await world.must(world.import('us-east-1', world.materials[0]))
    return world
  }

  async import(region: string, material: Uint8Array<ArrayBuffer>, how: Partial<NewMaterial> = {}) {
    const [key, call] = [this.key(region), this.call(region)]
    return bring(key, await wrapped(key, material, call), how, call)
  }

  delete(region: string, keyMaterialId: string | null) {
    return this.key(region).deleteMaterial(this.call(region), keyMaterialId)
  }

  /** What ListKeyRotations knows. */
  async rotations(region: string): Promise<KeyRotation[]> {
    const page = { after: 0, limit: 100, isWithFirst: true }
    return this.must(this.key(region).rotations(this.call(region), page))
  }

  /** What waits for a rotation there; null: nothing does. */
  async pending(region: string): Promise<KeyRotation | null> {
    return (await this.rotations(region)).find(({ isPending }) => isPending) ?? null
  }

  key(region: string) {
    return keyObject(env.KEYS, region, this.keyId)
  }

  stub(region: string) {
    return env.KEYS.getByName(`${region}/${this.keyId}`)
  }

  call(region: string) {
    return callBy({ region, time: this.time })
  }

  sweep(region: string) {
    return this.key(region).settle(sweepCall({ region, time: this.time }))
  }

  replicate(from: string, region: string) {
    const own = { policy: defaultKeyPolicy(account), policyPrincipalIds: {}, description: region, tags: [] }
    return this.key(from).replicate(this.call(from), { ...own, region, isLockoutChecked: true })
  }

  move(from: string, region: string) {
    return this.key(from).updatePrimaryRegion(this.call(from), this.call(region))
  }

  async must<Value>(doing: Promise<Value | Refusal>): Promise<Value> {
    const done = await doing
    if (isRefusal(done)) throw new Error(`${done.refused}: ${done.reason}`)
    return done
  }

  /** Null: the Region has no such key. */
  async record(region: string): Promise<KeyRecord | null> {
    const snapshot = await this.#snapshot(region as Region)
    return snapshot?.record ?? null
  }

  /** Under what is current in each Region that has the key with all of its material, whatever its state. */
  async encrypt(): Promise<void> {
    for (const { region, snapshot } of await this.held()) {
      const { current } = snapshot
      if (!(await this.#isWhole(region))) continue
      if (current === null) throw new Error(`${region} has no current material`)
      const opened = await this.#open(region, snapshot.record, current)
      this.#ciphertexts.push({ blob: await encrypt(opened, plaintext, { region }), region })
    }
  }

  async held(): Promise<Held[]> {
    const snapshots = await Promise.all(
      regions.map(async (region) => ({ region, snapshot: await this.#snapshot(region) })),
    )
    return snapshots.filter((held): held is Held => held.snapshot !== null)
  }

  /**
   * At any moment: every ciphertext opens in every Region that has the key, but where imported material is missing by that
   * Region's own doing and says so, and in none that has not; what one Region encrypts with all of them hold, and there are
   * no two primaries.
   */
  async check(): Promise<void> {
    await this.encrypt()
    // What goes on meanwhile may change what the answers are compared with.
    for (let before = await this.held(); ; ) {
      const checking = await this.#checkOnce(before).then(
        () => null,
        (failure: unknown) => ({ failure }),
      )
      if (checking === null) return
      const after = await this.held()
      if (isSame(before, after)) throw checking.failure
      before = after
    }
  }

  async #checkOnce(held: readonly Held[]): Promise<void> {
    const versionIds = new Set(this.#ciphertexts.map(({ blob }) => parseHeader(blob)?.versionId ?? ''))
    for (const region of regions) {
      const here = held.find((holder) => holder.region === region)
      if (here !== undefined && !(await this.#isWhole(region))) {
        expect(['PendingImport', 'PendingDeletion', 'PendingReplicaDeletion']).toContain(here.snapshot.record.state)
        continue
      }
      for (const versionId of versionIds) {
        const version = await this.key(region).version(sweepCall({ region }), versionId)
        if (here === undefined) {
          expect(isRefusal(version) && version.refused, `${region} has no key`).toBe('NotFoundException')
          continue
        }
        if (version === null || isRefusal(version)) throw new Error(`${region} lacks ${versionId}`)
        const opened = await this.#open(region, here.snapshot.record, version)
        const blobs = this.#ciphertexts.filter(({ blob }) => parseHeader(blob)?.versionId === versionId)
        for (const { blob, region: madeIn } of blobs) {
          expect(await decrypt(opened, blob, { region: madeIn }), `${region} opens ${versionId}`).toEqual(plaintext)
        }
      }
    }
    const primaries = held.filter(
      ({ region, snapshot: { record } }) =>
        record.multiRegion?.primaryRegion === region && record.multiRegion.movingTo === null,
    )
    expect(primaries.length, 'primaries').toBeLessThanOrEqual(1)
  }

  /** Lets every alarm do what is left, until none has anything. */
  async settle(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      let ran = false
      for (const region of regions) ran = (await runDurableObjectAlarm(this.stub(region))) || ran
      if (!ran) return
    }
    throw new Error('the Regions do not come to rest')
  }

  /** After everything has come to rest, the Regions are one. */
  async checkSettled(): Promise<void> {
    await this.settle()
    await this.check()
    const held = await this.held()
    if (held.length === 0) return
    const primaries = held.filter(({ region, snapshot }) => snapshot.record.multiRegion?.primaryRegion === region)
    expect(primaries).toHaveLength(1)
    const primary = primaries[0] as Held
    const replicaRegions = held
      .map(({ region }) => region)
      .filter((region) => region !== primary.region)
      .sort()
    const isShared = primary.snapshot.record.origin === 'AWS_KMS'
    const sharedRotations = async (region: string) =>
      (await this.rotations(region)).map(({ sequence: _, isPresent, expiresAt, description, ...rotation }) => ({
        ...rotation,
        // Of imported material each Region's own.
        ...(isShared ? { isPresent, expiresAt, description } : null),
      }))
    const rotations = await sharedRotations(primary.region)
    const pending = await Promise.all(held.map(({ region }) => this.pending(region)))
    const [waiting] = pending
    expect(primary.snapshot.record.multiRegion?.pending).toEqual(
      waiting == null
        ? null
        : {
            keyMaterialId: waiting.keyMaterialId,
            isInEveryRegion: pending.every((material) => material?.isPresent === true),
          },
    )
    for (const { region, snapshot } of held) {
      const { record } = snapshot
      const { rotation, onDemandRotations, currentMaterialId, multiRegion } = primary.snapshot.record
      expect(record, region).toMatchObject({ rotation, onDemandRotations, currentMaterialId, rotating: null })
      expect(record.multiRegion, region).toEqual({ ...multiRegion, replicaRegions, movingTo: null })
      expect(['Creating', 'Updating'], region).not.toContain(record.state)
      expect(await sharedRotations(region), region).toEqual(rotations)
      const left = await runInDurableObject(this.stub(region), (_, { storage }) =>
        storage.sql.exec('select kind from outbox').toArray(),
      )
      expect(left, region).toEqual([])
    }
    if (replicaRegions.length === 0) expect(primary.snapshot.record.state).not.toBe('PendingReplicaDeletion')
  }

  /** The objects start anew: nothing is left of what they had in memory. */
  async kill(): Promise<void> {
    await Promise.all(regions.map((region) => evictDurableObject(this.stub(region))))
  }

  async #isWhole(region: string): Promise<boolean> {
    return (await this.rotations(region)).every(({ isPending, isPresent }) => isPending || isPresent)
  }

  async #snapshot(region: Region): Promise<KeySnapshot | null> {
    const snapshot = await this.key(region).snapshot(sweepCall({ region }))
    if (!isRefusal(snapshot)) return snapshot
    if (snapshot.refused === 'NotFoundException') return null
    throw new Error(snapshot.reason)
  }

  async #open(region: string, record: KeyRecord, version: SealedVersion) {
    return openedMaterial(record.keyId, version.keyMaterialId, await openAs(region, record, version))
  }
}

/** Throws where it was not sealed for the key's ARN in that Region. */
export function openAs(region: string, record: KeyRecord, version: SealedVersion): Promise<CryptoKey> {
  return openMaterial(roots, { ...record, region, keyMaterialId: version.keyMaterialId }, version)
}

function isSame(before: readonly Held[], after: readonly Held[]): boolean {
  const revisions = (held: readonly Held[]) =>
    held.map(({ region, snapshot }) => `${region} ${snapshot.record.revision}`).join()
  return revisions(before) === revisions(after)
}
