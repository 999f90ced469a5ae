import { expect, it } from 'vitest'
import { formOfBytes, OpenPrivate } from '../../src/crypto/open-private.ts'
import type { SealedReader } from '../../src/crypto/seal.ts'

const identity = { keyMaterialId: '00', spec: 'HMAC_256', publicKey: null } as const

/** A reader that counts, and hands out bytes that the test keeps an eye on. */
function reader() {
  const handedOut: Uint8Array<ArrayBuffer>[] = []
  const made: SealedReader = {
    unwrap: () => Promise.reject(new Error('not asked for')),
    async bytes() {
      const bytes = new Uint8Array(32).fill(7)
      handedOut.push(bytes)
      return bytes
    },
  }
  return { made, handedOut }
}

it('makes a form once, and then has it at once', async () => {
  const { made, handedOut } = reader()
  const key = new OpenPrivate(identity, made)
  const first = formOfBytes((_, bytes) => bytes.slice())
  const second = formOfBytes((_, bytes) => bytes.slice(0, 1))
  expect(await key.form(first)).toEqual(new Uint8Array(32).fill(7))
  expect(key.form(first)).toEqual(new Uint8Array(32).fill(7))
  expect(await key.form(second)).toEqual(Uint8Array.of(7))
  expect(handedOut).toHaveLength(2)
})

it('erases the bytes that a form was made of, whether it was or not', async () => {
  const { made, handedOut } = reader()
  const key = new OpenPrivate(identity, made)
  await key.form(formOfBytes((_, bytes) => bytes.length))
  const failing = formOfBytes(() => Promise.reject(new Error('no such form')))
  await expect(key.form(failing)).rejects.toThrow('no such form')
  await expect(key.form(failing)).rejects.toThrow('no such form')
  expect(handedOut).toEqual(Array(3).fill(new Uint8Array(32)))
})

it('has no public key to show where there is none', () => {
  const key = new OpenPrivate(identity, reader().made)
  expect(() => key.spki).toThrow('HMAC_256')
})
