import { fromBase64Url, fromUtf8, utf8 } from '../model/bytes.ts'
import type { Jwk } from './issuers.ts'

/** A web token that has been read, and not verified. */
export interface WebToken {
  readonly algorithm: SigningAlgorithm
  readonly keyId: string | null
  readonly claims: Readonly<Record<string, unknown>>
  readonly signed: Uint8Array<ArrayBuffer>
  readonly signature: Uint8Array<ArrayBuffer>
}

interface SigningAlgorithm {
  readonly name: string
  readonly keyType: string
  /** Which of a key's members are its public key: nothing else of it is used. */
  readonly members: readonly string[]
  readonly importing: { readonly name: string; readonly hash?: string; readonly namedCurve?: string }
  readonly verifying: { readonly name: string; readonly hash?: string }
  isStrong(key: Jwk): boolean
}

/** The algorithms that AWS takes. There is no other way in: not `none`, and no MAC under a public key. */
const algorithms: ReadonlyMap<unknown, SigningAlgorithm> = new Map([
  [
    'RS256',
    {
      name: 'RS256',
      keyType: 'RSA',
      members: ['kty', 'n', 'e'],
      importing: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
      verifying: { name: 'RSASSA-PKCS1-v1_5' },
      // 2,048 bits.
      isStrong: ({ n }: Jwk) => (fromBase64Url(String(n))?.length ?? 0) >= 256,
    },
  ],
  [
    'ES256',
    {
      name: 'ES256',
      keyType: 'EC',
      members: ['kty', 'crv', 'x', 'y'],
      importing: { name: 'ECDSA', namedCurve: 'P-256' },
      verifying: { name: 'ECDSA', hash: 'SHA-256' },
      isStrong: ({ crv }: Jwk) => crv === 'P-256',
    },
  ],
])

/** Null: no JSON Web Token in compact form, or signed in a way that is not taken. */
export function parseWebToken(text: string): WebToken | null {
  const [head = '', body = '', tail, ...rest] = text.split('.')
  const header = jsonObject(head)
  const claims = jsonObject(body)
  const signature = tail === undefined ? null : fromBase64Url(tail)
  if (header === null || claims === null || signature === null || rest.length > 0) return null
  const { alg, kid = null, crit } = header
  const algorithm = algorithms.get(alg)
  // RFC 7515: what is critical and not understood is refused.
  if (algorithm === undefined || crit !== undefined) return null
  if (kid !== null && typeof kid !== 'string') return null
  return { algorithm, keyId: kid, claims, signed: utf8(`${head}.${body}`), signature }
}

/** Whether the key may have signed the token, by what both say of themselves. */
export function isKeyOf({ algorithm, keyId }: WebToken, key: Jwk): boolean {
  const { kty, use = 'sig', alg = algorithm.name, kid } = key
  if (kty !== algorithm.keyType || use !== 'sig' || alg !== algorithm.name) return false
  return (keyId === null || kid === keyId) && algorithm.isStrong(key)
}

export async function isSignedBy({ algorithm, signed, signature }: WebToken, key: Jwk): Promise<boolean> {
  const { importing, verifying, members } = algorithm
  const publicKey = Object.fromEntries(members.map((member) => [member, key[member]]))
  try {
    const imported = await crypto.subtle.importKey('jwk', publicKey as unknown as JsonWebKey, importing, false, [
      'verify',
    ])
    return await crypto.subtle.verify(verifying, imported, signature, signed)
  } catch {
    // What is published is no key.
    return false
  }
}

function jsonObject(encoded: string): Readonly<Record<string, unknown>> | null {
  const text = fromUtf8(fromBase64Url(encoded) ?? new Uint8Array(0))
  try {
    const value: unknown = JSON.parse(text ?? '')
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
