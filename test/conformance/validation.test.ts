import { describe, expect, it } from 'vitest'
import { itRefuses, openKms, type RefusalRow, refusalIn, uses } from '../support/conformance.ts'
import { sdkInput } from '../support/sdk.ts'

/** Values that a type of KMS does not allow, in AWS's words. */

const kms = await openKms()
const KeyId = '0123abcd-0000-4000-8000-0123456789ab'
const root = `arn:aws:iam::${kms.caller.account}:root`
const grant = { KeyId, GranteePrincipal: root, Operations: ['Encrypt'] }
const base64 = (bytes: number) => Buffer.alloc(bytes, 'p').toString('base64')

const required = Object.keys(uses)
  .map((operation) => ({
    operation,
    members: Object.entries(sdkInput(operation))
      .filter(([, { isRequired }]) => isRequired)
      .map(([name]) => name),
  }))
  .filter(({ members }) => members.length > 0)

describe('what is required', () => {
  it.each(required)('$operation: $members', async ({ operation, members }) => {
    for (const input of [{}, Object.fromEntries(members.map((name) => [name, null]))]) {
      const refused = refusalIn(await kms.ask(operation, input))
      const [, count, list] = /^ValidationException: (\d+) validation errors? detected: (.*)$/.exec(refused) ?? []
      expect(Number(count), refused).toBe(members.length)
      expect(refused).toContain(members.length === 1 ? '1 validation error detected' : 'validation errors detected')
      expect(list?.split('; ').sort()).toEqual(members.map((name) => broken(name, ' null', 'not be null')).sort())
    }
  })
})

function broken(member: string, value: string, constraint: string): string {
  const path = member.charAt(0).toLowerCase() + member.slice(1)
  return `Value${value} at '${path}' failed to satisfy constraint: Member must ${constraint}`
}

function detected(...errors: readonly string[]): string {
  return `ValidationException: ${errors.length} validation error${errors.length === 1 ? '' : 's'} detected: ${errors.join('; ')}`
}

const atMost = (max: number) => `have length less than or equal to ${max}`
const atLeast = (min: number) => `have length greater than or equal to ${min}`
const pattern = (text: string) => `satisfy regular expression pattern: ${text}`
const aliasPattern = pattern('^[a-zA-Z0-9:/_-]+$')

/** A member that has the value, and breaks one constraint. */
function breaks(operation: string, member: string, value: string | number, constraint: string, rest = {}): RefusalRow {
  const name = `${member} ${String(value).slice(0, 20)}`
  return [name, operation, { ...rest, [member]: value }, detected(broken(member, ` '${value}'`, constraint))]
}

/** Integers just outside what the operation takes. */
function outside(operation: string, member: string, min: number, max: number, rest = {}): readonly RefusalRow[] {
  return [
    breaks(operation, member, min - 1, `have value greater than or equal to ${min}`, rest),
    breaks(operation, member, max + 1, `have value less than or equal to ${max}`, rest),
  ]
}

describe('ranges', () => {
  itRefuses(kms, [
    ...outside('GenerateRandom', 'NumberOfBytes', 1, 1024),
    ...outside('GenerateDataKey', 'NumberOfBytes', 1, 1024, { KeyId }),
    ...outside('GenerateDataKeyWithoutPlaintext', 'NumberOfBytes', 1, 1024, { KeyId }),
    ...outside('ScheduleKeyDeletion', 'PendingWindowInDays', 7, 30, { KeyId }),
    ...outside('EnableKeyRotation', 'RotationPeriodInDays', 90, 2560, { KeyId }),
    ...outside('ListKeys', 'Limit', 1, 1000),
    ...outside('ListAliases', 'Limit', 1, 100),
    ...outside('ListGrants', 'Limit', 1, 100, { KeyId }),
    ...outside('ListRetirableGrants', 'Limit', 1, 100, { RetiringPrincipal: root }),
    ...outside('ListKeyPolicies', 'Limit', 1, 1000, { KeyId }),
    ...outside('ListKeyRotations', 'Limit', 1, 1000, { KeyId }),
    ...outside('ListResourceTags', 'Limit', 1, 50, { KeyId }),
  ])
})

