import {
  CancelKeyDeletionCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateMacCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  GetPublicKeyCommand,
  type KeyMetadata,
  ListKeyRotationsCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  ReplicateKeyCommand,
  type ReplicateKeyCommandInput,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  SignCommand,
  TagResourceCommand,
  UpdateKeyDescriptionCommand,
  UpdatePrimaryRegionCommand,
  VerifyCommand,
  VerifyMacCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { type Caller, newKey, openKms, refusalIn, refusalOf, rootPolicy, signedBy } from '../support/conformance.ts'
import { allow, newUser, policyOf } from '../support/principals.ts'

/** ReplicateKey, UpdatePrimaryRegion, and what they make of every other operation. */

const kms = await openKms()
const { account } = kms.caller
const home = kms.region
const [away, third] = ['eu-west-1', 'ap-southeast-2']
const inRegion = (region: string, by?: Caller) => kms.client({ region, ...(by === undefined ? {} : { by }) })
const client = inRegion(home)
const arnIn = (region: string, id: string) => `arn:aws:kms:${region}:${account}:key/${id}`
const encoded = new TextEncoder().encode('hello')

async function newPrimary(): Promise<string> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ MultiRegion: true }))
  return KeyMetadata?.KeyId ?? ''
}

function replicate(KeyId: string, ReplicaRegion = away, rest: Partial<ReplicateKeyCommandInput> = {}) {
  return client.send(new ReplicateKeyCommand({ KeyId, ReplicaRegion, ...rest }))
}

async function newPair(): Promise<string> {
  const id = await newPrimary()
  await replicate(id)
  return id
}

async function metadata(id: string, region = home): Promise<KeyMetadata> {
  const { KeyMetadata } = await inRegion(region).send(new DescribeKeyCommand({ KeyId: id }))
  if (KeyMetadata === undefined) throw new Error('no metadata')
  return KeyMetadata
}

/** What is done in the background, in its time. */
async function eventually(look: () => Promise<unknown>, expected: unknown): Promise<void> {
  await expect.poll(look, { timeout: 30_000, interval: 200 }).toEqual(expected)
}

function move(KeyId: string, PrimaryRegion = away, from = home, by?: Caller) {
  return inRegion(from, by).send(new UpdatePrimaryRegionCommand({ KeyId, PrimaryRegion }))
}

