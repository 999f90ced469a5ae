import { tokenLifeMs } from '../model/limits.ts'
import type { RootKeys } from './root-keys.ts'
import { openToken, sealToken, type TokenScope } from './token.ts'

/** The grant that a token names. That it still exists is for the key's object to say. */
export interface NamedGrant {
  /** The account of the key. */
  readonly account: string
  readonly region: string
  readonly keyId: string
  readonly grantId: string
}

const scope: TokenScope = { label: 'edge-kms/grant-token', scope: [], bound: [] }

/** For 30 days: by then the grant is known everywhere, and a token makes no difference. */
export function makeGrantToken(roots: RootKeys, grant: NamedGrant, wallTime: number): Promise<string> {
  const { account, region, keyId, grantId } = grant
  return sealToken(roots, scope, [account, region, keyId, grantId].join('/'), wallTime + tokenLifeMs.grantToken)
}

/** Null: not a token of ours. */
export async function readGrantToken(
  roots: RootKeys,
  token: string,
  wallTime: number,
): Promise<(NamedGrant & { readonly isExpired: boolean }) | null> {
  const opened = await openToken(roots, scope, token)
  if (opened === null) return null
  const [account = '', region = '', keyId = '', grantId = ''] = opened.text.split('/')
  return { account, region, keyId, grantId, isExpired: opened.expiresAt < wallTime }
}
