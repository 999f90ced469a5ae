import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { der, derTag, readDer, readSequence } from '../../src/crypto/der.ts'
import { signatureFromDer, signatureToDer } from '../../src/crypto/ecdsa-signature.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))

describe('DER', () => {
  it.each([0, 1, 127, 128, 255, 256, 65_535])('comes back with %i bytes of content', (length) => {
    const content = new Uint8Array(length).fill(7)
    expect(readDer(der(derTag.octetString, content))).toEqual([{ tag: derTag.octetString, content }])
  })

  it('is never longer than 65,535 bytes', () => {
    expect(() => der(derTag.octetString, new Uint8Array(65_536))).toThrow()
    expect(readDer(hex(`0483010000${'00'.repeat(65_536)}`))).toBeNull()
  })

  it.each([
    ['no length', '04'],
    ['no content', '0401'],
    ['too little content', '040201'],
    ['a length without its digits', '0481'],
    ['a length with a part of its digits', '048201'],
    ['an indefinite length', '0480010000'],
    ['a long length for a short content', `048101${'00'.repeat(1)}`],
    ['a long length for 127 bytes', `04817f${'00'.repeat(127)}`],
    ['a longer length for 128 bytes', `04820080${'00'.repeat(128)}`],
    ['half an element behind a whole one', '04010004'],
  ])('is not read with %s', (_, bytes) => {
    expect(readDer(hex(bytes))).toBeNull()
  })

  it('is one sequence, where it has to be', () => {
    expect(readSequence(hex('3003020101'))).toEqual([{ tag: derTag.integer, content: hex('01') }])
    for (const bytes of ['', '020101', '30030201013000', '3103020101', '30040201010400']) {
      expect(readSequence(hex(bytes)), bytes).toBeNull()
    }
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void readSequence(new Uint8Array(bytes))))
  })
})

describe.each([32, 48, 66])('an ECDSA signature of 2 × %i bytes', (bytes) => {
  const number = fc
    .tuple(fc.nat(bytes), fc.uint8Array({ minLength: bytes, maxLength: bytes }))
    .map(([zeros, digits]) => {
      const padded = Uint8Array.from(digits)
      padded.fill(0, 0, zeros)
      return padded
    })

  it('comes back, whatever zeros its numbers begin with', () => {
    fc.assert(
      fc.property(number, number, (r, s) => {
        const fixed = Uint8Array.from([...r, ...s])
        expect(signatureFromDer(signatureToDer(fixed), bytes)).toEqual(fixed)
      }),
    )
  })

  it('has one encoding: what is read is written again to the byte', () => {
    const encoded = fc.tuple(number, number).map(([r, s]) => signatureToDer(Uint8Array.from([...r, ...s])))
    const place = fc.nat(2 * bytes + 10)
    fc.assert(
      fc.property(encoded, place, fc.nat(255), (signature, at, byte) => {
        const changed = Uint8Array.from(signature)
        changed[at % changed.length] = byte
        const fixed = signatureFromDer(changed, bytes)
        if (fixed !== null) expect(signatureToDer(fixed)).toEqual(changed)
      }),
      { numRuns: 2000 },
    )
  })

  it('has no number that is longer than the order', () => {
    const long = new Uint8Array(2 * (bytes + 1)).fill(1)
    expect(signatureFromDer(signatureToDer(long), bytes)).toBeNull()
  })
})
