import { concat, fromBase64, toBase64, utf8 } from '../model/bytes.ts'
import type { RootKeys, RootLabel } from './root-keys.ts'

/** Bytes that only this deployment can read, and under which version of its root key. */
export interface SealedSecret {
  readonly rootVersion: number
  /** salt 32 ‖ ciphertext ‖ tag 16 */
  readonly sealed: Uint8Array<ArrayBuffer>
}

const saltBytes = 32
// A key seals one secret, so its nonce may be any.
const iv = new Uint8Array(12)

/** Seals under a key of its own, derived from the root by label, scope and a fresh salt. */
export async function sealSecret(
  roots: RootKeys,
  label: RootLabel,
  scope: readonly string[],
  secret: string,
): Promise<SealedSecret> {
  const rootVersion = roots.current
  const salt = crypto.getRandomValues(new Uint8Array(saltBytes))
  const key = await roots.saltedKey(rootVersion, label, scope, salt)
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, utf8(secret))
  return { rootVersion, sealed: concat([salt, new Uint8Array(sealed)]) }
}

/** Null: not sealed by this deployment under this label and scope, or damaged. */
export async function openSecret(
  roots: RootKeys,
  label: RootLabel,
  scope: readonly string[],
  { rootVersion, sealed }: SealedSecret,
): Promise<string | null> {
  if (!roots.has(rootVersion) || sealed.length <= saltBytes) return null
  const key = await roots.saltedKey(rootVersion, label, scope, sealed.subarray(0, saltBytes))
  try {
    const secret = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed.subarray(saltBytes))
    return new TextDecoder().decode(secret)
  } catch {
    return null
  }
}

export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** An access key that nobody has: AKIA… of a user, ASIA… of a session. */
export function newAccessKey(prefix: 'AKIA' | 'ASIA'): AccessKey {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const [idBytes, secretBytes] = [new Uint8Array(16), new Uint8Array(30)].map((bytes) => crypto.getRandomValues(bytes))
  const id = Array.from(idBytes as Uint8Array, (byte) => digits[byte % digits.length]).join('')
  return { accessKeyId: prefix + id, secretAccessKey: toBase64(secretBytes as Uint8Array) }
}

/** As a row keeps it: the secret opens for this access key of this account alone. */
export async function sealAccessKey(roots: RootKeys, account: string, { accessKeyId, secretAccessKey }: AccessKey) {
  const { rootVersion, sealed } = await sealSecret(roots, accessKeyLabel, [account, accessKeyId], secretAccessKey)
  return { rootVersion, sealed: toBase64(sealed) }
}

/** Null: not this access key's, or damaged. */
export async function openAccessKey(
  roots: RootKeys,
  account: string,
  row: { readonly accessKeyId: string; readonly rootVersion: number; readonly sealed: string },
): Promise<string | null> {
  const sealed = fromBase64(row.sealed)
  if (sealed === null) return null
  return openSecret(roots, accessKeyLabel, [account, row.accessKeyId], { rootVersion: row.rootVersion, sealed })
}

const accessKeyLabel = 'edge-kms/access-key-secret'
