import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  DecryptCommand,
  DescribeKeyCommand,
  GetKeyRotationStatusCommand,
  type KMSClient,
  ListKeyRotationsCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
} from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kmsClient, type RunningKms, startKms, temporaryState } from '../support/server.ts'

interface Manifest {
  readonly keys: readonly {
    readonly keyId: string
    readonly description: string
    readonly alias: string | null
    readonly isRotating: boolean
    readonly ciphertexts: readonly {
      readonly plaintext: string
      readonly context: Record<string, string> | null
      readonly blob: string
    }[]
  }[]
}

/** States that earlier builds have stored: objects and D1. Every later build opens them. */
describe.each(['state-v1'])('%s', (name) => {
  const frozen = join(import.meta.dirname, '../fixtures', name)
  const { keys } = JSON.parse(readFileSync(join(frozen, 'manifest.json'), 'utf8')) as Manifest
  let server: RunningKms
  let kms: KMSClient

  beforeAll(async () => {
    const state = temporaryState()
    cpSync(frozen, state, { recursive: true })
    server = await startKms(['--state', state])
    kms = kmsClient(server.endpoint)
  })
  afterAll(() => server?.stop())

  it('lists its 20 keys', async () => {
    const { Keys } = await kms.send(new ListKeysCommand({}))
    expect(Keys?.map(({ KeyId }) => KeyId).sort()).toEqual(keys.map(({ keyId }) => keyId).sort())
    expect(keys).toHaveLength(20)
  })

  it.each(keys)(
    'has $description with its three versions',
    async ({ keyId, description, alias, isRotating, ciphertexts }) => {
      const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: alias ?? keyId }))
      expect(KeyMetadata).toMatchObject({ KeyId: keyId, Description: description, KeyState: 'Enabled' })
      const { Tags } = await kms.send(new ListResourceTagsCommand({ KeyId: keyId }))
      expect(Tags).toEqual([{ TagKey: 'number', TagValue: description.slice(4) }])
      const { KeyRotationEnabled } = await kms.send(new GetKeyRotationStatusCommand({ KeyId: keyId }))
      expect(KeyRotationEnabled).toBe(isRotating)
      const { Rotations } = await kms.send(
        new ListKeyRotationsCommand({ KeyId: keyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' }),
      )
      const materials = []
      for (const { plaintext, context, blob } of ciphertexts) {
        const opened = await kms.send(
          new DecryptCommand({
            CiphertextBlob: Buffer.from(blob, 'base64'),
            ...(context !== null && { EncryptionContext: context }),
          }),
        )
        expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe(plaintext)
        materials.push(opened.KeyMaterialId)
      }
      // Real time goes on: some may have been rotated since.
      expect(materials).toEqual(Rotations?.slice(0, 3).map(({ KeyMaterialId }) => KeyMaterialId))
    },
  )
})
