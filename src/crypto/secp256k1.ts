import { curveOf, ecPkcs8, ecPrivateKeyIn, nobleCurve } from './curves.ts'
import { isEqual, spkiOf } from './key-encoding.ts'
import type { Material, MaterialKind } from './material.ts'

const curve = curveOf('ECC_SECG_P256K1')

/** The curve that WebCrypto lacks. */
export const secp256k1Kind: MaterialKind = {
  async generate() {
    const { utils } = await nobleCurve(curve)
    const scalar = utils.randomSecretKey()
    try {
      return await withPublicKey(scalar)
    } finally {
      scalar.fill(0)
    }
  },

  async accept(pkcs8) {
    const { utils } = await nobleCurve(curve)
    const key = ecPrivateKeyIn(curve, pkcs8)
    if (key === null || !utils.isValidSecretKey(key.scalar)) return null
    const material = await withPublicKey(key.scalar)
    if (key.point === null) return material
    const point = await publicPoint(key.scalar)
    return isEqual(point, key.point) ? material : null
  },
}

async function withPublicKey(scalar: Uint8Array): Promise<Material> {
  const point = await publicPoint(scalar)
  return { bytes: ecPkcs8(curve, scalar, point), publicKey: spkiOf(curve.spec, point) }
}

async function publicPoint(scalar: Uint8Array): Promise<Uint8Array> {
  return (await nobleCurve(curve)).getPublicKey(scalar, false)
}
