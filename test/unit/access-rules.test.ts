import { describe, expect, it } from 'vitest'
import { asksFor } from '../../src/access/check-policy.ts'
import {
  authorizeByIdentity,
  authorizeKey,
  authorizeRetire,
  authorizeTrust,
  denialText,
  matchingStatements,
} from '../../src/access/decide.ts'
import { grantAllows, grantIdsOf } from '../../src/access/grants.ts'
import type { AccessRequest, Grant, ResourcePolicy } from '../../src/access/request.ts'
import type { Documents, Principal } from '../../src/model/call.ts'

const account = '111122223333'
const elsewhere = '444455556666'
const root = `arn:aws:iam::${account}:root`
const alice = `arn:aws:iam::${account}:user/division/alice`
const role = `arn:aws:iam::${account}:role/App`
const session = `arn:aws:sts::${account}:assumed-role/App/s1`
const keyArn = `arn:aws:kms:us-east-1:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`

interface Policies {
  readonly identity?: readonly unknown[]
  readonly boundary?: unknown
  readonly session?: unknown
}

const text = (Statement: unknown, Version = '2012-10-17') => JSON.stringify({ Version, Statement })
const document = (name: string, statement: unknown) => ({ name, text: text(statement) })

function documents({ identity = [], boundary, session: cut }: Policies): Documents {
  return {
    identity: identity.map((statement, at) => document(`p${at}`, statement)),
    boundary: boundary === undefined ? null : document('b', boundary),
    session: cut === undefined ? [] : [document('s', cut)],
  }
}

function user(policies: Policies = {}, arn = alice): Principal {
  const [, , , , owner = ''] = arn.split(':')
  return {
    kind: 'user',
    account: owner,
    arn,
    id: 'AIDAALICE',
    tags: { team: 'blue' },
    documents: documents(policies),
    session: null,
  }
}

function inSession(policies: Policies = {}): Principal {
  return {
    kind: 'session',
    account,
    arn: session,
    id: 'AROAAPP:s1',
    tags: {},
    documents: documents(policies),
    session: {
      roleArn: role,
      roleId: 'AROAAPP',
      sessionName: 's1',
      issuedAt: 0,
      sourceIdentity: 'dana',
      federatedProvider: null,
    },
  }
}

const rootUser: Principal = { kind: 'root', account, arn: root, id: account, tags: {}, documents: null, session: null }
const provider = `arn:aws:iam::${account}:oidc-provider/token.example.com`
const bearer: Principal = {
  kind: 'federated',
  account,
  arn: provider,
  id: 'x',
  tags: {},
  documents: null,
  session: null,
}
const service: Principal = {
  kind: 'service',
  account: '',
  arn: 'mail.example',
  id: 'mail.example',
  tags: {},
  documents: null,
  session: null,
}

function ask(change: Partial<AccessRequest> = {}): AccessRequest {
  return {
    principal: user(),
    action: 'kms:Decrypt',
    resource: keyArn,
    resourceAccount: account,
    key: {
      spec: 'SYMMETRIC_DEFAULT',
      usage: 'ENCRYPT_DECRYPT',
      origin: 'AWS_KMS',
      isMultiRegion: true,
      multiRegionKeyType: 'PRIMARY',
      tags: [{ tagKey: 'team', tagValue: 'blue' }],
      aliases: ['alias/app', 'alias/old'],
    },
    keyNamed: 'alias/app',
    parameters: {},
    region: 'us-east-1',
    wallTime: Date.parse('2026-11-23T12:00:00Z'),
    sourceIp: '203.0.113.10',
    userAgent: 'aws-cli/2',
    isSecure: true,
    viaService: null,
    ...change,
  }
}

const allowTo = (AWS: unknown, more: object = {}) => ({
  Effect: 'Allow',
  Principal: { AWS },
  Action: 'kms:*',
  Resource: '*',
  ...more,
})
const allow = { Effect: 'Allow', Action: '*', Resource: '*' }
const deny = { Effect: 'Deny', Action: '*', Resource: '*' }
const byArn = (statement: unknown): ResourcePolicy => ({ name: 'k', text: text(statement), principalIds: null })
const delegating = byArn(allowTo(root))
const closed = byArn(allowTo(`arn:aws:iam::${account}:user/Owner`))

/** Whether an identity policy with this condition allows the request. */
function holds(Condition: object, change: Partial<AccessRequest> = {}, Version?: string): boolean {
  const principal = change.principal ?? user()
  const own = { name: 'p', text: text({ ...allow, Condition }, Version) }
  const asked = { ...principal, documents: { identity: [own], boundary: null, session: [] } }
  return authorizeByIdentity(ask({ ...change, principal: asked })).isAllowed
}

const given = (...values: string[]) => ({ context: { 'test:key': values } })
const nothing = { context: {} }

