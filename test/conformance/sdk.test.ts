import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createKms, type Kms, KmsError } from '../../src/sdk/index.ts'
import { startKms } from '../support/server.ts'

let kms: Kms
let endpoint: string
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }

beforeAll(async () => {
  ;({ endpoint } = await startKms(['--state', 'memory']))
  kms = createKms({ endpoint, credentials })
})

describe('the fetch SDK against the server', () => {
  it('encrypts and decrypts', async () => {
    const { KeyMetadata } = await kms.createKey({ Description: 'of the SDK' })
    expect(KeyMetadata.CreationDate).toBeInstanceOf(Date)
    const KeyId = KeyMetadata.KeyId
    const EncryptionContext = { tenant: 'a' }
    const Plaintext = new TextEncoder().encode('hello')
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext, EncryptionContext })
    expect(CiphertextBlob).toBeInstanceOf(Uint8Array)
    const opened = await kms.decrypt({ CiphertextBlob, EncryptionContext })
    expect(opened).toMatchObject({ KeyId: KeyMetadata.Arn, Plaintext })
    const dataKey = await kms.generateDataKey({ KeyId, NumberOfBytes: 32, EncryptionContext })
    expect(dataKey.Plaintext).toHaveLength(32)
    await expect(kms.decrypt({ CiphertextBlob })).rejects.toMatchObject({ name: 'InvalidCiphertextException' })
    expect(await kms.disableKey({ KeyId })).toBe(undefined)
    const failure = await kms.encrypt({ KeyId, Plaintext }).catch((failure: unknown) => failure as KmsError)
    expect(failure).toBeInstanceOf(KmsError)
    expect(failure).toMatchObject({
      name: 'DisabledException',
      retryable: false,
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      remedy: expect.stringContaining('EnableKey'),
    })
  })

  it('says what is wrong with the credentials', async () => {
    const unknown = createKms({ endpoint, credentials: { ...credentials, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' } })
    await expect(unknown.listKeys()).rejects.toMatchObject({ name: 'UnrecognizedClientException' })
    const wrong = createKms({ endpoint, credentials: { ...credentials, secretAccessKey: 'no' } })
    await expect(wrong.listKeys()).rejects.toMatchObject({ remedy: 'Check the secret access key.' })
  })

  it('says how far off the clock is', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 })
    try {
      await expect(kms.listKeys()).rejects.toMatchObject({
        name: 'InvalidSignatureException',
        remedy: "This machine's clock is 60 minutes behind the server's: set it.",
      })
    } finally {
      vi.useRealTimers()
    }
  })

  it('says that a session is none of its own', async () => {
    const over = { ...credentials, accessKeyId: 'ASIAAAAAAAAAAAAAAAAA', sessionToken: 'none' }
    await expect(createKms({ endpoint, credentials: over }).listKeys()).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
      remedy: expect.stringContaining('access key'),
    })
  })
})
