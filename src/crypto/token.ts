import { concat, fromBase64Url, fromUtf8, lengthPrefixed, toBase64Url, utf8 } from '../model/bytes.ts'
import { tokenLifeMs } from '../model/limits.ts'
import type { RootKeys, RootLabel } from './root-keys.ts'

/** What a token is good for. It is refused anywhere else. */
export interface TokenScope {
  readonly label: RootLabel
  /** What its key is derived for. */
  readonly scope: readonly string[]
  /** What is authenticated with it, and not in it. */
  readonly bound: readonly string[]
}

/** What a list marker is good for. */
export interface MarkerScope {
  readonly account: string
  readonly region: string
  /** The operation and all that selects its rows. */
  readonly query: readonly string[]
}

const headBytes = 12
const macBytes = 32

/** A place in a list, as text that nobody else can make. */
export function makeMarker(roots: RootKeys, scope: MarkerScope, place: string, wallTime: number): Promise<string> {
  return sealToken(roots, markerScope(scope), place, wallTime + tokenLifeMs.listMarker)
}

/** Null: not a marker of ours, not for this query, or expired. */
export async function readMarker(roots: RootKeys, scope: MarkerScope, marker: string, wallTime: number) {
  const opened = await openToken(roots, markerScope(scope), marker)
  return opened === null || opened.expiresAt < wallTime ? null : opened.text
}

function markerScope({ account, region, query }: MarkerScope): TokenScope {
  return { label: 'edge-kms/list-marker', scope: [account, region], bound: query }
}

/**
 * Root version u32 ‖ expiry u64 ‖ text ‖ HMAC-SHA-256, in base64url. It is not secret, so the text is readable; nobody
 * else can make it.
 */
export async function sealToken(
  roots: RootKeys,
  { label, scope, bound }: TokenScope,
  text: string,
  expiresAt: number,
): Promise<string> {
  const head = new Uint8Array(headBytes)
  const view = new DataView(head.buffer)
  view.setUint32(0, roots.current)
  view.setBigUint64(4, BigInt(expiresAt))
  const body = concat([head, utf8(text)])
  const key = await roots.macKey(roots.current, label, scope)
  const mac = await crypto.subtle.sign('HMAC', key, authenticated(bound, body))
  return toBase64Url(concat([body, new Uint8Array(mac)]))
}

/** Null: not made by this deployment for this scope. Whether it has expired is for the caller to say. */
export async function openToken(
  roots: RootKeys,
  { label, scope, bound }: TokenScope,
  token: string,
): Promise<{ readonly text: string; readonly expiresAt: number } | null> {
  const bytes = fromBase64Url(token)
  if (bytes === null || bytes.length < headBytes + macBytes) return null
  const view = new DataView(bytes.buffer)
  const rootVersion = view.getUint32(0)
  if (!roots.has(rootVersion)) return null
  const body = bytes.subarray(0, -macBytes)
  const key = await roots.macKey(rootVersion, label, scope)
  const isOurs = await crypto.subtle.verify('HMAC', key, bytes.subarray(-macBytes), authenticated(bound, body))
  const text = isOurs ? fromUtf8(body.subarray(headBytes)) : null
  return text === null ? null : { text, expiresAt: Number(view.getBigUint64(4)) }
}

function authenticated(bound: readonly string[], body: Uint8Array): Uint8Array<ArrayBuffer> {
  return lengthPrefixed([...bound.map(utf8), body])
}
