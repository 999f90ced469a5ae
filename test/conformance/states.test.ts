import { describe, expect, it } from 'vitest'
import { expectOutput, newKey, openKms, refusalIn, type TestKey, uses } from '../support/conformance.ts'

/** Every operation on keys that are really disabled, or really pending deletion. */

const kms = await openKms()

interface Row {
  readonly operation: string
  readonly disabled: string | null
  readonly deleting: string | null
  readonly enabled?: string | null
}

const isDisabled = 'DisabledException: {arn} is disabled.'
const isDeleting = 'KMSInvalidStateException: {arn} is pending deletion.'
const isWaiting = 'KMSInvalidStateException: {arn} is pending replica deletion.'
const isNotDeleting = 'KMSInvalidStateException: {arn} is not pending deletion.'
const anyState = { disabled: null, deleting: null }
const use = { disabled: isDisabled, deleting: isDeleting }
const notDeleting = { disabled: null, deleting: isDeleting }

const rows: readonly Row[] = [
  { operation: 'CancelKeyDeletion', enabled: isNotDeleting, disabled: isNotDeleting, deleting: null },
  { operation: 'CreateAlias', ...notDeleting },
  { operation: 'CreateGrant', ...use },
  { operation: 'Decapsulate', ...use },
  { operation: 'Decrypt', ...use },
  { operation: 'DeriveSharedSecret', ...use },
  { operation: 'DescribeKey', ...anyState },
  { operation: 'DisableKey', ...notDeleting },
  { operation: 'DisableKeyRotation', ...use },
  { operation: 'EnableKey', ...notDeleting },
  { operation: 'EnableKeyRotation', ...use },
  { operation: 'Encapsulate', ...use },
  { operation: 'Encrypt', ...use },
  { operation: 'GenerateDataKey', ...use },
  { operation: 'GenerateDataKeyPair', ...use },
  { operation: 'GenerateDataKeyPairWithoutPlaintext', ...use },
  { operation: 'GenerateDataKeyWithoutPlaintext', ...use },
  { operation: 'GenerateMac', ...use },
  { operation: 'GetKeyPolicy', ...anyState },
  { operation: 'GetKeyRotationStatus', ...anyState },
  { operation: 'GetPublicKey', ...notDeleting },
  { operation: 'ListAliases', ...anyState },
  { operation: 'ListGrants', ...anyState },
  { operation: 'ListKeyPolicies', ...anyState },
  { operation: 'GetKeyLastUsage', ...anyState },
  { operation: 'ListKeyRotations', ...anyState },
  { operation: 'ListResourceTags', ...anyState },
  { operation: 'PutKeyPolicy', ...anyState },
  { operation: 'ReEncrypt', ...use },
  { operation: 'ReplicateKey', ...use },
  { operation: 'RetireGrant', ...anyState },
  { operation: 'RevokeGrant', ...anyState },
  { operation: 'RotateKeyOnDemand', ...use },
  { operation: 'ScheduleKeyDeletion', ...notDeleting },
  { operation: 'Sign', ...use },
  { operation: 'TagResource', ...notDeleting },
  { operation: 'UntagResource', ...notDeleting },
  { operation: 'UpdateAlias', ...notDeleting },
  { operation: 'UpdateKeyDescription', ...notDeleting },
  { operation: 'UpdatePrimaryRegion', disabled: isDisabled, deleting: isWaiting },
  { operation: 'Verify', ...use },
  { operation: 'VerifyMac', ...use },
  // Not of a key, or of its alias alone.
  { operation: 'DeleteAlias', ...anyState },
]

async function expectAnswer(
  operation: string,
  key: TestKey,
  refusal: string | null,
  input = uses[operation]?.input(key),
) {
  const answer = await kms.ask(operation, input)
  if (refusal === null) expectOutput(operation, answer)
  else expect(refusalIn(answer)).toBe(refusal.replace('{arn}', key.arn))
}

async function keyIn(state: 'enabled' | 'disabled' | 'deleting', operation = ''): Promise<TestKey> {
  const key = await newKey(kms, uses[operation]?.kind)
  if (state === 'disabled') await kms.ask('DisableKey', { KeyId: key.id })
  if (state === 'deleting') await kms.ask('ScheduleKeyDeletion', { KeyId: key.id, PendingWindowInDays: 7 })
  return key
}

it('names every operation that is served, but for those without a key', () => {
  const named = [
    ...rows.map(({ operation }) => operation),
    'CreateKey',
    'DescribeCustomKeyStores',
    'GenerateRandom',
    'ListKeys',
    'ListRetirableGrants',
  ]
  expect(named.sort()).toEqual(Object.keys(uses).sort())
})

describe.each(rows)('$operation', ({ operation, disabled, deleting, enabled = null }) => {
  it('of an enabled key', async () => expectAnswer(operation, await keyIn('enabled', operation), enabled))
  it('of a disabled key', async () => expectAnswer(operation, await keyIn('disabled', operation), disabled))
  it('of a key pending deletion', async () => expectAnswer(operation, await keyIn('deleting', operation), deleting))
})

it('ReEncrypt looks at the source and at the destination', async () => {
  const [enabled, disabled] = [await keyIn('enabled'), await keyIn('disabled')]
  const from = { CiphertextBlob: disabled.blob, DestinationKeyId: enabled.id }
  const to = { CiphertextBlob: enabled.blob, DestinationKeyId: disabled.id }
  await expectAnswer('ReEncrypt', disabled, isDisabled, from)
  await expectAnswer('ReEncrypt', disabled, isDisabled, to)
})

it('the state is looked at before the ciphertext', async () => {
  const key = await keyIn('disabled')
  const input = { CiphertextBlob: key.blob, EncryptionContext: { another: 'context' } }
  await expectAnswer('Decrypt', key, isDisabled, input)
})
