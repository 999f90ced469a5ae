import { isKeyId } from '../model/arn.ts'
import { isRegion } from '../model/regions.ts'

/** A key that may be due: what is due on it, if anything, its object knows. */
export interface NamedKey {
  readonly account: string
  readonly region: string
  readonly keyId: string
}

/** Where a pass of the sweep has come to. */
export interface DuePlace extends NamedKey {
  readonly dueAt: number
}

/** What is on the lifecycle queue: keys to settle, or the rest of a pass behind a place. */
export type LifecycleMessage =
  | { readonly v: 1; readonly keys: readonly NamedKey[] }
  | { readonly v: 1; readonly after: DuePlace }

/** A string is the reason for which it is none. */
export function parseLifecycleMessage(body: unknown): LifecycleMessage | string {
  const { v, keys, after } = (body ?? {}) as Record<string, unknown>
  if (typeof v === 'number' && v > 1) return `version ${v} is newer than this Worker`
  if (v !== 1) return 'it has no version'
  if (Array.isArray(keys) && keys.length > 0 && keys.every(isNamedKey)) return { v, keys }
  if (isNamedKey(after) && Number.isSafeInteger((after as DuePlace).dueAt)) return { v, after: after as DuePlace }
  return 'it names neither keys nor a place'
}

function isNamedKey(value: unknown): value is NamedKey {
  const { account, region, keyId } = (value ?? {}) as Record<string, unknown>
  return (
    typeof account === 'string' &&
    /^\d{12}$/.test(account) &&
    typeof region === 'string' &&
    isRegion(region) &&
    typeof keyId === 'string' &&
    isKeyId(keyId)
  )
}
