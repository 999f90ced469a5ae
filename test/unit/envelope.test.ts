import { Buffer } from 'node:buffer'
import {
  constants,
  createCipheriv,
  createHash,
  createPrivateKey,
  hkdfSync,
  privateDecrypt,
  randomBytes,
} from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import {
  createEnvelope,
  decryptRange,
  EnvelopeError,
  type EnvelopeOptions,
  rewrap,
  rewrapStream,
  rsaKey,
  type WrappingKey,
} from '../../src/envelope/index.ts'
import { arnOf, softKms } from '../support/soft-kms.ts'
import { drained, streamOf } from '../support/streams.ts'

vi.setConfig({ testTimeout: 600_000 })

const kms = softKms()
const key = arnOf('first')
const plaintext = new Uint8Array(randomBytes(10_000))

function envelope(options: Partial<EnvelopeOptions> = {}) {
  return createEnvelope({ kms, keys: [key], frameBytes: 1_024, ...options })
}

async function failure(action: Promise<unknown>): Promise<EnvelopeError> {
  const caught = await action.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(caught).toBeInstanceOf(EnvelopeError)
  return caught as EnvelopeError
}

describe('what is encrypted is decrypted', () => {
  it('in whatever pieces it comes and goes', async () => {
    const sizes = fc.record({
      bytes: fc.uint8Array({ maxLength: 5_000 }),
      frameBytes: fc.integer({ min: 1, max: 700 }),
      pieceBytes: fc.integer({ min: 1, max: 3_000 }),
      suite: fc.constantFrom('committing' as const, 'signing' as const),
      encryptionContext: fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme' }), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
    })
    await fc.assert(
      fc.asyncProperty(sizes, async ({ bytes, frameBytes, pieceBytes, suite, encryptionContext }) => {
        const subject = envelope({ frameBytes, suite })
        const streamed = await drained(
          streamOf(bytes, pieceBytes).pipeThrough(subject.encryptStream({ encryptionContext })),
        )
        expect(streamed.failure).toBeNull()
        const whole = await subject.encrypt(bytes, { encryptionContext })
        expect(whole.length - streamed.bytes.length).toBeLessThanOrEqual(suite === 'signing' ? 8 : 0)
        const opened = await subject.decrypt(streamed.bytes, { encryptionContext })
        expect(Buffer.from(opened.plaintext)).toEqual(Buffer.from(bytes))
        expect(opened.encryptionContext).toMatchObject(encryptionContext)
        const stream = subject.decryptStream({ encryptionContext })
        const back = await drained(streamOf(whole, pieceBytes).pipeThrough(stream))
        expect(back).toEqual({ bytes: Buffer.from(bytes), failure: null })
        expect((await stream.info).encryptionContext).toEqual((await subject.decrypt(whole)).encryptionContext)
      }),
      { numRuns: process.env.SLOW ? 2_000 : 150 },
    )
  })

  it('by any range of its bytes', async () => {
    for (const size of [1, 1_023, 1_024, 1_025, 2_048, 5_000]) {
      const bytes = plaintext.slice(0, size)
      const message = await envelope().encrypt(bytes)
      await fc.assert(
        fc.asyncProperty(fc.nat(size - 1), fc.integer({ min: 1, max: size + 10 }), async (offset, length) => {
          const reads: number[] = []
          const source = {
            byteLength: message.length,
            async read(from: number, count: number) {
              reads.push(count)
              return streamOf(message.slice(from, from + count), 300)
            },
          }
          const range = await decryptRange(source, { envelope: envelope(), offset, length })
          expect(range.plaintextBytes).toBe(size)
          const { bytes: part, failure: none } = await drained(range.stream)
          expect(none).toBeNull()
          expect(part).toEqual(Buffer.from(bytes.slice(offset, offset + length)))
          // No more than the frames that have them.
          expect(reads[1]).toBeLessThanOrEqual(Math.ceil(length / 1_024 + 1) * (1_024 + 40))
        }),
        { numRuns: 40 },
      )
    }
  })

  it('and a producer may use its buffer again', async () => {
    const subject = envelope()
    const { readable, writable } = subject.encryptStream()
    const writer = writable.getWriter()
    const message = drained(readable)
    const buffer = new Uint8Array(700)
    const written: Buffer[] = []
    for (let round = 0; round < 10; round++) {
      crypto.getRandomValues(buffer)
      written.push(Buffer.from(buffer))
      await writer.write(buffer)
    }
    await writer.close()
    const opened = await subject.decrypt((await message).bytes)
    expect(Buffer.from(opened.plaintext)).toEqual(Buffer.concat(written))
  })
})

