import type { KeySpec } from '../model/key-specs.ts'
import { keySpecRow } from '../model/key-specs.ts'
import { keyMaterialIdOf } from './ciphertext.ts'

/** Key material in the open, for as long as it takes to seal it. */
export interface Material {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** SPKI; null where there is none. */
  readonly publicKey: Uint8Array<ArrayBuffer> | null
}

/** Material that somebody brings. Null: it is not of this spec. */
export async function acceptMaterial(spec: KeySpec, bytes: Uint8Array<ArrayBuffer>): Promise<Material | null> {
  return bytes.length === keySpecRow(spec).materialBytes ? { bytes, publicKey: null } : null
}

/** KeyMaterialId as KMS shows it: 64 hex digits that name this material under this key id, in every Region. */
export async function materialIdOf(keyId: string, _spec: KeySpec, { bytes }: Material): Promise<string> {
  return keyMaterialIdOf(keyId, await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits']))
}
