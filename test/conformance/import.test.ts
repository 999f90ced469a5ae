import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import {
  CancelKeyDeletionCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteImportedKeyMaterialCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  GenerateMacCommand,
  GetParametersForImportCommand,
  type GetParametersForImportCommandOutput,
  GetPublicKeyCommand,
  ImportKeyMaterialCommand,
  type ImportKeyMaterialCommandInput,
  type KeySpec,
  type KeyUsageType,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, openKms, refusalIn, refusalOf } from '../support/conformance.ts'
import {
  underAes,
  underRsa,
  type WrappingAlgorithm,
  wrapMaterial,
  wrappingAlgorithms,
  wrappingKeySpecs,
} from '../support/wrap.ts'

/** GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial, and the rotation of what was imported. */

const kms = await openKms()
const client = kms.client()
const dayMs = 86_400_000

interface Kind {
  readonly spec: KeySpec
  readonly usage: KeyUsageType
  /** What a user brings: raw bytes, or PKCS #8. */
  newMaterial(): Buffer
  /** That the key works with this material and no other. */
  expectMaterial(keyId: string, material: Buffer): Promise<void>
}

const hmac = (bits: 224 | 256 | 384 | 512): Kind => ({
  spec: `HMAC_${bits}`,
  usage: 'GENERATE_VERIFY_MAC',
  newMaterial: () => randomBytes(bits / 8),
  async expectMaterial(KeyId, material) {
    const Message = Buffer.from('hello')
    const { Mac } = await client.send(
      new GenerateMacCommand({ KeyId, Message, MacAlgorithm: `HMAC_SHA_${bits}` as const }),
    )
    expect(Buffer.from(Mac ?? [])).toEqual(createHmac(`sha${bits}`, material).update(Message).digest())
  },
})
const pair = (spec: KeySpec, generate: () => { privateKey: KeyObject }): Kind =>
  encoded(spec, 'SIGN_VERIFY', () => generate().privateKey.export({ format: 'der', type: 'pkcs8' }))
/** A private key in PKCS #8. */
const encoded = (spec: KeySpec, usage: KeyUsageType, newMaterial: () => Buffer): Kind => ({
  spec,
  usage,
  newMaterial,
  async expectMaterial(KeyId, material) {
    const { PublicKey } = await client.send(new GetPublicKeyCommand({ KeyId }))
    const own = createPublicKey(createPrivateKey({ key: material, format: 'der', type: 'pkcs8' }))
    expect(Buffer.from(PublicKey ?? [])).toEqual(own.export({ format: 'der', type: 'spki' }))
  },
})
const rsa = (modulusLength: number, publicExponent = 65537) =>
  pair(`RSA_${modulusLength}` as KeySpec, () => generateKeyPairSync('rsa', { modulusLength, publicExponent }))
const curve = (spec: KeySpec, namedCurve: string) => pair(spec, () => generateKeyPairSync('ec', { namedCurve }))

const symmetric: Kind = {
  spec: 'SYMMETRIC_DEFAULT',
  usage: 'ENCRYPT_DECRYPT',
  newMaterial: () => randomBytes(32),
  async expectMaterial(keyId) {
    const current = (await metadataOf(keyId))?.CurrentKeyMaterialId
    expect(await decrypted(await encrypted(keyId, 'hello'))).toEqual({ plaintext: 'hello', KeyMaterialId: current })
  },
}
const hmac256 = hmac(256)
const p256 = curve('ECC_NIST_P256', 'P-256')
const p521 = curve('ECC_NIST_P521', 'P-521')
/** PKCS #8 of nothing but a seed, after these bytes (RFC 9881, RFC 9935). */
const seeded = (spec: KeySpec, usage: KeyUsageType, seedBytes: number, header: string) =>
  encoded(spec, usage, () => Buffer.concat([Buffer.from(header, 'hex'), randomBytes(seedBytes)]))
const mlDsa = seeded('ML_DSA_44', 'SIGN_VERIFY', 32, '3034020100300b060960864801650304031104228020')
const mlKem = seeded('ML_KEM_768', 'ENCAPSULATE_DECAPSULATE', 64, '3054020100300b060960864801650304040204428040')
const ed25519 = pair('ECC_NIST_EDWARDS25519', () => generateKeyPairSync('ed25519'))
const kinds: readonly Kind[] = [
  symmetric,
  hmac(224),
  hmac256,
  hmac(384),
  hmac(512),
  rsa(2048),
  rsa(3072),
  rsa(4096),
  p256,
  curve('ECC_NIST_P384', 'P-384'),
  p521,
  curve('ECC_SECG_P256K1', 'secp256k1'),
  ed25519,
  mlDsa,
  mlKem,
]