describe('ReplicateKey', () => {
  it('makes a key of the same id and material, and of its own policy, description and tags', async () => {
    const id = await newPrimary()
    const Policy = policyOf(JSON.parse(rootPolicy(account)).Statement[0], {
      Sid: 'more',
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${account}:root` },
      Action: 'kms:DescribeKey',
      Resource: '*',
    })
    const Tags = [{ TagKey: 'where', TagValue: 'away' }]
    const { ReplicaKeyMetadata, ReplicaPolicy, ReplicaTags } = await replicate(id, away, {
      Description: 'the other',
      Policy,
      Tags,
    })
    const MultiRegionConfiguration = {
      PrimaryKey: { Arn: arnIn(home, id), Region: home },
      ReplicaKeys: [{ Arn: arnIn(away, id), Region: away }],
    }
    expect(ReplicaKeyMetadata).toMatchObject({
      KeyId: id,
      Arn: arnIn(away, id),
      AWSAccountId: account,
      KeyState: 'Enabled',
      Enabled: true,
      Description: 'the other',
      KeyManager: 'CUSTOMER',
      MultiRegion: true,
      MultiRegionConfiguration: { ...MultiRegionConfiguration, MultiRegionKeyType: 'REPLICA' },
    })
    expect({ ReplicaPolicy, ReplicaTags }).toEqual({ ReplicaPolicy: Policy, ReplicaTags: Tags })
    const there = inRegion(away)
    expect((await there.send(new GetKeyPolicyCommand({ KeyId: id }))).Policy).toBe(Policy)
    expect((await there.send(new ListResourceTagsCommand({ KeyId: id }))).Tags).toEqual(Tags)
    expect((await there.send(new ListKeysCommand({}))).Keys?.map(({ KeyId }) => KeyId)).toContain(id)
    const [primary, replica] = [await metadata(id), await metadata(id, away)]
    expect(replica).toEqual(ReplicaKeyMetadata)
    expect(primary).toMatchObject({
      Description: '',
      MultiRegionConfiguration: { ...MultiRegionConfiguration, MultiRegionKeyType: 'PRIMARY' },
    })
    expect(replica.CurrentKeyMaterialId).toBe(primary.CurrentKeyMaterialId)
  })

  it('is for the account where no policy is given', async () => {
    const id = await newPrimary()
    const { ReplicaPolicy, ReplicaTags } = await replicate(id)
    expect(JSON.parse(ReplicaPolicy ?? '')).toMatchObject({
      Statement: [{ Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'kms:*' }],
    })
    expect(ReplicaTags).toEqual([])
  })

  it('lets each Region decrypt what another has encrypted, and no Region that has no replica', async () => {
    const id = await newPair()
    const EncryptionContext = { tenant: 'a' }
    const made = await Promise.all([
      client.send(new EncryptCommand({ KeyId: id, Plaintext: encoded, EncryptionContext })),
      inRegion(away).send(new EncryptCommand({ KeyId: id, Plaintext: encoded, EncryptionContext })),
    ])
    expect(made.map(({ KeyId }) => KeyId)).toEqual([arnIn(home, id), arnIn(away, id)])
    for (const { CiphertextBlob } of made) {
      for (const region of [home, away]) {
        const opened = await inRegion(region).send(new DecryptCommand({ CiphertextBlob, EncryptionContext }))
        expect(opened.KeyId).toBe(arnIn(region, id))
        expect(opened.Plaintext).toEqual(encoded)
      }
      const nowhere = inRegion(third).send(new DecryptCommand({ CiphertextBlob, EncryptionContext }))
      expect(await refusalOf(nowhere)).toMatch(/^AccessDeniedException: The ciphertext refers to a customer master key/)
    }
    const { CiphertextBlob, Plaintext } = await inRegion(away).send(
      new GenerateDataKeyCommand({ KeyId: id, KeySpec: 'AES_256' }),
    )
    expect((await client.send(new DecryptCommand({ CiphertextBlob }))).Plaintext).toEqual(Plaintext)
  })

  it('makes pairs and MAC keys of several Regions, too', async () => {
    const [signing, mac] = await Promise.all(
      (['RSA_2048', 'HMAC_256'] as const).map(async (KeySpec) => {
        const KeyUsage = KeySpec === 'HMAC_256' ? 'GENERATE_VERIFY_MAC' : 'SIGN_VERIFY'
        const { KeyMetadata } = await client.send(new CreateKeyCommand({ MultiRegion: true, KeySpec, KeyUsage }))
        const KeyId = KeyMetadata?.KeyId ?? ''
        const { ReplicaKeyMetadata } = await replicate(KeyId)
        expect(ReplicaKeyMetadata).toMatchObject({ KeySpec, KeyUsage, KeyState: 'Enabled' })
        return { KeyId }
      }),
    )
    const sign = { ...signing, Message: encoded, SigningAlgorithm: 'RSASSA_PSS_SHA_256' } as const
    const { Signature } = await inRegion(away).send(new SignCommand({ ...sign, KeyId: signing?.KeyId }))
    const { SignatureValid } = await client.send(new VerifyCommand({ ...sign, KeyId: signing?.KeyId, Signature }))
    expect(SignatureValid).toBe(true)
    const publicKey = async (region: string) =>
      (await inRegion(region).send(new GetPublicKeyCommand({ KeyId: signing?.KeyId }))).PublicKey
    expect(await publicKey(away)).toEqual(await publicKey(home))
    const message = { KeyId: mac?.KeyId, Message: encoded, MacAlgorithm: 'HMAC_SHA_256' } as const
    const { Mac } = await client.send(new GenerateMacCommand(message))
    expect((await inRegion(away).send(new VerifyMacCommand({ ...message, Mac }))).MacValid).toBe(true)
  })

  it('shows all replicas in every Region', async () => {
    const id = await newPair()
    await replicate(id, third)
    const ReplicaKeys = [third, away].map((Region) => ({ Arn: arnIn(Region, id), Region }))
    const shown = (region: string) => async () => (await metadata(id, region)).MultiRegionConfiguration?.ReplicaKeys
    for (const region of [home, away, third]) await eventually(shown(region), ReplicaKeys)
  })

  it('leaves to each what is its own', async () => {
    const id = await newPair()
    await client.send(new DisableKeyCommand({ KeyId: id }))
    await client.send(new UpdateKeyDescriptionCommand({ KeyId: id, Description: 'of the primary' }))
    await client.send(new TagResourceCommand({ KeyId: id, Tags: [{ TagKey: 'a', TagValue: 'b' }] }))
    expect(await metadata(id, away)).toMatchObject({ KeyState: 'Enabled', Description: '' })
    expect((await inRegion(away).send(new ListResourceTagsCommand({ KeyId: id }))).Tags).toEqual([])
  })
})

describe('ReplicateKey refuses', () => {
  const ask = (input: Record<string, unknown>) => kms.ask('ReplicateKey', { ReplicaRegion: away, ...input })

  it('a Region that has the key already, its own among them', async () => {
    const id = await newPair()
    for (const region of [away, home]) {
      expect(await refusalOf(replicate(id, region))).toBe(
        `AlreadyExistsException: ${arnIn(region, id)} already exists.`,
      )
    }
  })

  it('a key of one Region, and a replica', async () => {
    const { id, arn } = await newKey(kms)
    const text = 'is not a multi-region primary key.'
    expect(await refusalOf(replicate(id))).toBe(`UnsupportedOperationException: ${arn} ${text}`)
    const pair = await newPair()
    const again = inRegion(away).send(new ReplicateKeyCommand({ KeyId: pair, ReplicaRegion: third }))
    expect(await refusalOf(again)).toBe(`UnsupportedOperationException: ${arnIn(away, pair)} ${text}`)
  })

  it('a Region that is none', async () => {
    expect(await refusalOf(replicate(await newPrimary(), 'xx-nowhere-1'))).toBe(
      'UnsupportedOperationException: xx-nowhere-1 is not a Region that is served here.',
    )
    expect(refusalIn(await ask({ KeyId: await newPrimary(), ReplicaRegion: 'Europe' }))).toMatch(
      /^ValidationException: .*'replicaRegion'/,
    )
  })

  it('a key that is disabled, or pending deletion', async () => {
    const id = await newPrimary()
    await client.send(new DisableKeyCommand({ KeyId: id }))
    expect(await refusalOf(replicate(id))).toBe(`DisabledException: ${arnIn(home, id)} is disabled.`)
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    expect(await refusalOf(replicate(id))).toBe(`KMSInvalidStateException: ${arnIn(home, id)} is pending deletion.`)
  })

  it('a policy that is none, is too long, or locks the caller out', async () => {
    const id = await newPrimary()
    expect(await refusalOf(replicate(id, away, { Policy: '{}' }))).toMatch(/^MalformedPolicyDocumentException: /)
    const long = `${rootPolicy(account)}${' '.repeat(33_000)}`
    expect(await refusalOf(replicate(id, away, { Policy: long }))).toMatch(/^LimitExceededException: /)
    const locked = policyOf({
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${account}:root` },
      Action: 'kms:DescribeKey',
      Resource: '*',
    })
    expect(await refusalOf(replicate(id, away, { Policy: locked }))).toBe(
      'MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future.',
    )
    expect(await refusalOf(inRegion(away).send(new DescribeKeyCommand({ KeyId: id })))).toMatch(/^NotFoundException: /)
    await replicate(id, away, { Policy: locked, BypassPolicyLockoutSafetyCheck: true })
  })

  it('tags that a key cannot have', async () => {
    const Tags = [{ TagKey: 'aws:mine', TagValue: '' }]
    expect(await refusalOf(replicate(await newPrimary(), away, { Tags }))).toBe(
      'TagException: Tags beginning with aws: are reserved',
    )
  })

  it('a key that is not here, and a name that is no key’s', async () => {
    const absent = `mrk-${'0'.repeat(32)}`
    expect(await refusalOf(replicate(absent))).toBe(`NotFoundException: Key '${arnIn(home, absent)}' does not exist`)
    expect(await refusalOf(replicate('arn:aws:kms:nothing'))).toMatch(/^InvalidArnException: /)
  })
})