describe('wrapping keys', () => {
  const keys: [WrappingKey, ...WrappingKey[]] = [key, arnOf('second'), { keyId: arnOf('third') }]

  it.each([0, 1, 2])('any one opens: %i', async (at) => {
    const message = await envelope({ keys }).encrypt(plaintext)
    const one = envelope({ keys: [keys[at] as WrappingKey] })
    expect((await one.decrypt(message)).plaintext).toEqual(plaintext)
  })

  it('goes on to the next where KMS does not open', async () => {
    const broken = softKms()
    const message = await envelope({ keys }).encrypt(plaintext)
    broken.failWith(Object.assign(new Error('key is disabled'), { name: 'DisabledException' }))
    const either = envelope({ keys: [{ keyId: key, kms: broken }, arnOf('second')] })
    expect((await either.decrypt(message)).plaintext).toEqual(plaintext)
    expect(broken.calls).toEqual(['Decrypt'])
  })

  it('says what KMS said where none opens', async () => {
    const broken = softKms()
    const message = await envelope().encrypt(plaintext)
    broken.failWith(Object.assign(new Error('key is disabled'), { name: 'DisabledException' }))
    const refused = await failure(envelope({ kms: broken }).decrypt(message))
    expect(refused.name).toBe('NoWrappingKey')
    expect(refused.message).toContain('DisabledException: key is disabled')
    expect(refused.cause).toMatchObject({ name: 'DisabledException' })
    await expect(envelope({ kms: broken }).encrypt(plaintext)).rejects.toThrow('key is disabled')
  })

  it('does not ask KMS about keys that the message does not name', async () => {
    const asked = softKms()
    const message = await envelope().encrypt(plaintext)
    const refused = await failure(envelope({ kms: asked, keys: [arnOf('another')] }).decrypt(message))
    expect(refused.name).toBe('NoWrappingKey')
    expect(refused.message).toContain(key)
    expect(refused.message).toContain(arnOf('another'))
    expect(asked.calls).toEqual([])
  })

  it.each(['first', 'alias/first', 'arn:aws:kms:us-east-1:000000000000:alias/first'])('is named %s', async (keyId) => {
    const subject = envelope({ keys: [keyId] })
    expect((await subject.decrypt(await subject.encrypt(plaintext))).plaintext).toEqual(plaintext)
    expect((await subject.decrypt(await envelope().encrypt(plaintext))).plaintext).toEqual(plaintext)
    expect((await failure(subject.decrypt(await envelope({ keys: [arnOf('other')] }).encrypt(plaintext)))).name).toBe(
      'NoWrappingKey',
    )
  })

  it('of several Regions opens in each of them, and one of a single Region does not', async () => {
    const europe = softKms('eu-west-1')
    const message = await envelope({ keys: [arnOf('mrk-1')] }).encrypt(plaintext)
    const there = envelope({ kms: europe, keys: [arnOf('mrk-1', 'eu-west-1')] })
    expect((await there.decrypt(message)).plaintext).toEqual(plaintext)
    const single = await envelope({ keys: [arnOf('single')] }).encrypt(plaintext)
    const refused = await failure(envelope({ kms: europe, keys: [arnOf('single', 'eu-west-1')] }).decrypt(single))
    expect(refused.name).toBe('NoWrappingKey')
    const otherAccount = arnOf('mrk-1', 'eu-west-1').replace('000000000000', '111122223333')
    expect((await failure(envelope({ kms: europe, keys: [otherAccount] }).decrypt(message))).name).toBe('NoWrappingKey')
    expect(europe.calls).toEqual(['Decrypt'])
  })

  it('refuses an answer by a key that the message does not name', async () => {
    const message = await envelope().encrypt(plaintext)
    const lying = { ...kms, decrypt: async (input: never) => ({ ...(await kms.decrypt(input)), KeyId: arnOf('liar') }) }
    const refused = await failure(envelope({ kms: lying }).decrypt(message))
    expect(refused.message).toContain(arnOf('liar'))
  })
})