async function newKey({ spec, usage }: Pick<Kind, 'spec' | 'usage'> = symmetric) {
  const input = { Origin: 'EXTERNAL', KeySpec: spec, KeyUsage: usage } as const
  const { KeyMetadata } = await client.send(new CreateKeyCommand(input))
  return { id: KeyMetadata?.KeyId ?? '', arn: KeyMetadata?.Arn ?? '' }
}

function parametersFor(
  KeyId: string,
  WrappingAlgorithm: WrappingAlgorithm = 'RSAES_OAEP_SHA_256',
  WrappingKeySpec: (typeof wrappingKeySpecs)[number] = 'RSA_2048',
) {
  return client.send(new GetParametersForImportCommand({ KeyId, WrappingAlgorithm, WrappingKeySpec }))
}

type Parameters = Pick<GetParametersForImportCommandOutput, 'ImportToken' | 'PublicKey'>
type Options = Partial<ImportKeyMaterialCommandInput>

function sendImport(
  KeyId: string,
  { ImportToken }: Parameters,
  EncryptedKeyMaterial: Uint8Array,
  options: Options = {},
) {
  const input = { KeyId, ImportToken, EncryptedKeyMaterial, ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' as const }
  return client.send(new ImportKeyMaterialCommand({ ...input, ...options }))
}

/** From the wrapping key to the answer. */
async function imported(
  keyId: string,
  material: Uint8Array,
  options: Options = {},
  algorithm: WrappingAlgorithm = 'RSA_AES_KEY_WRAP_SHA_256',
) {
  const parameters = await parametersFor(keyId, algorithm)
  return sendImport(
    keyId,
    parameters,
    wrapMaterial(algorithm, parameters.PublicKey ?? new Uint8Array(), material),
    options,
  )
}

async function keyWith(material: Uint8Array, options: Options = {}) {
  const key = await newKey()
  const { KeyMaterialId } = await imported(key.id, material, options)
  return { ...key, materialId: KeyMaterialId ?? '' }
}

async function metadataOf(KeyId: string) {
  return (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata
}

async function materialsOf(KeyId: string) {
  const input = { KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' } as const
  return (await client.send(new ListKeyRotationsCommand(input))).Rotations ?? []
}

async function encrypted(KeyId: string, plaintext: string) {
  const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from(plaintext) }))
  return CiphertextBlob ?? new Uint8Array()
}

async function decrypted(CiphertextBlob: Uint8Array) {
  const { Plaintext, KeyMaterialId } = await client.send(new DecryptCommand({ CiphertextBlob }))
  return { plaintext: Buffer.from(Plaintext ?? []).toString(), KeyMaterialId }
}

/** Everything that a failed import must leave as it was. */
async function stateOf(keyId: string) {
  const metadata = await metadataOf(keyId)
  const isSymmetric = metadata?.KeySpec === 'SYMMETRIC_DEFAULT'
  return { metadata, materials: isSymmetric ? await materialsOf(keyId) : null }
}

/** Which wrappings AWS does not take for a kind: the material is too long for RSA itself. */
function isTooLong({ spec }: Kind, algorithm: WrappingAlgorithm, wrappingKeySpec: string): boolean {
  if (!algorithm.startsWith('RSAES')) return false
  return spec.startsWith('RSA_') || (spec === 'ECC_NIST_P521' && wrappingKeySpec === 'RSA_2048')
}