describe('operators: a row that holds, and its twin that does not', () => {
  it.each<[operator: string, wanted: unknown, like: string, unlike: string]>([
    ['StringEquals', 'blue', 'blue', 'Blue'],
    ['StringNotEquals', 'blue', 'Blue', 'blue'],
    ['StringEqualsIgnoreCase', 'BLUE', 'blue', 'blues'],
    ['StringNotEqualsIgnoreCase', 'BLUE', 'blues', 'blue'],
    ['StringLike', 'b?u*', 'blue', 'bue'],
    ['StringLike', '*a*b', 'aXbYb', 'aXbY'],
    ['StringNotLike', 'b*', 'red', 'blue'],
    ['NumericEquals', '10', '10.0', '11'],
    ['NumericEquals', '10', '1e1', 'ten'],
    ['NumericNotEquals', 10, '11', '10'],
    ['NumericLessThan', 10, '9.5', '10'],
    ['NumericLessThanEquals', 10, '10', '10.1'],
    ['NumericGreaterThan', 10, '11', '10'],
    ['NumericGreaterThanEquals', 10, '10', '-10'],
    ['DateEquals', '2026-11-23T12:00:00Z', '2026-11-23T13:00:00+01:00', '2026-11-23T12:00:01Z'],
    ['DateEquals', '1795435200', '2026-11-23T12:00:00Z', '2026-11-23T12:00:01Z'],
    ['DateNotEquals', '2026-11-23', '2026-11-24', '2026-11-23T00:00:00Z'],
    ['DateLessThan', '2026', '2025-12-31T23:59Z', '2026-01-01'],
    ['DateLessThanEquals', '2026-11-23T12:00', '2026-11-23T12:00:00Z', '2026-11-23T12:00:00.001Z'],
    ['DateGreaterThan', '2026-11-23T12:00:00Z', '2026-11-23T12:00:00.5Z', '2026-11-23T12:00:00Z'],
    ['DateGreaterThanEquals', '2026-11', '2026-11-01', '2026-10-31'],
    ['DateLessThan', '2026-11-23', '2026-01-01', 'yesterday'],
    ['Bool', 'true', 'TRUE', 'false'],
    ['Bool', false, 'false', 'true'],
    ['BinaryEquals', 'QmluYXJ5', 'QmluYXJ5', 'qmluyxj5'],
    ['IpAddress', '203.0.113.0/24', '203.0.113.10', '203.0.114.10'],
    ['IpAddress', '203.0.113.10', '203.0.113.10', '203.0.113.11'],
    ['IpAddress', '0.0.0.0/0', '203.0.113.10', '::1'],
    ['IpAddress', '2001:db8::/33', '2001:db8:7fff::1', '2001:db8:8000::1'],
    ['IpAddress', '::ffff:1.2.3.4', '::ffff:102:304', '::ffff:1.2.3.5'],
    ['IpAddress', '10.0.0.0/8', '10.255.0.1', '10.0.0'],
    ['NotIpAddress', '203.0.113.0/24', '198.51.100.1', '203.0.113.10'],
    ['ArnEquals', 'arn:aws:iam::*:role/App', role, 'arn:aws:iam::1:2:role/App'],
    ['ArnLike', 'arn:aws:iam::111122223333:user/*', alice, role],
    ['ArnNotEquals', role, alice, role],
    ['ArnNotLike', 'arn:aws:iam::*:role/*', alice, role],
  ])('%s %j', (operator, wanted, like, unlike) => {
    const condition = { [operator]: { 'test:key': wanted } }
    expect(holds(condition, given(like))).toBe(true)
    expect(holds(condition, given(unlike))).toBe(false)
  })

  it.each([
    ['StringEquals', false],
    ['StringNotEquals', true],
    ['StringNotLike', true],
    ['NumericNotEquals', true],
    ['NotIpAddress', true],
    ['ArnNotLike', true],
    ['Bool', false],
    ['StringEqualsIfExists', true],
    ['BoolIfExists', true],
    ['ForAllValues:StringEquals', true],
    ['ForAnyValue:StringEquals', false],
    ['ForAnyValue:StringNotEquals', false],
    ['ForAnyValue:StringEqualsIfExists', true],
  ])('%s of an absent key: %s', (operator, answer) => {
    expect(holds({ [operator]: { 'test:key': 'x' } }, nothing)).toBe(answer)
  })

  it('Null tells presence', () => {
    expect(holds({ Null: { 'test:key': 'true' } }, nothing)).toBe(true)
    expect(holds({ Null: { 'test:key': true } }, given('x'))).toBe(false)
    expect(holds({ Null: { 'test:key': 'false' } }, given('x'))).toBe(true)
    expect(holds({ Null: { 'test:key': false } }, nothing)).toBe(false)
  })

  it.each([
    ['ForAllValues:StringEquals', ['a', 'b'], ['a'], true],
    ['ForAllValues:StringEquals', ['a', 'b'], ['a', 'c'], false],
    ['ForAnyValue:StringEquals', ['a', 'b'], ['c', 'b'], true],
    ['ForAnyValue:StringEquals', ['a', 'b'], ['c', 'd'], false],
    ['ForAllValues:StringNotEquals', ['a', 'b'], ['c', 'd'], true],
    ['ForAllValues:StringNotEquals', ['a', 'b'], ['c', 'a'], false],
    ['ForAnyValue:StringNotEquals', ['a', 'b'], ['c', 'a'], true],
    ['ForAnyValue:StringNotEquals', ['a', 'b'], ['b', 'a'], false],
    ['StringEquals', ['a'], ['b', 'a'], true],
    ['StringNotEquals', ['a'], ['b', 'a'], false],
    ['StringNotEquals', ['a'], ['b', 'c'], true],
  ])('%s %j of %j: %s', (operator, wanted, values, answer) => {
    expect(holds({ [operator]: { 'test:key': wanted } }, given(...values))).toBe(answer)
  })

  it.each(['StringEqualz', 'NullIfExists', 'ForSomeValues:StringEquals', 'stringequals', '__proto__', 'constructor'])(
    'an operator that nobody knows lets nothing through: %s',
    (operator) => {
      const Condition = JSON.parse(`{"${operator}": {"aws:SecureTransport": "true"}}`)
      expect(holds(Condition)).toBe(false)
    },
  )
})

