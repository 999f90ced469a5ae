import { createPrivateKey, createPublicKey } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KeySpec, keySpecRow, keySpecs } from '../../src/model/key-specs.ts'
import { messageTypesOf } from '../../src/model/signing-algorithms.ts'
import { TestCrypto, type TestKey } from '../support/crypto.ts'
import type { KeyVector, Proof } from '../support/make-crypto-vectors.ts'
import frozen from '../vectors/key-material-v1.json' with { type: 'json' }

const vectors = frozen as unknown as readonly (KeyVector & { readonly spec: KeySpec })[]
const bytes = (text: string) => Buffer.from(text, 'base64')
const hex = (text: string) => Buffer.from(text, 'hex')

let crypto: TestCrypto
beforeAll(async () => {
  crypto = await TestCrypto.start()
})
afterAll(() => crypto.stop())

/** What an output has to give for ever. */
const checks: Record<Proof['name'], (key: TestKey, proof: Proof) => Promise<void>> = {
  async sign(key, { algorithm = '', messageType = '', input, output }) {
    const options = { key, algorithm, messageType }
    expect(await crypto.booleans('verify', options, [[bytes(input), bytes(output)]])).toEqual([true])
    const [again] = await crypto.bytes('sign', options, [[bytes(input)]])
    expect(await crypto.booleans('verify', options, [[bytes(input), again as Buffer]])).toEqual([true])
  },
  async generateMac(key, { algorithm = '', input, output }) {
    expect(await crypto.bytes('generateMac', { key, algorithm }, [[bytes(input)]])).toEqual([bytes(output)])
  },
  async encryptOaep(key, { algorithm = '', input, output }) {
    expect(await crypto.bytes('decryptOaep', { key, algorithm }, [[bytes(output)]])).toEqual([bytes(input)])
  },
  async deriveSharedSecret(key, { input, output }) {
    expect(await crypto.bytes('deriveSharedSecret', { key }, [[bytes(input)]])).toEqual([bytes(output)])
  },
  async encapsulate(key, { input, output }) {
    expect(await crypto.bytes('decapsulate', { key }, [[bytes(output)]])).toEqual([bytes(input)])
  },
}

describe('frozen keys', () => {
  it('are of every spec, each with all it can do', () => {
    expect(vectors.map(({ spec }) => spec)).toEqual(keySpecs)
    for (const { spec, proofs } of vectors) {
      const row = keySpecRow(spec)
      const signatures = row.signingAlgorithms.flatMap(messageTypesOf).length
      const others = row.macAlgorithms.length + row.keyAgreementAlgorithms.length + row.encapsulationAlgorithms.length
      const encryptions = spec === 'SYMMETRIC_DEFAULT' ? 0 : row.encryptionAlgorithms.length
      expect(proofs, spec).toHaveLength(signatures + others + encryptions)
    }
  })

  it.each(vectors)('$spec', async ({ spec, keyMaterialId, material, publicKey, sealed, proofs }) => {
    const brought = await crypto.accept(spec, bytes(material))
    expect(brought?.keyMaterialId).toBe(keyMaterialId)
    expect(brought?.material).toEqual(bytes(material))
    expect(brought?.publicKey).toEqual(publicKey === null ? null : bytes(publicKey))

    const stored = {
      spec,
      keyMaterialId,
      sealed: bytes(sealed),
      publicKey: publicKey === null ? null : bytes(publicKey),
    }
    const key = await crypto.reopen(stored)
    for (const proof of proofs) await checks[proof.name](key, proof)
  })
})

/** RFC 9881 and RFC 9935, appendix C: the seed is 00 01 02 …, and this stands in the public key that is printed there. */
const publicKeysOfSeeds = [
  { spec: 'ML_DSA_44', seedBytes: 32, printed: 'JLMW6b7JT8mUbULxm3mnQTu6oz5xSctC7VEVaTrAQfrLmIretf' },
  { spec: 'ML_DSA_65', seedBytes: 32, printed: '8tU4E5SKaToPk+ecRspdWm3KPSjKUK0YvRP8pVBZ3ZsYX3n5xH' },
  { spec: 'ML_DSA_87', seedBytes: 32, printed: 'SfilR62HW5aowrKRDJMBMJo/kTilaTER9Vs8AJypR8Od/ILZjr' },
  { spec: 'ML_KEM_512', seedBytes: 64, printed: 'Ari2pmwWxHYWSK12XPXYAGtRXpBafwrAdrDGLvoygVPnylcBaZ' },
  { spec: 'ML_KEM_768', seedBytes: 64, printed: 'vje3X07btr6CFtbGM/srIoDiURPYaV5DSBw+6zl+sZJQUim2ei' },
  { spec: 'ML_KEM_1024', seedBytes: 64, printed: 'v16sTsHMXer1mcihPkgjVAbRf/3cg0S2xmmEqGiqkvoCInoIaV' },
] as const

