import {
  constants,
  createHash,
  createHmac,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  randomInt,
  sign,
  verify,
} from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KeySpec, keySpecRow, keySpecs, type SigningAlgorithm } from '../../src/model/key-specs.ts'
import { type MessageType, messageTypesOf } from '../../src/model/signing-algorithms.ts'
import { privateKeyOf, publicKeyOf, TestCrypto, type TestKey } from '../support/crypto.ts'
import { signEd25519ph, verifyEd25519ph } from '../support/ed25519ph.ts'

/*
 * What workerd makes, OpenSSL takes, and the other way round; of what OpenSSL makes for another message, workerd takes
 * nothing. OpenSSL is that of Node. Only Ed25519ph is held against a text-book implementation.
 */
const pairs = process.env.SLOW ? 1000 : 100
/** Three sizes of key do the same, so that an algorithm has its hundred pairs between them. */
const pairsOfEach = Math.ceil(pairs / 3)

let crypto: TestCrypto
const keys = new Map<KeySpec, TestKey>()
let compared = 0

beforeAll(async () => {
  crypto = await TestCrypto.start()
  for (const spec of keySpecs) if (spec !== 'SYMMETRIC_DEFAULT') keys.set(spec, await crypto.generate(spec))
})

afterAll(async () => {
  expect(compared).toBeGreaterThanOrEqual(2_000)
  await crypto.stop()
})

const keyOf = (spec: KeySpec) => keys.get(spec) as TestKey
const messages = (count: number) => Array.from({ length: count }, () => randomBytes(randomInt(1, 4097)))
const times = <Value>(count: number, make: () => Value) => Array.from({ length: count }, make)
const changed = (bytes: Uint8Array) => {
  const other = Buffer.from(bytes)
  const at = randomInt(other.length)
  other[at] = (other[at] as number) ^ (1 << randomInt(8))
  return other
}

/** How OpenSSL signs and verifies a message of its own. */
interface Peer {
  sign(message: Buffer): Buffer
  verify(message: Buffer, signature: Buffer): boolean
}

interface Scheme {
  readonly hash: string | null
  readonly options?: object
}

const pss = (hash: string): Scheme => ({
  hash,
  options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
})

const schemes: Record<SigningAlgorithm, Scheme> = {
  RSASSA_PSS_SHA_256: pss('sha256'),
  RSASSA_PSS_SHA_384: pss('sha384'),
  RSASSA_PSS_SHA_512: pss('sha512'),
  RSASSA_PKCS1_V1_5_SHA_256: { hash: 'sha256' },
  RSASSA_PKCS1_V1_5_SHA_384: { hash: 'sha384' },
  RSASSA_PKCS1_V1_5_SHA_512: { hash: 'sha512' },
  ECDSA_SHA_256: { hash: 'sha256' },
  ECDSA_SHA_384: { hash: 'sha384' },
  ECDSA_SHA_512: { hash: 'sha512' },
  ED25519_SHA_512: { hash: null },
  ED25519_PH_SHA_512: { hash: 'sha512' },
  ML_DSA_SHAKE_256: { hash: null },
}

function openSsl(key: TestKey, { hash, options }: Scheme): Peer {
  const [privateKey, publicKey] = [privateKeyOf(key), publicKeyOf(key)]
  return {
    sign: (message) => sign(hash, message, { key: privateKey, ...options }),
    verify: (message, signature) => verify(hash, message, { key: publicKey, ...options }, signature),
  }
}

/** KMS takes the digest for the message: the message is hashed twice. */
function textBook({ material, publicKey }: TestKey): Peer {
  const digest = (message: Buffer) => createHash('sha512').update(message).digest()
  return {
    sign: (message) => signEd25519ph(material.subarray(-32), digest(message)),
    verify: (message, signature) => verifyEd25519ph((publicKey as Buffer).subarray(-32), digest(message), signature),
  }
}

function peerOf(key: TestKey, algorithm: SigningAlgorithm): Peer {
  return algorithm === 'ED25519_PH_SHA_512' ? textBook(key) : openSsl(key, schemes[algorithm])
}