describe('variables', () => {
  const variable = (name: string) => `$\{${name}}`
  const owner = (name: string, value: string, version?: string) =>
    holds({ StringLike: { 'test:key': name } }, given(value), version)

  it.each([
    ['aws:username', 'alice', 'division/alice'],
    ['aws:PrincipalTag/Team', 'blue', 'red'],
    ['AWS:PRINCIPALTAG/TEAM', 'blue', ''],
    ["aws:PrincipalTag/none, 'common'", 'common', 'none'],
    ["aws:PrincipalTag/team,'common'", 'blue', 'common'],
    ['*', '*', 'x'],
    ['?', '?', 'x'],
    ['$', '$', ''],
    ['aws:principaltype', 'User', 'user'],
  ])('$%s is %j', (name, value, other) => {
    expect(owner(`<${variable(name)}>`, `<${value}>`)).toBe(true)
    expect(owner(`<${variable(name)}>`, `<${other}>`)).toBe(false)
  })

  it.each(['aws:PrincipalTag/none', 'nobody:knows', '', 'aws:TokenIssueTime', ' '])('%j has no value', (name) => {
    for (const value of ['', 'x', variable(name), 'null', 'undefined']) expect(owner(variable(name), value)).toBe(false)
  })

  it('is text before 2012, with wildcards of its own', () => {
    expect(owner(variable('aws:username'), 'alice', '2008-10-17')).toBe(false)
    expect(owner(variable('aws:username'), variable('aws:username'), '2008-10-17')).toBe(true)
    expect(owner(variable('*'), variable('any'), '2008-10-17')).toBe(true)
  })

  it('is not a pattern, whatever its value', () => {
    const principal = { ...user(), tags: { any: '*' } }
    const Condition = { StringLike: { 'test:key': variable('aws:PrincipalTag/any') } }
    expect(holds(Condition, { principal, ...given('x') })).toBe(false)
    expect(holds(Condition, { principal, ...given('*') })).toBe(true)
  })

  it('stands in Resource, too', () => {
    const own = (name: string) =>
      user({ identity: [{ ...allow, Resource: `arn:aws:kms:*:*:alias/${variable(name)}/*` }] })
    const alias = `arn:aws:kms:us-east-1:${account}:alias/alice/x`
    expect(authorizeByIdentity(ask({ principal: own('aws:username'), resource: alias })).isAllowed).toBe(true)
    expect(authorizeByIdentity(ask({ principal: own('aws:userid'), resource: alias })).isAllowed).toBe(false)
    expect(authorizeByIdentity(ask({ principal: own('nobody:knows'), resource: alias })).isAllowed).toBe(false)
  })
})

