import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { createEnvelope, decryptRange, EnvelopeError } from '../../src/envelope/index.ts'
import { arnOf, softKms } from '../support/soft-kms.ts'
import { drained, streamOf } from '../support/streams.ts'

vi.setConfig({ testTimeout: 600_000 })

const numRuns = process.env.SLOW ? 3_000 : 200
const frameBytes = 64
const wireBytes = frameBytes + 32
const plaintext = Buffer.from(randomBytes(10 * frameBytes + 20))
const cache = { secondsMax: 3_600, messagesMax: 1_000, bytesMax: 1e9, entriesMax: 10 }
const options = { kms: softKms(), keys: [arnOf('key')], frameBytes, cache } as const
const subject = createEnvelope(options)
const signing = createEnvelope({ ...options, suite: 'signing' })

const encryptionContext = { tenant: 'one' }
// One data key for both: what is spliced comes from a message that the same data key encrypted.
const message = Buffer.from(await subject.encrypt(plaintext, { encryptionContext }))
const other = Buffer.from(await subject.encrypt(Buffer.from(randomBytes(plaintext.length)), { encryptionContext }))
const signed = Buffer.from(await signing.encrypt(plaintext, { encryptionContext }))
const headerBytes = message.length - 10 * wireBytes - 60

const frame = (of: Buffer, at: number) =>
  of.subarray(headerBytes + at * wireBytes, at === 10 ? of.length : headerBytes + (at + 1) * wireBytes)
const framesOf = (of: Buffer) => Array.from({ length: 11 }, (_, at) => frame(of, at))
const assembled = (frames: Buffer[], header = message.subarray(0, headerBytes)) => Buffer.concat([header, ...frames])

/** Refused, and what left the stream is whole frames of the plaintext, in order, and at most `framesMax` of them. */
async function expectRefused(bytes: Buffer, pieceBytes: number, framesMax: number, of = subject): Promise<void> {
  const { bytes: released, failure } = await drained(streamOf(bytes, pieceBytes).pipeThrough(of.decryptStream()))
  expect(failure).toBeInstanceOf(EnvelopeError)
  expect(plaintext.subarray(0, released.length)).toEqual(released)
  expect(released.length % frameBytes === 0 || released.length === plaintext.length).toBe(true)
  expect(released.length).toBeLessThanOrEqual(framesMax * frameBytes)
  await expect(of.decrypt(bytes)).rejects.toBeInstanceOf(EnvelopeError)
}

const piece = fc.integer({ min: 1, max: 400 })
const place = (max: number) => fc.nat(max - 1)

describe('no byte of unverified plaintext leaves the stream', () => {
  it('of a message that is whole, all of it does', async () => {
    for (const [of, bytes] of [
      [subject, message],
      [signing, signed],
    ] as const) {
      const { bytes: released, failure } = await drained(streamOf(bytes, 50).pipeThrough(of.decryptStream()))
      expect(failure).toBeNull()
      expect(released).toEqual(plaintext)
    }
    expect(assembled(framesOf(message))).toEqual(message)
  })

  it('of one with any bit changed', async () => {
    await fc.assert(
      fc.asyncProperty(place(message.length * 8), piece, async (bit, pieceBytes) => {
        const changed = Buffer.from(message)
        const at = bit >> 3
        changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7))
        await expectRefused(changed, pieceBytes, Math.max(0, Math.floor((at - headerBytes) / wireBytes)))
      }),
      { numRuns },
    )
  })

  it('of a signed one with any bit changed: nothing at all', async () => {
    await fc.assert(
      fc.asyncProperty(place(signed.length * 8), piece, async (bit, pieceBytes) => {
        const changed = Buffer.from(signed)
        const at = bit >> 3
        changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7))
        await expectRefused(changed, pieceBytes, 0, signing)
      }),
      { numRuns },
    )
  })

  it('of one that ends too early', async () => {
    await fc.assert(
      fc.asyncProperty(place(message.length), piece, async (length, pieceBytes) => {
        const framesMax = Math.max(0, Math.floor((length - headerBytes) / wireBytes))
        await expectRefused(message.subarray(0, length), pieceBytes, framesMax)
        await expectRefused(signed.subarray(0, length), pieceBytes, 0, signing)
      }),
      { numRuns },
    )
  })

  it('of one with two frames exchanged, one left out, one repeated, or one of another message', async () => {
    const change = fc.constantFrom('exchange', 'drop', 'repeat', 'splice', 'replay')
    await fc.assert(
      fc.asyncProperty(change, place(10), place(10), piece, async (kind, a, b, pieceBytes) => {
        const frames = framesOf(message)
        const [first, second] = [Math.min(a, b), Math.max(a, b)]
        const [one, two] = [frames[first] as Buffer, frames[second] as Buffer]
        if (kind === 'exchange' && first !== second) [frames[first], frames[second]] = [two, one]
        else if (kind === 'drop') frames.splice(first, 1)
        else if (kind === 'repeat') frames.splice(first, 0, one)
        else if (kind === 'splice') frames[first] = frame(other, first)
        else frames.splice(second + 1, 0, one)
        await expectRefused(assembled(frames), pieceBytes, kind === 'repeat' || kind === 'replay' ? second + 1 : first)
      }),
      { numRuns },
    )
  })

  it('of one with the frames of another, or with bytes behind its end', async () => {
    await expectRefused(assembled(framesOf(other)), 100, 0)
    await expectRefused(Buffer.concat([message, Buffer.from([0])]), 100, 11)
    await expectRefused(Buffer.concat([message, message]), 100, 11)
  })

  it('of one whose last frame is dressed as another, or another as the last', async () => {
    const last = frame(message, 10)
    const asRegular = Buffer.concat([last.subarray(4, 20), last.subarray(24)])
    await expectRefused(assembled([...framesOf(message).slice(0, 10), asRegular]), 100, 10)
    const fifth = frame(message, 4)
    const length = Buffer.from([0, 0, 0, frameBytes])
    const mark = Buffer.from([255, 255, 255, 255])
    const asLast = Buffer.concat([mark, fifth.subarray(0, 16), length, fifth.subarray(16)])
    await expectRefused(assembled([...framesOf(message).slice(0, 4), asLast]), 100, 4)
  })

  it('of one whose header names another key, or has another data key', async () => {
    const renamed = Buffer.from(message.toString('latin1').replace(arnOf('key'), arnOf('yek')), 'latin1')
    await expectRefused(renamed, 100, 0)
    const both = createEnvelope({ ...options, keys: [arnOf('key'), arnOf('yek')] })
    await expectRefused(renamed, 100, 0, both)
    const foreign = Buffer.from(await createEnvelope(options).encrypt(plaintext, { encryptionContext }))
    await expectRefused(assembled(framesOf(message), foreign.subarray(0, headerBytes)), 100, 0)
  })

  it('of a range with any bit of its frames changed', async () => {
    await fc.assert(
      fc.asyncProperty(place(10 * wireBytes * 8), piece, async (bit, pieceBytes) => {
        const changed = Buffer.from(message)
        const at = headerBytes + (bit >> 3)
        changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7))
        const source = {
          byteLength: changed.length,
          read: async (from: number, count: number) => streamOf(changed.subarray(from, from + count), pieceBytes),
        }
        const first = Math.floor((bit >> 3) / wireBytes)
        const range = { envelope: subject, offset: first * frameBytes + 3, length: 2 }
        const { stream } = await decryptRange(source, range)
        const { bytes, failure } = await drained(stream)
        expect(failure).toBeInstanceOf(EnvelopeError)
        expect(bytes).toHaveLength(0)
      }),
      { numRuns },
    )
  })
})
