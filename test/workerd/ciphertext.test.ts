import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decrypt, encrypt, keyMaterialIdOf, openedMaterial, parseHeader } from '../../src/crypto/ciphertext.ts'
import {
  type Context,
  deriveMessage,
  fromHex,
  gcm,
  keyMaterialId,
  openBlob,
  parseBlob,
  sealBlob,
  toHex,
} from '../support/second-implementation.ts'
import worker from '../support/test-worker.ts'
import { env, signed } from '../support/workerd.ts'
import frozen from '../vectors/ciphertext-v1.json' with { type: 'json' }

interface Vector {
  readonly name: string
  readonly materialHex: string
  readonly keyId: string
  readonly context: Context | null
  readonly plaintextHex: string
  readonly saltHex: string
  readonly keyMaterialId: string
  readonly blobHex: string
}

const vectors = frozen as unknown as readonly Vector[]
const numRuns = env.SLOW ? 2000 : 200
const keyId = '1234abcd-12ab-34cd-56ef-1234567890ab'
const material = Uint8Array.from({ length: 32 }, (_, i) => i)
const otherMaterial = Uint8Array.from({ length: 32 }, (_, i) => 255 - i)
const plaintext = Uint8Array.from({ length: 36 }, (_, i) => i * 7)
const context = { tenant: 'a', purpose: 'test' }

function bare(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  const made: Record<string, string> = Object.create(null)
  for (const [name, value] of pairs) made[name] = value
  return made
}

function contextOf({ context }: Vector): Context | undefined {
  return context === null ? undefined : bare(Object.entries(context))
}

function hkdfKey(bytes: Uint8Array) {
  return crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits'])
}

async function opened(keyId: string, bytes: Uint8Array) {
  const key = await hkdfKey(bytes)
  return openedMaterial(keyId, await keyMaterialIdOf(keyId, key), key)
}

function hex(bytes: Uint8Array | null): string | null {
  return bytes && toHex(bytes)
}

/** The plaintext in hex; null where the service refuses the blob, as it does in two steps. */
async function serviceOpens(
  material: Uint8Array,
  keyId: string,
  blob: Uint8Array<ArrayBuffer>,
  context: Context | undefined,
): Promise<string | null> {
  const header = parseHeader(blob)
  if (header === null) return null
  const own = parseBlob(blob)
  expect(header).toEqual({ keyId: own?.keyId, versionId: own?.versionId })
  return hex(await decrypt(await opened(keyId, material), blob, context))
}

describe('frozen vectors', () => {
  it('are what the file says', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(24)
    expect(vectors.filter(({ context }) => context !== null && Object.hasOwn(context, '__proto__'))).toHaveLength(2)
    const [none, empty] = vectors
    expect(none?.context).toBeNull()
    expect(empty?.context).toEqual({})
    expect(none?.blobHex).toBe(empty?.blobHex)
  })

  it.each(vectors)('$name', async (vector) => {
    const material = fromHex(vector.materialHex)
    const { keyId, plaintextHex } = vector
    const context = contextOf(vector)
    const blob = fromHex(vector.blobHex)
    expect(await keyMaterialId(keyId, material)).toBe(vector.keyMaterialId)
    expect(await keyMaterialIdOf(keyId, await hkdfKey(material))).toBe(vector.keyMaterialId)
    expect(hex(await openBlob({ material, keyId, context, blob }))).toBe(plaintextHex)
    expect(await serviceOpens(material, keyId, blob, context)).toBe(plaintextHex)
    const salt = fromHex(vector.saltHex)
    const again = await sealBlob({ material, keyId, context, plaintext: fromHex(plaintextHex), salt })
    expect(toHex(again)).toBe(vector.blobHex)
  })
})