describe('condition keys', () => {
  const plain = (key: string, value: string, change: Partial<AccessRequest>) =>
    holds({ 'ForAnyValue:StringEquals': { [key]: value } }, change)
  const of = (action: string, parameters: Record<string, unknown> = {}): Partial<AccessRequest> => ({
    action: `kms:${action}`,
    parameters,
  })
  const uuid = keyArn.slice(keyArn.indexOf('/') + 1)

  it.each<[key: string, value: string, change: Partial<AccessRequest>, twin: Partial<AccessRequest>]>([
    ['aws:CurrentTime', '2026-11-23T12:00:00.000Z', {}, { wallTime: Number.NaN }],
    ['aws:EpochTime', '1795435200', {}, { wallTime: 0 }],
    ['aws:SecureTransport', 'true', {}, { isSecure: false }],
    ['aws:SourceIp', '203.0.113.10', {}, { sourceIp: null }],
    ['aws:UserAgent', 'aws-cli/2', {}, { userAgent: null }],
    ['aws:RequestedRegion', 'us-east-1', {}, { region: 'eu-west-1' }],
    ['aws:PrincipalArn', alice, {}, { principal: inSession() }],
    ['aws:PrincipalArn', role, { principal: inSession() }, {}],
    ['aws:PrincipalAccount', account, {}, { principal: { ...user(), account: elsewhere }, resourceAccount: elsewhere }],
    ['aws:PrincipalType', 'AssumedRole', { principal: inSession() }, {}],
    ['aws:PrincipalTag/team', 'blue', {}, { principal: inSession() }],
    ['aws:userid', 'AROAAPP:s1', { principal: inSession() }, {}],
    ['aws:username', 'alice', {}, { principal: inSession() }],
    ['aws:TokenIssueTime', '1970-01-01T00:00:00.000Z', { principal: inSession() }, {}],
    ['aws:SourceIdentity', 'dana', { principal: inSession() }, {}],
    ['aws:MultiFactorAuthPresent', 'false', { principal: inSession() }, {}],
    ['aws:ViaAWSService', 'true', { viaService: 's3.us-east-1.amazonaws.com' }, {}],
    ['aws:CalledVia', 's3.amazonaws.com', { viaService: 's3.us-east-1.amazonaws.com' }, {}],
    [
      'aws:ResourceAccount',
      account,
      {},
      { principal: user({}, `arn:aws:iam::${elsewhere}:user/e`), resourceAccount: elsewhere },
    ],
    ['aws:ResourceTag/Team', 'blue', {}, { key: null }],
    [
      'aws:RequestTag/a',
      'b',
      of('TagResource', { Tags: [{ TagKey: 'a', TagValue: 'b' }] }),
      of('TagResource', { Tags: 'a' }),
    ],
    [
      'aws:RequestTag/a',
      'b',
      { parameters: { Tags: [{ Key: 'a', Value: 'b' }] } },
      { parameters: { Tags: [null, 7, {}] } },
    ],
    ['aws:TagKeys', 'a', of('UntagResource', { TagKeys: ['x', 'a'] }), of('UntagResource', { TagKeys: [] })],
    [
      'kms:BypassPolicyLockoutSafetyCheck',
      'true',
      of('PutKeyPolicy', { BypassPolicyLockoutSafetyCheck: true }),
      of('PutKeyPolicy'),
    ],
    [
      'kms:CallerAccount',
      account,
      {},
      { principal: user({}, `arn:aws:iam::${elsewhere}:user/e`), resourceAccount: elsewhere },
    ],
    ['kms:CustomerMasterKeySpec', 'SYMMETRIC_DEFAULT', {}, of('CreateKey', { KeySpec: 'RSA_2048' })],
    ['kms:CustomerMasterKeyUsage', 'ENCRYPT_DECRYPT', {}, of('CreateKey', { KeyUsage: 'SIGN_VERIFY' })],
    [
      'kms:DataKeyPairSpec',
      'RSA_2048',
      of('GenerateDataKeyPair', { KeyPairSpec: 'RSA_2048' }),
      of('Encrypt', { KeyPairSpec: 'RSA_2048' }),
    ],
    [
      'kms:EncryptionAlgorithm',
      'SYMMETRIC_DEFAULT',
      of('GenerateDataKey'),
      of('Decrypt', { EncryptionAlgorithm: 'RSAES_OAEP_SHA_1' }),
    ],
    [
      'kms:EncryptionAlgorithm',
      'X',
      of('ReEncryptFrom', { SourceEncryptionAlgorithm: 'X' }),
      of('ReEncryptTo', { SourceEncryptionAlgorithm: 'X' }),
    ],
    [
      'kms:EncryptionContext:A',
      'b',
      of('Encrypt', { EncryptionContext: { a: 'b' } }),
      of('Encrypt', { EncryptionContext: { a: 'c' } }),
    ],
    [
      'kms:EncryptionContext:a',
      'b',
      of('ReEncryptFrom', { SourceEncryptionContext: { a: 'b' } }),
      of('ReEncryptTo', { SourceEncryptionContext: { a: 'b' } }),
    ],
    [
      'kms:EncryptionContext:a',
      'b',
      of('CreateGrant', { Constraints: { EncryptionContextSubset: { a: 'b' } } }),
      of('CreateGrant', { EncryptionContext: { a: 'b' } }),
    ],
    [
      'kms:EncryptionContextKeys',
      'a',
      of('Encrypt', { EncryptionContext: { b: '', a: '' } }),
      of('Encrypt', { EncryptionContext: {} }),
    ],
    ['kms:ExpirationModel', 'X', of('ImportKeyMaterial', { ExpirationModel: 'X' }), of('ImportKeyMaterial')],
    [
      'kms:GrantConstraintType',
      'EncryptionContextEquals',
      of('CreateGrant', { Constraints: { EncryptionContextEquals: {} } }),
      of('CreateGrant', { Constraints: {} }),
    ],
    [
      'kms:GrantIsForAWSResource',
      'true',
      { ...of('CreateGrant'), viaService: 'ec2.us-east-1.amazonaws.com' },
      of('CreateGrant'),
    ],
    ['kms:GrantIsForAWSResource', 'false', of('RevokeGrant'), of('Decrypt')],
    [
      'kms:GrantOperations',
      'Decrypt',
      of('CreateGrant', { Operations: ['Encrypt', 'Decrypt'] }),
      of('CreateGrant', { Operations: ['Encrypt'] }),
    ],
    [
      'kms:GranteePrincipal',
      role,
      of('CreateGrant', { GranteePrincipal: role }),
      of('CreateGrant', { GranteePrincipal: alice }),
    ],
    [
      'kms:KeyAgreementAlgorithm',
      'ECDH',
      of('DeriveSharedSecret', { KeyAgreementAlgorithm: 'ECDH' }),
      of('DeriveSharedSecret'),
    ],
    ['kms:KeyOrigin', 'EXTERNAL', of('CreateKey', { Origin: 'EXTERNAL' }), of('CreateKey')],
    [
      'kms:KeySpec',
      'RSA_2048',
      of('CreateKey', { CustomerMasterKeySpec: 'RSA_2048' }),
      of('Encrypt', { KeySpec: 'RSA_2048' }),
    ],
    ['kms:KeyUsage', 'ENCRYPT_DECRYPT', of('CreateKey'), { key: null }],
    [
      'kms:MacAlgorithm',
      'HMAC_SHA_256',
      of('VerifyMac', { MacAlgorithm: 'HMAC_SHA_256' }),
      of('VerifyMac', { MacAlgorithm: 'HMAC_SHA_512' }),
    ],
    ['kms:MessageType', 'RAW', of('Verify'), of('Verify', { MessageType: 'DIGEST' })],
    ['kms:MultiRegion', 'false', of('CreateKey'), {}],
    ['kms:MultiRegionKeyType', 'PRIMARY', {}, of('CreateKey')],
    [
      'kms:PrimaryRegion',
      'eu-west-1',
      of('UpdatePrimaryRegion', { PrimaryRegion: 'eu-west-1' }),
      of('UpdatePrimaryRegion'),
    ],
    [
      'kms:ReEncryptOnSameKey',
      'true',
      of('ReEncryptTo', { SourceKeyId: uuid, DestinationKeyId: keyArn }),
      of('ReEncryptTo', { SourceKeyId: 'alias/app', DestinationKeyId: keyArn }),
    ],
    [
      'kms:ReEncryptOnSameKey',
      'true',
      { ...of('ReEncryptFrom'), isSameKey: true },
      { ...of('ReEncryptFrom', { SourceKeyId: uuid, DestinationKeyId: uuid }), isSameKey: false },
    ],
    [
      'kms:ReplicaRegion',
      'eu-west-1',
      of('ReplicateKey', { ReplicaRegion: 'eu-west-1' }),
      of('CreateKey', { ReplicaRegion: 'eu-west-1' }),
    ],
    ['kms:RequestAlias', 'alias/app', {}, { keyNamed: keyArn }],
    ['kms:RequestAlias', 'alias/a', { keyNamed: `arn:aws:kms:us-east-1:${account}:alias/a` }, { keyNamed: null }],
    ['kms:ResourceAliases', 'alias/old', {}, { key: null }],
    ['kms:RetiringPrincipal', role, of('CreateGrant', { RetiringPrincipal: role }), of('CreateGrant')],
    ['kms:RotationPeriodInDays', '365', of('EnableKeyRotation'), of('EnableKeyRotation', { RotationPeriodInDays: 90 })],
    [
      'kms:ScheduleKeyDeletionPendingWindowInDays',
      '30',
      of('ScheduleKeyDeletion'),
      of('ScheduleKeyDeletion', { PendingWindowInDays: 7 }),
    ],
    ['kms:SigningAlgorithm', 'X', of('Sign', { SigningAlgorithm: 'X' }), of('Sign')],
    ['kms:ValidTo', '1795435200', of('ImportKeyMaterial', { ValidTo: 1_795_435_200 }), of('ImportKeyMaterial')],
    ['kms:ViaService', 's3.us-east-1.amazonaws.com', { viaService: 's3.us-east-1.amazonaws.com' }, {}],
    [
      'kms:WrappingAlgorithm',
      'X',
      of('GetParametersForImport', { WrappingAlgorithm: 'X' }),
      of('GetParametersForImport'),
    ],
    ['kms:WrappingKeySpec', 'X', of('GetParametersForImport', { WrappingKeySpec: 'X' }), of('GetParametersForImport')],
    ['sts:ExternalId', '7', { parameters: { ExternalId: '7' } }, { parameters: Object.create({ ExternalId: '7' }) }],
    ['sts:RoleSessionName', 'x', { parameters: { RoleSessionName: 'x' } }, {}],
    ['sts:SourceIdentity', 'x', { parameters: { SourceIdentity: 'x' } }, {}],
    ['sts:TransitiveTagKeys', 'x', { parameters: { TransitiveTagKeys: ['x'] } }, {}],
    ['aws:SourceArn', keyArn, { context: { 'aws:sourcearn': [keyArn] } }, {}],
    ['aws:SecureTransport', 'false', { context: { 'aws:securetransport': ['false'] } }, {}],
    ['kms:RecipientAttestation:PCR0', 'x', { context: { 'kms:recipientattestation:pcr0': ['x'] } }, {}],
    ['__proto__', 'x', { context: JSON.parse('{"__proto__": ["x"]}') }, {}],
    ['constructor', 'x', { context: { constructor: ['x'] } as never }, {}],
  ])('%s is %j', (key, value, change, twin) => {
    expect(plain(key, value, change)).toBe(true)
    expect(plain(key, value, twin)).toBe(false)
  })

  it('takes the pair of the very name first, then whatever case', () => {
    const pairs = { parameters: { EncryptionContext: { dept: 'HR', DEPT: 'IT' } }, action: 'kms:Encrypt' }
    expect(holds({ StringEquals: { 'kms:EncryptionContext:DEPT': 'IT' } }, pairs)).toBe(true)
    expect(holds({ StringEquals: { 'kms:EncryptionContext:DEPT': 'HR' } }, pairs)).toBe(false)
    expect(holds({ StringEquals: { 'kms:EncryptionContext:Dept': 'HR' } }, pairs)).toBe(true)
  })

  it('knows who asks for a key, in a condition or a variable', () => {
    const asking = documents({ identity: [{ ...allow, Condition: { StringLike: { 'KMS:ResourceAliases': 'x' } } }] })
    const variable = documents({ boundary: { ...allow, Resource: `arn:aws:kms:*:*:$\{kms:ResourceAliases}` } })
    expect(asksFor(asking, 'kms:resourcealiases')).toBe(true)
    expect(asksFor(variable, 'kms:resourcealiases')).toBe(true)
    expect(asksFor(documents({ identity: [allow] }), 'kms:resourcealiases')).toBe(false)
  })
})

