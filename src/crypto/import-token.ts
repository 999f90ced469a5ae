import { fromBase64Url, toBase64Url, toHex } from '../model/bytes.ts'
import { tokenLifeMs } from '../model/limits.ts'
import type { RootKeys } from './root-keys.ts'
import { openToken, sealToken, type TokenScope } from './token.ts'
import type { WrappingKeyIdentity } from './wrapping-key.ts'

/** When a token made now expires, and its wrapping key with it. Lifecycle time. */
export function importTokenExpiry(time: number): number {
  return time + tokenLifeMs.importToken
}

/** Names a wrapping key and everything that it was made for. Nobody else can make it, and it opens nothing by itself. */
export async function makeImportToken(
  roots: RootKeys,
  wrappingKey: WrappingKeyIdentity,
  expiresAt: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const text = await sealToken(roots, scopeOf(wrappingKey), await contentOf(wrappingKey), expiresAt)
  return fromBase64Url(text) as Uint8Array<ArrayBuffer>
}

/** The wrapping key that a token names; null: not a token for this key. */
export async function readImportToken(
  roots: RootKeys,
  key: Pick<WrappingKeyIdentity, 'account' | 'region' | 'keyId'>,
  token: Uint8Array,
): Promise<{ readonly content: string; readonly wrappingKeyId: string; readonly expiresAt: number } | null> {
  const opened = await openToken(roots, scopeOf(key), toBase64Url(token))
  if (opened === null) return null
  const { text: content, expiresAt } = opened
  return { content, wrappingKeyId: content.slice(0, content.indexOf('/')), expiresAt }
}

/** What the token of this wrapping key says. */
export async function contentOf(
  wrappingKey: Omit<WrappingKeyIdentity, 'account' | 'region' | 'keyId'>,
): Promise<string> {
  const { wrappingKeyId, algorithm, spec, publicKey } = wrappingKey
  const digest = toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', publicKey)))
  return [wrappingKeyId, algorithm, spec, digest].join('/')
}

function scopeOf({ account, region, keyId }: Pick<WrappingKeyIdentity, 'account' | 'region' | 'keyId'>): TokenScope {
  return { label: 'edge-kms/import-token', scope: [account, region, keyId], bound: [] }
}
