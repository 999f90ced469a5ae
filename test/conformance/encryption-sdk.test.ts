import { randomBytes } from 'node:crypto'
import * as browser from '@aws-crypto/client-browser'
import * as node from '@aws-crypto/client-node'
import { KMS } from '@aws-sdk/client-kms'
import fc from 'fast-check'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createEnvelope, type EnvelopeOptions, rewrap } from '../../src/envelope/index.ts'
import { startKms } from '../support/server.ts'
import { drained, streamOf } from '../support/streams.ts'

// Where client-browser looks for WebCrypto, when it is imported.
vi.hoisted(() => Object.assign(globalThis, { self: globalThis }))

/*
 * The official clients, unmodified, and our envelopes, over one KMS: what one writes the other opens. SLOW=1 exchanges
 * all 500 messages.
 */
const messageCount = process.env.SLOW ? 500 : 80
const keyCount = 5
const { FORBID_ENCRYPT_ALLOW_DECRYPT, REQUIRE_ENCRYPT_REQUIRE_DECRYPT } = node.CommitmentPolicy

let kms: KMS
let keys: string[]

beforeAll(async () => {
  const { endpoint } = await startKms(['--state', 'memory'])
  kms = new KMS({ endpoint, region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } })
  const made = await Promise.all(Array.from({ length: keyCount }, () => kms.createKey({})))
  keys = made.map(({ KeyMetadata }) => KeyMetadata?.Arn as string)
})

interface Exchange {
  readonly plaintext: Uint8Array
  readonly frameLength: number
  readonly encryptionContext: Record<string, string>
  readonly suite: 'committing' | 'signing'
  /** Who wraps; anyone of them opens. */
  readonly wrapping: [string, ...string[]]
  readonly opening: string
}

interface Client {
  encrypt(exchange: Exchange): Promise<Uint8Array>
  decrypt(message: Uint8Array, exchange: Exchange): Promise<{ plaintext: Uint8Array; encryptionContext: object }>
}

const suiteIds = { committing: 0x0478, signing: 0x0578 } as const
const asBytes = (bytes: Uint8Array) => new Uint8Array(bytes)
const clientProvider = () => kms as never
// The caches are everybody's: who has the same keys shares their data keys.
const limitsOf = (keys: readonly string[]) => ({
  maxAge: 60_000,
  maxBytesEncrypted: 1e9,
  maxMessagesEncrypted: 10,
  partition: keys.join(),
})

function nodeKeyring([generatorKeyId, ...keyIds]: readonly string[]) {
  return new node.KmsKeyringNode({ clientProvider, generatorKeyId: generatorKeyId as string, keyIds })
}

function browserKeyring([generatorKeyId, ...keyIds]: readonly string[]) {
  return new browser.KmsKeyringBrowser({ clientProvider, generatorKeyId: generatorKeyId as string, keyIds })
}