describe('Resource', () => {
  it.each([
    ['*', true],
    ['arn:aws:kms', true],
    ['arn:aws:kms:us-east-1', true],
    ['arn:aws:kms:*:111122223333:key/*', true],
    ['arn:aws:kms:us-????-1:*:key/1234*', true],
    ['arn:aws:kms*', true],
    ['arn:aws:s3', false],
    ['arn:aws:kms:eu-west-1', false],
    ['arn:aws:kms:*:111122223333:alias/*', false],
    ['arn:aws:kms:us-east-1:111122223333:key', false],
    ['', false],
  ])('%j: %s', (Resource, answer) => {
    expect(authorizeByIdentity(ask({ principal: user({ identity: [{ ...allow, Resource }] }) })).isAllowed).toBe(answer)
  })
})

describe('the order of decision', () => {
  const onKey = (principal: Principal, policy: ResourcePolicy, grants: readonly Grant[] = [], action = 'kms:Decrypt') =>
    authorizeKey(ask({ principal, action }), { policy, grants })
  const bound = (statement: object, principalIds: Record<string, string>) => ({ ...byArn(statement), principalIds })

  it.each([
    ['no delegation', user({ identity: [allow] }), closed, 'noResourcePolicy', 'no resource-based policy allows'],
    ['no identity policy', user(), delegating, 'noIdentityPolicy', 'no identity-based policy allows'],
    [
      'a boundary',
      user({ identity: [allow], boundary: { ...allow, Action: 's3:*' } }),
      delegating,
      'noBoundary',
      'no permissions boundary allows',
    ],
    [
      'a session policy',
      inSession({ identity: [allow], session: { ...allow, Action: 's3:*' } }),
      delegating,
      'noSessionPolicy',
      'no session policy allows',
    ],
    [
      'a denying identity policy',
      user({ identity: [allow, deny] }),
      delegating,
      'explicitInIdentityPolicy',
      'explicit deny in an identity-based policy',
    ],
    [
      'a denying key policy',
      user(),
      byArn([allowTo('*'), { ...allowTo('*'), Effect: 'Deny' }]),
      'explicitInResourcePolicy',
      'explicit deny in a resource-based policy',
    ],
    [
      'a denying boundary',
      user({ boundary: deny }),
      byArn(allowTo('*')),
      'explicitInBoundary',
      'explicit deny in a permissions boundary',
    ],
    [
      'a denying session policy',
      inSession({ session: deny }),
      byArn(allowTo('*')),
      'explicitInSessionPolicy',
      'explicit deny in a session policy',
    ],
    [
      'another account',
      user({ identity: [allow] }, `arn:aws:iam::${elsewhere}:user/eve`),
      delegating,
      'otherAccount',
      'because the resource does not exist in this Region',
    ],
  ] as const)('%s', (_name, principal, policy, denial, clause) => {
    const request = ask({ principal })
    const verdict = authorizeKey(request, { policy, grants: [] })
    expect(verdict.denial).toBe(denial)
    expect(denialText(request, verdict)).toContain(clause)
    expect(denialText(request, verdict)).toContain(
      `User: ${principal.arn} is not authorized to perform: kms:Decrypt on resource: ${keyArn} `,
    )
  })

  it('names the statement in the reason, and never in the text', () => {
    const policy = byArn({ ...allowTo('*'), Sid: 'SECRET', Effect: 'Deny' })
    const request = ask()
    const verdict = authorizeKey(request, { policy, grants: [] })
    expect(verdict.reason).toBe('key policy, statement "SECRET"')
    expect(denialText(request, verdict)).not.toContain('SECRET')
  })

  it('does not tell a foreign caller whether the key exists', () => {
    const eve = `arn:aws:iam::${elsewhere}:user/eve`
    for (const identity of [[], [allow], [deny]]) {
      for (const policy of [closed, byArn({ ...allowTo('*'), Effect: 'Deny' })]) {
        expect(onKey(user({ identity }, eve), policy).denial).toBe('otherAccount')
      }
    }
  })

  it('compares principals by unique id where there is one', () => {
    expect(onKey(user(), bound(allowTo(alice), { [alice]: 'AIDAALICE' })).isAllowed).toBe(true)
    expect(onKey(user(), bound(allowTo(alice), { [alice]: 'AIDAOLD' })).isAllowed).toBe(false)
    expect(onKey(user(), bound(allowTo(alice), {})).isAllowed).toBe(false)
    expect(onKey(user(), bound(allowTo('toString'), {})).isAllowed).toBe(false)
    expect(onKey(inSession(), bound(allowTo(role), { [role]: 'AROAAPP' })).isAllowed).toBe(true)
    expect(onKey(inSession(), bound(allowTo(session), { [session]: 'AROAAPP:s1' })).isAllowed).toBe(true)
    expect(onKey(inSession(), bound(allowTo(session), { [session]: 'AROAOLD:s1' })).isAllowed).toBe(false)
  })

  it('spares of NotPrincipal only whom it names in full', () => {
    const spared = (AWS: string[]) =>
      byArn([allowTo('*'), { Effect: 'Deny', NotPrincipal: { AWS }, Action: 'kms:*', Resource: '*' }])
    expect(onKey(inSession(), spared([session, role, root])).isAllowed).toBe(true)
    expect(onKey(inSession(), spared([role, root])).isAllowed).toBe(false)
    expect(onKey(inSession(), spared([session, root])).isAllowed).toBe(false)
    expect(onKey(user(), spared([alice, account])).isAllowed).toBe(true)
    expect(onKey(rootUser, spared([root])).isAllowed).toBe(true)
    expect(onKey(rootUser, spared([alice])).isAllowed).toBe(false)
  })

  it('keeps what is internal to services, whatever the policies say', () => {
    expect(onKey(service, closed, [], 'internal:Rotate').isAllowed).toBe(true)
    expect(onKey(rootUser, byArn(allowTo('*')), [], 'internal:Rotate').isAllowed).toBe(false)
    expect(onKey(user({ identity: [allow] }), byArn(allowTo('*')), [], 'internal:Rotate').isAllowed).toBe(false)
    expect(onKey(service, byArn(allowTo('*'))).isAllowed).toBe(false)
    expect(onKey(bearer, byArn({ ...allowTo('*'), Principal: '*' })).isAllowed).toBe(false)
  })

  it('decides what has no policy by identity, boundary and session together', () => {
    const may = (principal: Principal) =>
      authorizeByIdentity(ask({ principal, action: 'kms:ListKeys', resource: '*', key: null })).isAllowed
    expect(may(rootUser)).toBe(true)
    expect(may({ ...rootUser, account: elsewhere })).toBe(false)
    expect(may(user({ identity: [allow] }))).toBe(true)
    expect(may(user())).toBe(false)
    expect(may(user({ identity: [allow], boundary: { ...allow, Action: 'iam:*' } }))).toBe(false)
    expect(may(inSession({ identity: [allow], session: { ...allow, Action: 'kms:List*' } }))).toBe(true)
    expect(may(inSession({ session: allow }))).toBe(false)
    expect(may(user({ identity: [allow] }, `arn:aws:iam::${elsewhere}:user/eve`))).toBe(false)
  })

  it('says which statements speak of a request', () => {
    const policy = byArn([{ ...allowTo(alice), Sid: 'A' }, allowTo(role), { ...allowTo('*'), Effect: 'Deny' }])
    expect(matchingStatements(ask(), policy, 'key')).toEqual([
      { effect: 'Allow', sid: 'A', index: 0 },
      { effect: 'Deny', sid: null, index: 2 },
    ])
    expect(matchingStatements(ask(), document('p', [deny, { ...allow, Action: 's3:*' }]), 'identity')).toEqual([
      { effect: 'Deny', sid: null, index: 0 },
    ])
  })
})

