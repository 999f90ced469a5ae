import {
  constants,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
  verify,
} from 'node:crypto'
import {
  CreateKeyCommand,
  type CreateKeyCommandInput,
  type DataKeyPairSpec,
  DecapsulateCommand,
  DecryptCommand,
  DeriveSharedSecretCommand,
  EncapsulateCommand,
  EncryptCommand,
  type EncryptionAlgorithmSpec,
  GenerateDataKeyPairCommand,
  GenerateDataKeyPairWithoutPlaintextCommand,
  GenerateMacCommand,
  GetPublicKeyCommand,
  type KeySpec,
  type KeyUsageType,
  type MacAlgorithmSpec,
  ReEncryptCommand,
  SignCommand,
  type SigningAlgorithmSpec,
  VerifyCommand,
  VerifyMacCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, newKey, openKms, refusalIn, refusalOf, uses } from '../support/conformance.ts'

/** Keys of every spec but SYMMETRIC_DEFAULT: Sign, Verify, GetPublicKey, MACs, agreement, encapsulation, RSA, data key pairs. */

const kms = await openKms()
const client = kms.client()
const message = Buffer.from('a message')

async function made(input: CreateKeyCommandInput) {
  const { KeyMetadata } = await client.send(new CreateKeyCommand(input))
  if (KeyMetadata?.KeyId === undefined || KeyMetadata.Arn === undefined) throw new Error('No key was made')
  return { id: KeyMetadata.KeyId, arn: KeyMetadata.Arn, metadata: KeyMetadata }
}

async function publicKeyOf(KeyId: string): Promise<KeyObject> {
  const { PublicKey = new Uint8Array() } = await client.send(new GetPublicKeyCommand({ KeyId }))
  return createPublicKey({ key: Buffer.from(PublicKey), format: 'der', type: 'spki' })
}

const pss = ['RSASSA_PSS_SHA_256', 'RSASSA_PSS_SHA_384', 'RSASSA_PSS_SHA_512'] as const
const pkcs1 = ['RSASSA_PKCS1_V1_5_SHA_256', 'RSASSA_PKCS1_V1_5_SHA_384', 'RSASSA_PKCS1_V1_5_SHA_512'] as const
const oaep = ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] as const

const signers: readonly (readonly [KeySpec, readonly SigningAlgorithmSpec[]])[] = [
  ['RSA_2048', [...pkcs1, ...pss]],
  ['RSA_3072', [...pkcs1, ...pss]],
  ['RSA_4096', [...pkcs1, ...pss]],
  ['ECC_NIST_P256', ['ECDSA_SHA_256']],
  ['ECC_NIST_P384', ['ECDSA_SHA_384']],
  ['ECC_NIST_P521', ['ECDSA_SHA_512']],
  ['ECC_SECG_P256K1', ['ECDSA_SHA_256']],
  ['ECC_NIST_EDWARDS25519', ['ED25519_SHA_512', 'ED25519_PH_SHA_512']],
  ['ML_DSA_44', ['ML_DSA_SHAKE_256']],
  ['ML_DSA_65', ['ML_DSA_SHAKE_256']],
  ['ML_DSA_87', ['ML_DSA_SHAKE_256']],
]

/** What a message of each type looks like; null: the algorithm takes none of that type. */
function messageOf(algorithm: SigningAlgorithmSpec, type: 'RAW' | 'DIGEST' | 'EXTERNAL_MU'): Buffer | null {
  if (algorithm === 'ML_DSA_SHAKE_256')
    return type === 'RAW' ? message : type === 'EXTERNAL_MU' ? randomBytes(64) : null
  if (type === 'EXTERNAL_MU') return null
  if (algorithm === 'ED25519_SHA_512') return type === 'RAW' ? message : null
  if (algorithm === 'ED25519_PH_SHA_512') return type === 'DIGEST' ? randomBytes(64) : null
  return type === 'RAW'
    ? message
    : createHash(`sha${algorithm.slice(-3)}`)
        .update(message)
        .digest()
}