describe.each(kinds)('material of $spec', (kind) => {
  const material = kind.newMaterial()
  const other = kind.newMaterial()

  it.each(
    wrappingAlgorithms.flatMap((algorithm) =>
      wrappingKeySpecs.map((wrappingKeySpec) => ({ algorithm, wrappingKeySpec })),
    ),
  )('by $algorithm under $wrappingKeySpec', async ({ algorithm, wrappingKeySpec }) => {
    const { id, arn } = await newKey(kind)
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'PendingImport', Enabled: false, Origin: 'EXTERNAL' })
    const asked = parametersFor(id, algorithm, wrappingKeySpec)
    if (isTooLong(kind, algorithm, wrappingKeySpec)) {
      expect(await refusalOf(asked)).toMatch(/^UnsupportedOperationException: Key material of /)
      return
    }
    const { $metadata: _, ...parameters } = await asked
    const publicKey = parameters.PublicKey ?? new Uint8Array()
    expect(parameters).toEqual({
      KeyId: arn,
      ImportToken: expect.any(Uint8Array),
      PublicKey: expect.any(Uint8Array),
      ParametersValidTo: expect.any(Date),
    })
    expect(Math.abs(Number(parameters.ParametersValidTo) - Date.now() - dayMs)).toBeLessThan(300_000)

    const { $metadata: __, ...answer } = await sendImport(id, parameters, wrapMaterial(algorithm, publicKey, material))
    const isSymmetric = kind === symmetric
    expect(answer).toEqual({
      KeyId: arn,
      ...(isSymmetric ? { KeyMaterialId: expect.stringMatching(/^[0-9a-f]{64}$/) } : {}),
    })
    const metadata = await metadataOf(id)
    expect(metadata).toMatchObject({ KeyState: 'Enabled', Enabled: true })
    expect(metadata).toMatchObject({ ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' })
    expect(metadata?.CurrentKeyMaterialId).toBe(answer.KeyMaterialId)

    // The same material is known again, and no other takes its place.
    expect(await sendImport(id, parameters, wrapMaterial(algorithm, publicKey, material))).toMatchObject(answer)
    const before = await stateOf(id)
    const another = sendImport(id, parameters, wrapMaterial(algorithm, publicKey, other))
    expect(await refusalOf(another)).toMatch(/^IncorrectKeyMaterialException: /)
    expect(await stateOf(id)).toEqual(before)
    await kind.expectMaterial(id, material)
  })
})

describe('what opens, and is no material of the key', () => {
  const attributed = Buffer.concat([ed25519.newMaterial(), Buffer.from([0])])
  it.each([
    ['a symmetric key of 31 bytes', symmetric, randomBytes(31)],
    ['a symmetric key of 33 bytes', symmetric, randomBytes(33)],
    ['an HMAC key of another size', hmac256, randomBytes(48)],
    ['an RSA key of another size', rsa(2048), rsa(3072).newMaterial()],
    ['an RSA key with the exponent 3', rsa(2048), rsa(2048, 3).newMaterial()],
    ['a curve for an RSA key', rsa(2048), p256.newMaterial()],
    ['an RSA key for a curve', p256, rsa(2048).newMaterial()],
    ['another curve', p256, p521.newMaterial()],
    ['Ed25519 for P-256', p256, ed25519.newMaterial()],
    ['P-256 for Ed25519', ed25519, p256.newMaterial()],
    ['a byte too many', ed25519, attributed],
    ['raw bytes for a private key', p256, randomBytes(32)],
  ])('%s', async (_name, kind, material) => {
    const { id } = await newKey(kind)
    const before = await stateOf(id)
    expect(await refusalOf(imported(id, material))).toMatch(/^IncorrectKeyMaterialException: /)
    expect(await stateOf(id)).toEqual(before)
  })
})

/** Ciphertexts of each algorithm that do not open, of every kind there is. */
const broken: readonly (readonly [string, (algorithm: WrappingAlgorithm, publicKey: Uint8Array) => Buffer])[] = [
  ['a byte changed in the RSA part', (by, under) => changedAt(wrapMaterial(by, under, randomBytes(32)), 100)],
  ['its first byte changed', (by, under) => changedAt(wrapMaterial(by, under, randomBytes(32)), 0)],
  ['its last byte changed', (by, under) => changedAt(wrapMaterial(by, under, randomBytes(32)), -1)],
  ['one byte', () => Buffer.from([1])],
  ['one byte less', (by, under) => wrapMaterial(by, under, randomBytes(32)).subarray(0, -1)],
  ['one byte more', (by, under) => Buffer.concat([wrapMaterial(by, under, randomBytes(32)), Buffer.from([0])])],
  ['random bytes of its length', (by, under) => randomBytes(wrapMaterial(by, under, randomBytes(32)).length)],
  ['nothing but zeros', (by, under) => Buffer.alloc(wrapMaterial(by, under, randomBytes(32)).length)],
  ['another hash', (by, under) => wrapMaterial(otherHash(by), under, randomBytes(32))],
  ['the other kind of wrapping', (by, under) => wrapMaterial(otherKind(by), under, randomBytes(32))],
  ['another wrapping key', (by) => wrapMaterial(by, anotherPublicKey, randomBytes(32))],
]
const brokenInside: typeof broken = [
  ['an AES-128 key between', (by, under) => between(by, under, 16)],
  ['no AES key between', (by, under) => Buffer.concat([underRsa(by, under, randomBytes(7)), randomBytes(40)])],
  ['the AES part missing', (by, under) => underRsa(by, under, randomBytes(32))],
  [
    'the AES part under another key',
    (by, under) => Buffer.concat([underRsa(by, under, randomBytes(32)), randomBytes(40)]),
  ],
]

