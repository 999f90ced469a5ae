import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type CacheLimits, createEnvelope } from '../../src/envelope/index.ts'
import { arnOf, softKms } from '../support/soft-kms.ts'
import { drained, streamOf } from '../support/streams.ts'

vi.setConfig({ testTimeout: 600_000 })

const roomy: CacheLimits = { secondsMax: 60, messagesMax: 1e6, bytesMax: 1e9, entriesMax: 100 }

function cached(limits: Partial<CacheLimits>) {
  const kms = softKms()
  const subject = createEnvelope({ kms, keys: [arnOf('key')], cache: { ...roomy, ...limits } })
  return { kms, subject }
}

const hundred = new Uint8Array(randomBytes(100))

afterEach(() => {
  vi.useRealTimers()
})

describe('calls to KMS', () => {
  it('are as many for 10,000 small messages as the limits allow', async () => {
    const { kms, subject } = cached({ messagesMax: 1_000, bytesMax: 50_000 })
    const messages: Uint8Array[] = []
    for (let batch = 0; batch < 100; batch++) {
      messages.push(...(await Promise.all(Array.from({ length: 100 }, () => subject.encrypt(hundred)))))
    }
    // 500 messages are 50,000 bytes.
    expect(kms.calls).toEqual(Array(20).fill('GenerateDataKey'))
    const opened = await Promise.all(
      messages.filter((_, at) => at % 100 === 0).map((message) => subject.decrypt(message)),
    )
    for (const { plaintext } of opened) expect(plaintext).toEqual(hundred)
    expect(kms.calls.filter((name) => name === 'Decrypt')).toHaveLength(20)
  })

  it('are one for each number of messages', async () => {
    const { kms, subject } = cached({ messagesMax: 3 })
    for (let message = 0; message < 7; message++) await subject.encrypt(hundred)
    expect(kms.calls).toHaveLength(3)
  })

  it('are one for each age, in both directions', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const { kms, subject } = cached({ secondsMax: 10 })
    const message = await subject.encrypt(hundred)
    await subject.decrypt(message)
    vi.advanceTimersByTime(9_999)
    await subject.decrypt(await subject.encrypt(hundred))
    expect(kms.calls).toEqual(['GenerateDataKey', 'Decrypt'])
    vi.advanceTimersByTime(1)
    await subject.decrypt(message)
    await subject.encrypt(hundred)
    expect(kms.calls).toEqual(['GenerateDataKey', 'Decrypt', 'Decrypt', 'GenerateDataKey'])
  })

  it('are one for each context, whatever its order', async () => {
    const { kms, subject } = cached({})
    await subject.encrypt(hundred, { encryptionContext: { a: '1', b: '2' } })
    await subject.encrypt(hundred, { encryptionContext: { b: '2', a: '1' } })
    expect(kms.calls).toHaveLength(1)
    await subject.encrypt(hundred, { encryptionContext: { a: '1' } })
    await subject.encrypt(hundred, { encryptionContext: { 'a","1': '' } })
    await subject.encrypt(hundred)
    expect(kms.calls).toHaveLength(4)
  })

  it('are one where many ask at once, and another after that one failed', async () => {
    const { kms, subject } = cached({})
    kms.failWith(new Error('down'))
    const failed = await Promise.allSettled(Array.from({ length: 10 }, () => subject.encrypt(hundred)))
    expect(failed.every(({ status }) => status === 'rejected')).toBe(true)
    expect(kms.calls).toHaveLength(1)
    kms.failWith(null)
    await Promise.all(Array.from({ length: 10 }, () => subject.encrypt(hundred)))
    expect(kms.calls).toHaveLength(2)
  })

  it('are made for a message above the limit, and for a stream of unknown length', async () => {
    const { kms, subject } = cached({ bytesMax: 150 })
    await subject.encrypt(hundred)
    await subject.encrypt(new Uint8Array(200))
    await drained(streamOf(hundred).pipeThrough(subject.encryptStream()))
    expect(kms.calls).toHaveLength(3)
    const known = cached({ bytesMax: 350 })
    for (let stream = 0; stream < 3; stream++) {
      await drained(streamOf(hundred).pipeThrough(known.subject.encryptStream({ plaintextBytes: 100 })))
    }
    expect(known.kms.calls).toHaveLength(1)
  })

  it('come again for what was used least lately, and after everything was forgotten', async () => {
    const { kms, subject } = cached({ entriesMax: 2 })
    const encrypt = (tenant: string) => subject.encrypt(hundred, { encryptionContext: { tenant } })
    for (const tenant of ['one', 'two', 'one', 'three', 'one', 'two']) await encrypt(tenant)
    expect(kms.calls).toHaveLength(4)
    subject.clearCache()
    await encrypt('two')
    expect(kms.calls).toHaveLength(5)
  })
})

it('gives each message an id and a key of its own', async () => {
  const { subject } = cached({})
  const messages = await Promise.all(Array.from({ length: 50 }, () => subject.encrypt(hundred)))
  expect(new Set(messages.map((message) => Buffer.from(message.subarray(3, 35)).toString('hex'))).size).toBe(50)
  expect(new Set(messages.map((message) => Buffer.from(message.subarray(-116)).toString('hex'))).size).toBe(50)
})

it('shares a signing key as it shares a data key', async () => {
  const kms = softKms()
  const subject = createEnvelope({ kms, keys: [arnOf('key')], cache: roomy, suite: 'signing' })
  for (let message = 0; message < 3; message++) {
    expect((await subject.decrypt(await subject.encrypt(hundred))).plaintext).toEqual(hundred)
  }
  expect(kms.calls).toEqual(['GenerateDataKey', 'Decrypt'])
})

it('refuses limits that are none', () => {
  for (const limits of [{ secondsMax: 0 }, { messagesMax: -1 }, { messagesMax: 2 ** 33 }, { entriesMax: Number.NaN }]) {
    expect(() => cached(limits)).toThrow('cache')
  }
})