describe('trust', () => {
  const trust = (Principal: unknown, more: object = {}): ResourcePolicy =>
    byArn({ Effect: 'Allow', Principal, Action: ['sts:AssumeRole', 'sts:AssumeRoleWithWebIdentity'], ...more })
  const may = (principal: Principal, policy: ResourcePolicy, change: Partial<AccessRequest> = {}) =>
    authorizeTrust(ask({ principal, action: 'sts:AssumeRole', resource: role, key: null, ...change }), policy).isAllowed
  const eve = (identity: readonly unknown[]) => user({ identity }, `arn:aws:iam::${elsewhere}:user/eve`)

  it.each<[string, Principal, ResourcePolicy, boolean]>([
    ['a user it names', user(), trust({ AWS: alice }), true],
    [
      'a user it names, whose boundary lacks it',
      user({ boundary: { ...allow, Action: 's3:*' } }),
      trust({ AWS: alice }),
      true,
    ],
    ['a user it does not name', user({ identity: [allow] }), trust({ AWS: role }), false],
    ['a user whose account it names', user({ identity: [allow] }), trust({ AWS: root }), true],
    ['a user whose account it names, without an identity policy', user(), trust({ AWS: account }), false],
    ['a session of a role it names', inSession(), trust({ AWS: role }), true],
    [
      'a session of a role it names, cut',
      inSession({ session: { ...allow, Action: 's3:*' } }),
      trust({ AWS: role }),
      false,
    ],
    ['root', rootUser, trust({ AWS: root }), false],
    ['another account, both sides', eve([allow]), trust({ AWS: elsewhere }), true],
    ['another account, one side', eve([]), trust({ AWS: `arn:aws:iam::${elsewhere}:user/eve` }), false],
    ['another account, the other side', eve([allow]), trust({ AWS: root }), false],
    ['a bearer of its provider', bearer, trust({ Federated: provider }), true],
    ['a bearer of another provider', bearer, trust({ Federated: `${provider}x` }), false],
    ['a bearer, by everyone', bearer, trust('*'), false],
    ['a service it names', service, trust({ Service: 'mail.example' }), true],
    ['a service, by everyone', service, trust({ AWS: '*' }), false],
    [
      'a user it denies',
      user({ identity: [allow] }),
      byArn([
        { Effect: 'Allow', Principal: '*', Action: 'sts:*' },
        { Effect: 'Deny', Principal: { AWS: alice }, Action: 'sts:*' },
      ]),
      false,
    ],
    [
      'a bearer it denies with everyone',
      bearer,
      byArn([
        { Effect: 'Allow', Principal: { Federated: provider }, Action: 'sts:*' },
        { Effect: 'Deny', Principal: '*', Action: 'sts:*' },
      ]),
      false,
    ],
  ])('%s', (_name, principal, policy, answer) => {
    expect(may(principal, policy)).toBe(answer)
  })

  it('asks for the external id', () => {
    const policy = trust({ AWS: alice }, { Condition: { StringEquals: { 'sts:ExternalId': '7' } } })
    expect(may(user(), policy, { parameters: { ExternalId: '7' } })).toBe(true)
    expect(may(user(), policy)).toBe(false)
  })

  it('tells no more than AWS STS does', () => {
    const request = ask({ action: 'sts:AssumeRole', resource: role })
    expect(denialText(request, authorizeTrust(request, trust({ AWS: role })))).toBe(
      `User: ${alice} is not authorized to perform: sts:AssumeRole on resource: ${role}`,
    )
    expect(denialText({ ...request, principal: rootUser }, authorizeTrust(request, trust('*')))).toBe(
      'Roles may not be assumed by root accounts.',
    )
  })
})

