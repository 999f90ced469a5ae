import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isAsymmetric, type KeySpec, keySpecRow, keySpecs } from '../../src/model/key-specs.ts'
import { privateKeyOf, publicKeyOf, TestCrypto, type TestKey } from '../support/crypto.ts'

let crypto: TestCrypto
const keys = new Map<KeySpec, TestKey>()

beforeAll(async () => {
  crypto = await TestCrypto.start()
  for (const spec of keySpecs) keys.set(spec, await crypto.generate(spec))
})

afterAll(() => crypto.stop())

const keyOf = (spec: KeySpec) => keys.get(spec) as TestKey
const pairSpecs = keySpecs.filter(isAsymmetric)
const byteSpecs = keySpecs.filter((spec) => !isAsymmetric(spec))
const pkcs8 = (key: KeyObject) => key.export({ format: 'der', type: 'pkcs8' })
const spki = (key: KeyObject) => key.export({ format: 'der', type: 'spki' })

/** What OpenSSL calls a key of each spec, and how it brings one to be imported. */
interface OpenSsl {
  readonly type: string
  readonly details?: object
  make(): Buffer
}

const openSsl: Partial<Record<KeySpec, OpenSsl>> = {
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: ec('prime256v1'),
  ECC_NIST_P384: ec('secp384r1'),
  ECC_NIST_P521: ec('secp521r1'),
  ECC_SECG_P256K1: ec('secp256k1'),
  ECC_NIST_EDWARDS25519: { type: 'ed25519', make: () => pkcs8(generateKeyPairSync('ed25519').privateKey) },
  ML_DSA_44: seeded('ml-dsa-44', '3034020100300b060960864801650304031104228020'),
  ML_DSA_65: seeded('ml-dsa-65', '3034020100300b060960864801650304031204228020'),
  ML_DSA_87: seeded('ml-dsa-87', '3034020100300b060960864801650304031304228020'),
  ML_KEM_512: seeded('ml-kem-512', '3054020100300b060960864801650304040104428040'),
  ML_KEM_768: seeded('ml-kem-768', '3054020100300b060960864801650304040204428040'),
  ML_KEM_1024: seeded('ml-kem-1024', '3054020100300b060960864801650304040304428040'),
}

function rsa(modulusLength: number): OpenSsl {
  const make = () => pkcs8(generateKeyPairSync('rsa', { modulusLength }).privateKey)
  return { type: 'rsa', details: { modulusLength, publicExponent: 65537n }, make }
}

function ec(namedCurve: string): OpenSsl {
  return {
    type: 'ec',
    details: { namedCurve },
    make: () => pkcs8(generateKeyPairSync('ec', { namedCurve }).privateKey),
  }
}

/** It reads the seed form, and writes a longer one. */
function seeded(type: string, header: string): OpenSsl {
  const bytes = Number.parseInt(header.slice(-2), 16)
  return { type, make: () => Buffer.concat([Buffer.from(header, 'hex'), randomBytes(bytes)]) }
}

function keyIn(material: Buffer): KeyObject {
  return createPrivateKey({ key: material, format: 'der', type: 'pkcs8' })
}