const nodeClient = node.buildClient(REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const browserClient = browser.buildClient(REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const nodeCache = node.getLocalCryptographicMaterialsCache(100)
const browserCache = browser.getLocalCryptographicMaterialsCache(100)

function nodeCaching(keyIds: readonly string[]) {
  const options = { backingMaterials: nodeKeyring(keyIds), cache: nodeCache, ...limitsOf(keyIds) }
  return new node.NodeCachingMaterialsManager(options)
}

function browserCaching(keyIds: readonly string[]) {
  const options = { backingMaterials: browserKeyring(keyIds), cache: browserCache, ...limitsOf(keyIds) }
  return new browser.WebCryptoCachingMaterialsManager(options)
}

function byNode(materials: (keys: readonly string[]) => node.KeyringNode | node.NodeMaterialsManager): Client {
  return {
    async encrypt({ plaintext, frameLength, encryptionContext, suite, wrapping }) {
      const options = { frameLength, encryptionContext, suiteId: suiteIds[suite], plaintextLength: plaintext.length }
      return asBytes((await nodeClient.encrypt(materials(wrapping) as never, plaintext, options)).result)
    },
    async decrypt(message, { opening }) {
      const { plaintext, messageHeader } = await nodeClient.decrypt(materials([opening]) as never, Buffer.from(message))
      return { plaintext: asBytes(plaintext), encryptionContext: messageHeader.encryptionContext }
    },
  }
}

function byBrowser(materials: (keys: readonly string[]) => unknown): Client {
  return {
    async encrypt({ plaintext, frameLength, encryptionContext, suite, wrapping }) {
      const options = { frameLength, encryptionContext, suiteId: suiteIds[suite], plaintextLength: plaintext.length }
      return (await browserClient.encrypt(materials(wrapping) as never, plaintext, options)).result
    },
    async decrypt(message, { opening }) {
      const { plaintext, messageHeader } = await browserClient.decrypt(materials([opening]) as never, message)
      return { plaintext, encryptionContext: messageHeader.encryptionContext }
    },
  }
}

const clients: Record<string, Client> = {
  'client-node': byNode(nodeKeyring),
  'client-node, cached': byNode(nodeCaching),
  'client-browser': byBrowser(browserKeyring),
  'client-browser, cached': byBrowser(browserCaching),
}

function envelopeOf(wrapping: readonly string[], options: Partial<EnvelopeOptions> = {}) {
  return createEnvelope({ kms, keys: wrapping as [string], ...options })
}

const exchanges = fc.record({
  // As many small ones as large ones.
  size: fc.oneof(fc.nat(100), fc.nat(10_000), fc.nat(300_000), fc.nat(10 * 2 ** 20)),
  frameLength: fc.oneof(fc.constantFrom(1_024, 4_096, 65_536, 2 ** 20), fc.integer({ min: 500, max: 100_000 })),
  encryptionContext: fc.dictionary(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    fc.string({ maxLength: 50 }),
    {
      maxKeys: 5,
      noNullPrototype: true,
    },
  ),
  suite: fc.constantFrom('committing' as const, 'signing' as const),
  recipients: fc.integer({ min: 1, max: keyCount }),
  opener: fc.nat(keyCount - 1),
  isStreamed: fc.boolean(),
})

describe('500 generated messages', () => {
  const names = Object.keys(clients)
  const samples = fc.sample(exchanges, { seed: 20_261_123, numRuns: messageCount })

  it.each(names)('%s', { timeout: 1_200_000 }, async (name) => {
    const client = clients[name] as Client
    for (const { size, recipients, opener, isStreamed, ...sample } of samples.filter(
      (_, at) => names[at % 4] === name,
    )) {
      const wrapping = keys.slice(0, recipients) as [string]
      const opening = wrapping[opener % recipients] as string
      const plaintext = new Uint8Array(randomBytes(size))
      const exchange = { ...sample, plaintext, wrapping, opening }
      const { encryptionContext, suite, frameLength } = sample
      const ours = envelopeOf(wrapping, { suite, frameBytes: frameLength })
      const sealed = isStreamed
        ? (await drained(streamOf(plaintext, 70_000).pipeThrough(ours.encryptStream({ encryptionContext })))).bytes
        : await ours.encrypt(plaintext, { encryptionContext })
      const opened = await client.decrypt(sealed, exchange)
      expect(Buffer.compare(opened.plaintext, plaintext)).toBe(0)
      expect(opened.encryptionContext).toMatchObject(encryptionContext)

      const theirs = await client.encrypt(exchange)
      const back = isStreamed
        ? (
            await drained(
              streamOf(theirs, 70_000).pipeThrough(envelopeOf([opening]).decryptStream({ encryptionContext })),
            )
          ).bytes
        : (await envelopeOf([opening]).decrypt(theirs, { encryptionContext })).plaintext
      expect(Buffer.compare(back, plaintext)).toBe(0)
    }
  })
})

describe('version 1', () => {
  const suiteIds = Object.values(node.AlgorithmSuiteIdentifier).filter((id): id is number => typeof id === 'number')
  const first = suiteIds.filter((id) => id !== 0x0478 && id !== 0x0578)
  const plaintext = new Uint8Array(randomBytes(10_000))

  it('has nine suites', () => {
    expect(first).toHaveLength(9)
  })

  it.each(first)('of client-node opens where it is allowed: suite %i', async (suiteId) => {
    const { encrypt } = node.buildClient(FORBID_ENCRYPT_ALLOW_DECRYPT)
    const encryptionContext = { tenant: 'one' }
    const { result } = await encrypt(nodeKeyring(keys), plaintext, { suiteId, encryptionContext })
    const message = asBytes(result)
    await expect(envelopeOf(keys).decrypt(message)).rejects.toMatchObject({ name: 'ForbiddenMessage' })
    const lenient = envelopeOf([keys[1] as string], { allowUncommitted: true })
    expect((await lenient.decrypt(message, { encryptionContext })).plaintext).toEqual(plaintext)
    const damaged = message.slice()
    damaged[5_000] = (damaged[5_000] ?? 0) ^ 1
    await expect(lenient.decrypt(damaged)).rejects.toMatchObject({ name: 'TamperedMessage' })
  })
})

describe('rewrapped messages', () => {
  it('open with client-node by the new key, and not by the old', async () => {
    const [from, to] = keys as [string, string]
    const plaintext = new Uint8Array(randomBytes(100_000))
    const { result } = await nodeClient.encrypt(nodeKeyring([from]), plaintext, { suiteId: 0x0478 })
    const rewrapped = Buffer.from(await rewrap(asBytes(result), { from: envelopeOf([from]), to: [to] }))
    const opened = await nodeClient.decrypt(nodeKeyring([to]), rewrapped)
    expect(asBytes(opened.plaintext)).toEqual(plaintext)
    await expect(nodeClient.decrypt(nodeKeyring([from]), rewrapped)).rejects.toThrow()
  })
})

describe('what KMS refuses', () => {
  it('is said with its name: a disabled key', async () => {
    const { KeyMetadata } = await kms.createKey({})
    const KeyId = KeyMetadata?.Arn as string
    const message = await envelopeOf([KeyId]).encrypt(new Uint8Array(10))
    await kms.disableKey({ KeyId })
    await expect(envelopeOf([KeyId]).decrypt(message)).rejects.toMatchObject({
      name: 'NoWrappingKey',
      message: expect.stringContaining('DisabledException'),
    })
    await expect(envelopeOf([KeyId]).encrypt(new Uint8Array(10))).rejects.toMatchObject({ name: 'DisabledException' })
  })
})