/** What KMS is sent, so that it is this message that is signed. */
const sent: Record<MessageType, (message: Buffer, key: TestKey, algorithm: SigningAlgorithm) => Buffer> = {
  RAW: (message) => message,
  DIGEST: (message, _, algorithm) =>
    createHash(schemes[algorithm].hash as string)
      .update(message)
      .digest(),
  EXTERNAL_MU: (message, { publicKey, spec }) => muOf((publicKey as Buffer).subarray(-publicKeyBytes(spec)), message),
}

/** FIPS 204, table 2. */
function publicKeyBytes(spec: KeySpec): number {
  return { ML_DSA_44: 1312, ML_DSA_65: 1952, ML_DSA_87: 2592 }[spec as 'ML_DSA_44']
}

const shake256 = (...parts: Uint8Array[]) =>
  createHash('shake256', { outputLength: 64 }).update(Buffer.concat(parts)).digest()

/** μ, with the empty context (FIPS 204, algorithms 2 and 7). */
function muOf(publicKey: Buffer, message: Buffer): Buffer {
  return shake256(shake256(publicKey), Uint8Array.of(0, 0), message)
}

const kinds = keySpecs.flatMap((spec) =>
  keySpecRow(spec).signingAlgorithms.flatMap((algorithm) =>
    messageTypesOf(algorithm).map((messageType) => ({ spec, algorithm, messageType })),
  ),
)

describe('signatures', () => {
  it('are of every algorithm and message type', () => {
    expect(new Set(kinds.map(({ algorithm }) => algorithm))).toEqual(new Set(Object.keys(schemes)))
    expect(kinds).toHaveLength(3 * 12 + 4 * 2 + 2 + 3 * 2)
  })

  it.each(kinds)('$spec $algorithm $messageType', async ({ spec, algorithm, messageType }) => {
    const key = keyOf(spec)
    const peer = peerOf(key, algorithm)
    const options = { key, algorithm, messageType }
    const signed = messages(/^(RSA|ML_DSA)/.test(spec) ? pairsOfEach : pairs)
    const inputs = signed.map((message) => sent[messageType](message, key, algorithm))

    const made = (await crypto.bytes(
      'sign',
      options,
      inputs.map((input) => [input]),
    )) as Buffer[]
    expect(signed.filter((message, at) => !peer.verify(message, made[at] as Buffer))).toEqual([])

    const given = signed.map((message) => peer.sign(message))
    const taken = inputs.map((input, at) => [input, given[at] as Buffer])
    expect(await crypto.booleans('verify', options, taken)).toEqual(signed.map(() => true))
    const broken = inputs.map((input, at) => [input, changed(given[at] as Buffer)])
    expect(await crypto.booleans('verify', options, broken)).toEqual(signed.map(() => false))
    const moved = inputs.map((_, at) => [inputs[(at + 1) % inputs.length] as Buffer, given[at] as Buffer])
    expect(await crypto.booleans('verify', options, moved)).toEqual(signed.map(() => false))
    compared += 2 * signed.length

    const [input, signature] = [inputs[0] as Buffer, given[0] as Buffer]
    const lengths = [0, 1, signature.length - 1, signature.length + 1, 2 * signature.length]
    const cut = lengths.map((length) => [input, Buffer.concat([signature, signature]).subarray(0, length)])
    const blank = [0x00, 0xff].map((byte) => [input, Buffer.alloc(signature.length, byte)])
    const malformed = [...cut, ...blank]
    expect(await crypto.booleans('verify', options, malformed)).toEqual(malformed.map(() => false))
  })
})

const orders: Partial<Record<KeySpec, bigint>> = {
  ECC_NIST_P256: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  ECC_NIST_P384: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  ECC_NIST_P521:
    0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  ECC_SECG_P256K1: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n,
}

function integer(value: bigint): Buffer {
  const digits = value.toString(16)
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
  const content = (bytes[0] as number) >= 0x80 ? Buffer.concat([Uint8Array.of(0), bytes]) : bytes
  return Buffer.concat([Uint8Array.of(0x02, content.length), content])
}

function derOf(...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const length = content.length < 0x80 ? [content.length] : [0x81, content.length]
  return Buffer.concat([Uint8Array.of(0x30, ...length), content])
}

const numberOf = (fixed: Buffer) => BigInt(`0x${fixed.toString('hex')}`)