describe('rotation', () => {
  it('is the primary’s, and shows in every Region', async () => {
    const id = await newPair()
    const before = await client.send(new EncryptCommand({ KeyId: id, Plaintext: encoded }))
    await client.send(new EnableKeyRotationCommand({ KeyId: id, RotationPeriodInDays: 90 }))
    await client.send(new RotateKeyOnDemandCommand({ KeyId: id }))
    const status = async (region: string) => {
      const { $metadata: _, ...rest } = await inRegion(region).send(new GetKeyRotationStatusCommand({ KeyId: id }))
      return rest
    }
    const rotations = async (region: string) =>
      (await inRegion(region).send(new ListKeyRotationsCommand({ KeyId: id, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' })))
        .Rotations
    expect(await status(home)).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 90 })
    expect(await rotations(home)).toHaveLength(2)
    await eventually(() => status(away), await status(home))
    await eventually(() => rotations(away), await rotations(home))
    const there = await inRegion(away).send(new DecryptCommand({ CiphertextBlob: before.CiphertextBlob }))
    expect(there.Plaintext).toEqual(encoded)
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: id, Plaintext: encoded }))
    const opened = await inRegion(away).send(new DecryptCommand({ CiphertextBlob }))
    expect(opened.KeyMaterialId).toBe((await metadata(id)).CurrentKeyMaterialId)
  })

  it.each(['EnableKeyRotation', 'DisableKeyRotation', 'RotateKeyOnDemand'])(
    '%s is not for a replica',
    async (operation) => {
      const id = await newPair()
      expect(refusalIn(await kms.ask(operation, { KeyId: id }, { region: away }))).toBe(
        `UnsupportedOperationException: ${arnIn(away, id)} is not a multi-region primary key.`,
      )
    },
  )
})

