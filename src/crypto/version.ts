import type { KeySpec } from '../model/key-specs.ts'
import { generateMaterial, type Material, materialIdOf } from './material.ts'
import type { RootKeys } from './root-keys.ts'
import { type MaterialIdentity, type SealedMaterial, sealMaterial } from './seal.ts'

/** A version of a key's material as it is stored. */
export interface SealedVersion extends SealedMaterial {
  readonly keyMaterialId: string
  /** SubjectPublicKeyInfo; null where there is none. */
  readonly publicKey: Uint8Array<ArrayBuffer> | null
}

type Key = Omit<MaterialIdentity, 'keyMaterialId' | 'spec'> & { readonly spec: KeySpec }

/** Draws new material and returns it sealed. */
export async function generateVersion(roots: RootKeys, key: Key): Promise<SealedVersion> {
  return sealVersion(roots, key, await generateMaterial(key.spec))
}

/** Seals material, whose bytes are erased before this returns. */
export async function sealVersion(roots: RootKeys, key: Key, material: Material): Promise<SealedVersion> {
  try {
    const keyMaterialId = await materialIdOf(key.keyId, material)
    const sealed = await sealMaterial(roots, { ...key, keyMaterialId }, material.bytes)
    return { keyMaterialId, publicKey: material.publicKey, ...sealed }
  } finally {
    material.bytes.fill(0)
  }
}