function changedAt(bytes: Buffer, at: number): Buffer {
  const place = at < 0 ? bytes.length + at : at
  bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place)
  return bytes
}

function between(algorithm: WrappingAlgorithm, publicKey: Uint8Array, bytes: number): Buffer {
  const key = randomBytes(bytes)
  return Buffer.concat([underRsa(algorithm, publicKey, key), underAes(key, randomBytes(32))])
}

const otherHash = (algorithm: WrappingAlgorithm) =>
  (algorithm.endsWith('SHA_1')
    ? algorithm.replace('SHA_1', 'SHA_256')
    : algorithm.replace('SHA_256', 'SHA_1')) as WrappingAlgorithm
const otherKind = (algorithm: WrappingAlgorithm) =>
  (algorithm.startsWith('RSAES')
    ? algorithm.replace('RSAES_OAEP', 'RSA_AES_KEY_WRAP')
    : algorithm.replace('RSA_AES_KEY_WRAP', 'RSAES_OAEP')) as WrappingAlgorithm
const anotherPublicKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
  format: 'der',
  type: 'spki',
})

it.each(wrappingAlgorithms)('whatever does not open by %s is refused alike, and changes nothing', async (algorithm) => {
  const { id } = await keyWith(randomBytes(32))
  const parameters = await parametersFor(id, algorithm)
  const publicKey = parameters.PublicKey ?? new Uint8Array()
  const before = await stateOf(id)
  const rows = algorithm.startsWith('RSAES') ? broken : [...broken, ...brokenInside]
  for (const [name, make] of rows) {
    const answer = await kms.ask('ImportKeyMaterial', {
      KeyId: id,
      ImportToken: Buffer.from(parameters.ImportToken ?? []).toString('base64'),
      EncryptedKeyMaterial: make(algorithm, publicKey).toString('base64'),
      ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
    })
    const { status, contentType, text } = answer
    expect({ status, contentType, text }, name).toEqual({
      status: 400,
      contentType: 'application/x-amz-json-1.1',
      text: '{"__type":"InvalidCiphertextException"}',
    })
  }
  expect(await stateOf(id)).toEqual(before)
})

describe('the token', () => {
  it('is of one key, one wrapping key, and as it was made', async () => {
    const [key, otherKey] = [await newKey(), await newKey()]
    const [parameters, second, others] = await Promise.all([
      parametersFor(key.id),
      parametersFor(key.id),
      parametersFor(otherKey.id),
    ])
    const wrapped = wrapMaterial('RSAES_OAEP_SHA_256', parameters.PublicKey ?? new Uint8Array(), randomBytes(32))
    const token = Buffer.from(parameters.ImportToken ?? [])
    const tokens: readonly Uint8Array[] = [
      others.ImportToken ?? new Uint8Array(),
      randomBytes(token.length),
      Buffer.from([0]),
      token.subarray(0, -1),
      Buffer.concat([token, Buffer.from([0])]),
      ...Array.from(token, (_, at) => changedAt(Buffer.from(token), at)),
    ]
    const before = await stateOf(key.id)
    for (const ImportToken of tokens) {
      expect(await refusalOf(sendImport(key.id, { ImportToken, PublicKey: undefined }, wrapped))).toMatch(
        /^InvalidImportTokenException: /,
      )
    }
    // A token of this key that is not of this wrapping key.
    expect(await refusalOf(sendImport(key.id, second, wrapped))).toMatch(/^InvalidCiphertextException: /)
    // Another key's ciphertext and its token, too.
    expect(await refusalOf(sendImport(otherKey.id, parameters, wrapped))).toMatch(/^InvalidImportTokenException: /)
    expect(await stateOf(key.id)).toEqual(before)
    expect(await metadataOf(otherKey.id)).toMatchObject({ KeyState: 'PendingImport' })
    // All sets are good for their day.
    await sendImport(key.id, parameters, wrapped)
    expect(await metadataOf(key.id)).toMatchObject({ KeyState: 'Enabled' })
  })

  it('of the 33rd set before is no longer known', async () => {
    const { id } = await newKey()
    const first = await parametersFor(id)
    const second = await parametersFor(id)
    for (let more = 0; more < 31; more++) await parametersFor(id)
    const wrap = ({ PublicKey = new Uint8Array() }: Parameters) =>
      wrapMaterial('RSAES_OAEP_SHA_256', PublicKey, randomBytes(32))
    expect(await refusalOf(sendImport(id, first, wrap(first)))).toMatch(/^InvalidImportTokenException: /)
    await sendImport(id, second, wrap(second))
  })
})