describe.each(Object.entries(orders) as [KeySpec, bigint][])('an ECDSA signature of OpenSSL on %s', (spec, order) => {
  const algorithm = keySpecRow(spec).signingAlgorithms[0] as SigningAlgorithm
  const hash = schemes[algorithm].hash as string
  let signed: { message: Buffer; digest: Buffer; r: bigint; s: bigint }[]

  beforeAll(() => {
    const key = privateKeyOf(keyOf(spec))
    signed = messages(pairs).map((message) => {
      const fixed = sign(hash, message, { key, dsaEncoding: 'ieee-p1363' })
      const half = fixed.length / 2
      const digest = createHash(hash).update(message).digest()
      return { message, digest, r: numberOf(fixed.subarray(0, half)), s: numberOf(fixed.subarray(half)) }
    })
  })

  /** Of every signature, encoded so, as a message and as a digest. */
  async function verified(encode: (r: bigint, s: bigint) => Buffer): Promise<boolean[]> {
    const key = keyOf(spec)
    const raw = signed.map(({ message, r, s }) => [message, encode(r, s)])
    const digests = signed.map(({ digest, r, s }) => [digest, encode(r, s)])
    return [
      ...(await crypto.booleans('verify', { key, algorithm, messageType: 'RAW' }, raw)),
      ...(await crypto.booleans('verify', { key, algorithm, messageType: 'DIGEST' }, digests)),
    ]
  }

  const all = (is: boolean) => Array(2 * pairs).fill(is)

  it('is valid as (r, s) and as (r, n − s)', async () => {
    expect(await verified((r, s) => derOf(integer(r), integer(s)))).toEqual(all(true))
    expect(await verified((r, s) => derOf(integer(r), integer(order - s)))).toEqual(all(true))
  })

  const whole = (r: bigint, s: bigint) => derOf(integer(r), integer(s))
  const wide = Uint8Array.of(0x02, 0x80 + 1)
  it.each<[string, (r: bigint, s: bigint) => Buffer]>([
    ['a byte behind it', (r, s) => Buffer.concat([whole(r, s), Uint8Array.of(0)])],
    ['a byte behind the numbers', (r, s) => derOf(integer(r), integer(s), Buffer.of(0))],
    ['a third number', (r, s) => derOf(integer(r), integer(s), integer(1n))],
    ['one number', (r) => derOf(integer(r))],
    ['its last byte missing', (r, s) => whole(r, s).subarray(0, -1)],
    ['r of zero', (_, s) => derOf(integer(0n), integer(s))],
    ['s of zero', (r) => derOf(integer(r), integer(0n))],
    ['both of zero', () => derOf(integer(0n), integer(0n))],
    ['r beyond the order', (r, s) => derOf(integer(r + order), integer(s))],
    ['s beyond the order', (r, s) => derOf(integer(r), integer(s + order))],
    ['s of the order', (r) => derOf(integer(r), integer(order))],
    [
      'a number below zero',
      (r, s) => {
        const number = integer(s)
        number[2] = (number[2] as number) | 0x80
        return derOf(integer(r), number)
      },
    ],
    [
      'a number with a zero too many',
      (r, s) => {
        const number = integer(r)
        const padded = Buffer.concat([Uint8Array.of(2, number.length - 1, 0), number.subarray(2)])
        return derOf(padded, integer(s))
      },
    ],
    [
      'a length longer than it must be',
      (r, s) => {
        const number = integer(r)
        return derOf(Buffer.concat([wide, number.subarray(1)]), integer(s))
      },
    ],
    [
      'no end but a mark',
      (r, s) => {
        const content = Buffer.concat([integer(r), integer(s)])
        return Buffer.concat([Uint8Array.of(0x30, 0x80), content, Uint8Array.of(0, 0)])
      },
    ],
    [
      'another tag',
      (r, s) => {
        const signature = whole(r, s)
        signature[0] = 0x31
        return signature
      },
    ],
    [
      'no DER at all',
      (r, s) => Buffer.from(r.toString(16).padStart(132, '0') + s.toString(16).padStart(132, '0'), 'hex'),
    ],
  ])('is false with %s', async (_, encode) => {
    expect(await verified(encode)).toEqual(all(false))
  })
})

