import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CheckedKind,
  checkPolicy,
  principalsNamed,
  withPrincipalsReplaced,
} from '../../src/access/check-policy.ts'
import { authorizeKey, matchingStatements } from '../../src/access/decide.ts'
import { defaultKeyPolicy } from '../../src/access/key-policy.ts'
import { compile, compiledPolicy } from '../../src/access/policy.ts'
import type { AccessRequest } from '../../src/access/request.ts'

const account = '111122223333'
const root = `arn:aws:iam::${account}:root`
const alice = `arn:aws:iam::${account}:user/alice`
const role = `arn:aws:iam::${account}:role/path/App`

const valid: Readonly<Record<CheckedKind, Readonly<Record<string, unknown>>>> = {
  identity: { Effect: 'Allow', Action: 'kms:*', Resource: '*' },
  session: { Effect: 'Allow', Action: 'kms:*', Resource: '*' },
  key: { Effect: 'Allow', Principal: { AWS: root }, Action: 'kms:*', Resource: '*' },
  trust: { Effect: 'Allow', Principal: { AWS: root }, Action: 'sts:AssumeRole' },
}
const text = (Statement: unknown, more: object = {}) => JSON.stringify({ Version: '2012-10-17', ...more, Statement })

/** What is said of a valid policy of that kind, with these elements changed. */
const said = (kind: CheckedKind, change: object) => checkPolicy(text({ ...valid[kind], ...change }), kind)

describe('a valid policy', () => {
  it.each<[CheckedKind, object]>([
    ['identity', {}],
    ['identity', { Sid: 'A1', Resource: ['arn:aws:kms:*:*:key/*', 'arn:aws:s3:::bucket/*', 'arn:aws:iam'] }],
    ['identity', { Action: undefined, NotAction: ['kms:Decrypt', '*', 'sdb:x'] }],
    ['identity', { Resource: undefined, NotResource: '*' }],
    ['identity', { Condition: { StringEquals: { 'aws:Nobody/knows': ['a', 1, true] }, Null: { 'a:b': 'true' } } }],
    ['identity', { Resource: `arn:aws:s3:::$\{nobody:knows}/*` }],
    ['session', {}],
    ['key', { Sid: 'any text, twice' }],
    ['key', { Resource: undefined }],
    ['key', { Principal: '*' }],
    ['key', { Principal: { AWS: ['*', account, alice, role], Service: 'logs.us-east-1.amazonaws.com' } }],
    ['key', { Principal: { AWS: `arn:aws:sts::${account}:assumed-role/App/s1` } }],
    ['key', { Principal: { AWS: ['AIDAJQABLZS4A3QDU576Q', 'AROAJQABLZS4A3QDU576Q'] } }],
    ['key', { Effect: 'Deny', Principal: undefined, NotPrincipal: { AWS: [root] } }],
    [
      'trust',
      { Principal: { Federated: `arn:aws:iam::${account}:oidc-provider/token.actions.githubusercontent.com` } },
    ],
    ['trust', { Principal: { Service: 'ec2.amazonaws.com' }, Action: ['sts:AssumeRole', 'sts:TagSession'] }],
    ['trust', { Sid: '', Condition: { StringEquals: { 'sts:ExternalId': '7' } } }],
  ])('%s with %j', (kind, change) => {
    expect(said(kind, change)).toBeNull()
  })

  it('may have its one statement bare, or many, and an Id', () => {
    expect(checkPolicy(text(valid.key, { Id: 'x' }), 'key')).toBeNull()
    expect(checkPolicy(text([valid.key, valid.key]), 'key')).toBeNull()
  })

  it.each<[CheckedKind, string | null]>([
    ['identity', 'Policy document must be version 2012-10-17 or greater.'],
    ['session', null],
    ['key', null],
    ['trust', null],
  ])('of the old version, %s', (kind, answer) => {
    expect(checkPolicy(text(valid[kind], { Version: '2008-10-17' }), kind)).toBe(answer)
    expect(checkPolicy(text(valid[kind], { Version: undefined }), kind)).toBe(answer)
  })
})

const syntax = 'Syntax errors in policy.'
const vendor = 'Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.'