describe('grants', () => {
  const grant = (change: Partial<Grant> = {}): Grant => ({
    grantId: 'g',
    name: null,
    granteePrincipal: alice,
    granteeId: 'AIDAALICE',
    granteeServicePrincipal: null,
    retiringPrincipal: null,
    retiringId: null,
    retiringServicePrincipal: null,
    issuingAccount: account,
    operations: ['Decrypt'],
    constraints: null,
    createdAt: 0,
    ...change,
  })
  const may = (principal: Principal, given: Grant) =>
    authorizeKey(ask({ principal }), { policy: closed, grants: [given] })

  it('knows a caller by its ids', () => {
    expect(grantIdsOf(user())).toEqual(['AIDAALICE', account])
    expect(grantIdsOf(rootUser)).toEqual([account])
    expect(grantIdsOf(inSession())).toEqual(['AROAAPP:s1', 'AROAAPP', account])
    expect(grantIdsOf(service)).toEqual(['mail.example'])
    expect(grantIdsOf(bearer)).toEqual([])
  })

  it('reaches the grantee as a statement of the key policy would', () => {
    const onlyS3 = { ...allow, Action: 's3:*' }
    expect(may(user({ boundary: onlyS3 }), grant()).isAllowed).toBe(true)
    expect(may(user(), grant({ granteeId: 'AIDAOLD' })).isAllowed).toBe(false)
    expect(may(inSession(), grant({ granteeId: 'AROAAPP' })).isAllowed).toBe(true)
    expect(may(inSession({ session: onlyS3 }), grant({ granteeId: 'AROAAPP' })).denial).toBe('noSessionPolicy')
    expect(may(inSession({ boundary: onlyS3 }), grant({ granteeId: 'AROAAPP' })).denial).toBe('noBoundary')
    expect(may(inSession({ session: onlyS3 }), grant({ granteeId: 'AROAAPP:s1' })).isAllowed).toBe(true)
    expect(may(rootUser, grant({ granteeId: account })).isAllowed).toBe(true)
    expect(may(user(), grant({ granteeId: account })).denial).toBe('noIdentityPolicy')
    expect(may(user({ identity: [allow] }), grant({ granteeId: account })).isAllowed).toBe(true)
    expect(may(user({ identity: [deny] }), grant()).denial).toBe('explicitInIdentityPolicy')
  })

  it('is its own account’s word across accounts where that account made it', () => {
    const eve = user({}, `arn:aws:iam::${elsewhere}:user/eve`)
    expect(may(eve, grant()).denial).toBe('noIdentityPolicy')
    expect(may(eve, grant({ issuingAccount: elsewhere })).isAllowed).toBe(true)
    expect(may(user({ identity: [allow] }, eve.arn), grant()).isAllowed).toBe(true)
    expect(may(user({ identity: [deny] }, eve.arn), grant({ issuingAccount: elsewhere })).isAllowed).toBe(false)
  })

  it('says where a grant might help', () => {
    const mayBe = (principal: Principal, action = 'kms:Decrypt', policy = closed) =>
      authorizeKey(ask({ principal, action }), { policy, grants: [] }).mayBeGranted
    expect(mayBe(user())).toBe(true)
    expect(mayBe(user({ identity: [deny] }))).toBe(false)
    expect(mayBe(user(), 'kms:Decrypt', byArn({ ...allowTo('*'), Effect: 'Deny' }))).toBe(false)
    expect(mayBe(user(), 'kms:EnableKey')).toBe(false)
    expect(mayBe(user(), 'kms:Decrypt', byArn(allowTo('*')))).toBe(false)
  })

  it.each<[string, Partial<Grant>, string, Record<string, unknown>, boolean]>([
    [
      'an equal context',
      { constraints: { encryptionContextEquals: { a: 'b' } } },
      'Decrypt',
      { EncryptionContext: { a: 'b' } },
      true,
    ],
    [
      'a context with more',
      { constraints: { encryptionContextEquals: { a: 'b' } } },
      'Decrypt',
      { EncryptionContext: { a: 'b', c: '' } },
      false,
    ],
    ['no context', { constraints: { encryptionContextSubset: { a: 'b' } } }, 'Decrypt', {}, false],
    [
      'an inherited context',
      { constraints: { encryptionContextSubset: { a: 'b' } } },
      'Decrypt',
      { EncryptionContext: Object.create({ a: 'b' }) },
      false,
    ],
    [
      'a pair named __proto__',
      { constraints: { encryptionContextSubset: JSON.parse('{"__proto__":"x"}') } },
      'Decrypt',
      { EncryptionContext: JSON.parse('{"__proto__":"x"}') },
      true,
    ],
    [
      'no pair named __proto__',
      { constraints: { encryptionContextSubset: JSON.parse('{"__proto__":"x"}') } },
      'Decrypt',
      { EncryptionContext: {} },
      false,
    ],
    [
      'a constraint on the source',
      { operations: ['ReEncryptFrom'], constraints: { encryptionContextSubset: { a: 'b' } } },
      'ReEncryptFrom',
      { SourceEncryptionContext: { a: 'b' } },
      true,
    ],
    [
      'a constraint on the wrong side',
      { operations: ['ReEncryptTo'], constraints: { encryptionContextSubset: { a: 'b' } } },
      'ReEncryptTo',
      { SourceEncryptionContext: { a: 'b' } },
      false,
    ],
    [
      'a constraint that binds no signature',
      { operations: ['Sign'], constraints: { encryptionContextSubset: { a: 'b' } } },
      'Sign',
      {},
      true,
    ],
    ['a source that nobody gave', { constraints: { sourceArn: keyArn } }, 'Decrypt', {}, false],
    ['an operation that no grant can give', { operations: ['EnableKey'] }, 'EnableKey', {}, false],
    [
      'a child that passes CreateGrant on',
      { operations: ['CreateGrant', 'Decrypt'] },
      'CreateGrant',
      { Operations: ['CreateGrant', 'Decrypt'] },
      true,
    ],
    [
      'a wider child',
      { operations: ['CreateGrant', 'Decrypt'] },
      'CreateGrant',
      { Operations: ['Decrypt', 'Encrypt'] },
      false,
    ],
    ['a child without operations', { operations: ['CreateGrant'] }, 'CreateGrant', {}, false],
    [
      'a stricter child',
      { operations: ['CreateGrant', 'Decrypt'], constraints: { encryptionContextSubset: { a: 'b' } } },
      'CreateGrant',
      { Operations: ['Decrypt'], Constraints: { EncryptionContextSubset: { a: 'b', c: 'd' } } },
      true,
    ],
    [
      'a looser child',
      { operations: ['CreateGrant', 'Decrypt'], constraints: { encryptionContextEquals: { a: 'b' } } },
      'CreateGrant',
      { Operations: ['Decrypt'], Constraints: { EncryptionContextSubset: { a: 'b' } } },
      false,
    ],
    [
      'a child of another pair',
      { operations: ['CreateGrant', 'Decrypt'], constraints: { encryptionContextSubset: { a: 'b' } } },
      'CreateGrant',
      { Operations: ['Decrypt'], Constraints: { EncryptionContextEquals: { a: 'c' } } },
      false,
    ],
  ])('%s', (_name, change, operation, parameters, answer) => {
    expect(grantAllows(grant(change), ask({ action: `kms:${operation}`, parameters }))).toBe(answer)
  })

  it('is met on behalf of its source', () => {
    const given = grant({ constraints: { sourceArn: keyArn } })
    expect(grantAllows(given, ask({ context: { 'aws:sourcearn': [keyArn] } }))).toBe(true)
    expect(grantAllows(given, ask({ context: { 'aws:sourcearn': [role] } }))).toBe(false)
  })

  describe('retiring', () => {
    const retire = (principal: Principal, given: Grant, policy = closed) =>
      authorizeRetire(ask({ principal, action: 'kms:RetireGrant' }), given, policy)
    const eve = user({ identity: [allow] }, `arn:aws:iam::${elsewhere}:user/eve`)

    it.each<[string, Principal, Partial<Grant>, boolean]>([
      ['the retiring principal', user(), { retiringId: 'AIDAALICE', granteeId: 'x' }, true],
      ['a foreign retiring principal', user({}, eve.arn), { retiringId: 'AIDAALICE', granteeId: 'x' }, true],
      ['the grantee', user(), { operations: ['RetireGrant'] }, true],
      ['a grantee without the operation', user(), {}, false],
      ['root of the account', rootUser, { granteeId: 'x' }, true],
      ['a user whom the account lets', user({ identity: [allow] }), { granteeId: 'x' }, true],
      ['a stranger of another account', eve, { granteeId: 'x' }, false],
      ['a retiring principal who is denied', user({ identity: [deny] }), { retiringId: 'AIDAALICE' }, false],
      ['a service', service, { retiringId: 'mail.example' }, true],
      [
        'a session of the retiring role, cut',
        inSession({ session: { ...allow, Action: 's3:*' } }),
        { retiringId: 'AROAAPP' },
        false,
      ],
    ])('%s', (_name, principal, change, answer) => {
      expect(retire(principal, grant(change)).isAllowed).toBe(answer)
    })

    it('is stopped, but not allowed, by the key policy', () => {
      expect(retire(user(), grant(), byArn(allowTo(alice))).isAllowed).toBe(false)
      expect(retire(rootUser, grant(), byArn({ ...allowTo('*'), Effect: 'Deny' })).isAllowed).toBe(false)
    })
  })
})