describe('MACs', () => {
  it.each(['224', '256', '384', '512'])('HMAC_SHA_%s', async (bits) => {
    const key = keyOf(`HMAC_${bits}` as KeySpec)
    const options = { key, algorithm: `HMAC_SHA_${bits}` }
    const given = messages(pairs)
    const macs = given.map((message) => createHmac(`sha${bits}`, key.material).update(message).digest())
    expect(
      await crypto.bytes(
        'generateMac',
        options,
        given.map((message) => [message]),
      ),
    ).toEqual(macs)
    const verify = async (made: (mac: Buffer) => Buffer) =>
      crypto.booleans(
        'verifyMac',
        options,
        given.map((message, at) => [message, made(macs[at] as Buffer)]),
      )
    expect(await verify((mac) => mac)).toEqual(given.map(() => true))
    expect(await verify(changed)).toEqual(given.map(() => false))
    expect(await verify((mac) => mac.subarray(0, -1))).toEqual(given.map(() => false))
    expect(await verify((mac) => Buffer.concat([mac, Uint8Array.of(0)]))).toEqual(given.map(() => false))
    compared += 2 * pairs
  })
})

const namedCurves = { ECC_NIST_P256: 'P-256', ECC_NIST_P384: 'P-384', ECC_NIST_P521: 'P-521' } as const

describe('key agreement', () => {
  const spkiOf = (key: KeyObject) => key.export({ format: 'der', type: 'spki' })

  it.each(Object.entries(namedCurves) as [KeySpec, string][])('%s', async (spec, namedCurve) => {
    const key = keyOf(spec)
    const peers = times(pairs, () => generateKeyPairSync('ec', { namedCurve }))
    const secrets = await crypto.bytes(
      'deriveSharedSecret',
      { key },
      peers.map(({ publicKey }) => [spkiOf(publicKey)]),
    )
    const own = peers.map(({ privateKey }) => diffieHellman({ privateKey, publicKey: publicKeyOf(key) }))
    expect(secrets).toEqual(own)
    const theirs = peers.map(({ publicKey }) => diffieHellman({ privateKey: privateKeyOf(key), publicKey }))
    expect(secrets).toEqual(theirs)
    compared += 2 * pairs
  })

  it.each(Object.entries(namedCurves) as [KeySpec, string][])(
    '%s refuses what is no point of it',
    async (spec, own) => {
      const key = keyOf(spec)
      const good = spkiOf(generateKeyPairSync('ec', { namedCurve: own }).publicKey)
      const other = own === 'P-256' ? 'P-384' : 'P-256'
      const offCurve = Buffer.from(good)
      offCurve[good.length - 1] = (offCurve.at(-1) as number) ^ 1
      const infinity = infinityOf(good)
      const longer = Buffer.concat([good.subarray(0, 1), Uint8Array.of(0x83, 0, 0), good.subarray(1)])
      const bad = [
        spkiOf(generateKeyPairSync('ec', { namedCurve: other }).publicKey),
        spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
        spkiOf(generateKeyPairSync('ed25519').publicKey),
        spkiOf(generateKeyPairSync('x25519').publicKey),
        spkiOf(publicKeyOf(keyOf('RSA_2048'))),
        offCurve,
        infinity,
        longer,
        Buffer.concat([good, Uint8Array.of(0)]),
        good.subarray(0, -1),
        good.subarray(-65),
        Buffer.alloc(0),
        Buffer.alloc(good.length, 4),
        generateKeyPairSync('ec', { namedCurve: own }).privateKey.export({ format: 'der', type: 'pkcs8' }),
      ]
      expect(await crypto.bytes('deriveSharedSecret', { key }, [[good]])).not.toEqual([null])
      expect(
        await crypto.bytes(
          'deriveSharedSecret',
          { key },
          bad.map((peer) => [peer]),
        ),
      ).toEqual(bad.map(() => null))
    },
  )

  /** The one byte 0 for a point. */
  function infinityOf(spki: Buffer): Buffer {
    const lengthBytes = (spki[1] as number) < 0x80 ? 1 : 2
    const algorithm = spki.subarray(1 + lengthBytes, 1 + lengthBytes + 2 + (spki[2 + lengthBytes] as number))
    return derOf(algorithm, Buffer.from('03020000', 'hex'))
  }
})