describe('UpdatePrimaryRegion', () => {
  it('makes the replica the primary and the primary a replica, with the schedule', async () => {
    const id = await newPair()
    await replicate(id, third)
    await client.send(new EnableKeyRotationCommand({ KeyId: id, RotationPeriodInDays: 100 }))
    await move(id)
    const shown = async (region: string) => {
      const { KeyState, MultiRegionConfiguration } = await metadata(id, region)
      const { PrimaryKey, ReplicaKeys, MultiRegionKeyType } = MultiRegionConfiguration ?? {}
      return [KeyState, PrimaryKey?.Region, ReplicaKeys?.map(({ Region }) => Region), MultiRegionKeyType]
    }
    const replicas = [third, home].sort()
    await eventually(() => shown(away), ['Enabled', away, replicas, 'PRIMARY'])
    await eventually(() => shown(home), ['Enabled', away, replicas, 'REPLICA'])
    await eventually(() => shown(third), ['Enabled', away, replicas, 'REPLICA'])
    await inRegion(away).send(new RotateKeyOnDemandCommand({ KeyId: id }))
    expect(await refusalOf(client.send(new RotateKeyOnDemandCommand({ KeyId: id })))).toBe(
      `UnsupportedOperationException: ${arnIn(home, id)} is not a multi-region primary key.`,
    )
    const { CiphertextBlob } = await inRegion(away).send(new EncryptCommand({ KeyId: id, Plaintext: encoded }))
    expect((await client.send(new DecryptCommand({ CiphertextBlob }))).Plaintext).toEqual(encoded)
    const status = await inRegion(away).send(new GetKeyRotationStatusCommand({ KeyId: id }))
    expect(status).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 100 })
    // And back again.
    await move(id, home, away)
    await eventually(() => shown(home), ['Enabled', home, [third, away].sort(), 'PRIMARY'])
  })

  it('refuses a Region without a replica, the primary’s own, and keys that are no primary', async () => {
    const id = await newPair()
    for (const region of [third, home]) {
      expect(await refusalOf(move(id, region))).toBe(
        `NotFoundException: Key '${arnIn(region, id)}' is not a replica of the primary key.`,
      )
    }
    const text = 'is not a multi-region primary key.'
    expect(await refusalOf(move(id, home, away))).toBe(`UnsupportedOperationException: ${arnIn(away, id)} ${text}`)
    const single = await newKey(kms)
    expect(await refusalOf(move(single.id))).toBe(`UnsupportedOperationException: ${single.arn} ${text}`)
    const absent = `mrk-${'0'.repeat(32)}`
    expect(await refusalOf(move(absent))).toBe(`NotFoundException: Key '${arnIn(home, absent)}' does not exist`)
    expect(await refusalOf(move('arn:aws:kms:nothing'))).toMatch(/^InvalidArnException: /)
  })

  it('refuses while one of both is disabled or pending deletion', async () => {
    const [disabled, deleted, primary] = [await newPair(), await newPair(), await newPair()]
    await inRegion(away).send(new DisableKeyCommand({ KeyId: disabled }))
    expect(await refusalOf(move(disabled))).toBe(`DisabledException: ${arnIn(away, disabled)} is disabled.`)
    await inRegion(away).send(new ScheduleKeyDeletionCommand({ KeyId: deleted }))
    expect(await refusalOf(move(deleted))).toBe(
      `KMSInvalidStateException: ${arnIn(away, deleted)} is pending deletion.`,
    )
    await client.send(new DisableKeyCommand({ KeyId: primary }))
    expect(await refusalOf(move(primary))).toBe(`DisabledException: ${arnIn(home, primary)} is disabled.`)
  })
})

