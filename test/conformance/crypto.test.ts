import {
  DecryptCommand,
  type DecryptCommandInput,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GenerateRandomCommand,
  ReEncryptCommand,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, newKey, openKms, type RefusalRow, refusalOf, uses } from '../support/conformance.ts'

/** Encrypt, Decrypt, ReEncrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateRandom. */

const kms = await openKms()
const client = kms.client()
const [key, other, disabled] = [await newKey(kms), await newKey(kms), await newKey(kms)]
await kms.ask('DisableKey', { KeyId: disabled.id })

const hello = Buffer.from('hello')
const context = { tenant: 'a', Über: 'ß🔑', constructor: 'toString' }

async function encrypted(Plaintext: Uint8Array, EncryptionContext?: Record<string, string>): Promise<Uint8Array> {
  const input = { KeyId: key.id, Plaintext, ...(EncryptionContext === undefined ? {} : { EncryptionContext }) }
  return (await client.send(new EncryptCommand(input))).CiphertextBlob ?? new Uint8Array()
}

async function decrypted(input: DecryptCommandInput): Promise<Buffer> {
  return Buffer.from((await client.send(new DecryptCommand(input))).Plaintext ?? [])
}

const invalid = /^InvalidCiphertextException: /
const incorrectKey =
  'IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation.'
const notAllowed =
  'AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.'
const dryRun = 'DryRunOperationException: The request would have succeeded, but the DryRun option is set.'