describe.each(signers)('%s', (KeySpec, algorithms) => {
  it('signs and verifies by each of its algorithms and message types, and by no other', async () => {
    const { id, arn, metadata } = await made({ KeySpec, KeyUsage: 'SIGN_VERIFY' })
    expect(metadata).toMatchObject({ KeySpec, CustomerMasterKeySpec: KeySpec, KeyUsage: 'SIGN_VERIFY' })
    expect([...(metadata.SigningAlgorithms ?? [])].sort()).toEqual([...algorithms].sort())
    expect(metadata).not.toHaveProperty('CurrentKeyMaterialId')
    for (const SigningAlgorithm of algorithms) {
      for (const MessageType of ['RAW', 'DIGEST', 'EXTERNAL_MU'] as const) {
        const Message = messageOf(SigningAlgorithm, MessageType)
        const what = `${SigningAlgorithm} ${MessageType}`
        const input = { KeyId: id, Message: Message ?? randomBytes(64), MessageType, SigningAlgorithm }
        if (Message === null) {
          expect(await refusalOf(client.send(new SignCommand(input))), what).toMatch(
            /^ValidationException: MessageType /,
          )
          continue
        }
        const signed = await client.send(new SignCommand(input))
        expect(signed, what).toMatchObject({ KeyId: arn, SigningAlgorithm })
        const { Signature } = signed
        const verified = await client.send(new VerifyCommand({ ...input, Signature }))
        expect(verified, what).toMatchObject({ KeyId: arn, SignatureValid: true, SigningAlgorithm })
        const other = Buffer.from(Message)
        other[0] = (other[0] ?? 0) ^ 1
        const forged = client.send(new VerifyCommand({ ...input, Message: other, Signature }))
        expect(await refusalOf(forged), what).toMatch(/^KMSInvalidSignatureException: /)
      }
    }
    const [SigningAlgorithm] = signers.find(([spec]) => spec.slice(0, 3) !== KeySpec.slice(0, 3))?.[1] ?? []
    const misused = client.send(new SignCommand({ KeyId: id, Message: message, SigningAlgorithm }))
    const text = `InvalidKeyUsageException: Algorithm ${SigningAlgorithm} is incompatible with key spec ${KeySpec}.`
    expect(await refusalOf(misused)).toBe(text)
  })
})

it('a digest and its message have the same signatures', async () => {
  const { id } = await made({ KeySpec: 'ECC_NIST_P384', KeyUsage: 'SIGN_VERIFY' })
  const digest = createHash('sha384').update(message).digest()
  const asked = { KeyId: id, SigningAlgorithm: 'ECDSA_SHA_384' } as const
  const { Signature = new Uint8Array() } = await client.send(
    new SignCommand({ ...asked, Message: digest, MessageType: 'DIGEST' }),
  )
  expect(await client.send(new VerifyCommand({ ...asked, Message: message, Signature }))).toMatchObject({
    SignatureValid: true,
  })
  expect(verify('sha384', message, await publicKeyOf(id), Signature)).toBe(true)
})

describe('what is no signature', async () => {
  const { id } = await made({ KeySpec: 'ECC_NIST_EDWARDS25519', KeyUsage: 'SIGN_VERIFY' })
  const rows = [1, 63, 65, 88, 6144].map((bytes) => [bytes, randomBytes(bytes)] as const)
  it.each(rows)('of %i bytes', async (_bytes, Signature) => {
    for (const [SigningAlgorithm, MessageType] of [
      ['ED25519_SHA_512', 'RAW'],
      ['ED25519_PH_SHA_512', 'DIGEST'],
    ] as const) {
      const input = { KeyId: id, Message: randomBytes(64), MessageType, SigningAlgorithm, Signature }
      expect(await refusalOf(client.send(new VerifyCommand(input)))).toMatch(/^KMSInvalidSignatureException: /)
    }
  })

  it.each(signers)('of a %s key', async (KeySpec, algorithms) => {
    const { id } = await made({ KeySpec, KeyUsage: 'SIGN_VERIFY' })
    for (const SigningAlgorithm of algorithms) {
      const MessageType = SigningAlgorithm === 'ED25519_PH_SHA_512' ? 'DIGEST' : 'RAW'
      const bodies: unknown[] = []
      for (const Signature of [randomBytes(1), randomBytes(70), randomBytes(256), randomBytes(3309)]) {
        const input = { KeyId: id, Message: randomBytes(64), MessageType, SigningAlgorithm, Signature }
        const wire = { ...input, Message: input.Message.toString('base64'), Signature: Signature.toString('base64') }
        bodies.push((await kms.ask('Verify', wire)).json)
      }
      expect(bodies).toEqual(bodies.map(() => ({ __type: 'KMSInvalidSignatureException' })))
    }
  })
})