describe('the material', () => {
  it('stops and comes back, and only the same', async () => {
    const material = randomBytes(32)
    const { id, arn, materialId } = await keyWith(material)
    const blob = await encrypted(id, 'hello')
    const { $metadata: _, ...deleted } = await client.send(new DeleteImportedKeyMaterialCommand({ KeyId: id }))
    expect(deleted).toEqual({ KeyId: arn, KeyMaterialId: materialId })
    const isPending = `KMSInvalidStateException: ${arn} is pending import.`
    expect(await refusalOf(decrypted(blob))).toBe(isPending)
    expect(await refusalOf(encrypted(id, 'hello'))).toBe(isPending)
    const metadata = await metadataOf(id)
    expect(metadata).toMatchObject({ KeyState: 'PendingImport', Enabled: false, CurrentKeyMaterialId: materialId })
    expect(metadata).not.toHaveProperty('ExpirationModel')
    expect(await materialsOf(id)).toEqual([
      { KeyId: id, KeyMaterialId: materialId, ImportState: 'PENDING_IMPORT', KeyMaterialState: 'CURRENT' },
    ])
    // Twice is no more than once.
    await client.send(new DeleteImportedKeyMaterialCommand({ KeyId: id }))
    expect(await refusalOf(imported(id, randomBytes(32)))).toMatch(/^IncorrectKeyMaterialException: /)
    expect(await metadataOf(id)).toEqual(metadata)
    expect(await imported(id, material)).toMatchObject({ KeyMaterialId: materialId })
    expect(await decrypted(blob)).toEqual({ plaintext: 'hello', KeyMaterialId: materialId })
  })

  it('has an expiry and a description, which a later import changes', async () => {
    const material = randomBytes(32)
    const ValidTo = new Date(Math.ceil(Date.now() / 1000) * 1000 + 10 * dayMs)
    const expires = { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo } as const
    const { id, materialId } = await keyWith(material, { ...expires, KeyMaterialDescription: 'from the vault' })
    expect(await metadataOf(id)).toMatchObject(expires)
    const entry = {
      KeyId: id,
      KeyMaterialId: materialId,
      KeyMaterialDescription: 'from the vault',
      ImportState: 'IMPORTED',
      KeyMaterialState: 'CURRENT',
    }
    expect(await materialsOf(id)).toEqual([{ ...entry, ...expires }])
    // The default expires, so a date alone will do.
    const later = new Date(ValidTo.getTime() + dayMs)
    await imported(id, material, { ExpirationModel: undefined, ValidTo: later })
    expect(await materialsOf(id)).toEqual([{ ...entry, ...expires, ValidTo: later }])
    await imported(id, material, { KeyMaterialDescription: 'again', KeyMaterialId: materialId })
    const forEver = { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' }
    expect(await materialsOf(id)).toEqual([{ ...entry, ...forEver, KeyMaterialDescription: 'again' }])
    expect(await metadataOf(id)).not.toHaveProperty('ValidTo')
  })

  it('does not enable a key that was disabled, and comes to no key that is pending deletion', async () => {
    const material = randomBytes(32)
    const { id, arn } = await keyWith(material)
    await client.send(new DisableKeyCommand({ KeyId: id }))
    await imported(id, material)
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'Disabled' })
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: 7 }))
    const isDeleting = `KMSInvalidStateException: ${arn} is pending deletion.`
    expect(await refusalOf(parametersFor(id))).toBe(isDeleting)
    await client.send(new DeleteImportedKeyMaterialCommand({ KeyId: id }))
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'PendingDeletion' })
    await client.send(new CancelKeyDeletionCommand({ KeyId: id }))
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'PendingImport' })
    await imported(id, material)
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'Enabled' })
  })
})