const hostile = fc.constantFrom(
  '',
  '\0',
  '__proto__',
  'constructor',
  '\uFF5E',
  '\u{1F600}',
  '\uE000',
  '\u00E9',
  'e\u0301',
)
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(hostile, { maxLength: 4 }).map((parts) => parts.join('')),
)
const message = fc.record({
  material: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  keyId: fc.tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.boolean()).map(([id, multiRegion]) => {
    const digits = toHex(id)
    if (multiRegion) return `mrk-${digits}`
    return [0, 8, 12, 16, 20].map((from, i) => digits.slice(from, [8, 12, 16, 20, 32][i])).join('-')
  }),
  context: fc.option(fc.array(fc.tuple(text, text), { maxLength: 12 }).map(bare), { nil: undefined }),
  plaintext: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 64 }),
    fc.uint8Array({ minLength: 1, maxLength: 4096, size: 'max' }),
  ),
})

describe('any message', () => {
  it('of the service opens in the second implementation', async () => {
    await fc.assert(
      fc.asyncProperty(message, async ({ material, keyId, context, plaintext }) => {
        const blob = await encrypt(await opened(keyId, material), plaintext, context)
        expect(blob.length).toBe(plaintext.length + 114)
        expect(hex(await openBlob({ material, keyId, context, blob }))).toBe(toHex(plaintext))
      }),
      { numRuns },
    )
  }, 120_000)

  it('of the second implementation opens in the service', async () => {
    await fc.assert(
      fc.asyncProperty(message, async ({ material, keyId, context, plaintext }) => {
        const blob = await sealBlob({ material, keyId, context, plaintext })
        expect(await serviceOpens(material, keyId, blob, context)).toBe(toHex(plaintext))
      }),
      { numRuns },
    )
  }, 120_000)

  it('opens under no other context', async () => {
    const pair = fc.uniqueArray(fc.array(fc.tuple(text, text), { maxLength: 3 }).map(bare), {
      minLength: 2,
      maxLength: 2,
      selector: (made) => JSON.stringify(Object.entries(made).sort()),
    })
    await fc.assert(
      fc.asyncProperty(pair, async ([right, wrong]) => {
        const blob = await encrypt(await opened(keyId, material), plaintext, right)
        expect(await serviceOpens(material, keyId, blob, wrong)).toBeNull()
        expect(await openBlob({ material, context: wrong, blob })).toBeNull()
      }),
      { numRuns },
    )
  }, 120_000)
})

describe('a changed blob', () => {
  const sealed = sealBlob({ material, keyId, context, plaintext, salt: new Uint8Array(32).fill(9) })

  it('is refused by the place of the flipped bit', async () => {
    const blob = await sealed
    const key = await opened(keyId, material)
    const header = parseHeader(blob)
    expect(header).not.toBeNull()
    expect(hex(await decrypt(key, blob, context))).toBe(toHex(plaintext))
    for (let bit = 0; bit < blob.length * 8; bit++) {
      const byte = bit >> 3
      const changed = blob.map((value, at) => (at === byte ? value ^ (1 << (bit & 7)) : value))
      const parsed = parseHeader(changed)
      const multiRegion = byte === 1 && (bit & 7) === 7
      expect(parsed === null, `bit ${bit} in the header`).toBe(byte < 2 && !multiRegion)
      if (parsed === null) continue
      expect(parsed.keyId !== header?.keyId, `bit ${bit} in the key id`).toBe(multiRegion || (byte > 1 && byte < 18))
      expect(parsed.versionId !== header?.versionId, `bit ${bit} in the version`).toBe(byte > 17 && byte < 34)
      expect(await decrypt(key, changed, context), `bit ${bit}`).toBeNull()
    }
  })

  it('is refused where it is cut short or made longer', async () => {
    const blob = await sealed
    const key = await opened(keyId, material)
    for (let length = 0; length < blob.length; length++) {
      const cut = blob.slice(0, length)
      expect(parseHeader(cut) === null, `${length} bytes`).toBe(length < 115)
      if (length >= 115) expect(await decrypt(key, cut, context), `${length} bytes`).toBeNull()
    }
    expect(await decrypt(key, Uint8Array.of(...blob, 0), context)).toBeNull()
  })

  it.each<[string, Context | undefined]>([
    ['none', undefined],
    ['empty', {}],
    ['a pair less', { tenant: 'a' }],
    ['a pair more', { ...context, more: '' }],
    ['another value', { ...context, tenant: 'b' }],
    ['another case', { Tenant: 'a', purpose: 'test' }],
    ['names and values exchanged', { a: 'tenant', test: 'purpose' }],
    ['values exchanged', { tenant: 'test', purpose: 'a' }],
    ['a moved boundary', { tenan: 'ta', purpose: 'test' }],
  ])('is refused under another context: %s', async (_, other) => {
    expect(await decrypt(await opened(keyId, material), await sealed, other)).toBeNull()
  })

  it('opens whatever the order of the pairs', async () => {
    const reordered = { purpose: 'test', tenant: 'a' }
    expect(hex(await decrypt(await opened(keyId, material), await sealed, reordered))).toBe(toHex(plaintext))
  })

  it('is refused under another key of the same material', async () => {
    const blob = await sealed
    const other = 'mrk-1234abcd12ab34cd56ef1234567890ab'
    expect(await decrypt(await opened(other, material), blob, context)).toBeNull()
    expect(await openBlob({ material, keyId: other, context, blob })).toBeNull()
  })
})