describe('lengths and patterns', () => {
  itRefuses(kms, [
    breaks('DescribeKey', 'KeyId', '', atLeast(1)),
    breaks('DescribeKey', 'KeyId', 'k'.repeat(2049), atMost(2048)),
    breaks('ListKeys', 'Marker', '', atLeast(1)),
    breaks('ListKeys', 'Marker', 'm'.repeat(1025), atMost(1024)),
    breaks('ListKeys', 'Marker', 'm\u0100', pattern('[\\u0020-\\u00FF]*')),
    breaks('CreateKey', 'Description', 'd'.repeat(8193), atMost(8192)),
    breaks('CreateKey', 'Policy', 'p\u0100', pattern('[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+')),
    breaks('CreateKey', 'Policy', 'p'.repeat(131_073), atMost(131_072)),
    breaks('CreateKey', 'XksKeyId', 'x y', pattern('^[a-zA-Z0-9-_.]+$')),
    breaks('CreateKey', 'CustomKeyStoreId', 'c'.repeat(65), atMost(64)),
    breaks('GetKeyPolicy', 'PolicyName', 'a b', pattern('[\\w]+'), { KeyId }),
    breaks('CreateAlias', 'AliasName', 'alias/a b', aliasPattern, { TargetKeyId: KeyId }),
    breaks('CreateAlias', 'AliasName', 'alias/a\n', aliasPattern, { TargetKeyId: KeyId }),
    breaks('CreateAlias', 'AliasName', `alias/${'a'.repeat(251)}`, atMost(256), { TargetKeyId: KeyId }),
    breaks('UpdateAlias', 'AliasName', 'alias/é', aliasPattern, { TargetKeyId: KeyId }),
    breaks('DeleteAlias', 'AliasName', 'alias/a.b', aliasPattern),
    breaks('CreateGrant', 'Name', 'a b', pattern('^[a-zA-Z0-9:/_-]+$'), grant),
    breaks('CreateGrant', 'Name', 'n'.repeat(257), atMost(256), grant),
    breaks('CreateGrant', 'GranteePrincipal', 'g'.repeat(257), atMost(256), { KeyId, Operations: ['Encrypt'] }),
    breaks('CreateGrant', 'RetiringPrincipal', 'r'.repeat(257), atMost(256), grant),
    breaks('RevokeGrant', 'GrantId', 'g'.repeat(129), atMost(128), { KeyId }),
    breaks('RetireGrant', 'GrantToken', 't'.repeat(8193), atMost(8192)),
    breaks('ListGrants', 'GrantId', '', atLeast(1), { KeyId }),
    [
      'a blob is not repeated',
      'Encrypt',
      { KeyId, Plaintext: base64(4097) },
      detected(broken('Plaintext', '', atMost(4096))),
    ],
    ['an empty blob', 'Encrypt', { KeyId, Plaintext: '' }, detected(broken('Plaintext', '', atLeast(1)))],
    ['a blob', 'Decrypt', { CiphertextBlob: base64(6145) }, detected(broken('CiphertextBlob', '', atMost(6144)))],
    ['an empty blob', 'Decrypt', { CiphertextBlob: '' }, detected(broken('CiphertextBlob', '', atLeast(1)))],
    [
      'a blob',
      'ReEncrypt',
      { CiphertextBlob: base64(6145), DestinationKeyId: KeyId },
      detected(broken('CiphertextBlob', '', atMost(6144))),
    ],
  ])
})