describe('a faulty policy', () => {
  it.each<[CheckedKind, object, string]>([
    ['identity', { Effect: 'Maybe' }, syntax],
    ['identity', { Effect: undefined }, syntax],
    ['identity', { Bank: 1 }, syntax],
    ['identity', { Action: 7 }, syntax],
    ['identity', { NotAction: 'kms:*' }, syntax],
    ['identity', { NotResource: '*' }, syntax],
    ['identity', { Sid: 7 }, syntax],
    ['identity', { Condition: [] }, syntax],
    ['identity', { Condition: { StringEquals: 'x' } }, syntax],
    ['identity', { Condition: { StringEqualz: { 'a:b': 'c' } } }, syntax],
    ['identity', { Condition: { StringEquals: { 'a:b': null } } }, syntax],
    ['identity', { Condition: { StringEquals: { 'a:b': [{}] } } }, syntax],
    ['identity', { Condition: { StringEquals: { ab: 'c' } } }, vendor],
    ['identity', { Action: undefined }, 'Policy statement must contain actions.'],
    ['identity', { Action: [] }, 'Policy statement must contain actions.'],
    ['identity', { Action: 'Decrypt' }, vendor],
    ['identity', { Action: '' }, vendor],
    ['identity', { Action: 'kms:a:b' }, 'Actions/Condition can contain only one colon.'],
    ['identity', { Action: 'k ms:a' }, 'Vendor k ms is not valid'],
    ['identity', { Action: ':a' }, 'Vendor  is not valid'],
    ['identity', { Resource: undefined }, 'Policy statement must contain resources.'],
    ['identity', { Resource: [] }, 'Policy statement must contain resources.'],
    ['identity', { Resource: 'invalid' }, 'Resource invalid must be in ARN format or "*".'],
    ['identity', { Resource: 'arn:aws2:s3:::b' }, 'Partition "aws2" is not valid for resource "arn:aws2:s3:::b".'],
    ['identity', { Resource: 'arn:aws:*:::b' }, 'Resource vendor must be fully qualified and cannot contain regexes.'],
    ['identity', { Principal: '*' }, 'Policy document should not specify a principal.'],
    [
      'identity',
      { Sid: 'a b' },
      'Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*',
    ],
    ['session', { Principal: '*' }, 'Policy document should not specify a principal.'],
    ['key', { Principal: undefined }, 'Policy contains a statement with no principal.'],
    ['key', { Principal: { AWS: [] } }, 'Policy contains a statement with no principal.'],
    ['key', { Principal: {} }, 'Policy contains a statement with no principal.'],
    ['key', { Principal: { AWS: 'alice' } }, 'Policy contains a statement with one or more invalid principals.'],
    [
      'key',
      { Principal: { AWS: `arn:aws:iam::${account}:group/g` } },
      'Policy contains a statement with one or more invalid principals.',
    ],
    ['key', { Principal: { AWS: `${alice} ` } }, 'Policy contains a statement with one or more invalid principals.'],
    [
      'key',
      { Principal: { Federated: 'accounts.google.com' } },
      'Policy contains a statement with one or more invalid principals.',
    ],
    ['key', { Principal: { Bank: account } }, syntax],
    ['key', { NotPrincipal: { AWS: root }, Principal: undefined }, 'Allow with NotPrincipal is not allowed.'],
    ['key', { Action: undefined }, 'Missing required field Action'],
    ['key', { Effect: undefined }, 'Missing required field Effect'],
    ['key', { Bank: 1 }, 'Unknown field Bank'],
    ['trust', { Principal: undefined }, 'Missing required field Principal'],
    ['trust', { Resource: '*' }, 'Has prohibited field Resource'],
    ['trust', { NotResource: '*' }, 'Has prohibited field NotResource'],
    ['trust', { Action: 'kms:Decrypt' }, 'AssumeRole policy may only specify STS AssumeRole actions.'],
    ['trust', { Action: '*' }, 'AssumeRole policy may only specify STS AssumeRole actions.'],
    ['trust', { Action: undefined, NotAction: 'sts:x' }, 'AssumeRole policy may only specify STS AssumeRole actions.'],
    ['trust', { Principal: { AWS: 'alice' } }, 'Invalid principal in policy: "AWS":"alice"'],
    ['trust', { Principal: { Service: 'ec2' } }, 'Invalid principal in policy: "SERVICE":"ec2"'],
    ['trust', { Principal: { Federated: '*' } }, 'Invalid principal in policy: "FEDERATED":"*"'],
  ])('%s with %j', (kind, change, answer) => {
    expect(said(kind, change)).toBe(answer)
  })

  it.each<[CheckedKind, string]>([
    ['identity', syntax],
    ['session', 'The policy is not in the valid JSON format.'],
    ['key', 'This policy contains invalid Json'],
    ['trust', 'This policy contains invalid Json'],
  ])('%s that is no JSON', (kind, answer) => {
    for (const bad of ['', '{', '{"Version":}', 'null,', '{} {}']) expect(checkPolicy(bad, kind)).toBe(answer)
    for (const bad of ['null', '[]', '"x"', '7', '{"Version":"2020-01-01","Statement":[{}]}']) {
      expect(checkPolicy(bad, kind)).not.toBeNull()
    }
  })

  it('says the same Sid twice', () => {
    const twice = text([
      { ...valid.identity, Sid: 'A' },
      { ...valid.identity, Sid: 'A' },
    ])
    expect(checkPolicy(twice, 'identity')).toBe('Statement IDs (SID) in a single policy must be unique.')
  })

  it.each(['identity', 'session', 'key', 'trust'] as const)('%s with two members of one name', (kind) => {
    const twins = text(valid[kind]).replace('"Effect":"Allow"', '"Effect":"Deny","Eff\\u0065ct":"Allow"')
    expect(JSON.parse(twins).Statement.Effect).toBe('Allow')
    expect(checkPolicy(twins, kind)).toBe(syntax)
    expect(checkPolicy(twins.replace('"Effect":"Deny",', ''), kind)).toBeNull()
  })

  it.each(['identity', 'session', 'key', 'trust'] as const)('%s without statements', (kind) => {
    for (const none of [undefined, null, [], 'x', [null], [[valid[kind]]]])
      expect(checkPolicy(text(none), kind)).not.toBeNull()
  })
})