describe('deletion', () => {
  it('of a primary waits for its replicas, and can be cancelled', async () => {
    const id = await newPair()
    const { $metadata: _, ...answer } = await client.send(
      new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: 9 }),
    )
    expect(answer).toEqual({ KeyId: arnIn(home, id), KeyState: 'PendingReplicaDeletion', PendingWindowInDays: 9 })
    const waiting = await metadata(id)
    expect(waiting).toMatchObject({ KeyState: 'PendingReplicaDeletion', PendingDeletionWindowInDays: 9 })
    expect(waiting).not.toHaveProperty('DeletionDate')
    const refusal = `KMSInvalidStateException: ${arnIn(home, id)} is pending replica deletion.`
    expect(await refusalOf(client.send(new EncryptCommand({ KeyId: id, Plaintext: encoded })))).toBe(refusal)
    expect(await refusalOf(replicate(id, third))).toBe(refusal)
    expect(await metadata(id, away)).toMatchObject({ KeyState: 'Enabled' })
    await client.send(new CancelKeyDeletionCommand({ KeyId: id }))
    const cancelled = await metadata(id)
    expect(cancelled).toMatchObject({ KeyState: 'Disabled' })
    expect(cancelled).not.toHaveProperty('PendingDeletionWindowInDays')
  })

  it('of a replica is its own', async () => {
    const id = await newPair()
    const there = inRegion(away)
    const { KeyState, DeletionDate } = await there.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    expect(KeyState).toBe('PendingDeletion')
    expect(DeletionDate).toBeInstanceOf(Date)
    expect(await metadata(id)).toMatchObject({ KeyState: 'Enabled' })
    await there.send(new CancelKeyDeletionCommand({ KeyId: id }))
    expect(await metadata(id, away)).toMatchObject({ KeyState: 'Disabled' })
  })
})

