import {
  CreateKeyCommand,
  type CreateKeyCommandInput,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EncryptCommand,
  GetKeyPolicyCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  UpdateKeyDescriptionCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, openKms, refusalOf, rootPolicy, uuid } from '../support/conformance.ts'

/** CreateKey, DescribeKey, ListKeys, UpdateKeyDescription, EnableKey, DisableKey. */

const kms = await openKms()
const client = kms.client()
const { account } = kms.caller

async function created(input: CreateKeyCommandInput = {}) {
  const { KeyMetadata } = await client.send(new CreateKeyCommand(input))
  return { id: KeyMetadata?.KeyId ?? '', metadata: KeyMetadata }
}

async function described(id: string) {
  return (await client.send(new DescribeKeyCommand({ KeyId: id }))).KeyMetadata
}

describe('CreateKey', () => {
  it('makes an enabled symmetric key', async () => {
    const before = Date.now()
    const { id, metadata } = await created()
    expect(id).toMatch(uuid)
    expect(metadata).toEqual({
      AWSAccountId: account,
      KeyId: id,
      Arn: `arn:aws:kms:${kms.region}:${account}:key/${id}`,
      CreationDate: expect.any(Date),
      Enabled: true,
      Description: '',
      KeyUsage: 'ENCRYPT_DECRYPT',
      KeyState: 'Enabled',
      Origin: 'AWS_KMS',
      KeyManager: 'CUSTOMER',
      CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT',
      KeySpec: 'SYMMETRIC_DEFAULT',
      EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
      MultiRegion: false,
      CurrentKeyMaterialId: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(Math.abs(Number(metadata?.CreationDate) - before)).toBeLessThan(300_000)
    expect(await described(id)).toEqual(metadata)
  })

  it('makes another each time', async () => {
    const keys = await Promise.all(Array.from({ length: 5 }, () => created({ Description: 'same' })))
    expect(new Set(keys.map(({ id }) => id)).size).toBe(5)
    expect(new Set(keys.map(({ metadata }) => metadata?.CurrentKeyMaterialId)).size).toBe(5)
  })

  it.each<CreateKeyCommandInput>([
    { KeySpec: 'SYMMETRIC_DEFAULT' },
    { CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT' },
    { KeyUsage: 'ENCRYPT_DECRYPT' },
    { Origin: 'AWS_KMS' },
    { MultiRegion: false },
    { BypassPolicyLockoutSafetyCheck: true },
    { Tags: [] },
  ])('takes %j for the default it is', async (input) => {
    const { metadata } = await created(input)
    expect(metadata).toMatchObject({ KeySpec: 'SYMMETRIC_DEFAULT', KeyUsage: 'ENCRYPT_DECRYPT', Origin: 'AWS_KMS' })
  })

  it('takes a description, tags and a policy', async () => {
    const Description = 'Schlüssel 鍵 🔑\nline two'
    const Tags = [
      { TagKey: 'Name', TagValue: 'app' },
      { TagKey: 'env', TagValue: '' },
    ]
    const Policy = rootPolicy(account)
    const { id, metadata } = await created({ Description, Tags, Policy })
    expect(metadata?.Description).toBe(Description)
    expect((await client.send(new ListResourceTagsCommand({ KeyId: id }))).Tags).toEqual(Tags)
    expect((await client.send(new GetKeyPolicyCommand({ KeyId: id }))).Policy).toBe(Policy)
  })

  it('takes a description of 8,192 characters', async () => {
    const Description = 'd'.repeat(8192)
    expect((await created({ Description })).metadata?.Description).toBe(Description)
  })

  const notServed = (what: string) =>
    `UnsupportedOperationException: ${what} is a feature of AWS KMS that edge-kms does not serve yet.`
  const tags = (count: number) => Array.from({ length: count }, (_, at) => ({ TagKey: `k${at}`, TagValue: '' }))
  const policy = JSON.parse(rootPolicy(account)) as { Statement: object[] }
  const longPolicy = JSON.stringify({ ...policy, Id: 'i'.repeat(33_000) })

  itRefuses(kms, [
    ['a spec', 'CreateKey', { KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' }, notServed('KeySpec SM2')],
    [
      'a deprecated spec',
      'CreateKey',
      { CustomerMasterKeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' },
      notServed('KeySpec SM2'),
    ],
    ['an origin', 'CreateKey', { Origin: 'AWS_CLOUDHSM' }, notServed('Origin AWS_CLOUDHSM')],
    ['an external key', 'CreateKey', { XksKeyId: 'x' }, notServed('XksKeyId')],
    [
      'a custom key store',
      'CreateKey',
      { CustomKeyStoreId: 'cks-1' },
      /^CustomKeyStoreNotFoundException: Custom key store 'cks-1' does not exist$/,
    ],
    ['repeated tags', 'CreateKey', { Tags: [...tags(2), ...tags(1)] }, 'TagException: Duplicate tag keys'],
    ['51 tags', 'CreateKey', { Tags: tags(51) }, 'TagException: Too many tags'],
    [
      'a reserved tag',
      'CreateKey',
      { Tags: [{ TagKey: 'AWS:x', TagValue: '' }] },
      'TagException: Tags beginning with aws: are reserved',
    ],
    ['a policy that is no JSON', 'CreateKey', { Policy: '{' }, /^MalformedPolicyDocumentException: ./],
    ['a policy that is no object', 'CreateKey', { Policy: '[]' }, /^MalformedPolicyDocumentException: ./],
    ['a long policy', 'CreateKey', { Policy: longPolicy }, /^LimitExceededException: ./],
    [
      'a policy with half a statement',
      'CreateKey',
      { Policy: JSON.stringify({ ...policy, Statement: [...policy.Statement, { Effect: 'Deny' }] }) },
      'MalformedPolicyDocumentException: Missing required field Action',
    ],
  ])
})

describe('DescribeKey', () => {
  it('refuses grant tokens that are none', async () => {
    const { id } = await created()
    const input = { KeyId: id, GrantTokens: Array<string>(10).fill('t'.repeat(8192)) }
    const refusal = await refusalOf(client.send(new DescribeKeyCommand(input)))
    expect(refusal).toBe('InvalidGrantTokenException: The grant token is not valid.')
  })

  it('of a key of another Region finds nothing', async () => {
    const { id } = await created()
    const elsewhere = kms.client({ region: 'eu-central-1' })
    expect(await refusalOf(elsewhere.send(new DescribeKeyCommand({ KeyId: id })))).toBe(
      `NotFoundException: Key 'arn:aws:kms:eu-central-1:${account}:key/${id}' does not exist`,
    )
  })
})

describe('another account', () => {
  const { stranger } = kms

  it.skipIf(stranger === null)('finds no key under its id, and is refused under its ARN', async () => {
    if (stranger === null) return
    const { id, metadata } = await created()
    const other = kms.client({ by: stranger })
    for (const Command of [DescribeKeyCommand, DisableKeyCommand]) {
      expect(await refusalOf(other.send(new Command({ KeyId: id }) as DescribeKeyCommand))).toBe(
        `NotFoundException: Key 'arn:aws:kms:${kms.region}:${stranger.account}:key/${id}' does not exist`,
      )
      expect(await refusalOf(other.send(new Command({ KeyId: metadata?.Arn }) as DescribeKeyCommand))).toMatch(
        `AccessDeniedException: User: arn:aws:iam::${stranger.account}:root is not authorized to perform: kms:`,
      )
    }
    const encrypt = new EncryptCommand({ KeyId: id, Plaintext: Buffer.from('x') })
    expect(await refusalOf(other.send(encrypt))).toMatch(/^NotFoundException: /)
  })

  it.skipIf(stranger === null)('is told the same of a key that is there and one that is not', async () => {
    if (stranger === null) return
    const { metadata } = await created()
    const arn = metadata?.Arn ?? ''
    const absent = arn.replace(/key\/.*/, 'key/00000000-0000-4000-8000-000000000000')
    const other = kms.client({ by: stranger })
    const told = async (name: string) =>
      (await refusalOf(other.send(new DescribeKeyCommand({ KeyId: name })))).replace(name, 'the key')
    expect(await told(arn)).toBe(await told(absent))
  })

  it.skipIf(stranger === null)('lists keys of its own alone', async () => {
    if (stranger === null) return
    const { id } = await created()
    const { Keys = [] } = await kms.client({ by: stranger }).send(new ListKeysCommand({ Limit: 1000 }))
    expect(Keys.map(({ KeyId }) => KeyId)).not.toContain(id)
  })
})

describe('UpdateKeyDescription', () => {
  it.each(['new', '', 'é\u2028"\\', 'a\0b', 'd'.repeat(8192)])('to %j', async (Description) => {
    const { id } = await created({ Description: 'old' })
    await client.send(new UpdateKeyDescriptionCommand({ KeyId: id, Description }))
    expect((await described(id))?.Description).toBe(Description)
  })
})

describe('EnableKey and DisableKey', () => {
  it('change the state, and may be repeated', async () => {
    const { id } = await created()
    for (const [Command, state] of [
      [DisableKeyCommand, 'Disabled'],
      [DisableKeyCommand, 'Disabled'],
      [EnableKeyCommand, 'Enabled'],
      [EnableKeyCommand, 'Enabled'],
    ] as const) {
      await client.send(new Command({ KeyId: id }) as DisableKeyCommand)
      expect(await described(id)).toMatchObject({ KeyState: state, Enabled: state === 'Enabled' })
    }
  })

  it('are seen by the next Encrypt', async () => {
    const { id, metadata } = await created()
    const encrypt = () => client.send(new EncryptCommand({ KeyId: id, Plaintext: Buffer.from('x') }))
    await encrypt()
    await client.send(new DisableKeyCommand({ KeyId: id }))
    expect(await refusalOf(encrypt())).toBe(`DisabledException: ${metadata?.Arn} is disabled.`)
    await client.send(new EnableKeyCommand({ KeyId: id }))
    await encrypt()
  })
})

describe('ListKeys', () => {
  it('lists a key that was just made, by id and ARN', async () => {
    const { id, metadata } = await created()
    const { Keys, Truncated } = await client.send(new ListKeysCommand({ Limit: 1000 }))
    expect(Keys).toContainEqual({ KeyId: id, KeyArn: metadata?.Arn })
    expect(Truncated).toBe(false)
  })
})