// The service refuses them where it reads the request; `encrypt` itself is never given one.
it('refuses lone surrogates in a context', async () => {
  const call = async (operation: string, input: unknown) => {
    const ctx = createExecutionContext()
    const response = await worker.fetch?.((await signed(operation, input)) as never, env, ctx)
    await waitOnExecutionContext(ctx)
    return { ok: response?.ok, ...((await response?.json()) as Record<string, unknown>) }
  }
  const { KeyMetadata } = (await call('CreateKey', {})) as unknown as { KeyMetadata: { Arn: string } }
  const input = { KeyId: KeyMetadata.Arn, Plaintext: 'aGVsbG8=' }
  const { CiphertextBlob } = (await call('Encrypt', { ...input, EncryptionContext: { a: '\uFFFD' } })) as {
    CiphertextBlob?: unknown
  }
  expect(CiphertextBlob).toBeTypeOf('string')
  for (const lone of ['\uD800', 'a\uDC00', '\uDE00\uD83D']) {
    for (const EncryptionContext of [{ [lone]: 'a' }, { a: lone }]) {
      expect(await call('Encrypt', { ...input, EncryptionContext })).toMatchObject({ ok: false })
      expect(await call('Decrypt', { CiphertextBlob, EncryptionContext })).toMatchObject({ ok: false })
      await expect(sealBlob({ material, keyId, context: EncryptionContext, plaintext })).rejects.toThrow()
    }
  }
})

function aesKey(bytes: Uint8Array) {
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt'])
}

