import { withMaterials } from './imported-material.ts'
import type { KeyRecord, Rotating } from './key.ts'
import type { KeyCore } from './key-core.ts'

/** Into the transaction that makes the new material current: every Region that has the key holds it. */
export function finishRotation(core: KeyCore, record: KeyRecord, rotating: Rotating): KeyRecord {
  const { keyMaterialId, type, startedAt, requestId } = rotating
  core.storage.setRotation(keyMaterialId, { at: startedAt, type })
  core.recordService(
    'RotateKey',
    record,
    { time: startedAt, requestId },
    {
      rotationType: type,
      previousKeyMaterialId: record.currentMaterialId,
      currentKeyMaterialId: keyMaterialId,
    },
  )
  return withMaterials(core, { ...record, currentMaterialId: keyMaterialId, rotating: null })
}
