import type { ImportedVersion, ImportStorage } from './import-storage.ts'
import { type KeyRecord, type MultiRegion, multiRegionKeyType } from './key.ts'
import { stateWithoutMaterial } from './lifecycle.ts'
import type { ReplicaStanding } from './shared-key.ts'
import type { KeyStorage } from './storage.ts'

/** Where a key keeps what it imports, and a primary what it knows of its replicas. */
interface Kept {
  readonly imports: ImportStorage
  readonly storage: KeyStorage
}

/** False: some of the material that is the key's is not here, so that nothing may be done with it. */
export function isWhole(imports: ImportStorage): boolean {
  const own = imports.versions().filter(({ isPending }) => !isPending)
  return own.length > 0 && own.every(({ isPresent }) => isPresent)
}

/** What waits for a rotation and can be rotated to here; null: nothing. */
export function heldPendingId(imports: ImportStorage, time: number): string | null {
  const waiting = imports.versions().find((version) => version.isPending && version.isPresent)
  return waiting === undefined || hasExpired(waiting, time) ? null : waiting.keyMaterialId
}

export function hasExpired({ expiresAt }: ImportedVersion, time: number): boolean {
  return expiresAt !== null && expiresAt <= time
}

/**
 * Of imported material, the record true to what is stored now; any other as it is. What waits for a rotation is not the
 * key's yet, and what is being rotated to is kept past its date, as other Regions rely on it.
 */
export function withMaterials({ imports, storage }: Kept, record: KeyRecord): KeyRecord {
  if (record.origin !== 'EXTERNAL') return record
  const versions = imports.versions()
  const { state, multiRegion, rotating } = record
  const leftovers = versions.filter(
    ({ isPending, keyMaterialId }) => isPending && keyMaterialId !== rotating?.keyMaterialId,
  )
  const stateWithAll = state === 'PendingImport' ? 'Enabled' : state
  return {
    ...record,
    state: isWhole(imports) ? stateWithAll : stateWithoutMaterial(state),
    materialExpiresAt: earliest(versions.flatMap(({ isPending, expiresAt }) => (isPending ? [] : [expiresAt]))),
    leftoverExpiresAt: earliest([imports.firstWrappingKeyExpiry(), ...leftovers.map(({ expiresAt }) => expiresAt)]),
    multiRegion: multiRegion === null ? null : withPending(multiRegion, record, versions, storage.replicas()),
  }
}

/** The primary alone knows, and while it moves nothing that is shared changes. */
function withPending(
  multiRegion: MultiRegion,
  record: KeyRecord,
  versions: readonly ImportedVersion[],
  replicas: readonly ReplicaStanding[],
): MultiRegion {
  if (multiRegionKeyType(record) === 'REPLICA' || multiRegion.movingTo !== null) return multiRegion
  const waiting = versions.find(({ isPending }) => isPending)
  if (waiting === undefined) return { ...multiRegion, pending: null }
  const { keyMaterialId, isPresent } = waiting
  const isInEveryRegion = isPresent && replicas.every((replica) => replica.heldPendingId === keyMaterialId)
  return { ...multiRegion, pending: { keyMaterialId, isInEveryRegion } }
}

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null)
  return known.length === 0 ? null : Math.min(...known)
}