describe('the principals of a policy', () => {
  const policy = JSON.stringify(
    {
      Version: '2012-10-17',
      Statement: [
        {
          Sid: alice,
          Effect: 'Allow',
          Principal: { AWS: [root, account, '*', alice] },
          Action: 'kms:*',
          Resource: alice,
        },
        {
          Effect: 'Deny',
          NotPrincipal: { AWS: [role, alice], Service: 'a.amazonaws.com' },
          Action: 'kms:*',
          Resource: '*',
        },
      ],
    },
    null,
    3,
  )

  it('are those that stand for one user, role or session', () => {
    expect(principalsNamed(policy)).toEqual([alice, role])
    expect(principalsNamed('no JSON')).toEqual([])
  })

  it('are shown by id once they are gone, and nothing else changes', () => {
    const shown = withPrincipalsReplaced(policy, { [alice]: 'AIDAGONE', [account]: 'never' })
    expect(shown.split('AIDAGONE').length - 1).toBe(2)
    expect(shown).toContain(`"Sid": "${alice}"`)
    expect(shown).toContain(`"Resource": "${alice}"`)
    expect(shown.replaceAll('AIDAGONE', alice).replaceAll('never', account)).toBe(policy)
    expect(withPrincipalsReplaced(policy, {})).toBe(policy)
    expect(withPrincipalsReplaced(policy, { 'x:y': 'z' })).toBe(policy)
  })

  it('are found however they are written', () => {
    const odd = '{ "Statement" :{"Principal":{"AWS":"a\\u0062"} , "Action":"ab","x":["Principal",{"AWS":"ab"}] }}'
    expect(withPrincipalsReplaced(odd, { ab: 'X' })).toBe(odd.replace('"a\\u0062"', '"X"'))
  })
})

describe('the default key policies', () => {
  it('are valid, with and without people', () => {
    const people = { administrators: [alice], users: [alice, role] }
    expect(checkPolicy(defaultKeyPolicy(account), 'key')).toBeNull()
    expect(checkPolicy(defaultKeyPolicy(account, people), 'key')).toBeNull()
    expect(checkPolicy(defaultKeyPolicy(account, { administrators: [], users: [] }), 'key')).toBeNull()
    const { Statement } = JSON.parse(defaultKeyPolicy(account, people))
    expect(Statement.map(({ Sid }: { Sid: string }) => Sid)).toEqual([
      'Enable IAM User Permissions',
      'Allow access for Key Administrators',
      'Allow use of the key',
      'Allow attachment of persistent resources',
    ])
    expect(Statement[3].Condition).toEqual({ Bool: { 'kms:GrantIsForAWSResource': 'true' } })
  })
})