describe('GetPublicKey', () => {
  it('says what the key is for', async () => {
    const { id, arn } = await made({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' })
    const answer = await client.send(new GetPublicKeyCommand({ KeyId: id }))
    expect(answer).toMatchObject({
      KeyId: arn,
      KeySpec: 'ECC_NIST_P256',
      CustomerMasterKeySpec: 'ECC_NIST_P256',
      KeyUsage: 'KEY_AGREEMENT',
      KeyAgreementAlgorithms: ['ECDH'],
    })
    expect(answer).not.toHaveProperty('SigningAlgorithms')
  })

  it('answers for a disabled key', async () => {
    const key = await newKey(kms, 'signing')
    await kms.ask('DisableKey', { KeyId: key.id })
    expect((await kms.ask('GetPublicKey', { KeyId: key.id })).status).toBe(200)
  })

  it.each([
    ['a symmetric key', 'encryption'],
    ['an HMAC key', 'mac'],
  ] as const)('refuses %s', async (_name, kind) => {
    const { id } = await newKey(kms, kind)
    expect(refusalIn(await kms.ask('GetPublicKey', { KeyId: id }))).toMatch(/^UnsupportedOperationException: /)
  })
})

describe('MACs', () => {
  const macs: readonly (readonly [KeySpec, MacAlgorithmSpec, number])[] = [
    ['HMAC_224', 'HMAC_SHA_224', 28],
    ['HMAC_256', 'HMAC_SHA_256', 32],
    ['HMAC_384', 'HMAC_SHA_384', 48],
    ['HMAC_512', 'HMAC_SHA_512', 64],
  ]
  it.each(macs)('%s', async (KeySpec, MacAlgorithm, bytes) => {
    const { id, arn, metadata } = await made({ KeySpec, KeyUsage: 'GENERATE_VERIFY_MAC' })
    expect(metadata.MacAlgorithms).toEqual([MacAlgorithm])
    const asked = { KeyId: id, Message: message, MacAlgorithm }
    const { Mac = new Uint8Array(), ...answer } = await client.send(new GenerateMacCommand(asked))
    expect(Mac).toHaveLength(bytes)
    expect(answer).toMatchObject({ KeyId: arn, MacAlgorithm })
    expect(await client.send(new VerifyMacCommand({ ...asked, Mac }))).toMatchObject({ MacValid: true, KeyId: arn })
    for (const wrong of [Mac.slice(0, -1), Buffer.concat([Mac, Buffer.alloc(1)]), randomBytes(bytes)]) {
      const refused = await refusalOf(client.send(new VerifyMacCommand({ ...asked, Mac: wrong })))
      expect(refused).toMatch(/^KMSInvalidMacException: /)
    }
    const other = macs.find(([spec]) => spec !== KeySpec)?.[1] as MacAlgorithmSpec
    const misused = client.send(new GenerateMacCommand({ ...asked, MacAlgorithm: other }))
    expect(await refusalOf(misused)).toBe(
      `InvalidKeyUsageException: Algorithm ${other} is incompatible with key spec ${KeySpec}.`,
    )
  })
})

describe('DeriveSharedSecret', () => {
  const curves = { ECC_NIST_P256: 'P-256', ECC_NIST_P384: 'P-384', ECC_NIST_P521: 'P-521' } as const
  const spki = (key: KeyObject) => key.export({ format: 'der', type: 'spki' })

  it.each(Object.entries(curves))('%s agrees with OpenSSL', async (KeySpec, namedCurve) => {
    const { id, arn } = await made({ KeySpec: KeySpec as KeySpec, KeyUsage: 'KEY_AGREEMENT' })
    const peer = generateKeyPairSync('ec', { namedCurve })
    const asked = { KeyId: id, KeyAgreementAlgorithm: 'ECDH', PublicKey: spki(peer.publicKey) } as const
    const answer = await client.send(new DeriveSharedSecretCommand(asked))
    expect(answer).toMatchObject({ KeyId: arn, KeyAgreementAlgorithm: 'ECDH', KeyOrigin: 'AWS_KMS' })
    const theirs = diffieHellman({ privateKey: peer.privateKey, publicKey: await publicKeyOf(id) })
    expect(Buffer.from(answer.SharedSecret ?? [])).toEqual(theirs)
  })

  it('refuses what is no public key on its curve, in one way', async () => {
    const { id } = await made({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' })
    const own = spki(await publicKeyOf(id))
    const offCurve = Buffer.from(own)
    offCurve[offCurve.length - 1] = (offCurve.at(-1) ?? 0) ^ 1
    const rows = {
      'another curve': spki(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey),
      'an RSA key': spki(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey),
      'an X25519 key': spki(generateKeyPairSync('x25519').publicKey),
      'not on the curve': offCurve,
      'bytes behind it': Buffer.concat([own, Buffer.alloc(1)]),
      'cut short': own.subarray(0, -1),
      'no DER': randomBytes(91),
    }
    const bodies: unknown[] = []
    for (const PublicKey of Object.values(rows)) {
      const input = { KeyId: id, KeyAgreementAlgorithm: 'ECDH', PublicKey: PublicKey.toString('base64') }
      bodies.push((await kms.ask('DeriveSharedSecret', input)).json)
    }
    expect(bodies).toEqual(bodies.map(() => ({ __type: 'ValidationException', message: '' })))
  })
})

describe('encapsulation', () => {
  it.each([
    ['ML_KEM_512', 768],
    ['ML_KEM_768', 1088],
    ['ML_KEM_1024', 1568],
  ] as const)('%s', async (KeySpec, bytes) => {
    const { id, arn } = await made({ KeySpec, KeyUsage: 'ENCAPSULATE_DECAPSULATE' })
    const asked = { KeyId: id, EncapsulationAlgorithm: 'ML_KEM' } as const
    const made1 = await client.send(new EncapsulateCommand(asked))
    expect(made1).toMatchObject({ KeyId: arn, EncapsulationAlgorithm: 'ML_KEM' })
    const { SharedSecret, SharedSecretCiphertextBlob = new Uint8Array() } = made1
    expect([SharedSecret?.length, SharedSecretCiphertextBlob.length]).toEqual([32, bytes])
    const opened = await client.send(new DecapsulateCommand({ ...asked, SharedSecretCiphertextBlob }))
    expect(opened).toMatchObject({ KeyId: arn, SharedSecret })
    // Implicit rejection: another ciphertext opens to another secret, the same each time.
    const forged = randomBytes(bytes)
    const open = async () =>
      (await client.send(new DecapsulateCommand({ ...asked, SharedSecretCiphertextBlob: forged }))).SharedSecret
    const rejected = await open()
    expect(rejected).toHaveLength(32)
    expect(rejected).not.toEqual(SharedSecret)
    expect(await open()).toEqual(rejected)
    for (const length of [1, bytes - 1, bytes + 1]) {
      const input = { ...asked, SharedSecretCiphertextBlob: randomBytes(length) }
      expect(await refusalOf(client.send(new DecapsulateCommand(input)))).toMatch(/^InvalidCiphertextException: /)
    }
  })
})

describe('RSA encryption', async () => {
  const sizes = { RSA_2048: [214, 190], RSA_3072: [342, 318], RSA_4096: [470, 446] } as const
  const keys = new Map<string, Awaited<ReturnType<typeof made>>>()
  for (const KeySpec of Object.keys(sizes) as (keyof typeof sizes)[]) {
    keys.set(KeySpec, await made({ KeySpec, KeyUsage: 'ENCRYPT_DECRYPT' }))
  }
  const rows = Object.entries(sizes).flatMap(([spec, [sha1, sha256]]) => [
    [spec, oaep[0], sha1] as const,
    [spec, oaep[1], sha256] as const,
  ])

  it.each(rows)('%s %s takes %i bytes, there and back', async (spec, EncryptionAlgorithm, bytes) => {
    const { id: KeyId, arn } = keys.get(spec) as Awaited<ReturnType<typeof made>>
    const Plaintext = randomBytes(bytes)
    const sealed = await client.send(new EncryptCommand({ KeyId, Plaintext, EncryptionAlgorithm }))
    expect(sealed).toMatchObject({ KeyId: arn, EncryptionAlgorithm })
    const { CiphertextBlob } = sealed
    const opened = await client.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionAlgorithm }))
    expect(opened).toMatchObject({ KeyId: arn, EncryptionAlgorithm })
    expect(opened).not.toHaveProperty('KeyMaterialId')
    expect(Buffer.from(opened.Plaintext ?? [])).toEqual(Plaintext)
    const tooLong = client.send(new EncryptCommand({ KeyId, Plaintext: randomBytes(bytes + 1), EncryptionAlgorithm }))
    expect(await refusalOf(tooLong)).toBe(
      `ValidationException: Algorithm ${EncryptionAlgorithm} and key spec ${spec} cannot encrypt data larger than ${bytes} bytes.`,
    )
  })

  it.each(oaep)('opens what OpenSSL encrypts: %s', async (EncryptionAlgorithm) => {
    const { id: KeyId } = keys.get('RSA_2048') as Awaited<ReturnType<typeof made>>
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    const oaepHash = EncryptionAlgorithm === 'RSAES_OAEP_SHA_1' ? 'sha1' : 'sha256'
    const CiphertextBlob = publicEncrypt({ key: await publicKeyOf(KeyId), padding, oaepHash }, message)
    const { Plaintext } = await client.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionAlgorithm }))
    expect(Buffer.from(Plaintext ?? [])).toEqual(message)
  })

  it('fails in one way only', async () => {
    const { id: KeyId } = keys.get('RSA_2048') as Awaited<ReturnType<typeof made>>
    const EncryptionAlgorithm = 'RSAES_OAEP_SHA_256'
    const publicKey = await publicKeyOf(KeyId)
    const encrypted = (padding: number, oaepHash?: string, oaepLabel?: Buffer) =>
      publicEncrypt(
        { key: publicKey, padding, ...(oaepHash && { oaepHash }), ...(oaepLabel && { oaepLabel }) },
        message,
      )
    const good = encrypted(constants.RSA_PKCS1_OAEP_PADDING, 'sha256')
    const flipped = Buffer.from(good)
    flipped[100] = (flipped[100] ?? 0) ^ 1
    const blobs = {
      flipped,
      'PKCS #1 v1.5': encrypted(constants.RSA_PKCS1_PADDING),
      'another hash': encrypted(constants.RSA_PKCS1_OAEP_PADDING, 'sha1'),
      'a label': encrypted(constants.RSA_PKCS1_OAEP_PADDING, 'sha256', Buffer.from('label')),
      short: good.subarray(1),
      long: Buffer.concat([good, Buffer.alloc(1)]),
      zeros: Buffer.alloc(256),
      'above the modulus': Buffer.alloc(256, 0xff),
      'one byte': Buffer.alloc(1),
    }
    const answers = await Promise.all(
      Object.values(blobs).map(async (blob) => {
        const input = { KeyId, EncryptionAlgorithm, CiphertextBlob: blob.toString('base64') }
        const { status, contentType, text } = await kms.ask('Decrypt', input)
        return { status, contentType, text }
      }),
    )
    const one = {
      status: 400,
      contentType: 'application/x-amz-json-1.1',
      text: '{"__type":"InvalidCiphertextException"}',
    }
    expect(answers).toEqual(answers.map(() => one))
  })

  it('is re-encrypted from and to a symmetric key', async () => {
    const symmetric = await newKey(kms)
    const { id } = keys.get('RSA_3072') as Awaited<ReturnType<typeof made>>
    const EncryptionAlgorithm: EncryptionAlgorithmSpec = 'RSAES_OAEP_SHA_256'
    const { CiphertextBlob } = await client.send(
      new EncryptCommand({ KeyId: id, Plaintext: message, EncryptionAlgorithm }),
    )
    const moved = await client.send(
      new ReEncryptCommand({
        CiphertextBlob,
        SourceKeyId: id,
        SourceEncryptionAlgorithm: EncryptionAlgorithm,
        DestinationKeyId: symmetric.id,
        DestinationEncryptionContext: { a: 'b' },
      }),
    )
    expect(moved).toMatchObject({ SourceEncryptionAlgorithm: EncryptionAlgorithm, KeyId: symmetric.arn })
    expect(moved).not.toHaveProperty('SourceKeyMaterialId')
    expect(moved.DestinationKeyMaterialId).toMatch(/^[0-9a-f]{64}$/)
    const back = await client.send(
      new ReEncryptCommand({
        CiphertextBlob: moved.CiphertextBlob,
        SourceEncryptionContext: { a: 'b' },
        DestinationKeyId: id,
        DestinationEncryptionAlgorithm: EncryptionAlgorithm,
      }),
    )
    expect(back).not.toHaveProperty('DestinationKeyMaterialId')
    const opened = await client.send(
      new DecryptCommand({ KeyId: id, CiphertextBlob: back.CiphertextBlob, EncryptionAlgorithm }),
    )
    expect(Buffer.from(opened.Plaintext ?? [])).toEqual(message)
  })

  const rsa = keys.get('RSA_2048') as Awaited<ReturnType<typeof made>>
  const symmetric = await newKey(kms)
  const EncryptionAlgorithm = 'RSAES_OAEP_SHA_256'
  const large = { CiphertextBlob: symmetric.blob, SourceKeyId: symmetric.id }
  const { json: big } = await kms.ask('Encrypt', {
    KeyId: symmetric.id,
    Plaintext: Buffer.alloc(191).toString('base64'),
  })
  itRefuses(kms, [
    [
      'a context, which nothing would bind',
      'Encrypt',
      { KeyId: rsa.id, Plaintext: 'YQ==', EncryptionAlgorithm, EncryptionContext: { a: 'b' } },
      /^ValidationException: EncryptionContext is not supported/,
    ],
    [
      'no algorithm',
      'Encrypt',
      { KeyId: rsa.id, Plaintext: 'YQ==' },
      'InvalidKeyUsageException: Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.',
    ],
    [
      'SM2',
      'Encrypt',
      { KeyId: rsa.id, Plaintext: 'YQ==', EncryptionAlgorithm: 'SM2PKE' },
      /^InvalidKeyUsageException: /,
    ],
    [
      'a data key',
      'GenerateDataKey',
      { KeyId: rsa.id, KeySpec: 'AES_256' },
      'InvalidKeyUsageException: Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.',
    ],
    [
      'more than the destination takes',
      'ReEncrypt',
      {
        ...large,
        CiphertextBlob: big.CiphertextBlob,
        DestinationKeyId: rsa.id,
        DestinationEncryptionAlgorithm: EncryptionAlgorithm,
      },
      /cannot encrypt data larger than 190 bytes/,
    ],
    [
      'an enclave',
      'Decrypt',
      { KeyId: rsa.id, CiphertextBlob: 'YQ==', EncryptionAlgorithm, Recipient: {} },
      /^UnsupportedOperationException: /,
    ],
  ])
})