describe('whoever may not', () => {
  const replicateAs = async (by: Caller, input: Record<string, unknown>, region = home) =>
    kms.ask('ReplicateKey', { ReplicaRegion: away, ...input }, { ...signedBy(by), region })
  const denied = (user: { arn: string }, action: string, resource: string) =>
    `AccessDeniedException: User: ${user.arn} is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`

  it('replicate the primary', async () => {
    const KeyId = await newPrimary()
    const user = await newUser(kms, [allow('kms:CreateKey')])
    expect(refusalIn(await replicateAs(user, { KeyId }))).toBe(denied(user, 'kms:ReplicateKey', arnIn(home, KeyId)))
  })

  it('create keys in the Region of the replica, or tag them', async () => {
    const KeyId = await newPrimary()
    const onlyHere = allow('kms:CreateKey', { Condition: { StringEquals: { 'aws:RequestedRegion': home } } })
    const user = await newUser(kms, [allow('kms:ReplicateKey'), onlyHere])
    expect(refusalIn(await replicateAs(user, { KeyId }))).toBe(denied(user, 'kms:CreateKey', '*'))
    const other = await newUser(kms, [allow(['kms:ReplicateKey', 'kms:CreateKey'])])
    const Tags = [{ TagKey: 'a', TagValue: 'b' }]
    expect(refusalIn(await replicateAs(other, { KeyId, Tags }))).toBe(
      denied(other, 'kms:TagResource', arnIn(away, KeyId)),
    )
    expect(await refusalOf(inRegion(away).send(new DescribeKeyCommand({ KeyId })))).toMatch(/^NotFoundException: /)
  })

  it('replicate into every Region, may into some', async () => {
    const KeyId = await newPrimary()
    const some = allow('kms:ReplicateKey', { Condition: { StringEquals: { 'kms:ReplicaRegion': third } } })
    const creating = allow('kms:CreateKey', { Condition: { StringEquals: { 'kms:MultiRegionKeyType': 'REPLICA' } } })
    const user = await newUser(kms, [some, creating, allow('kms:PutKeyPolicy')])
    expect(refusalIn(await replicateAs(user, { KeyId }))).toBe(denied(user, 'kms:ReplicateKey', arnIn(home, KeyId)))
    expect((await replicateAs(user, { KeyId, ReplicaRegion: third })).status).toBe(200)
  })

  it('move the primary, by the policy of either key', async () => {
    const KeyId = await newPair()
    const nobody = await newUser(kms)
    const moving = (by: Caller) => kms.ask('UpdatePrimaryRegion', { KeyId, PrimaryRegion: away }, signedBy(by))
    expect(refusalIn(await moving(nobody))).toBe(denied(nobody, 'kms:UpdatePrimaryRegion', arnIn(home, KeyId)))
    const half = await newUser(kms, [{ ...allow('kms:UpdatePrimaryRegion'), Resource: arnIn(home, KeyId) }])
    expect(refusalIn(await moving(half))).toBe(denied(half, 'kms:UpdatePrimaryRegion', arnIn(away, KeyId)))
    const toThird = allow('kms:UpdatePrimaryRegion', { Condition: { StringEquals: { 'kms:PrimaryRegion': third } } })
    const elsewhere = await newUser(kms, [toThird])
    expect(refusalIn(await moving(elsewhere))).toBe(denied(elsewhere, 'kms:UpdatePrimaryRegion', arnIn(home, KeyId)))
    const toAway = allow('kms:UpdatePrimaryRegion', { Condition: { StringEquals: { 'kms:PrimaryRegion': away } } })
    expect((await moving(await newUser(kms, [toAway]))).status).toBe(200)
  })

  it.skipIf(kms.stranger === null)('see the key, being of another account', async () => {
    const KeyId = arnIn(home, await newPrimary())
    const by = kms.stranger as Caller
    expect(refusalIn(await replicateAs(by, { KeyId }))).toMatch(/^AccessDeniedException: /)
    const moving = await kms.ask('UpdatePrimaryRegion', { KeyId, PrimaryRegion: away }, signedBy(by))
    expect(refusalIn(moving)).toMatch(/^AccessDeniedException: /)
  })
})
