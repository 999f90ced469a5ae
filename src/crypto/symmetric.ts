import { keyMaterialIdOf } from './ciphertext.ts'
import type { RootKeys } from './root-keys.ts'
import { type MaterialIdentity, type SealedMaterial, sealMaterial } from './seal.ts'

/** A version of a key's material as it is stored. */
export interface SealedVersion extends SealedMaterial {
  readonly keyMaterialId: string
  /** SPKI; null where there is none. */
  readonly publicKey: Uint8Array<ArrayBuffer> | null
}

const materialBytes = 32

/** Draws new material and returns it sealed; the bytes are erased before this returns. */
export async function generateSymmetric(
  roots: RootKeys,
  key: Omit<MaterialIdentity, 'keyMaterialId'>,
): Promise<SealedVersion> {
  const material = crypto.getRandomValues(new Uint8Array(materialBytes))
  try {
    const derivable = await crypto.subtle.importKey('raw', material, 'HKDF', false, ['deriveBits'])
    const keyMaterialId = await keyMaterialIdOf(key.keyId, derivable)
    return { keyMaterialId, publicKey: null, ...(await sealMaterial(roots, { ...key, keyMaterialId }, material)) }
  } finally {
    material.fill(0)
  }
}