describe('an RSA key', () => {
  const encryptionAlgorithm = 'RSAES_OAEP_SHA_256'

  it('encrypts with its public key alone, and KMS decrypts', async () => {
    const server = softKms()
    const { PublicKey } = await server.getPublicKey({ KeyId: arnOf('rsa') })
    const publicKey = new Uint8Array(PublicKey ?? [])
    server.calls.length = 0
    const subject = createEnvelope({
      kms: server,
      keys: [rsaKey({ keyId: arnOf('rsa'), encryptionAlgorithm, publicKey })],
    })
    const message = await subject.encrypt(plaintext, { encryptionContext: { b: '2', a: '1' } })
    expect(server.calls).toEqual([])
    expect((await subject.decrypt(message)).plaintext).toEqual(plaintext)
    expect(server.calls).toEqual(['Decrypt'])
  })

  it('asks for its public key once', async () => {
    const server = softKms()
    const subject = createEnvelope({ kms: server, keys: [rsaKey({ keyId: 'rsa', encryptionAlgorithm }), 'symmetric'] })
    const messages = await Promise.all([subject.encrypt(plaintext), subject.encrypt(plaintext)])
    expect(server.calls.filter((name) => name === 'GetPublicKey')).toHaveLength(1)
    const other = createEnvelope({ kms: server, keys: ['symmetric'] })
    for (const message of messages) expect((await other.decrypt(message)).plaintext).toEqual(plaintext)
  })

  it('wraps as the material providers do: SHA-384 of the context, then the data key', async () => {
    const pair = (await crypto.subtle.generateKey(
      { name: 'RSA-OAEP', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
      true,
      ['encrypt', 'decrypt'],
    )) as CryptoKeyPair
    const publicKey = new Uint8Array((await crypto.subtle.exportKey('spki', pair.publicKey)) as ArrayBuffer)
    const pkcs8 = Buffer.from((await crypto.subtle.exportKey('pkcs8', pair.privateKey)) as ArrayBuffer)
    const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    for (const [encryptionContext, encoded] of [
      [{}, ''],
      [{ b: 'x', a: 'yz' }, '0002000161000279' + '7a' + '0001620001' + '78'],
    ] as const) {
      const subject = createEnvelope({ kms, keys: [rsaKey({ keyId: arnOf('rsa'), encryptionAlgorithm, publicKey })] })
      const message = Buffer.from(await subject.encrypt(plaintext, { encryptionContext }))
      const info = `${arnOf('rsa')}`
      const at = message.indexOf(info) + info.length
      expect(message.indexOf('\0\x0baws-kms-rsa\0')).toBeGreaterThan(0)
      const wrapped = message.subarray(at + 2, at + 2 + message.readUInt16BE(at))
      const padding = constants.RSA_PKCS1_OAEP_PADDING
      const bound = privateDecrypt({ key: privateKey, padding, oaepHash: 'sha256' }, wrapped)
      expect(bound).toHaveLength(48 + 32)
      expect(bound.subarray(0, 48)).toEqual(createHash('sha384').update(Buffer.from(encoded, 'hex')).digest())
    }
  })

  it('refuses another context, and an alias beside a public key', async () => {
    const server = softKms()
    const subject = createEnvelope({ kms: server, keys: [rsaKey({ keyId: arnOf('rsa'), encryptionAlgorithm })] })
    const message = await subject.encrypt(plaintext, { encryptionContext: { tenant: 'one' } })
    const changed = Uint8Array.from(
      Buffer.from(Buffer.from(message).toString('latin1').replace('one', 'two'), 'latin1'),
    )
    const refused = await failure(subject.decrypt(changed))
    expect(refused.message).toContain('another encryption context')
    const publicKey = new Uint8Array(1)
    expect(() =>
      createEnvelope({ kms, keys: [rsaKey({ keyId: 'alias/rsa', encryptionAlgorithm, publicKey })] }),
    ).toThrow('key ARN')
  })
})

describe('the encryption context', () => {
  it('has to have what is required, and may have more', async () => {
    const message = await envelope().encrypt(plaintext, { encryptionContext: { tenant: 'one', purpose: 'test' } })
    const calls = kms.calls.length
    for (const encryptionContext of [{ tenant: 'two' }, { other: 'one' }, { toString: 'x' }]) {
      expect((await failure(envelope().decrypt(message, { encryptionContext }))).name).toBe('WrongEncryptionContext')
    }
    expect(kms.calls.length).toBe(calls)
    const opened = await envelope().decrypt(message, { encryptionContext: { tenant: 'one' } })
    expect(opened.encryptionContext).toEqual({ tenant: 'one', purpose: 'test' })
  })

  it('refuses names of the format, values that are no strings, and what is too long', async () => {
    const encrypt = (encryptionContext: Record<string, string>) => envelope().encrypt(plaintext, { encryptionContext })
    expect((await failure(encrypt({ 'aws-crypto-public-key': 'x' }))).name).toBe('InvalidInput')
    expect((await failure(encrypt({ count: 1 as never }))).name).toBe('InvalidInput')
    expect((await failure(encrypt({ long: 'x'.repeat(70_000) }))).name).toBe('InvalidInput')
  })
})

describe('signed messages', () => {
  const signing = envelope({ suite: 'signing' })

  it('give nothing out before the signature, unless asked to', async () => {
    const message = Buffer.from(await signing.encrypt(plaintext))
    const broken = Buffer.from(message)
    broken[broken.length - 10] = (broken.at(-10) ?? 0) ^ 1
    const held = await drained(streamOf(broken).pipeThrough(signing.decryptStream()))
    expect(held.failure).toMatchObject({ name: 'TamperedMessage' })
    expect(held.bytes).toHaveLength(0)
    const released = await drained(streamOf(broken).pipeThrough(signing.decryptStream({ releaseUnsigned: true })))
    expect(released.failure).toMatchObject({ name: 'TamperedMessage' })
    expect(released.bytes).toEqual(Buffer.from(plaintext))
  })

  it('may be required', async () => {
    const strict = envelope({ requireSignature: true })
    expect((await failure(strict.decrypt(await envelope().encrypt(plaintext)))).name).toBe('ForbiddenMessage')
    expect((await strict.decrypt(await signing.encrypt(plaintext))).plaintext).toEqual(plaintext)
  })

  it('are as long as is allowed in memory', async () => {
    const small = envelope({ suite: 'signing', heldBytesMax: 5_000 })
    expect((await failure(small.encrypt(plaintext))).name).toBe('TooLarge')
    const message = await signing.encrypt(plaintext)
    expect((await failure(small.decrypt(message))).name).toBe('TooLarge')
  })
})

describe('rewrap', () => {
  const to: [WrappingKey] = [arnOf('next')]

  it('changes who opens, and no frame', async () => {
    const encryptionContext = { tenant: 'one' }
    const message = await envelope().encrypt(plaintext, { encryptionContext })
    const rewrapped = await rewrap(message, { from: envelope(), to, encryptionContext })
    const frames = 10_000 + 9 * 32 + 40
    expect(rewrapped.subarray(-frames)).toEqual(message.subarray(-frames))
    expect((await envelope({ keys: to }).decrypt(rewrapped, { encryptionContext })).plaintext).toEqual(plaintext)
    expect((await failure(envelope().decrypt(rewrapped))).name).toBe('NoWrappingKey')
    const streamed = await drained(streamOf(message, 77).pipeThrough(rewrapStream({ from: envelope(), to })))
    expect((await envelope({ keys: to }).decrypt(streamed.bytes)).plaintext).toEqual(plaintext)
  })

  it('refuses what it cannot do', async () => {
    const message = await envelope().encrypt(plaintext, { encryptionContext: { tenant: 'one' } })
    const signed = await envelope({ suite: 'signing' }).encrypt(plaintext)
    expect((await failure(rewrap(signed, { from: envelope(), to }))).message).toContain('signed')
    const other = envelope({ keys: [arnOf('other')] })
    expect((await failure(rewrap(message, { from: other, to }))).name).toBe('NoWrappingKey')
    expect((await failure(rewrap(message, { from: envelope(), to, encryptionContext: { tenant: 'two' } }))).name).toBe(
      'WrongEncryptionContext',
    )
    const changed = message.slice()
    changed[200] = (changed[200] ?? 0) ^ 1
    const refused = await failure(rewrap(changed, { from: envelope(), to }))
    expect(['TamperedMessage', 'NoWrappingKey']).toContain(refused.name)
    expect((await failure(rewrap(message.slice(0, 50), { from: envelope(), to }))).name).toBe('TruncatedMessage')
  })
})

describe('what is no message', () => {
  const rows: [string, Uint8Array, string][] = [
    ['nothing', new Uint8Array(0), 'NotAMessage'],
    ['text', new TextEncoder().encode('{"never":"encrypted"}'), 'NotAMessage'],
    ['a message in base64', new TextEncoder().encode('AgR4tjGq'), 'NotAMessage'],
    ['another kind of version 1', new Uint8Array([1, 0x81, 0, 0]), 'NotAMessage'],
    ['an unknown suite', new Uint8Array([2, 0x09, 0x99, 0, 0]), 'UnsupportedMessage'],
    ['a suite of the other version', new Uint8Array([2, 0x03, 0x78, 0]), 'UnsupportedMessage'],
  ]
  it.each(rows)('%s', async (_, bytes, name) => {
    const refused = await failure(envelope().decrypt(bytes))
    expect(refused.name).toBe(name)
  })

  it('says that text has to be bytes', async () => {
    expect((await failure(envelope().encrypt('text' as never))).message).toContain('TextEncoder')
    expect((await failure(envelope().decrypt('text' as never))).message).toContain('Uint8Array')
  })

  it('has more wrapped data keys than allowed', async () => {
    const keys = Array.from({ length: 5 }, (_, at) => arnOf(`key-${at}`)) as unknown as [string]
    const message = await envelope({ keys }).encrypt(plaintext)
    expect((await failure(envelope({ encryptedDataKeysMax: 4 }).decrypt(message))).name).toBe('TooLarge')
    expect(() => envelope({ keys, encryptedDataKeysMax: 4 })).toThrow('encryptedDataKeysMax')
  })

  it('has frames larger than are held', async () => {
    const message = await envelope({ frameBytes: 5_000 }).encrypt(plaintext)
    expect((await failure(envelope({ heldBytesMax: 4_000 }).decrypt(message))).name).toBe('TooLarge')
  })

  it('is more than was promised', async () => {
    const stream = streamOf(plaintext).pipeThrough(envelope().encryptStream({ plaintextBytes: 9_999 }))
    expect((await drained(stream)).failure).toMatchObject({ name: 'InvalidInput' })
  })
})

/** By node:crypto, from the reference: version 1, suite 0x0178, in one piece; nobody writes it any more. */
async function singleBlock(content: Uint8Array): Promise<Buffer> {
  const { Plaintext, CiphertextBlob, KeyId } = await kms.generateDataKey({
    KeyId: key,
    NumberOfBytes: 32,
    EncryptionContext: {},
  })
  const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff])
  const sized = (value: Uint8Array) => Buffer.concat([u16(value.length), value])
  const messageId = randomBytes(16)
  const edk = [Buffer.from('aws-kms'), Buffer.from(KeyId as string), CiphertextBlob as Uint8Array].map(sized)
  const body = Buffer.concat([
    Buffer.from([1, 0x80, 0x01, 0x78]),
    messageId,
    u16(0),
    u16(1),
    ...edk,
    Buffer.from([1, 0, 0, 0, 0, 12, 0, 0, 0, 0]),
  ])
  const info = Buffer.concat([Buffer.from([0x01, 0x78]), messageId])
  const derived = Buffer.from(hkdfSync('sha256', Plaintext as Uint8Array, Buffer.alloc(32), info, 32))
  const gcm = (iv: Buffer, aad: Buffer, data: Uint8Array) => {
    const cipher = createCipheriv('aes-256-gcm', derived, iv)
    cipher.setAAD(aad)
    return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])
  }
  const [headerIv, iv] = [randomBytes(12), randomBytes(12)]
  const length = Buffer.alloc(8)
  length.writeBigUInt64BE(BigInt(content.length))
  const label = Buffer.from('AWSKMSEncryptionClient Single Block')
  const aad = Buffer.concat([messageId, label, Buffer.from([0, 0, 0, 1]), length])
  return Buffer.concat([body, headerIv, gcm(headerIv, body, Buffer.alloc(0)), iv, length, gcm(iv, aad, content)])
}