describe('encapsulation', () => {
  const ciphertextBytes = { ML_KEM_512: 768, ML_KEM_768: 1088, ML_KEM_1024: 1568 }

  it.each(Object.entries(ciphertextBytes) as [KeySpec, number][])('%s', async (spec, bytes) => {
    const key = keyOf(spec)
    const made = await crypto.encapsulate(key, pairs)
    expect(made.map(({ ciphertext }) => ciphertext.length)).toEqual(made.map(() => bytes))
    const opened = made.map(({ ciphertext }) => decapsulate(privateKeyOf(key), ciphertext))
    expect(opened).toEqual(made.map(({ sharedSecret }) => sharedSecret))

    const given = times(pairs, () => encapsulate(publicKeyOf(key)))
    const inputs = given.map(({ ciphertext }) => [ciphertext])
    expect(await crypto.bytes('decapsulate', { key }, inputs)).toEqual(given.map(({ sharedKey }) => sharedKey))
    compared += 2 * pairs
  })

  it.each(Object.entries(ciphertextBytes) as [KeySpec, number][])('%s rejects implicitly', async (spec, bytes) => {
    const key = keyOf(spec)
    const given = times(pairs, () => encapsulate(publicKeyOf(key)))
    const broken = given.map(({ ciphertext }) => changed(ciphertext))
    const secrets = await crypto.bytes(
      'decapsulate',
      { key },
      broken.map((ciphertext) => [ciphertext]),
    )
    // What they open to is a function of key and ciphertext, and OpenSSL's too.
    expect(secrets).toEqual(broken.map((ciphertext) => decapsulate(privateKeyOf(key), ciphertext)))
    const right = new Set(given.map(({ sharedKey }) => sharedKey.toString('hex')))
    expect(secrets.filter((secret) => right.has((secret as Buffer).toString('hex')))).toEqual([])
    const lengths = [0, 1, bytes - 1, bytes + 1, 768, 1088, 1568].filter((length) => length !== bytes)
    const wrong = lengths.map((length) => [randomBytes(length)])
    expect(await crypto.bytes('decapsulate', { key }, wrong)).toEqual(wrong.map(() => null))
  })
})

describe('encryption', () => {
  const sizes: KeySpec[] = ['RSA_2048', 'RSA_3072', 'RSA_4096']
  const hashes = { RSAES_OAEP_SHA_1: 'sha1', RSAES_OAEP_SHA_256: 'sha256' } as const
  const kinds = sizes.flatMap((spec) =>
    (Object.keys(hashes) as (keyof typeof hashes)[]).map((algorithm) => ({
      spec,
      algorithm,
      oaepHash: hashes[algorithm],
    })),
  )

  it.each(kinds)('$spec $algorithm', async ({ spec, algorithm, oaepHash }) => {
    const key = keyOf(spec)
    const options = { key, algorithm }
    const longest = keySpecRow(spec).plaintextBytesMax[algorithm] as number
    const plaintexts = [randomBytes(longest), ...times(pairsOfEach - 1, () => randomBytes(randomInt(1, longest + 1)))]
    const made = (await crypto.bytes(
      'encryptOaep',
      options,
      plaintexts.map((text) => [text]),
    )) as Buffer[]
    const opened = made.map((ciphertext) => privateDecrypt({ key: privateKeyOf(key), oaepHash }, ciphertext))
    expect(opened).toEqual(plaintexts)

    const given = plaintexts.map((text) => publicEncrypt({ key: publicKeyOf(key), oaepHash }, text))
    expect(
      await crypto.bytes(
        'decryptOaep',
        options,
        given.map((text) => [text]),
      ),
    ).toEqual(plaintexts)
    const otherHash = oaepHash === 'sha1' ? 'sha256' : 'sha1'
    const bad = [
      ...given.map(changed),
      publicEncrypt({ key: publicKeyOf(key), oaepHash: otherHash }, randomBytes(16)),
      publicEncrypt({ key: publicKeyOf(key), padding: constants.RSA_PKCS1_PADDING }, randomBytes(16)),
      Buffer.alloc((given[0] as Buffer).length, 0xff),
      Buffer.alloc(0),
      (given[0] as Buffer).subarray(1),
      Buffer.concat([given[0] as Buffer, Uint8Array.of(0)]),
    ]
    expect(
      await crypto.bytes(
        'decryptOaep',
        options,
        bad.map((text) => [text]),
      ),
    ).toEqual(bad.map(() => null))
    compared += 2 * plaintexts.length
  })
})
