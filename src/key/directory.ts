import { grantIdsOf } from '../access/grants.ts'
import { type OpenMaterial, openedMaterial, versionIdOf } from '../crypto/ciphertext.ts'
import { OpenPrivate } from '../crypto/open-private.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import { openMaterial, sealedReader } from '../crypto/seal.ts'
import type { SealedVersion } from '../crypto/version.ts'
import { parseKeyName } from '../model/arn.ts'
import { type Call, servicePrincipal } from '../model/call.ts'
import { Counters } from '../model/counters.ts'
import { isRefusal, type Refusal, timedOut } from '../model/errors.ts'
import { FreshCache } from '../model/fresh-cache.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import { locationHint } from '../model/regions.ts'
import type { GrantSlice, Key, KeyRecord, KeySnapshot } from './key.ts'

/** A key in this isolate, ready to use: its record, and its material opened into keys that cannot be exported. */
export interface OpenKey {
  readonly record: KeyRecord
  /** Null: it has none now, which its state says. */
  readonly current: OpenMaterial | OpenPrivate | null
  /** Older versions that a ciphertext has asked for, by version id. Shared by all who hold this revision. */
  readonly older: Map<string, OpenMaterial>
}

/** The namespace of key objects, as much of it as is needed to call one. */
export interface KeyNamespace {
  getByName(name: string, options?: { locationHint?: DurableObjectLocationHint }): Key
}

const keysHeldMax = 2_000
const olderVersionsMax = 50
/** How many grants of one key an isolate holds for one caller, and how many in all. */
const sliceGrantsMax = 1_000
const grantsHeldMax = 20_000
const directory = servicePrincipal('directory.edge-kms')

/** The keys that this isolate knows: snapshots of a few seconds' age, taken from the objects and opened once. */
export class KeyDirectory {
  readonly #roots: RootKeys
  readonly #counters: Counters
  /** By key: what its object had not told the index when it was last changed through this isolate. */
  readonly #untold = new Map<string, number>()
  readonly #cache: FreshCache<OpenKey>
  readonly #slices: FreshCache<GrantSlice>