describe('data key pairs', async () => {
  const key = await newKey(kms)
  const pairSpecs: readonly DataKeyPairSpec[] = [
    'RSA_2048',
    'RSA_3072',
    'RSA_4096',
    'ECC_NIST_P256',
    'ECC_NIST_P384',
    'ECC_NIST_P521',
    'ECC_SECG_P256K1',
    'ECC_NIST_EDWARDS25519',
    'ML_KEM_512',
    'ML_KEM_768',
    'ML_KEM_1024',
  ]
  it.each(pairSpecs)('%s', async (KeyPairSpec) => {
    const EncryptionContext = { pair: KeyPairSpec }
    const input = { KeyId: key.id, KeyPairSpec, EncryptionContext }
    const pair = await client.send(new GenerateDataKeyPairCommand(input))
    expect(pair).toMatchObject({ KeyId: key.arn, KeyPairSpec, KeyMaterialId: expect.stringMatching(/^[0-9a-f]{64}$/) })
    const opened = await client.send(
      new DecryptCommand({ CiphertextBlob: pair.PrivateKeyCiphertextBlob, EncryptionContext }),
    )
    expect(opened.Plaintext).toEqual(pair.PrivateKeyPlaintext)
    if (KeyPairSpec.startsWith('ML_KEM')) expect(pair.PrivateKeyPlaintext).toHaveLength(86)
    const hidden = await client.send(new GenerateDataKeyPairWithoutPlaintextCommand(input))
    expect(hidden).not.toHaveProperty('PrivateKeyPlaintext')
    expect(hidden.PublicKey).not.toEqual(pair.PublicKey)
  })

  itRefuses(kms, [
    ['SM2', 'GenerateDataKeyPair', { KeyId: key.id, KeyPairSpec: 'SM2' }, /^UnsupportedOperationException: /],
    [
      'a dry run',
      'GenerateDataKeyPair',
      { KeyId: key.id, KeyPairSpec: 'RSA_2048', DryRun: true },
      /^DryRunOperationException: /,
    ],
  ])
})

