import { concat, fromUtf8, lengthPrefixed, utf8 } from '../model/bytes.ts'
import type { RootKeys } from './root-keys.ts'

/** What a list marker is good for. It is refused anywhere else. */
export interface MarkerScope {
  readonly account: string
  readonly region: string
  /** The operation and all that selects its rows. */
  readonly query: readonly string[]
}

const markerLifeMs = 24 * 60 * 60 * 1000
const headBytes = 12
const macBytes = 32

/**
 * A place in a list as text that nobody else can make: root version u32 ‖ expiry u64 ‖ place ‖ HMAC-SHA-256, base64url.
 * It is not secret, so the place is readable.
 */
export async function makeMarker(roots: RootKeys, scope: MarkerScope, place: string, wallTime: number) {
  const head = new Uint8Array(headBytes)
  const view = new DataView(head.buffer)
  view.setUint32(0, roots.current)
  view.setBigUint64(4, BigInt(wallTime + markerLifeMs))
  const body = concat([head, utf8(place)])
  const mac = await crypto.subtle.sign('HMAC', await markerKey(roots, roots.current, scope), bound(scope, body))
  return toBase64Url(concat([body, new Uint8Array(mac)]))
}

/** Null: not a marker of ours, not for this query, or expired. */
export async function readMarker(roots: RootKeys, scope: MarkerScope, marker: string, wallTime: number) {
  const bytes = fromBase64Url(marker)
  if (bytes === null || bytes.length < headBytes + macBytes) return null
  const view = new DataView(bytes.buffer)
  const rootVersion = view.getUint32(0)
  if (!roots.has(rootVersion) || view.getBigUint64(4) < BigInt(wallTime)) return null
  const body = bytes.subarray(0, -macBytes)
  const key = await markerKey(roots, rootVersion, scope)
  const isOurs = await crypto.subtle.verify('HMAC', key, bytes.subarray(-macBytes), bound(scope, body))
  return isOurs ? fromUtf8(body.subarray(headBytes)) : null
}

function markerKey(roots: RootKeys, version: number, { account, region }: MarkerScope) {
  return roots.macKey(version, 'edge-kms/list-marker', [account, region])
}

function bound({ query }: MarkerScope, body: Uint8Array): Uint8Array<ArrayBuffer> {
  return lengthPrefixed([...query.map(utf8), body])
}

function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true })
}

/** Null for anything but what `toBase64Url` writes. */
function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: 'base64url' })
    return toBase64Url(bytes) === text ? bytes : null
  } catch {
    return null
  }
}