describe('rotation', () => {
  const isNew = { ImportType: 'NEW_KEY_MATERIAL' } as const

  it('is to new material that was imported for it', async () => {
    const [first, second] = [randomBytes(32), randomBytes(32)]
    const { id, arn, materialId } = await keyWith(first)
    const rotate = () => client.send(new RotateKeyOnDemandCommand({ KeyId: id }))
    const nothingPending = `KMSInvalidStateException: No available key material pending rotation for the key: ${arn}.`
    expect(await refusalOf(rotate())).toBe(nothingPending)
    const blob = await encrypted(id, 'before')

    const { KeyMaterialId: pending } = await imported(id, second, { ...isNew, KeyMaterialDescription: 'second' })
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'Enabled', CurrentKeyMaterialId: materialId })
    const [current, waiting, ...others] = await materialsOf(id)
    expect(others).toEqual([])
    expect(current).toMatchObject({ KeyMaterialId: materialId, KeyMaterialState: 'CURRENT' })
    expect(waiting).toEqual({
      KeyId: id,
      KeyMaterialId: pending,
      KeyMaterialDescription: 'second',
      ImportState: 'IMPORTED',
      KeyMaterialState: 'PENDING_ROTATION',
      ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
    })
    const third = refusalOf(imported(id, randomBytes(32), isNew))
    expect(await third).toMatch(
      new RegExp(
        `^KMSInvalidStateException: New key material \\(id: [0-9a-f]{64}\\) cannot be imported into KMS key ${id}, because another key material \\(id: ${pending}\\) is pending rotation\\.$`,
      ),
    )
    expect((await decrypted(await encrypted(id, 'x'))).KeyMaterialId).toBe(materialId)

    await rotate()
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'Enabled', CurrentKeyMaterialId: pending })
    expect(await materialsOf(id)).toMatchObject([
      { KeyMaterialId: materialId, KeyMaterialState: 'NON_CURRENT' },
      {
        KeyMaterialId: pending,
        KeyMaterialState: 'CURRENT',
        RotationType: 'ON_DEMAND',
        RotationDate: expect.any(Date),
      },
    ])
    expect(await decrypted(blob)).toEqual({ plaintext: 'before', KeyMaterialId: materialId })
    expect((await decrypted(await encrypted(id, 'x'))).KeyMaterialId).toBe(pending)
    expect(await refusalOf(rotate())).toBe(nothingPending)

    // Without any one of its materials the key is not to be used, and it is whole again once all are back.
    const { KeyMaterialId: gone } = await client.send(
      new DeleteImportedKeyMaterialCommand({ KeyId: id, KeyMaterialId: materialId }),
    )
    expect(gone).toBe(materialId)
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'PendingImport' })
    await client.send(new DeleteImportedKeyMaterialCommand({ KeyId: id }))
    await imported(id, first)
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'PendingImport' })
    await imported(id, second)
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'Enabled', CurrentKeyMaterialId: pending })
    expect(await decrypted(blob)).toEqual({ plaintext: 'before', KeyMaterialId: materialId })
  })

  it('may be thought better of', async () => {
    const { id, materialId } = await keyWith(randomBytes(32))
    const { KeyMaterialId } = await imported(id, randomBytes(32), isNew)
    await client.send(new DeleteImportedKeyMaterialCommand({ KeyId: id, KeyMaterialId }))
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'Enabled' })
    expect(await materialsOf(id)).toMatchObject([{ KeyMaterialId: materialId }])
    const { KeyMaterialId: another } = await imported(id, randomBytes(32), isNew)
    await client.send(new RotateKeyOnDemandCommand({ KeyId: id }))
    expect(await metadataOf(id)).toMatchObject({ CurrentKeyMaterialId: another })
  })

  it('takes no material as new that the key has', async () => {
    const material = randomBytes(32)
    const { id, materialId } = await keyWith(material)
    const before = await stateOf(id)
    expect(await refusalOf(imported(id, material, isNew))).toMatch(/^IncorrectKeyMaterialException: /)
    const KeyMaterialId = materialId.replace(/./g, '0')
    expect(await refusalOf(imported(id, material, { KeyMaterialId }))).toMatch(/^IncorrectKeyMaterialException: /)
    expect(await stateOf(id)).toEqual(before)
    const { id: empty } = await newKey()
    const existing = { ImportType: 'EXISTING_KEY_MATERIAL' } as const
    expect(await refusalOf(imported(empty, material, existing))).toMatch(/^IncorrectKeyMaterialException: /)
  })

  it('is not of keys of other kinds', async () => {
    const { id } = await newKey(hmac256)
    const material = randomBytes(32)
    for (const options of [isNew, { KeyMaterialDescription: 'x' }, { KeyMaterialId: '0'.repeat(64) }]) {
      expect(await refusalOf(imported(id, material, options))).toMatch(/^ValidationException: /)
    }
    await imported(id, material)
    expect(await refusalOf(client.send(new RotateKeyOnDemandCommand({ KeyId: id })))).toMatch(
      /^UnsupportedOperationException: /,
    )
  })
})