describe('new material', () => {
  it.each(pairSpecs)('%s is a key to OpenSSL, with its public key', (spec) => {
    const key = keyOf(spec)
    const { type, details = {} } = openSsl[spec] as OpenSsl
    const privateKey = privateKeyOf(key)
    expect(privateKey.asymmetricKeyType).toBe(type)
    expect(privateKey.asymmetricKeyDetails ?? {}).toMatchObject(details)
    expect(spki(createPublicKey(privateKey))).toEqual(key.publicKey)
    expect(spki(publicKeyOf(key))).toEqual(key.publicKey)
  })

  it.each(byteSpecs)('%s is as long as its row says', (spec) => {
    expect(keyOf(spec).material).toHaveLength(keySpecRow(spec).materialBytes as number)
    expect(keyOf(spec).publicKey).toBeNull()
  })

  it.each(keySpecs)('%s is not what was made before, and has another id', async (spec) => {
    const other = await crypto.generate(spec)
    expect(other.material.equals(keyOf(spec).material)).toBe(false)
    expect(other.keyMaterialId).not.toBe(keyOf(spec).keyMaterialId)
    expect(other.keyMaterialId).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each(keySpecs)('%s is accepted again, with the same public key and id', async (spec) => {
    const { key: _, sealed: __, ...made } = keyOf(spec)
    expect(await crypto.accept(spec, keyOf(spec).material)).toMatchObject(made)
  })

  it.each(keySpecs)('%s is sealed for its key alone', async (spec) => {
    const { sealed, publicKey, keyMaterialId } = keyOf(spec)
    const moved = { spec, sealed, publicKey, keyMaterialId: '0'.repeat(64) }
    const use = async (key: TestKey) => {
      if (keySpecRow(spec).macAlgorithms.length > 0) {
        return crypto.bytes('generateMac', { key, algorithm: keySpecRow(spec).macAlgorithms[0] as string }, [[sealed]])
      }
      if (keySpecRow(spec).encapsulationAlgorithms.length > 0) {
        const [{ ciphertext } = { ciphertext: sealed }] = await crypto.encapsulate(key, 1)
        return crypto.bytes('decapsulate', { key }, [[ciphertext]])
      }
      const algorithm = keySpecRow(spec).signingAlgorithms.at(-1) as string
      const messageType = algorithm === 'ED25519_PH_SHA_512' ? 'DIGEST' : 'RAW'
      return crypto.bytes('sign', { key, algorithm, messageType }, [[Buffer.alloc(64)]])
    }
    if (spec === 'SYMMETRIC_DEFAULT') return
    expect(await use(await crypto.reopen({ spec, sealed, publicKey, keyMaterialId }))).toHaveLength(1)
    await expect(crypto.reopen(moved).then(use)).rejects.toThrow()
  })
})

describe('material that somebody brings', () => {
  it.each(pairSpecs)('%s of OpenSSL is accepted', async (spec) => {
    const material = (openSsl[spec] as OpenSsl).make()
    const key = await crypto.accept(spec, material)
    expect(key?.publicKey).toEqual(spki(createPublicKey(keyIn(material))))
    expect(keyIn(key?.material as Buffer).equals(keyIn(material))).toBe(true)
  })

  it.each(byteSpecs)('%s has its length and no other', async (spec) => {
    const bytes = keySpecRow(spec).materialBytes as number
    const material = randomBytes(bytes)
    expect((await crypto.accept(spec, material))?.material).toEqual(material)
    for (const length of [0, bytes - 1, bytes + 1, 2 * bytes]) {
      expect(await crypto.accept(spec, randomBytes(length))).toBeNull()
    }
  })

  it.each(keySpecs)('%s is not that of another spec', async (spec) => {
    for (const other of keySpecs) {
      const isJustAsLong = keyOf(other).material.length === keySpecRow(spec).materialBytes
      if (other === spec || isJustAsLong) continue
      expect(await crypto.accept(spec, keyOf(other).material), other).toBeNull()
    }
  })

  it.each(pairSpecs)('%s is whole, private, in DER and alone', async (spec) => {
    const { material, publicKey } = keyOf(spec)
    const bad: Record<string, Buffer> = {
      nothing: Buffer.alloc(0),
      'its public key': publicKey as Buffer,
      'cut short': material.subarray(0, -1),
      'with a byte behind it': Buffer.concat([material, Uint8Array.of(0)]),
      'as PEM': Buffer.from(keyIn(material).export({ format: 'pem', type: 'pkcs8' })),
      'under a password': keyIn(material).export({
        format: 'der',
        type: 'pkcs8',
        cipher: 'aes-256-cbc',
        passphrase: 'password',
      }),
      zeros: Buffer.alloc(material.length),
      noise: randomBytes(material.length),
    }
    for (const [what, bytes] of Object.entries(bad)) expect(await crypto.accept(spec, bytes), what).toBeNull()
  })

  const curves = ['ECC_NIST_P256', 'ECC_NIST_P384', 'ECC_NIST_P521', 'ECC_SECG_P256K1'] as const

  describe.each(curves)('%s', (spec) => {
    it('need not tell its public key', async () => {
      const { material, publicKey } = keyOf(spec)
      const { scalar, withoutPoint } = withoutPublicKey(material)
      const accepted = await crypto.accept(spec, withoutPoint)
      expect(accepted?.publicKey).toEqual(publicKey)
      const algorithm = keySpecRow(spec).signingAlgorithms[0] as string
      const options = { key: accepted as TestKey, algorithm, messageType: 'DIGEST' }
      const digest = randomBytes(32)
      const signatures = (await crypto.bytes('sign', options, [[digest]])) as Buffer[]
      const verifying = { ...options, key: keyOf(spec) }
      expect(await crypto.booleans('verify', verifying, [[digest, signatures[0] as Buffer]])).toEqual([true])
      expect(scalar).toHaveLength({ ECC_NIST_P384: 48, ECC_NIST_P521: 66 }[spec as string] ?? 32)
    })

    it('does not tell another public key', async () => {
      const material = Buffer.from(keyOf(spec).material)
      const other = (openSsl[spec] as OpenSsl).make()
      expect(other).toHaveLength(material.length)
      const { point } = withoutPublicKey(other)
      point.copy(material, material.length - point.length)
      expect(await crypto.accept(spec, material)).toBeNull()
    })

    it('is not zero, nor the order', async () => {
      for (const byte of [0x00, 0xff]) {
        const { scalar, withoutPoint } = withoutPublicKey(keyOf(spec).material)
        const material = Buffer.from(withoutPoint)
        material.fill(byte, material.length - scalar.length)
        expect(await crypto.accept(spec, material)).toBeNull()
      }
    })

    it('is no SEC 1 key without its PKCS #8', async () => {
      expect(await crypto.accept(spec, privateKeyOf(keyOf(spec)).export({ format: 'der', type: 'sec1' }))).toBeNull()
    })
  })

  /** The same PKCS #8 whose ECPrivateKey has no [1]. */
  function withoutPublicKey(material: Buffer) {
    const sec1 = keyIn(material).export({ format: 'der', type: 'sec1' })
    const scalarAt = sec1.indexOf(Buffer.from('020101', 'hex')) + 5
    const scalar = sec1.subarray(scalarAt, scalarAt + (sec1[scalarAt - 1] as number))
    const algorithmAt = material.indexOf(Buffer.from('06072a8648ce3d0201', 'hex')) - 2
    const algorithm = material.subarray(algorithmAt, algorithmAt + 2 + (material[algorithmAt + 1] as number))
    const privateKey = element(0x30, Buffer.of(2, 1, 1), element(0x04, scalar))
    const withoutPoint = element(0x30, Buffer.of(2, 1, 0), algorithm, element(0x04, privateKey))
    return { scalar, withoutPoint, point: material.subarray(-(1 + 2 * scalar.length)) }
  }

  describe('RSA', () => {
    const made = (modulusLength: number, publicExponent: number) =>
      pkcs8(generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey)

    it.each([3, 17, 257, 65539])('has no public exponent of %i', async (publicExponent) => {
      expect(await crypto.accept('RSA_2048', made(2048, publicExponent))).toBeNull()
    })

    it.each([1024, 2040, 2056, 3072])('has no modulus of %i bits', async (modulusLength) => {
      expect(await crypto.accept('RSA_2048', made(modulusLength, 65537))).toBeNull()
    })

    it('is not bound to PSS', async () => {
      const { privateKey } = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
      expect(await crypto.accept('RSA_2048', pkcs8(privateKey))).toBeNull()
    })

    it('is no PKCS #1 key without its PKCS #8', async () => {
      const material = privateKeyOf(keyOf('RSA_2048')).export({ format: 'der', type: 'pkcs1' })
      expect(await crypto.accept('RSA_2048', material)).toBeNull()
    })

    it('is consistent in each of its numbers', async () => {
      const { material } = keyOf('RSA_2048')
      const names = ['n', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const
      const jwk = keyIn(material).export({ format: 'jwk' })
      for (const name of names) {
        const number = Buffer.from(jwk[name] as string, 'base64url')
        const at = material.indexOf(number)
        expect(at, name).toBeGreaterThan(0)
        const broken = Buffer.from(material)
        const middle = at + (number.length >> 1)
        broken[middle] = (broken[middle] as number) ^ 4
        expect(await crypto.accept('RSA_2048', broken), name).toBeNull()
      }
    })
  })
})

function element(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const length = content.length < 0x80 ? [content.length] : [0x81, content.length]
  return Buffer.concat([Uint8Array.of(tag, ...length), content])
}
