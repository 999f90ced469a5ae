import { generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  CreateKeyCommand,
  type CreateKeyCommandInput,
  DecryptCommand,
  DeleteImportedKeyMaterialCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GetParametersForImportCommand,
  ImportKeyMaterialCommand,
  type ImportKeyMaterialCommandInput,
  ListKeyRotationsCommand,
  ReplicateKeyCommand,
  RotateKeyOnDemandCommand,
  SignCommand,
  UpdatePrimaryRegionCommand,
  VerifyCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { openKms, refusalOf } from '../support/conformance.ts'
import { wrapMaterial } from '../support/wrap.ts'

/** Keys of several Regions whose material each Region imports. */

const kms = await openKms()
const home = kms.region
const [away, third] = ['eu-west-1', 'ap-southeast-2']
const inRegion = (region: string) => kms.client({ region })
const client = inRegion(home)
const arnIn = (region: string, id: string) => `arn:aws:kms:${region}:${kms.caller.account}:key/${id}`
const asNew = { ImportType: 'NEW_KEY_MATERIAL' } as const
const Plaintext = Buffer.from('hello')

async function bring(
  region: string,
  KeyId: string,
  material: Uint8Array,
  options: Partial<ImportKeyMaterialCommandInput> = {},
) {
  const WrappingAlgorithm = 'RSA_AES_KEY_WRAP_SHA_256'
  const { ImportToken, PublicKey = new Uint8Array() } = await inRegion(region).send(
    new GetParametersForImportCommand({ KeyId, WrappingAlgorithm, WrappingKeySpec: 'RSA_2048' }),
  )
  const EncryptedKeyMaterial = wrapMaterial(WrappingAlgorithm, PublicKey, material)
  const input = { KeyId, ImportToken, EncryptedKeyMaterial, ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' as const }
  return inRegion(region).send(new ImportKeyMaterialCommand({ ...input, ...options }))
}

/** A primary that has its material, and a replica that waits for it. */
async function newPair(material: Uint8Array, spec: Partial<CreateKeyCommandInput> = {}): Promise<string> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ MultiRegion: true, Origin: 'EXTERNAL', ...spec }))
  const id = KeyMetadata?.KeyId ?? ''
  await bring(home, id, material)
  await client.send(new ReplicateKeyCommand({ KeyId: id, ReplicaRegion: away }))
  return id
}

async function stateIn(region: string, KeyId: string) {
  return (await inRegion(region).send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState
}

/** Of each material, where it stands. */
async function materials(region: string, KeyId: string) {
  const input = { KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' } as const
  const { Rotations = [] } = await inRegion(region).send(new ListKeyRotationsCommand(input))
  return Rotations.map(({ ImportState, KeyMaterialState }) => `${ImportState} ${KeyMaterialState}`)
}

async function eventually(look: () => Promise<unknown>, expected: unknown): Promise<void> {
  await expect.poll(look, { timeout: 30_000, interval: 200 }).toEqual(expected)
}

function rotate(KeyId: string, region = home) {
  return inRegion(region).send(new RotateKeyOnDemandCommand({ KeyId }))
}

async function opens(region: string, CiphertextBlob: Uint8Array | undefined): Promise<void> {
  const opened = await inRegion(region).send(new DecryptCommand({ CiphertextBlob }))
  expect(Buffer.from(opened.Plaintext ?? [])).toEqual(Plaintext)
}

describe('a replica', () => {
  it('is made without material, and works once it has imported the same', async () => {
    const material = randomBytes(32)
    const id = await newPair(material)
    expect(await stateIn(away, id)).toBe('PendingImport')
    expect(await materials(away, id)).toEqual(['PENDING_IMPORT CURRENT'])
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: id, Plaintext }))
    const refused = inRegion(away).send(new DecryptCommand({ CiphertextBlob }))
    expect(await refusalOf(refused)).toBe(`KMSInvalidStateException: ${arnIn(away, id)} is pending import.`)
    expect(await refusalOf(bring(away, id, randomBytes(32)))).toMatch(/^IncorrectKeyMaterialException: /)
    expect(await refusalOf(bring(away, id, randomBytes(32), asNew))).toBe(
      `UnsupportedOperationException: ${arnIn(away, id)} is not a multi-region primary key.`,
    )
    const { KeyMaterialId } = await bring(away, id, material)
    expect(await stateIn(away, id)).toBe('Enabled')
    expect((await bring(home, id, material)).KeyMaterialId).toBe(KeyMaterialId)
    await opens(away, CiphertextBlob)
    const there = await inRegion(away).send(new EncryptCommand({ KeyId: id, Plaintext }))
    await opens(home, there.CiphertextBlob)
  })

  it('may be of a pair, too', async () => {
    const material = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      format: 'der',
      type: 'pkcs8',
    })
    const KeyId = await newPair(material, { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'der', type: 'pkcs8' })
    expect(await refusalOf(bring(away, KeyId, other))).toMatch(/^IncorrectKeyMaterialException: /)
    await bring(away, KeyId, material)
    const message = { KeyId, Message: Plaintext, SigningAlgorithm: 'ECDSA_SHA_256' } as const
    const { Signature } = await inRegion(away).send(new SignCommand(message))
    expect((await client.send(new VerifyCommand({ ...message, Signature }))).SignatureValid).toBe(true)
  })

  it('that loses its material stops alone, and is not made the primary', async () => {
    const material = randomBytes(32)
    const id = await newPair(material)
    await bring(away, id, material)
    await inRegion(away).send(new DeleteImportedKeyMaterialCommand({ KeyId: id }))
    expect(await stateIn(away, id)).toBe('PendingImport')
    expect(await stateIn(home, id)).toBe('Enabled')
    const moving = client.send(new UpdatePrimaryRegionCommand({ KeyId: id, PrimaryRegion: away }))
    expect(await refusalOf(moving)).toBe(`KMSInvalidStateException: ${arnIn(away, id)} is pending import.`)
  })
})