it.each(publicKeysOfSeeds)('RFC 9881 and RFC 9935, $spec', async ({ spec, seedBytes, printed }) => {
  const seed = Buffer.from(Array.from({ length: seedBytes }, (_, at) => at))
  const material = bytes(vectors.find((vector) => vector.spec === spec)?.material ?? '')
  // PKCS #8 in seed form ends with the seed.
  const brought = await crypto.accept(spec, Buffer.concat([material.subarray(0, -seedBytes), seed]))
  expect(brought?.publicKey?.toString('base64')).toContain(printed)
})

/** RFC 4231: test cases 1 and 2. */
const macs = [
  {
    key: '0b'.repeat(20),
    message: Buffer.from('Hi There'),
    HMAC_224: '896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22',
    HMAC_256: 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    HMAC_384: 'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6',
    HMAC_512:
      '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
  },
  {
    key: Buffer.from('Jefe').toString('hex'),
    message: Buffer.from('what do ya want for nothing?'),
    HMAC_224: 'a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44',
    HMAC_256: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    HMAC_384: 'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
    HMAC_512:
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
  },
]

describe.each(['HMAC_224', 'HMAC_256', 'HMAC_384', 'HMAC_512'] as const)('RFC 4231, %s', (spec) => {
  it.each(macs)('$message', async ({ key, message, [spec]: mac }) => {
    const opened = await crypto.take(spec, hex(key))
    const algorithm = spec.replace('HMAC_', 'HMAC_SHA_')
    expect(await crypto.bytes('generateMac', { key: opened, algorithm }, [[message]])).toEqual([hex(mac)])
  })
})

/** RFC 6979, A.2.5 to A.2.7: the message "sample", with the hash that KMS has for the curve. */
const ecdsaSignatures = [
  {
    spec: 'ECC_NIST_P256',
    algorithm: 'ECDSA_SHA_256',
    crv: 'P-256',
    d: 'C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721',
    x: '60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6',
    y: '7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299',
    r: 'EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716',
    s: 'F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8',
  },
  {
    spec: 'ECC_NIST_P384',
    algorithm: 'ECDSA_SHA_384',
    crv: 'P-384',
    d: '6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5',
    x: 'EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13',
    y: '8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720',
    r: '94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46',
    s: '99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8',
  },
] as const

function der(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Uint8Array.of(tag, content.length), content])
}

function integer(text: string): Buffer {
  const number = hex(text)
  return der(0x02, (number[0] as number) < 0x80 ? number : Buffer.concat([Uint8Array.of(0), number]))
}

it.each(ecdsaSignatures)('RFC 6979, $spec', async ({ spec, algorithm, crv, d, x, y, r, s }) => {
  const [encodedD, encodedX, encodedY] = [d, x, y].map((text) => hex(text).toString('base64url'))
  const jwk = { kty: 'EC', crv, d: encodedD as string, x: encodedX as string, y: encodedY as string }
  const material = createPrivateKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'pkcs8' })
  const key = (await crypto.accept(spec, material)) as TestKey
  const signature = der(0x30, Buffer.concat([integer(r), integer(s)]))
  const options = { key, algorithm, messageType: 'RAW' }
  expect(await crypto.booleans('verify', options, [[Buffer.from('sample'), signature]])).toEqual([true])
  expect(await crypto.booleans('verify', options, [[Buffer.from('simple'), signature]])).toEqual([false])
})

/** RFC 8032: 7.1, TEST 1 to 3, and of the pre-hashed variant 7.3, TEST abc. */
const ed25519Signatures = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    algorithm: 'ED25519_SHA_512',
    messageType: 'RAW',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    algorithm: 'ED25519_SHA_512',
    messageType: 'RAW',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    algorithm: 'ED25519_SHA_512',
    messageType: 'RAW',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
  {
    seed: '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    publicKey: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    algorithm: 'ED25519_PH_SHA_512',
    messageType: 'DIGEST',
    message: '616263',
    signature:
      '98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406',
  },
]

it.each(ed25519Signatures)('RFC 8032, $algorithm of $message', async ({ seed, publicKey, message, ...vector }) => {
  const { algorithm, messageType } = vector
  const material = Buffer.concat([hex('302e020100300506032b657004220420'), hex(seed)])
  const key = (await crypto.accept('ECC_NIST_EDWARDS25519', material)) as TestKey
  const spki = createPublicKey({ key: key.publicKey as Buffer, format: 'der', type: 'spki' })
  expect(spki.export({ format: 'jwk' }).x).toBe(hex(publicKey).toString('base64url'))
  const options = { key, algorithm, messageType }
  const signature = hex(vector.signature)
  expect(await crypto.bytes('sign', options, [[hex(message)]])).toEqual([signature])
  expect(await crypto.booleans('verify', options, [[hex(message), signature]])).toEqual([true])
  const longer = Buffer.concat([signature, Uint8Array.of(0)])
  expect(await crypto.booleans('verify', options, [[hex(message), longer]])).toEqual([false])
})