describe('words', () => {
  itRefuses(
    kms,
    [
      ['CreateKey', 'KeySpec', {}],
      ['CreateKey', 'CustomerMasterKeySpec', {}],
      ['CreateKey', 'KeyUsage', {}],
      ['CreateKey', 'Origin', {}],
      ['Encrypt', 'EncryptionAlgorithm', { KeyId, Plaintext: 'YQ==' }],
      ['Decrypt', 'EncryptionAlgorithm', { CiphertextBlob: 'YQ==' }],
      ['ReEncrypt', 'SourceEncryptionAlgorithm', { CiphertextBlob: 'YQ==', DestinationKeyId: KeyId }],
      ['ReEncrypt', 'DestinationEncryptionAlgorithm', { CiphertextBlob: 'YQ==', DestinationKeyId: KeyId }],
      ['GenerateDataKey', 'KeySpec', { KeyId }],
      ['ListKeyRotations', 'IncludeKeyMaterial', { KeyId }],
    ].map(([operation, member, rest]): RefusalRow => {
      const text = detected(broken(String(member), " 'INVALID'", 'satisfy enum value set: ['))
      const escaped = text.replace(/[[.\\]/g, '\\$&')
      const input = { ...(rest as object), [String(member)]: 'INVALID' }
      return [String(member), String(operation), input, new RegExp(`^${escaped}[A-Z0-9_]+(, [A-Z0-9_]+)*\\]$`)]
    }),
  )
})

const tag = (TagKey: string, TagValue: string) => ({
  KeyId,
  Tags: [
    { TagKey: 'good', TagValue: '' },
    { TagKey, TagValue },
  ],
})

describe('elements', () => {
  itRefuses(kms, [
    [
      'a tag key',
      'TagResource',
      tag('k'.repeat(129), ''),
      detected(broken('tags.2.member.tagKey', ` '${'k'.repeat(129)}'`, atMost(128))),
    ],
    ['an empty tag key', 'TagResource', tag('', ''), detected(broken('tags.2.member.tagKey', " ''", atLeast(1)))],
    [
      'a tag value',
      'CreateKey',
      tag('k', 'v'.repeat(257)),
      detected(broken('tags.2.member.tagValue', ` '${'v'.repeat(257)}'`, atMost(256))),
    ],
    [
      'no tag value',
      'TagResource',
      { KeyId, Tags: [{ TagKey: 'k' }] },
      detected(broken('tags.1.member.tagValue', ' null', 'not be null')),
    ],
    ['no tag', 'TagResource', { KeyId, Tags: [null] }, detected(broken('tags.1.member', ' null', 'not be null'))],
    [
      'an empty tag key',
      'UntagResource',
      { KeyId, TagKeys: ['a', ''] },
      detected(broken('tagKeys.2.member', " ''", atLeast(1))),
    ],
    [
      'an empty grant token',
      'DescribeKey',
      { KeyId, GrantTokens: [''] },
      detected(broken('grantTokens.1.member', " ''", atLeast(1))),
    ],
    [
      'eleven grant tokens',
      'DescribeKey',
      { KeyId, GrantTokens: Array(11).fill('t') },
      detected(broken('grantTokens', ` '[${Array(11).fill('t').join(', ')}]'`, atMost(10))),
    ],
    [
      'a context value of null',
      'Encrypt',
      { KeyId, Plaintext: 'YQ==', EncryptionContext: { a: null } },
      /^ValidationException: 1 validation error detected: Value null at 'encryptionContext\.a\.member' failed/,
    ],
  ])
})

describe('several errors are told at once', () => {
  itRefuses(kms, [
    [
      'two',
      'GenerateDataKey',
      { KeyId: '', NumberOfBytes: 1025 },
      detected(
        broken('KeyId', " ''", atLeast(1)),
        broken('NumberOfBytes', " '1025'", 'have value less than or equal to 1024'),
      ),
    ],
    [
      'pattern and length of one value',
      'DeleteAlias',
      { AliasName: '' },
      detected(broken('AliasName', " ''", aliasPattern), broken('AliasName', " ''", atLeast(1))),
    ],
    [
      'four',
      'CreateKey',
      { KeySpec: 'A', KeyUsage: 'B', Origin: 'C', Description: 'd'.repeat(8193) },
      /^ValidationException: 4 validation errors detected: Value '/,
    ],
  ])
})

const prefix =
  'ValidationException: Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html'
const either = 'ValidationException: Please specify either number of bytes or key spec.'

describe('what takes more than one value to be wrong', () => {
  itRefuses(kms, [
    ['no number', 'GenerateRandom', {}, 'ValidationException: NumberOfBytes is required.'],
    ['no prefix', 'CreateAlias', { AliasName: 'app', TargetKeyId: KeyId }, prefix],
    ['nothing but the prefix', 'CreateAlias', { AliasName: 'alias/', TargetKeyId: KeyId }, prefix],
    ['no prefix', 'UpdateAlias', { AliasName: 'app', TargetKeyId: KeyId }, prefix],
    ['no prefix', 'DeleteAlias', { AliasName: 'app' }, prefix],
    [
      'KeyUsage left out',
      'CreateKey',
      { KeySpec: 'RSA_2048' },
      'ValidationException: You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.',
    ],
    [
      'usage of another spec',
      'CreateKey',
      { KeyUsage: 'SIGN_VERIFY' },
      'ValidationException: KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT',
    ],
    [
      'both specs',
      'CreateKey',
      { KeySpec: 'SYMMETRIC_DEFAULT', CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT' },
      'ValidationException: You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.',
    ],
    ['no blob', 'Decrypt', {}, /^ValidationException: /],
    ['no blob', 'ReEncrypt', { DestinationKeyId: KeyId }, /^ValidationException: /],
  ])

  it('GenerateDataKey takes a number of bytes or a key spec', async () => {
    const { KeyMetadata } = (await kms.ask('CreateKey', {})).json as { KeyMetadata: { KeyId: string } }
    for (const operation of ['GenerateDataKey', 'GenerateDataKeyWithoutPlaintext']) {
      expect(refusalIn(await kms.ask(operation, { KeyId: KeyMetadata.KeyId }))).toBe(either)
      const both = { KeyId: KeyMetadata.KeyId, NumberOfBytes: 16, KeySpec: 'AES_128' }
      expect(refusalIn(await kms.ask(operation, both))).toBe(either)
    }
  })
})