describe('refusals', async () => {
  const { id, arn } = await newKey()
  const parameters = await parametersFor(id)
  const { KeyMetadata } = (await kms.ask('CreateKey', {})).json as { KeyMetadata: { KeyId: string; Arn: string } }
  const base64 = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('base64')
  const wrapped = wrapMaterial('RSAES_OAEP_SHA_256', parameters.PublicKey ?? new Uint8Array(), randomBytes(32))
  const wanted = { WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' }
  const given = { ImportToken: base64(parameters.ImportToken), EncryptedKeyMaterial: base64(wrapped) }
  const forEver = { ...given, ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' }
  const absent = '00000000-0000-0000-0000-000000000000'
  const now = Date.now() / 1000
  const originOf = (keyArn: string) =>
    `UnsupportedOperationException: ${keyArn} origin is AWS_KMS which is not valid for this operation.`
  const notFound = `NotFoundException: Key '${arn.replace(id, absent)}' does not exist`
  const invalidArn = /^InvalidArnException: /

  itRefuses(kms, [
    ['a key of KMS', 'GetParametersForImport', { KeyId: KeyMetadata.KeyId, ...wanted }, originOf(KeyMetadata.Arn)],
    ['a key of KMS', 'ImportKeyMaterial', { KeyId: KeyMetadata.KeyId, ...forEver }, originOf(KeyMetadata.Arn)],
    ['a key of KMS', 'DeleteImportedKeyMaterial', { KeyId: KeyMetadata.KeyId }, originOf(KeyMetadata.Arn)],
    ['no key', 'GetParametersForImport', { KeyId: absent, ...wanted }, notFound],
    ['no key', 'ImportKeyMaterial', { KeyId: absent, ...forEver }, notFound],
    ['no key', 'DeleteImportedKeyMaterial', { KeyId: absent }, notFound],
    ['an ARN of nothing', 'GetParametersForImport', { KeyId: 'arn:aws:kms', ...wanted }, invalidArn],
    ['an ARN of nothing', 'ImportKeyMaterial', { KeyId: 'arn:aws:kms', ...forEver }, invalidArn],
    ['an ARN of nothing', 'DeleteImportedKeyMaterial', { KeyId: 'arn:aws:kms' }, invalidArn],
    [
      'PKCS #1 v1.5',
      'GetParametersForImport',
      { KeyId: id, ...wanted, WrappingAlgorithm: 'RSAES_PKCS1_V1_5' },
      'UnsupportedOperationException: WrappingAlgorithm RSAES_PKCS1_V1_5 is not supported.',
    ],
    [
      'SM2',
      'GetParametersForImport',
      { KeyId: id, WrappingAlgorithm: 'SM2PKE', WrappingKeySpec: 'SM2' },
      'UnsupportedOperationException: WrappingAlgorithm SM2PKE is not supported.',
    ],
    [
      'an SM2 wrapping key',
      'GetParametersForImport',
      { KeyId: id, ...wanted, WrappingKeySpec: 'SM2' },
      'UnsupportedOperationException: WrappingKeySpec SM2 is not supported.',
    ],
    [
      'another word',
      'GetParametersForImport',
      { KeyId: id, ...wanted, WrappingKeySpec: 'RSA_1024' },
      /^ValidationException: /,
    ],
    [
      'no algorithm',
      'GetParametersForImport',
      { KeyId: id, WrappingKeySpec: 'RSA_2048' },
      /^ValidationException: .*null/,
    ],
    [
      'no date',
      'ImportKeyMaterial',
      { KeyId: id, ...given },
      'ValidationException: A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES',
    ],
    [
      'a date and no expiry',
      'ImportKeyMaterial',
      { KeyId: id, ...forEver, ValidTo: now + 1000 },
      /^ValidationException: A validTo /,
    ],
    [
      'a date that has passed',
      'ImportKeyMaterial',
      { KeyId: id, ...given, ValidTo: now - 1 },
      /^ValidationException: ValidTo must be in/,
    ],
    [
      'more than 365 days',
      'ImportKeyMaterial',
      { KeyId: id, ...given, ValidTo: now + 366 * 86_400 },
      /^ValidationException: ValidTo must be at most 365 days/,
    ],
    [
      'an id for new material',
      'ImportKeyMaterial',
      { KeyId: id, ...forEver, ImportType: 'NEW_KEY_MATERIAL', KeyMaterialId: '0'.repeat(64) },
      /^ValidationException: KeyMaterialId cannot /,
    ],
    [
      'too long a description',
      'ImportKeyMaterial',
      { KeyId: id, ...forEver, KeyMaterialDescription: 'a'.repeat(257) },
      /^ValidationException: /,
    ],
    [
      'other characters',
      'ImportKeyMaterial',
      { KeyId: id, ...forEver, KeyMaterialDescription: 'a&b' },
      /^ValidationException: /,
    ],
    [
      'no id of material',
      'DeleteImportedKeyMaterial',
      { KeyId: id, KeyMaterialId: 'A'.repeat(64) },
      /^ValidationException: /,
    ],
    ['another id', 'DeleteImportedKeyMaterial', { KeyId: id, KeyMaterialId: '0'.repeat(64) }, /^NotFoundException: /],
    [
      'a schedule',
      'EnableKeyRotation',
      { KeyId: id },
      `UnsupportedOperationException: ${arn} origin is EXTERNAL which is not valid for this operation.`,
    ],
    [
      'no schedule',
      'DisableKeyRotation',
      { KeyId: id },
      `UnsupportedOperationException: ${arn} origin is EXTERNAL which is not valid for this operation.`,
    ],
    [
      'its schedule',
      'GetKeyRotationStatus',
      { KeyId: id },
      `UnsupportedOperationException: ${arn} origin is EXTERNAL which is not valid for this operation.`,
    ],
  ])

  it('a key of another account', async () => {
    const stranger = kms.stranger ?? kms.caller
    for (const [operation, input] of [
      ['GetParametersForImport', wanted],
      ['ImportKeyMaterial', forEver],
      ['DeleteImportedKeyMaterial', {}],
    ] as const) {
      const answer = await kms.ask(operation, { KeyId: arn, ...input }, { ...stranger })
      expect(refusalIn(answer)).toMatch(/^AccessDeniedException: /)
    }
  })

  it('have changed nothing', async () => {
    expect(await metadataOf(id)).toMatchObject({ KeyState: 'PendingImport' })
    expect(await materialsOf(id)).toEqual([])
    await sendImport(id, parameters, wrapped)
  })
})

describe('policies', () => {
  it('may ask for the wrapping, and for the expiry', async () => {
    const { account } = kms.caller
    const deny = (Action: string, Condition: object) => ({
      Effect: 'Deny',
      Principal: '*',
      Action,
      Resource: '*',
      Condition,
    })
    const Statement = [
      { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'kms:*', Resource: '*' },
      deny('kms:GetParametersForImport', { StringEquals: { 'kms:WrappingAlgorithm': 'RSAES_OAEP_SHA_1' } }),
      deny('kms:GetParametersForImport', { StringNotEquals: { 'kms:WrappingKeySpec': ['RSA_2048', 'RSA_4096'] } }),
      deny('kms:ImportKeyMaterial', { StringEquals: { 'kms:ExpirationModel': 'KEY_MATERIAL_DOES_NOT_EXPIRE' } }),
      deny('kms:ImportKeyMaterial', {
        NumericGreaterThan: { 'kms:ValidTo': String(Math.floor(Date.now() / 1000) + 86_400) },
      }),
    ]
    const { id } = await newKey()
    await kms.ask('PutKeyPolicy', { KeyId: id, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) })
    const isDenied = /^AccessDeniedException: .* with an explicit deny in a resource-based policy$/
    expect(await refusalOf(parametersFor(id, 'RSAES_OAEP_SHA_1'))).toMatch(isDenied)
    expect(await refusalOf(parametersFor(id, 'RSAES_OAEP_SHA_256', 'RSA_3072'))).toMatch(isDenied)
    const material = randomBytes(32)
    expect(await refusalOf(imported(id, material))).toMatch(isDenied)
    const expires = (inMs: number) => ({ ExpirationModel: undefined, ValidTo: new Date(Date.now() + inMs) })
    expect(await refusalOf(imported(id, material, expires(2 * dayMs)))).toMatch(isDenied)
    await imported(id, material, expires(dayMs / 2))
  })
})