describe('version 1', () => {
  const lenient = envelope({ allowUncommitted: true })

  it('opens in one piece where it is allowed', async () => {
    const message = await singleBlock(plaintext)
    expect((await failure(envelope().decrypt(message))).message).toContain('allowUncommitted')
    expect((await lenient.decrypt(message)).plaintext).toEqual(plaintext)
    const held = await drained(streamOf(message.subarray(0, -1)).pipeThrough(lenient.decryptStream()))
    expect(held).toMatchObject({ failure: { name: 'TruncatedMessage' } })
    expect(held.bytes).toHaveLength(0)
    const small = envelope({ allowUncommitted: true, heldBytesMax: 9_999 })
    expect((await failure(small.decrypt(message))).name).toBe('TooLarge')
  })

  it('is rewrapped under an IV of its own', async () => {
    const message = await singleBlock(plaintext)
    const to: [WrappingKey] = [arnOf('next')]
    const rewrapped = await rewrap(message, { from: lenient, to })
    const next = envelope({ keys: to, allowUncommitted: true })
    expect((await next.decrypt(rewrapped)).plaintext).toEqual(plaintext)
    const ivOf = (bytes: Uint8Array) =>
      Buffer.from(bytes.slice(-(10_000 + 36 + 28), -(10_000 + 36 + 16))).toString('hex')
    expect(ivOf(rewrapped)).not.toBe(ivOf(message))
  })

  it('has no range where it has no frames', async () => {
    const message = await singleBlock(plaintext)
    const source = {
      byteLength: message.length,
      read: async (from: number, count: number) => streamOf(message.subarray(from, from + count)),
    }
    expect((await failure(decryptRange(source, { envelope: lenient, offset: 0, length: 1 }))).name).toBe(
      'UnsupportedMessage',
    )
  })
})