describe('a key is for one thing', async () => {
  const usages = {
    ENCRYPT_DECRYPT: await newKey(kms),
    SIGN_VERIFY: await newKey(kms, 'signing'),
    GENERATE_VERIFY_MAC: await newKey(kms, 'mac'),
    KEY_AGREEMENT: await newKey(kms, 'agreement'),
    ENCAPSULATE_DECAPSULATE: await newKey(kms, 'encapsulation'),
  } as const
  const operations = {
    Encrypt: ['ENCRYPT_DECRYPT', { Plaintext: 'YQ==' }],
    GenerateDataKey: ['ENCRYPT_DECRYPT', { KeySpec: 'AES_256' }],
    GenerateDataKeyWithoutPlaintext: ['ENCRYPT_DECRYPT', { KeySpec: 'AES_256' }],
    GenerateDataKeyPair: ['ENCRYPT_DECRYPT', { KeyPairSpec: 'ECC_NIST_P256' }],
    GenerateDataKeyPairWithoutPlaintext: ['ENCRYPT_DECRYPT', { KeyPairSpec: 'ECC_NIST_P256' }],
    Sign: ['SIGN_VERIFY', { Message: 'YQ==', SigningAlgorithm: 'ECDSA_SHA_256' }],
    Verify: ['SIGN_VERIFY', { Message: 'YQ==', SigningAlgorithm: 'ECDSA_SHA_256', Signature: 'YQ==' }],
    GenerateMac: ['GENERATE_VERIFY_MAC', { Message: 'YQ==', MacAlgorithm: 'HMAC_SHA_256' }],
    VerifyMac: ['GENERATE_VERIFY_MAC', { Message: 'YQ==', MacAlgorithm: 'HMAC_SHA_256', Mac: 'YQ==' }],
    DeriveSharedSecret: ['KEY_AGREEMENT', { KeyAgreementAlgorithm: 'ECDH', PublicKey: 'YQ==' }],
    Encapsulate: ['ENCAPSULATE_DECAPSULATE', { EncapsulationAlgorithm: 'ML_KEM' }],
    Decapsulate: ['ENCAPSULATE_DECAPSULATE', { EncapsulationAlgorithm: 'ML_KEM', SharedSecretCiphertextBlob: 'YQ==' }],
  } as const
  const rows = Object.entries(operations).flatMap(([operation, [usage, input]]) =>
    Object.entries(usages)
      .filter(([other]) => other !== usage)
      .map(([other, { id, arn }]) => {
        const text = `InvalidKeyUsageException: ${arn} key usage is ${other} which is not valid for ${operation}.`
        return [other, operation, { KeyId: id, ...input }, text] as const
      }),
  )
  itRefuses(kms, rows)

  it('and each operation may be tried dry', async () => {
    for (const [operation, [usage, input]] of Object.entries(operations)) {
      if (/Verify|Decapsulate|Derive/.test(operation)) continue
      const answer = await kms.ask(operation, { KeyId: usages[usage as KeyUsageType].id, ...input, DryRun: true })
      expect(refusalIn(answer), operation).toMatch(/^DryRunOperationException: /)
    }
  })

  it.each(Object.keys(usages).filter((usage) => usage !== 'ENCRYPT_DECRYPT'))(
    '%s keys do not rotate',
    async (usage) => {
      const { id } = usages[usage as KeyUsageType]
      for (const operation of [
        'EnableKeyRotation',
        'DisableKeyRotation',
        'GetKeyRotationStatus',
        'RotateKeyOnDemand',
        'ListKeyRotations',
      ]) {
        const { json } = await kms.ask(operation, { KeyId: id })
        expect(json, operation).toEqual({ __type: 'UnsupportedOperationException' })
      }
    },
  )
})

