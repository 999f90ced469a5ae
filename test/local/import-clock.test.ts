import { randomBytes } from 'node:crypto'
import {
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GetParametersForImportCommand,
  type GetParametersForImportCommandOutput,
  ImportKeyMaterialCommand,
  type ImportKeyMaterialCommandInput,
} from '@aws-sdk/client-kms'
import { AwsClient } from 'aws4fetch'
import { expect, it } from 'vitest'
import { refusalOf } from '../support/conformance.ts'
import { kmsClient, startKms } from '../support/server.ts'
import { wrapMaterial } from '../support/wrap.ts'

/** Imports on a running server whose clock is moved. */

const dayMs = 86_400_000
const { endpoint } = await startKms(['--state', 'memory'])
const client = kmsClient(endpoint)

async function moveClock(advance: string) {
  const aws = new AwsClient({ accessKeyId: 'test', secretAccessKey: 'test', service: 'kms', region: 'us-east-1' })
  const init = { method: 'POST', body: JSON.stringify({ advance }) }
  const response = await fetch(await aws.sign(`${endpoint}/local/clock`, init))
  return (await response.json()) as { time: string; expired: number }
}

async function newKey() {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ Origin: 'EXTERNAL' }))
  return { id: KeyMetadata?.KeyId ?? '', arn: KeyMetadata?.Arn ?? '' }
}

function parametersFor(KeyId: string) {
  const wanted = { WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' } as const
  return client.send(new GetParametersForImportCommand({ KeyId, ...wanted }))
}

function bring(
  KeyId: string,
  { ImportToken, PublicKey }: GetParametersForImportCommandOutput,
  material: Uint8Array,
  expiry: Pick<ImportKeyMaterialCommandInput, 'ValidTo' | 'ExpirationModel'>,
) {
  const EncryptedKeyMaterial = wrapMaterial('RSAES_OAEP_SHA_256', PublicKey ?? new Uint8Array(), material)
  return client.send(new ImportKeyMaterialCommand({ KeyId, ImportToken, EncryptedKeyMaterial, ...expiry }))
}

async function metadataOf(KeyId: string) {
  return (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata
}

it('material stops on its date, and comes back as the same alone', async () => {
  const { id, arn } = await newKey()
  const material = randomBytes(32)
  const ValidTo = new Date(Date.now() + 30 * dayMs)
  await bring(id, await parametersFor(id), material, { ValidTo })
  const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: id, Plaintext: Buffer.from('hello') }))
  const decrypted = async () => {
    const { Plaintext } = await client.send(new DecryptCommand({ CiphertextBlob }))
    return Buffer.from(Plaintext ?? []).toString()
  }
  await moveClock('29d')
  expect(await decrypted()).toBe('hello')
  expect(await moveClock('1d')).toMatchObject({ expired: 1 })
  expect(await refusalOf(decrypted())).toBe(`KMSInvalidStateException: ${arn} is pending import.`)
  expect(await metadataOf(id)).toMatchObject({ KeyState: 'PendingImport', Enabled: false })

  const again = await parametersFor(id)
  const forEver = { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' } as const
  expect(await refusalOf(bring(id, again, randomBytes(32), forEver))).toMatch(/^IncorrectKeyMaterialException: /)
  expect(await metadataOf(id)).toMatchObject({ KeyState: 'PendingImport' })
  await bring(id, again, material, forEver)
  expect(await decrypted()).toBe('hello')
  await moveClock('3650d')
  expect(await decrypted()).toBe('hello')
})

it('a token is good for a day', async () => {
  const { id } = await newKey()
  const parameters = await parametersFor(id)
  const material = randomBytes(32)
  const forEver = { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' } as const
  await moveClock('23h')
  await bring(id, parameters, material, forEver)
  const before = await metadataOf(id)
  await moveClock('1h')
  expect(await refusalOf(bring(id, parameters, material, forEver))).toMatch(/^ExpiredImportTokenException: /)
  expect(await metadataOf(id)).toEqual(before)
  await bring(id, await parametersFor(id), material, forEver)
})