describe('new material', () => {
  it('is rotated to once every Region has imported it', async () => {
    const [old, material] = [randomBytes(32), randomBytes(32)]
    const id = await newPair(old)
    await bring(away, id, old)
    const before = await client.send(new EncryptCommand({ KeyId: id, Plaintext }))
    await bring(home, id, material, asNew)
    const waits = 'PENDING_MULTI_REGION_IMPORT_AND_ROTATION'
    expect(await materials(home, id)).toEqual(['IMPORTED CURRENT', `IMPORTED ${waits}`])
    await eventually(() => materials(away, id), ['IMPORTED CURRENT', `PENDING_IMPORT ${waits}`])
    const text = `No available key material pending rotation for the key: ${arnIn(home, id)}.`
    expect(await refusalOf(rotate(id))).toBe(`KMSInvalidStateException: ${text}`)
    const { KeyMaterialId } = await bring(away, id, material)
    for (const region of [home, away]) {
      await eventually(() => materials(region, id), ['IMPORTED CURRENT', 'IMPORTED PENDING_ROTATION'])
    }
    // One that is made now counts.
    await client.send(new ReplicateKeyCommand({ KeyId: id, ReplicaRegion: third }))
    expect(await materials(home, id)).toEqual(['IMPORTED CURRENT', `IMPORTED ${waits}`])
    expect(await refusalOf(rotate(id))).toBe(`KMSInvalidStateException: ${text}`)
    for (const each of [old, material]) await bring(third, id, each)
    await rotate(id)
    for (const region of [home, away, third]) {
      await eventually(() => materials(region, id), ['IMPORTED NON_CURRENT', 'IMPORTED CURRENT'])
      await opens(region, before.CiphertextBlob)
    }
    const after = await client.send(new EncryptCommand({ KeyId: id, Plaintext }))
    const opened = await inRegion(away).send(new DecryptCommand({ CiphertextBlob: after.CiphertextBlob }))
    expect(opened.KeyMaterialId).toBe(KeyMaterialId)
    expect(await refusalOf(rotate(id, away))).toBe(
      `UnsupportedOperationException: ${arnIn(away, id)} is not a multi-region primary key.`,
    )
  })

  it('that the primary gives up is gone everywhere', async () => {
    const [old, material] = [randomBytes(32), randomBytes(32)]
    const id = await newPair(old)
    await bring(away, id, old)
    const { KeyMaterialId } = await bring(home, id, material, asNew)
    await eventually(async () => (await materials(away, id)).length, 2)
    await bring(away, id, material)
    const deleteIn = (region: string) =>
      inRegion(region).send(new DeleteImportedKeyMaterialCommand({ KeyId: id, KeyMaterialId }))
    await deleteIn(away)
    expect(await stateIn(away, id)).toBe('Enabled')
    expect(await refusalOf(rotate(id))).toMatch(/^KMSInvalidStateException: No available key material/)
    await deleteIn(home)
    for (const region of [home, away]) await eventually(() => materials(region, id), ['IMPORTED CURRENT'])
    expect(await refusalOf(bring(away, id, material))).toMatch(/^IncorrectKeyMaterialException: /)
  })
})