  constructor(roots: RootKeys, snapshotSeconds: number, counters = new Counters()) {
    this.#roots = roots
    this.#counters = counters
    this.#cache = new FreshCache<OpenKey>({
      freshMs: snapshotSeconds * 1000,
      staleMs: 0,
      weightMax: keysHeldMax,
      isOlder: (candidate, held) => candidate.record.revision < held.record.revision,
    })
    this.#slices = new FreshCache<GrantSlice>({
      freshMs: snapshotSeconds * 1000,
      staleMs: 0,
      weightMax: grantsHeldMax,
      weigh: ({ grants }) => 1 + grants.length,
      isOlder: (candidate, held) => candidate.revision < held.revision,
    })
  }

  /**
   * The key as it was at most the snapshot's seconds ago, whosever it is; what may be done with it, and who may know of
   * it, is for the caller to decide.
   */
  find(
    namespace: KeyNamespace,
    call: Call,
    keyId: string,
    waitUntil: (promise: Promise<unknown>) => void,
  ): NowOrLater<OpenKey | Refusal> {
    const load = async () => {
      this.#counters.objectCalls++
      const snapshot = await askTwice(() => keyObject(namespace, call.region, keyId).snapshot(byItself(call)))
      return isRefusal(snapshot) ? snapshot : this.#open(snapshot)
    }
    const found = this.#cache.get(`${call.region}/${keyId}`, call.wallTime, load, waitUntil)
    if (found instanceof Promise) this.#counters.snapshotMisses++
    else this.#counters.snapshotHits++
    return found
  }

  get outboxDepth(): number {
    let depth = 0
    for (const entries of this.#untold.values()) depth += entries
    return depth
  }

  /** Milliseconds since what is held of the key was read; null: nothing is. */
  ageOf(arn: string, wallTime: number): number | null {
    const name = parseKeyName(arn)
    return name?.form === 'keyArn' ? this.#cache.age(`${name.region}/${name.keyId}`, wallTime) : null
  }

  /** Of a symmetric key, the material that a ciphertext names; null: this key never had it. */
  material(
    namespace: KeyNamespace,
    call: Call,
    key: OpenKey,
    versionId: string,
  ): NowOrLater<OpenMaterial | Refusal | null> {
    const { current } = key
    const isCurrent = current !== null && versionId === versionIdOf(current.keyMaterialId)
    if (isCurrent && 'material' in current) return current
    return key.older.get(versionId) ?? this.#fetchOlder(namespace, call, key, versionId)
  }

  async #fetchOlder(namespace: KeyNamespace, call: Call, { record, older }: OpenKey, versionId: string) {
    const version = await askTwice(() =>
      keyObject(namespace, call.region, record.keyId).version(byItself(call), versionId),
    )
    if (version === null || isRefusal(version)) return version
    const opened = await this.#openSymmetric(record, version)
    if (older.size >= olderVersionsMax) older.delete(older.keys().next().value as string)
    older.set(versionId, opened)
    return opened
  }

  /**
   * The grants that name this caller, as of at most the snapshot's seconds ago and never older than the key is held.
   * `isAnew`: read now, as a token names a grant that the slice lacks.
   */
  grants(
    namespace: KeyNamespace,
    call: Call,
    { record }: OpenKey,
    waitUntil: (promise: Promise<unknown>) => void,
    isAnew = false,
  ): NowOrLater<GrantSlice | Refusal> {
    const { region, keyId, revision } = record
    const { principal, wallTime } = call
    const name = `${region}/${keyId}/${principal.id}`
    const load = () =>
      askTwice(() =>
        keyObject(namespace, region, keyId).grantsNaming(byItself(call), grantIdsOf(principal), sliceGrantsMax),
      )
    const held = this.#slices.peek(name)
    if (isAnew || (held !== undefined && held.revision < revision)) this.#slices.forget(name)
    return this.#slices.get(name, wallTime, load, waitUntil)
  }

  /** Takes the snapshot that a change made through this isolate has returned. */
  async keep(snapshot: KeySnapshot, wallTime: number): Promise<void> {
    const { region, keyId } = snapshot.record
    this.#cache.keep(`${region}/${keyId}`, await this.#open(snapshot), wallTime)
  }

  /** What is held of any key. */
  forgetAll(): void {
    this.#cache.forgetAll()
    this.#slices.forgetAll()
  }

  async #open({ record, current, untold }: KeySnapshot): Promise<OpenKey> {
    const name = `${record.region}/${record.keyId}`
    if (untold === 0) this.#untold.delete(name)
    else this.#untold.set(name, untold)
    const held = this.#cache.peek(name)
    if (held?.record.revision === record.revision) return held
    if (current === null) return { record, current, older: new Map() }
    const isSameMaterial = held?.current?.keyMaterialId === current.keyMaterialId
    const opened = isSameMaterial ? held.current : await this.#openVersion(record, current)
    return { record, current: opened, older: new Map() }
  }

  #openVersion(record: KeyRecord, version: SealedVersion): NowOrLater<OpenMaterial | OpenPrivate> {
    const { spec } = record
    if (spec === 'SYMMETRIC_DEFAULT') return this.#openSymmetric(record, version)
    const { keyMaterialId, publicKey } = version
    const reader = sealedReader(this.#roots, { ...record, keyMaterialId }, version)
    return new OpenPrivate({ keyMaterialId, spec, publicKey }, reader)
  }

  async #openSymmetric(record: KeyRecord, version: SealedVersion): Promise<OpenMaterial> {
    const { keyMaterialId } = version
    const material = await openMaterial(this.#roots, { ...record, keyMaterialId }, version)
    return openedMaterial(record.keyId, keyMaterialId, material)
  }
}

/** One key's object. Take a new one for each request, and after an error. */
export function keyObject(namespace: KeyNamespace, region: string, keyId: string): Key {
  const hint = locationHint(region)
  return namespace.getByName(`${region}/${keyId}`, hint === null ? {} : { locationHint: hint })
}

/** For what may be repeated: reads, and creations under one id. An object that is overloaded is not asked again. */
export async function askTwice<Value>(
  ask: () => Promise<Value>,
): Promise<Value | Refusal<'DependencyTimeoutException'>> {
  try {
    return await ask()
  } catch (failure) {
    if (!isRetryable(failure)) throw failure
  }
  try {
    return await ask()
  } catch (failure) {
    if (isRetryable(failure)) return timedOut(`the key's object cannot be reached: ${failure}`)
    throw failure
  }
}

export function isRetryable(failure: unknown): boolean {
  const { retryable, overloaded } = failure as { retryable?: boolean; overloaded?: boolean }
  return retryable === true && overloaded !== true
}

/** The call, made by the directory: what it reads is for the isolate, which decides about the caller. */
export function byItself(call: Call): Call {
  return { ...call, principal: directory }
}