describe('Encrypt and Decrypt', () => {
  it.each([1, 2, 15, 16, 17, 4095, 4096])('%i bytes there and back', async (length) => {
    const plaintext = Buffer.alloc(length, 0xa5)
    const blob = await encrypted(plaintext, context)
    expect(blob.length).toBeLessThanOrEqual(6144)
    expect(Buffer.from(blob).includes(plaintext.subarray(0, 15)) && length > 14).toBe(false)
    expect(await decrypted({ CiphertextBlob: blob, EncryptionContext: context })).toEqual(plaintext)
  })

  it('name the key, its material and the algorithm', async () => {
    const answer = await client.send(new DecryptCommand({ CiphertextBlob: await encrypted(hello) }))
    expect(answer).toMatchObject({ KeyId: key.arn, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' })
    const { KeyMaterialId } = await client.send(new GenerateDataKeyCommand({ KeyId: key.id, KeySpec: 'AES_128' }))
    expect(answer.KeyMaterialId).toBe(KeyMaterialId)
  })

  it('never make the same blob twice', async () => {
    const blobs = await Promise.all(Array.from({ length: 20 }, () => encrypted(hello)))
    expect(new Set(blobs.map((blob) => Buffer.from(blob).toString('hex'))).size).toBe(20)
  })

  it('take the pairs of a context in any order', async () => {
    const blob = await encrypted(hello, { a: '1', b: '2', c: '3' })
    expect(await decrypted({ CiphertextBlob: blob, EncryptionContext: { c: '3', a: '1', b: '2' } })).toEqual(hello)
  })

  it('take no context and an empty one for the same', async () => {
    expect(await decrypted({ CiphertextBlob: await encrypted(hello), EncryptionContext: {} })).toEqual(hello)
    expect(await decrypted({ CiphertextBlob: await encrypted(hello, {}) })).toEqual(hello)
  })

  it.each([
    ['none', undefined],
    ['a pair less', { tenant: 'a' }],
    ['a pair more', { ...context, more: '' }],
    ['another value', { ...context, tenant: 'b' }],
    ['another case', { ...context, tenant: 'A' }],
    ['name and value swapped', { ...context, tenant: '', a: 'tenant' }],
    ['the same letters, composed otherwise', { ...context, Über: undefined, 'U\u0308ber': 'ß🔑' }],
  ])('refuse another context: %s', async (_name, given) => {
    const EncryptionContext = JSON.parse(JSON.stringify(given ?? {})) as Record<string, string>
    const blob = await encrypted(hello, context)
    expect(await refusalOf(decrypted({ CiphertextBlob: blob, EncryptionContext }))).toMatch(invalid)
  })

  it('count a pair named as what objects inherit', async () => {
    const named = JSON.parse('{"__proto__":"a"}') as Record<string, string>
    const { json } = await kms.ask('Encrypt', { KeyId: key.id, Plaintext: 'aGVsbG8=', EncryptionContext: named })
    const open = (EncryptionContext: object) =>
      kms.ask('Decrypt', { CiphertextBlob: json.CiphertextBlob, EncryptionContext })
    expect((await open(named)).json.Plaintext).toBe('aGVsbG8=')
    for (const others of [{}, JSON.parse('{"__proto__":"b"}')]) {
      expect((await open(others)).json).toEqual({ __type: 'InvalidCiphertextException' })
    }
  })

  it('refuse a blob of another key that is named', async () => {
    const CiphertextBlob = await encrypted(hello)
    for (const KeyId of [other.id, other.arn, other.alias]) {
      expect(await refusalOf(decrypted({ CiphertextBlob, KeyId }))).toBe(incorrectKey)
    }
  })

  it('refuse a blob of another Region, and of another account', async () => {
    const CiphertextBlob = await encrypted(hello)
    const elsewhere = kms.client({ region: 'ca-central-1' })
    expect(await refusalOf(elsewhere.send(new DecryptCommand({ CiphertextBlob })))).toBe(notAllowed)
    if (kms.stranger === null) return
    const stranger = kms.client({ by: kms.stranger })
    expect(await refusalOf(stranger.send(new DecryptCommand({ CiphertextBlob })))).toBe(notAllowed)
  })

  // docs/ciphertext.md, section 6.
  const header = 98
  it.each([
    ['version', 0, 0, invalid, invalid],
    ['suite', 1, 0, invalid, invalid],
    ['form of the key id', 1, 7, notAllowed, incorrectKey],
    ['first byte of the key id', 2, 0, notAllowed, incorrectKey],
    ['last byte of the key id', 17, 0, notAllowed, incorrectKey],
    ['first byte of the version id', 18, 0, invalid, invalid],
    ['last byte of the version id', 33, 7, invalid, invalid],
    ['salt', 34, 0, invalid, invalid],
    ['commitment', 66, 0, invalid, invalid],
    ['end of the commitment', header - 1, 7, invalid, invalid],
    ['ciphertext', header, 0, invalid, invalid],
    ['tag', -1, 0, invalid, invalid],
  ])('refuse a flipped bit: %s', async (_name, at, bit, alone, named) => {
    const CiphertextBlob = Buffer.from(await encrypted(hello))
    const place = at < 0 ? CiphertextBlob.length + at : at
    CiphertextBlob[place] = (CiphertextBlob[place] ?? 0) ^ (1 << bit)
    const told = [
      await refusalOf(decrypted({ CiphertextBlob })),
      await refusalOf(decrypted({ CiphertextBlob, KeyId: key.id })),
    ]
    for (const [which, expected] of [alone, named].entries()) {
      if (typeof expected === 'string') expect(told[which]).toBe(expected)
      else expect(told[which]).toMatch(expected)
    }
  })

  it.each([1, 97, 98, 113, 114])('refuse the first %i bytes of a blob', async (length) => {
    const CiphertextBlob = (await encrypted(Buffer.alloc(100))).slice(0, length)
    expect(await refusalOf(decrypted({ CiphertextBlob }))).toMatch(invalid)
  })

  it('refuse a blob with something behind it', async () => {
    const CiphertextBlob = Buffer.concat([await encrypted(hello), Buffer.from([0])])
    expect(await refusalOf(decrypted({ CiphertextBlob }))).toMatch(invalid)
  })

  it('say nothing with an InvalidCiphertextException', async () => {
    const { json } = await kms.ask('Decrypt', { CiphertextBlob: key.blob, EncryptionContext: { a: 'b' } })
    expect(json).toEqual({ __type: 'InvalidCiphertextException' })
  })

  it('open what was encrypted before rotations', async () => {
    const rotated = await newKey(kms)
    const blobs = [rotated.blob]
    for (let rotation = 0; rotation < 3; rotation++) {
      await client.send(new RotateKeyOnDemandCommand({ KeyId: rotated.id }))
      const { CiphertextBlob = [] } = await client.send(new EncryptCommand({ KeyId: rotated.id, Plaintext: hello }))
      blobs.push(Buffer.from(CiphertextBlob).toString('base64'))
    }
    const opened = await Promise.all(blobs.map((CiphertextBlob) => kms.ask('Decrypt', { CiphertextBlob })))
    expect(opened.map(({ json }) => json.Plaintext)).toEqual(blobs.map(() => 'aGVsbG8='))
    expect(new Set(opened.map(({ json }) => json.KeyMaterialId)).size).toBe(4)
  })
})

describe('ReEncrypt', () => {
  it('moves a blob under another key and another context', async () => {
    const answer = await client.send(
      new ReEncryptCommand({
        CiphertextBlob: await encrypted(hello, context),
        SourceEncryptionContext: context,
        SourceKeyId: key.alias,
        DestinationKeyId: other.alias,
        DestinationEncryptionContext: { now: 'this' },
      }),
    )
    expect(answer).toMatchObject({
      SourceKeyId: key.arn,
      KeyId: other.arn,
      SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      SourceKeyMaterialId: expect.stringMatching(/^[0-9a-f]{64}$/),
      DestinationKeyMaterialId: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(answer.DestinationKeyMaterialId).not.toBe(answer.SourceKeyMaterialId)
    const { CiphertextBlob } = answer
    expect(await decrypted({ CiphertextBlob, EncryptionContext: { now: 'this' }, KeyId: other.id })).toEqual(hello)
    expect(await refusalOf(decrypted({ CiphertextBlob, EncryptionContext: context }))).toMatch(invalid)
  })

  it('brings a blob to the newest material of its own key', async () => {
    const rotated = await newKey(kms)
    await client.send(new RotateKeyOnDemandCommand({ KeyId: rotated.id }))
    const { json } = await kms.ask('ReEncrypt', { CiphertextBlob: rotated.blob, DestinationKeyId: rotated.id })
    expect(json.SourceKeyMaterialId).not.toBe(json.DestinationKeyMaterialId)
  })

  const input = { CiphertextBlob: key.blob, DestinationKeyId: other.id }
  itRefuses(kms, [
    ['another source', 'ReEncrypt', { ...input, SourceKeyId: other.id }, incorrectKey],
    ['another context', 'ReEncrypt', { ...input, SourceEncryptionContext: { a: 'b' } }, invalid],
    ['no destination', 'ReEncrypt', { ...input, DestinationKeyId: 'fake' }, "NotFoundException: Invalid keyId 'fake'"],
    ['garbage', 'ReEncrypt', { ...input, CiphertextBlob: 'Z2FyYmFnZQ==' }, invalid],
  ])
})

describe('GenerateDataKey', () => {
  it.each([
    [{ KeySpec: 'AES_128' }, 16],
    [{ KeySpec: 'AES_256' }, 32],
    [{ NumberOfBytes: 1 }, 1],
    [{ NumberOfBytes: 1024 }, 1024],
  ] as const)('%j makes %i bytes, that its blob holds, too', async (size, length) => {
    const input = { KeyId: key.alias, EncryptionContext: context, ...size }
    const made = await client.send(new GenerateDataKeyCommand(input))
    expect(made.Plaintext).toHaveLength(length)
    expect(made.KeyId).toBe(key.arn)
    const opened = await decrypted({ CiphertextBlob: made.CiphertextBlob, EncryptionContext: context })
    expect(opened).toEqual(Buffer.from(made.Plaintext ?? []))
    const hidden = await client.send(new GenerateDataKeyWithoutPlaintextCommand(input))
    expect(hidden).not.toHaveProperty('Plaintext')
    const other = await decrypted({ CiphertextBlob: hidden.CiphertextBlob, EncryptionContext: context })
    expect(other).toHaveLength(length)
  })

  itRefuses(kms, [
    [
      'an enclave',
      'GenerateDataKey',
      {
        KeyId: key.id,
        KeySpec: 'AES_256',
        Recipient: { KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256', AttestationDocument: 'YQ==' },
      },
      /^UnsupportedOperationException: ./,
    ],
  ])
})

describe('GenerateRandom', () => {
  it.each([1, 32, 1024])('%i bytes, never the same', async (NumberOfBytes) => {
    const { Plaintext } = await client.send(new GenerateRandomCommand({ NumberOfBytes }))
    expect(Plaintext).toHaveLength(NumberOfBytes)
    const again = await client.send(new GenerateRandomCommand({ NumberOfBytes: 32 }))
    expect(again.Plaintext).not.toEqual(Plaintext)
  })

  const store = { NumberOfBytes: 1, CustomKeyStoreId: 'cks-1' }
  itRefuses(kms, [
    [
      'a custom key store',
      'GenerateRandom',
      store,
      "CustomKeyStoreNotFoundException: Custom key store 'cks-1' does not exist",
    ],
    ['an enclave', 'GenerateRandom', { NumberOfBytes: 1, Recipient: {} }, /^UnsupportedOperationException: ./],
  ])
})

describe('an algorithm of other keys', () => {
  const incompatible =
    'InvalidKeyUsageException: Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.'
  const EncryptionAlgorithm = 'RSAES_OAEP_SHA_256'
  itRefuses(kms, [
    ['RSA', 'Encrypt', { KeyId: key.id, Plaintext: 'YQ==', EncryptionAlgorithm }, incompatible],
    ['RSA', 'Decrypt', { KeyId: key.id, CiphertextBlob: key.blob, EncryptionAlgorithm }, incompatible],
    [
      'RSA of no named key',
      'Decrypt',
      { CiphertextBlob: key.blob, EncryptionAlgorithm },
      'ValidationException: KeyId is required with EncryptionAlgorithm RSAES_OAEP_SHA_256.',
    ],
    [
      'RSA at the source',
      'ReEncrypt',
      {
        CiphertextBlob: key.blob,
        SourceKeyId: key.id,
        DestinationKeyId: other.id,
        SourceEncryptionAlgorithm: EncryptionAlgorithm,
      },
      incompatible,
    ],
    [
      'RSA at the destination',
      'ReEncrypt',
      { CiphertextBlob: key.blob, DestinationKeyId: other.id, DestinationEncryptionAlgorithm: EncryptionAlgorithm },
      incompatible,
    ],
  ])
})

describe('DryRun', () => {
  const dry = Object.entries(uses)
    .filter(([name]) => /^(Encrypt|Decrypt|ReEncrypt|GenerateDataKey)/.test(name))
    .map(([operation, { input }]) => ({ operation, input: { ...input(key), DryRun: true } }))

  itRefuses(
    kms,
    dry.map(({ operation, input }): RefusalRow => ['would succeed', operation, input, dryRun]),
  )

  const isDisabled = `DisabledException: ${disabled.arn} is disabled.`
  const absent = '00000000-0000-4000-8000-000000000000'
  const named = (operation: string, name: string) => {
    const [member = ''] = uses[operation]?.names ?? []
    return { ...uses[operation]?.input(disabled), [member]: name, DryRun: true }
  }
  itRefuses(
    kms,
    dry.flatMap(({ operation }): RefusalRow[] => [
      ['of a disabled key', operation, named(operation, disabled.id), isDisabled],
      ['of no key', operation, named(operation, 'fake'), "NotFoundException: Invalid keyId 'fake'"],
    ]),
  )

  itRefuses(kms, [
    ['of no key', 'Encrypt', { KeyId: absent, Plaintext: 'YQ==', DryRun: true }, /^NotFoundException: Key '/],
    ['of another key', 'Decrypt', { CiphertextBlob: key.blob, KeyId: other.id, DryRun: true }, incorrectKey],
    [
      'of another context',
      'Decrypt',
      { CiphertextBlob: key.blob, EncryptionContext: { a: 'b' }, DryRun: true },
      invalid,
    ],
    ['of garbage', 'Decrypt', { CiphertextBlob: 'Z2FyYmFnZQ==', DryRun: true }, invalid],
    [
      'of another context',
      'ReEncrypt',
      { CiphertextBlob: key.blob, SourceEncryptionContext: { a: 'b' }, DestinationKeyId: key.id, DryRun: true },
      invalid,
    ],
    [
      'to a disabled key',
      'ReEncrypt',
      { CiphertextBlob: key.blob, DestinationKeyId: disabled.id, DryRun: true },
      isDisabled,
    ],
    ['too long', 'Encrypt', { KeyId: key.id, Plaintext: '', DryRun: true }, /^ValidationException: /],
  ])

  it('false is no dry run', async () => {
    const { json } = await kms.ask('Decrypt', { CiphertextBlob: key.blob, DryRun: false })
    expect(json.Plaintext).toBe('aGVsbG8=')
  })
})

describe('DryRunModifiers: IGNORE_CIPHERTEXT', () => {
  const ignoring = { DryRun: true, DryRunModifiers: ['IGNORE_CIPHERTEXT'] }
  const garbage = { CiphertextBlob: 'Z2FyYmFnZQ==' }
  const isDisabled = `DisabledException: ${disabled.arn} is disabled.`
  itRefuses(kms, [
    ['no blob', 'Decrypt', { ...ignoring, KeyId: key.alias }, dryRun],
    ['a blob', 'Decrypt', { ...ignoring, KeyId: key.id, CiphertextBlob: key.blob }, dryRun],
    [
      'a blob of another context',
      'Decrypt',
      { ...ignoring, KeyId: key.id, CiphertextBlob: key.blob, EncryptionContext: { a: 'b' } },
      dryRun,
    ],
    ['a blob that is none', 'Decrypt', { ...ignoring, ...garbage, KeyId: key.id }, dryRun],
    ['no key', 'Decrypt', ignoring, 'ValidationException: KeyId is required.'],
    ['a disabled key', 'Decrypt', { ...ignoring, KeyId: disabled.id }, isDisabled],
    ['no blob', 'ReEncrypt', { ...ignoring, SourceKeyId: key.id, DestinationKeyId: other.id }, dryRun],
    [
      'a blob that is none',
      'ReEncrypt',
      { ...ignoring, ...garbage, SourceKeyId: key.id, DestinationKeyId: other.id },
      dryRun,
    ],
    [
      'no source',
      'ReEncrypt',
      { ...ignoring, DestinationKeyId: other.id },
      'ValidationException: SourceKeyId is required.',
    ],
    [
      'a disabled source',
      'ReEncrypt',
      { ...ignoring, SourceKeyId: disabled.id, DestinationKeyId: other.id },
      isDisabled,
    ],
    [
      'without DryRun, no blob',
      'Decrypt',
      { DryRunModifiers: ['IGNORE_CIPHERTEXT'], KeyId: key.id },
      /^ValidationException: /,
    ],
    [
      'another word',
      'Decrypt',
      { DryRun: true, DryRunModifiers: ['IGNORE'], KeyId: key.id },
      /^ValidationException: 1 validation error detected: Value 'IGNORE' at 'dryRunModifiers\.1\.member' failed to satisfy constraint: Member must satisfy enum value set: \[IGNORE_CIPHERTEXT\]$/,
    ],
  ])
})

it('refuse a grant token that is none', async () => {
  const blob = Buffer.from(await encrypted(hello)).toString('base64')
  const GrantTokens = ['a-token']
  const calls: [string, Record<string, unknown>][] = [
    ['Encrypt', { KeyId: key.id, Plaintext: 'YQ==' }],
    ['Decrypt', { CiphertextBlob: blob }],
    ['ReEncrypt', { CiphertextBlob: blob, DestinationKeyId: other.id }],
    ['GenerateDataKey', { KeyId: key.id, KeySpec: 'AES_256' }],
    ['GenerateDataKeyWithoutPlaintext', { KeyId: key.id, KeySpec: 'AES_256' }],
  ]
  for (const [operation, input] of calls) {
    const { json } = await kms.ask(operation, { ...input, GrantTokens })
    expect(json, operation).toEqual({
      __type: 'InvalidGrantTokenException',
      message: 'The grant token is not valid.',
    })
  }
})
