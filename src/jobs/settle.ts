import { type KeyNamespace, keyObject } from '../key/directory.ts'
import { type Call, servicePrincipal } from '../model/call.ts'
import { isRefusal } from '../model/errors.ts'
import type { NamedKey } from './lifecycle-message.ts'

export interface Clock {
  readonly wallTime: number
  readonly time: number
}

export interface SettleReport {
  readonly rotated: number
  readonly deleted: number
  readonly expired: number
  /** Keys on which nothing was due. */
  readonly nothing: number
  /** Keys that refused or could not be reached: they stay due, and the next pass finds them again. */
  readonly failed: number
}

const atOnce = 16
const pauseMsMax = 5_000
/** A key that does not answer holds up its group no longer. */
const answerMs = 30_000
const failuresLogged = 5

/**
 * Asks each key to do what is due. The index only finds; the key decides, and a repetition does nothing. Between groups
 * it pauses `pauses` times as long as a group took: where objects and calls share one thread, calls keep most of it.
 */
export async function settleKeys(
  namespace: KeyNamespace,
  keys: readonly NamedKey[],
  clock: Clock,
  pauses: number,
): Promise<SettleReport> {
  const counts = { rotated: 0, deleted: 0, expired: 0, nothing: 0, failed: 0 }
  const failures: string[] = []
  for (let at = 0; at < keys.length; at += atOnce) {
    const startedAt = Date.now()
    const group = keys.slice(at, at + atOnce)
    const settling = group.map((key) =>
      settle(namespace, key, clock).catch((failure: unknown) => {
        failures.push(`${key.region}/${key.keyId}: ${failure instanceof Error ? failure.message : failure}`)
        return 'failed' as const
      }),
    )
    for (const settlement of await Promise.all(settling)) counts[settlement]++
    if (pauses > 0 && at + atOnce < keys.length)
      await scheduler.wait(Math.min(pauses * (Date.now() - startedAt), pauseMsMax))
  }
  if (failures.length > 0) {
    console.warn(JSON.stringify({ unsettled: failures.length, failures: failures.slice(0, failuresLogged) }))
  }
  return counts
}

export function addReports(one: SettleReport, other: SettleReport): SettleReport {
  return {
    rotated: one.rotated + other.rotated,
    deleted: one.deleted + other.deleted,
    expired: one.expired + other.expired,
    nothing: one.nothing + other.nothing,
    failed: one.failed + other.failed,
  }
}

/** Throws where the key refuses, or does not answer. */
async function settle(namespace: KeyNamespace, { account, region, keyId }: NamedKey, clock: Clock) {
  const call: Call = {
    ...clock,
    requestId: crypto.randomUUID(),
    principal: servicePrincipal('sweep.edge-kms', account),
    accessKeyId: null,
    region,
    sourceIp: null,
    userAgent: null,
    isSecure: true,
    viaService: null,
  }
  const settlement = await inTime(keyObject(namespace, region, keyId).settle(call))
  if (isRefusal(settlement)) throw new Error(`${settlement.refused}: ${settlement.reason}`)
  return settlement
}

async function inTime<Value>(settling: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${answerMs} ms`)), answerMs)
  })
  try {
    return await Promise.race([settling, late])
  } finally {
    if (timer !== undefined) clearTimeout(timer)
  }
}