describe('every use of a key', async () => {
  const named = Object.entries(uses).filter(
    ([name, { kind, names }]) =>
      names?.[1] === 'keyOrAlias' && (kind !== undefined || name.startsWith('GenerateDataKeyPair')),
  )
  const keys = await Promise.all(
    named.map(async ([operation, { kind, input }]) => [operation, input(await newKey(kms, kind))] as const),
  )
  itRefuses(
    kms,
    keys.flatMap(([operation, input]) => [
      [
        'a grant token that is none',
        operation,
        { ...input, GrantTokens: ['a-token'] },
        /^InvalidGrantTokenException: /,
      ],
      ['no key', operation, { ...input, KeyId: 'fake' }, "NotFoundException: Invalid keyId 'fake'"],
    ]),
  )
})

describe('CreateKey', () => {
  itRefuses(kms, [
    [
      'a spec without a usage',
      'CreateKey',
      { KeySpec: 'RSA_2048' },
      'ValidationException: You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.',
    ],
    [
      'a usage that does not fit',
      'CreateKey',
      { KeySpec: 'RSA_2048', KeyUsage: 'KEY_AGREEMENT' },
      'ValidationException: KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048',
    ],
    [
      'secp256k1 does not agree',
      'CreateKey',
      { KeySpec: 'ECC_SECG_P256K1', KeyUsage: 'KEY_AGREEMENT' },
      'ValidationException: KeyUsage KEY_AGREEMENT is not compatible with KeySpec ECC_SECG_P256K1',
    ],
    ['SM2', 'CreateKey', { KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' }, /^UnsupportedOperationException: /],
  ])
})

describe('grants', async () => {
  const { id, arn } = await newKey(kms, 'signing')
  const granting = (Operations: readonly string[], Constraints?: object) => ({
    KeyId: id,
    GranteePrincipal: `arn:aws:iam::${arn.split(':')[4]}:root`,
    Operations,
    ...(Constraints === undefined ? {} : { Constraints }),
  })
  itRefuses(kms, [
    ['an operation that the key has not', 'CreateGrant', granting(['GenerateDataKey']), /^ValidationException: /],
    ['a MAC', 'CreateGrant', granting(['GenerateMac']), /^ValidationException: /],
    [
      'a context that no call will have',
      'CreateGrant',
      granting(['Sign'], { EncryptionContextEquals: { a: 'b' } }),
      /^ValidationException: Encryption context constraints/,
    ],
  ])

  it('let a key sign', async () => {
    const answer = await kms.ask('CreateGrant', granting(['Sign', 'Verify', 'GetPublicKey', 'DescribeKey']))
    expect(answer.status).toBe(200)
  })
})

describe('a caller who may not', async () => {
  const user = `signer-${randomBytes(4).toString('hex')}`
  await kms.query('iam', 'CreateUser', { UserName: user })
  const { result } = await kms.query('iam', 'CreateAccessKey', { UserName: user })
  const { AccessKeyId, SecretAccessKey } = (result as { AccessKey: Record<string, string> }).AccessKey
  const by = { accessKeyId: AccessKeyId as string, secretAccessKey: SecretAccessKey as string }
  const keys = {
    signing: await newKey(kms, 'signing'),
    mac: await newKey(kms, 'mac'),
    agreement: await newKey(kms, 'agreement'),
    encapsulation: await newKey(kms, 'encapsulation'),
    encryption: await newKey(kms),
  }
  it.each([
    ['Sign', 'signing', { Message: 'YQ==', SigningAlgorithm: 'ECDSA_SHA_256' }],
    ['Verify', 'signing', { Message: 'YQ==', SigningAlgorithm: 'ECDSA_SHA_256', Signature: 'YQ==' }],
    ['GetPublicKey', 'signing', {}],
    ['GenerateMac', 'mac', { Message: 'YQ==', MacAlgorithm: 'HMAC_SHA_256' }],
    ['VerifyMac', 'mac', { Message: 'YQ==', MacAlgorithm: 'HMAC_SHA_256', Mac: 'YQ==' }],
    ['DeriveSharedSecret', 'agreement', { KeyAgreementAlgorithm: 'ECDH', PublicKey: 'YQ==' }],
    ['Encapsulate', 'encapsulation', { EncapsulationAlgorithm: 'ML_KEM' }],
    ['Decapsulate', 'encapsulation', { EncapsulationAlgorithm: 'ML_KEM', SharedSecretCiphertextBlob: 'YQ==' }],
    ['GenerateDataKeyPair', 'encryption', { KeyPairSpec: 'ECC_NIST_P256' }],
    ['GenerateDataKeyPairWithoutPlaintext', 'encryption', { KeyPairSpec: 'ECC_NIST_P256' }],
  ] as const)('%s', async (operation, kind, input) => {
    const answer = await kms.ask(operation, { KeyId: keys[kind].id, ...input }, by)
    expect(refusalIn(answer)).toContain(`is not authorized to perform: kms:${operation} on resource: ${keys[kind].arn}`)
  })

  it('DescribeCustomKeyStores', async () => {
    expect(refusalIn(await kms.ask('DescribeCustomKeyStores', {}, by))).toMatch(/^AccessDeniedException: /)
  })
})

describe('custom key stores', () => {
  it('there are none', async () => {
    expect((await kms.ask('DescribeCustomKeyStores', {})).json).toEqual({ CustomKeyStores: [], Truncated: false })
  })

  itRefuses(kms, [
    [
      'one by its id',
      'DescribeCustomKeyStores',
      { CustomKeyStoreId: 'cks-1' },
      "CustomKeyStoreNotFoundException: Custom key store 'cks-1' does not exist",
    ],
    ['a marker', 'DescribeCustomKeyStores', { Marker: 'x' }, /^InvalidMarkerException: /],
  ])
})