describe('bad input', () => {
  const request: AccessRequest = {
    principal: {
      kind: 'user',
      account,
      arn: alice,
      id: 'AIDA',
      tags: { '\ud800': '\udfff' },
      documents: { identity: [], boundary: null, session: [] },
      session: null,
    },
    action: 'kms:Encrypt',
    resource: `arn:aws:kms:us-east-1:${account}:key/1`,
    resourceAccount: account,
    key: null,
    keyNamed: null,
    parameters: { EncryptionContext: { '\ud800': '\udfff' }, Tags: [null, { TagKey: 7 }], Operations: { length: 1 } },
    region: 'us-east-1',
    wallTime: Number.POSITIVE_INFINITY,
    sourceIp: 'x',
    userAgent: '\ud800',
    isSecure: true,
    viaService: null,
  }
  const decide = (key: string, identity: string) =>
    authorizeKey(
      {
        ...request,
        principal: {
          ...request.principal,
          documents: { identity: [{ name: 'p', text: identity }], boundary: null, session: [] },
        },
      },
      { policy: { name: 'k', text: key, principalIds: null }, grants: [] },
    )
  const open = text({ ...valid.key, Principal: '*' })
  const allowing = text(valid.identity)

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['an unknown version', text(valid.key, { Version: '2020-01-01' })],
    ['an unknown element of the document', text(valid.key, { Bank: 1 })],
    ['an unknown Effect', text([valid.key, { ...valid.key, Effect: 'deny' }])],
    [
      'a Deny whose condition has no meaning',
      text([
        { ...valid.key, Principal: '*' },
        { ...valid.key, Effect: 'Deny', Condition: { Bank: {} } },
      ]),
    ],
    ['nesting', '['.repeat(200_000)],
    ['well-formed nesting', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
  ])('is denied by what has no meaning: %s', (_name, bad) => {
    expect(decide(bad, allowing).isAllowed).toBe(false)
    expect(decide(open, bad).isAllowed).toBe(false)
    expect(decide(open, allowing).isAllowed).toBe(true)
    expect(compile(bad).isMalformed).toBe(true)
  })

  it('an Allow without a meaning allows nothing, and denies nothing either', () => {
    const broken = text([{ ...valid.identity, Condition: { Bank: {} } }])
    expect(decide(text(valid.key), broken).denial).toBe('noIdentityPolicy')
    expect(decide(open, broken).isAllowed).toBe(true)
  })

  it('does not take long over a pattern made to', () => {
    const pattern = `${'*a'.repeat(5000)}b`
    const own = text({ ...valid.identity, Condition: { StringLike: { 'kms:EncryptionContext:x': pattern } } })
    const begun = performance.now()
    const asked = { ...request, parameters: { EncryptionContext: { x: 'a'.repeat(8000) } } }
    expect(matchingStatements(asked, { name: 'p', text: own }, 'identity')).toEqual([])
    expect(performance.now() - begun).toBeLessThan(2000)
  })

  it('forgets what was compiled long ago, and compiles it again', () => {
    const first = compiledPolicy(allowing)
    for (let at = 0; at < 4100; at++) compiledPolicy(text({ ...valid.identity, Sid: `A${at}` }))
    expect(compiledPolicy(allowing)).not.toBe(first)
    expect(compiledPolicy(allowing)).toBe(compiledPolicy(allowing))
  })

  it('never throws', () => {
    const word = fc.constantFrom(
      ...[
        'Version',
        'Statement',
        'Effect',
        'Allow',
        'Deny',
        'Principal',
        'NotPrincipal',
        'AWS',
        '*',
        'Action',
        'Resource',
        'Condition',
      ],
      ...[
        'StringLike',
        'IpAddress',
        'DateEquals',
        'Null',
        'ForAllValues:ArnLike',
        'aws:PrincipalTag/x',
        'kms:EncryptionContext:x',
      ],
      ...[
        '__proto__',
        'constructor',
        'toString',
        '\ud800',
        '2012-10-17',
        `$\{aws:username}`,
        '${',
        '::',
        '1.2.3.4/33',
        '::1::',
        '',
      ],
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        word,
        fc.constantFrom(null, 0, true, -1.5),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(word, tie('tree'), { maxKeys: 4 }),
      ),
    }))
    const statement = fc.dictionary(word, tree)
    const policy = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.record({ Version: fc.constant('2012-10-17'), Statement: statement }).map((value) => JSON.stringify(value)),
      tree.map((condition) => text({ ...valid.identity, Condition: condition })),
      tree.map((value) => text({ ...valid.key, Principal: value })),
    )
    fc.assert(
      fc.property(policy, policy, (key, identity) => {
        decide(key, identity)
        for (const kind of ['identity', 'session', 'key', 'trust'] as const) checkPolicy(identity, kind)
        principalsNamed(identity)
        withPrincipalsReplaced(identity, { '*': 'x' })
        if (compile(identity).isMalformed) expect(checkPolicy(identity, 'identity')).not.toBeNull()
      }),
      { numRuns: 500 },
    )
  })
})
