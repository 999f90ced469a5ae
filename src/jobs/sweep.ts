import type { Database } from '../catalog/database.ts'
import { type DueKey, listDueKeys } from '../catalog/keys.ts'
import { type KeyNamespace, keyObject } from '../key/directory.ts'
import type { Settlement } from '../key/key.ts'
import { type Call, servicePrincipal } from '../model/call.ts'
import { isRefusal } from '../model/errors.ts'

const pageKeys = 100
const atOnce = 16

export interface SweepReport {
  readonly rotated: number
  readonly deleted: number
  /** Keys that refused or could not be reached: the next sweep finds them again. */
  readonly failed: number
}

/**
 * Asks the index which keys are due and each of them to do what is due. The index only finds; the key decides. One
 * bad key stops nothing, and a sweep that is cut short leaves the rest due.
 */
export async function sweep(
  database: Database,
  namespace: KeyNamespace,
  { wallTime, time }: { wallTime: number; time: number },
): Promise<SweepReport> {
  const counts = { rotated: 0, deleted: 0, nothing: 0, failed: 0 }
  let after: DueKey | null = null
  for (;;) {
    const due: DueKey[] = await listDueKeys(database, time, after, pageKeys)
    for (let at = 0; at < due.length; at += atOnce) {
      const settling = due.slice(at, at + atOnce).map((key) => settle(namespace, key, wallTime, time))
      for (const settlement of await Promise.all(settling)) counts[settlement]++
    }
    const last = due.at(-1)
    if (due.length < pageKeys || last === undefined) break
    after = last
  }
  const { rotated, deleted, failed } = counts
  return { rotated, deleted, failed }
}

async function settle(
  namespace: KeyNamespace,
  { account, region, keyId }: DueKey,
  wallTime: number,
  time: number,
): Promise<Settlement | 'failed'> {
  const call: Call = {
    requestId: crypto.randomUUID(),
    principal: servicePrincipal('sweep.edge-kms', account),
    accessKeyId: null,
    region,
    wallTime,
    time,
    sourceIp: null,
    userAgent: null,
    isSecure: true,
    viaService: null,
  }
  try {
    const settlement = await keyObject(namespace, region, keyId).settle(call)
    if (!isRefusal(settlement)) return settlement
    console.warn(
      JSON.stringify({ sweep: `${region}/${keyId}`, refused: settlement.refused, reason: settlement.reason }),
    )
  } catch (failure) {
    console.warn(JSON.stringify({ sweep: `${region}/${keyId}`, failed: String(failure) }))
  }
  return 'failed'
}