// Blocks of GHASH as numbers: bit 0 of the field is the highest bit of the first byte.
const toBlock = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes).padEnd(32, '0')}`)
const fromBlock = (block: bigint) => fromHex(block.toString(16).padStart(32, '0'))

function multiply(a: bigint, b: bigint): bigint {
  let product = 0n
  let factor = b
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((a >> bit) & 1n) product ^= factor
    factor = factor & 1n ? (factor >> 1n) ^ (0xe1n << 120n) : factor >> 1n
  }
  return product
}

function inverse(a: bigint): bigint {
  // a to the power of 2^128 - 2
  let result = 1n << 127n
  let square = a
  for (let i = 1; i < 128; i++) {
    square = multiply(square, square)
    result = multiply(result, square)
  }
  return result
}

/** One block of ciphertext, with the tag that holds under both keys. */
async function underBothKeys(header: Uint8Array, first: Uint8Array, second: Uint8Array): Promise<Uint8Array> {
  const lengths = (BigInt(header.length * 8) << 64n) | 128n
  const tag = async (messageKey: Uint8Array) => {
    const key = await crypto.subtle.importKey('raw', messageKey, 'AES-CTR', false, ['encrypt'])
    const counter = { name: 'AES-CTR', counter: new Uint8Array(16), length: 32 }
    const stream = new Uint8Array(await crypto.subtle.encrypt(counter, key, new Uint8Array(32)))
    const h = toBlock(stream.slice(0, 16))
    return (ciphertext: bigint) => {
      let sum = 0n
      for (let at = 0; at < header.length; at += 16) sum = multiply(sum ^ toBlock(header.slice(at, at + 16)), h)
      sum = multiply(sum ^ ciphertext, h)
      return { tag: multiply(sum ^ lengths, h) ^ toBlock(stream.slice(16)), square: multiply(h, h) }
    }
  }
  const [one, two] = await Promise.all([tag(first), tag(second)])
  const ciphertext = multiply(one(0n).tag ^ two(0n).tag, inverse(one(0n).square ^ two(0n).square))
  expect(one(ciphertext).tag).toBe(two(ciphertext).tag)
  return Uint8Array.of(...fromBlock(ciphertext), ...fromBlock(one(ciphertext).tag))
}

describe('a blob made for two materials', () => {
  async function prepared() {
    const id = await keyMaterialId(keyId, material)
    const salt = new Uint8Array(32).fill(3)
    const blob = await sealBlob({ material, keyId, context, plaintext, salt })
    const named = blob.slice(0, 66)
    const right = await deriveMessage(material, salt, named, context)
    const wrong = await deriveMessage(otherMaterial, salt, named, context)
    // The other material, under the version id of the first: no honest writer has it.
    return {
      named,
      right,
      wrong,
      holder: await opened(keyId, material),
      other: openedMaterial(keyId, id, await hkdfKey(otherMaterial)),
    }
  }

  it('is refused by its commitment where the tag holds', async () => {
    const { named, right, wrong, holder } = await prepared()
    const header = Uint8Array.of(...named, ...wrong.commitment)
    const key = await aesKey(right.messageKey)
    const sealed = new Uint8Array(await crypto.subtle.encrypt(gcm(header), key, plaintext))
    const blob = Uint8Array.of(...header, ...sealed)
    expect(toHex(new Uint8Array(await crypto.subtle.decrypt(gcm(header), key, sealed)))).toBe(toHex(plaintext))
    expect(await decrypt(holder, blob, context)).toBeNull()
    expect(await openBlob({ material, context, blob })).toBeNull()
  })

  it('is refused by its tag where the commitment holds', async () => {
    const { named, right, wrong, holder } = await prepared()
    const header = Uint8Array.of(...named, ...right.commitment)
    const sealed = await crypto.subtle.encrypt(gcm(header), await aesKey(wrong.messageKey), plaintext)
    const blob = Uint8Array.of(...header, ...new Uint8Array(sealed))
    expect(await decrypt(holder, blob, context)).toBeNull()
    expect(await openBlob({ material, context, blob })).toBeNull()
  })

  it('opens under the one that it commits to, though the tag holds under both', async () => {
    const { named, right, wrong, holder, other } = await prepared()
    for (const [made, opens, refuses] of [
      [right, holder, other],
      [wrong, other, holder],
    ] as const) {
      const header = Uint8Array.of(...named, ...made.commitment)
      const sealed = await underBothKeys(header, right.messageKey, wrong.messageKey)
      for (const { messageKey } of [right, wrong]) {
        const plain = await crypto.subtle.decrypt(gcm(header), await aesKey(messageKey), sealed)
        expect(plain.byteLength).toBe(16)
      }
      const blob = Uint8Array.of(...header, ...sealed)
      expect((await decrypt(opens, blob, context))?.length).toBe(16)
      expect(await decrypt(refuses, blob, context)).toBeNull()
    }
  })
})
