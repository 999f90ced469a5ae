import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { principalsNamed } from '../../src/access/check-policy.ts'
import { authorizeByIdentity, authorizeKey, authorizeRetire } from '../../src/access/decide.ts'
import type { AccessRequest, Grant, KeyFacts, ResourcePolicy, Verdict } from '../../src/access/request.ts'
import type { Documents, PolicyDocument, Principal } from '../../src/model/call.ts'

/* The acceptance cases of the project, labelled by hand from AWS's documentation. */
interface CaseKey {
  readonly arn: string
  readonly resourceType?: 'alias'
  readonly spec: string
  readonly usage: string
  readonly origin: string
  readonly multiRegion: boolean
  readonly multiRegionKeyType?: 'PRIMARY' | 'REPLICA'
  readonly tags: Readonly<Record<string, string>>
  readonly aliases: readonly string[]
}
interface CaseGrant {
  readonly grantId: string
  readonly granteePrincipal: string
  readonly retiringPrincipal: string | null
  readonly operations: readonly string[]
  readonly constraints: {
    readonly EncryptionContextSubset?: Readonly<Record<string, string>>
    readonly EncryptionContextEquals?: Readonly<Record<string, string>>
  }
}
interface Target {
  readonly key: CaseKey
  readonly keyPolicy: unknown
  readonly grants: readonly CaseGrant[]
}
interface Case extends Target {
  readonly name: string
  readonly caller: {
    readonly arn: string
    readonly account: string
    readonly kind: 'root' | 'user' | 'role-session'
    readonly sessionOf: string | null
    readonly tags: Readonly<Record<string, string>>
  }
  readonly identityPolicies: readonly unknown[]
  readonly boundary: unknown
  readonly sessionPolicy: unknown
  readonly request: {
    readonly operation: string
    readonly keyIdAsGiven: string
    readonly encryptionContext: Readonly<Record<string, string>>
    readonly parameters: Readonly<Record<string, unknown>>
    readonly aws: {
      readonly SourceIp: string
      readonly CurrentTime: string
      readonly SecureTransport: boolean
      readonly RequestedRegion: string
      readonly ViaService?: string
    }
  }
  readonly second?: Target | null
  readonly expect: 'allow' | 'deny'
}

/** A made-up unique id: the ARN itself, but for accounts, which are their own, and sessions, which are their role's. */
function idOf(arn: string): string {
  const [, , , , account = '', ...resource] = arn.split(':')
  const [type, role, session] = resource.join(':').split('/')
  if (type === 'root') return account
  return type === 'assumed-role' ? `arn:aws:iam::${account}:role/${role}:${session}` : arn
}

const document = (name: string, policy: unknown): PolicyDocument => ({ name, text: JSON.stringify(policy) })

function principalOf({ caller, identityPolicies, boundary, sessionPolicy }: Case): Principal {
  const { arn, account, tags, sessionOf } = caller
  const documents: Documents = {
    identity: identityPolicies.map((policy, at) => document(`identity-${at}`, policy)),
    boundary: boundary === null ? null : document('boundary', boundary),
    session: sessionPolicy === null ? [] : [document('session', sessionPolicy)],
  }
  const whose = { account, arn, tags, id: idOf(arn) }
  if (caller.kind === 'root') return { kind: 'root', ...whose, documents: null, session: null }
  if (sessionOf === null) return { kind: 'user', ...whose, documents, session: null }
  return {
    kind: 'session',
    ...whose,
    documents,
    session: {
      roleArn: sessionOf,
      roleId: idOf(sessionOf),
      sessionName: arn.split('/').at(-1) ?? '',
      issuedAt: 0,
      sourceIdentity: null,
      federatedProvider: null,
    },
  }
}

function factsOf({ spec, usage, origin, multiRegion, multiRegionKeyType, tags, aliases }: CaseKey): KeyFacts {
  return {
    spec,
    usage,
    origin,
    isMultiRegion: multiRegion,
    multiRegionKeyType: multiRegionKeyType ?? null,
    tags: Object.entries(tags).map(([tagKey, tagValue]) => ({ tagKey, tagValue })),
    aliases,
  }
}

function requestOf(row: Case, action: string, { key }: { readonly key: CaseKey }): AccessRequest {
  const { aws, encryptionContext, parameters, keyIdAsGiven } = row.request
  const hasContext = Object.keys(encryptionContext).length > 0
  return {
    principal: principalOf(row),
    action,
    resource: key.arn,
    resourceAccount: key.arn.split(':')[4] ?? '',
    key: key.resourceType === 'alias' ? null : factsOf(key),
    keyNamed: keyIdAsGiven,
    parameters: hasContext ? { ...parameters, EncryptionContext: encryptionContext } : parameters,
    region: aws.RequestedRegion,
    wallTime: Date.parse(aws.CurrentTime),
    sourceIp: aws.SourceIp,
    userAgent: null,
    isSecure: aws.SecureTransport,
    viaService: aws.ViaService ?? null,
  }
}

function policyOf({ keyPolicy }: Target, hasIds: boolean): ResourcePolicy {
  const text = JSON.stringify(keyPolicy)
  const ids = Object.fromEntries(principalsNamed(text).map((arn) => [arn, idOf(arn)]))
  return { name: 'key policy', text, principalIds: hasIds ? ids : null }
}

function grantOf({ grantId, granteePrincipal, retiringPrincipal, operations, constraints }: CaseGrant): Grant {
  const { EncryptionContextSubset: subset, EncryptionContextEquals: equals } = constraints
  return {
    grantId,
    name: null,
    granteePrincipal,
    granteeId: idOf(granteePrincipal),
    granteeServicePrincipal: null,
    retiringPrincipal,
    retiringId: retiringPrincipal === null ? null : idOf(retiringPrincipal),
    retiringServicePrincipal: null,
    issuingAccount: '111122223333',
    operations,
    constraints: {
      ...(subset === undefined ? {} : { encryptionContextSubset: subset }),
      ...(equals === undefined ? {} : { encryptionContextEquals: equals }),
    },
    createdAt: 0,
  }
}

/** Every decision that the case's operation needs. */
function decide(row: Case, hasIds: boolean): readonly Verdict[] {
  const { operation } = row.request
  const onKey = (action: string, target: Target) =>
    authorizeKey(requestOf(row, action, target), {
      policy: policyOf(target, hasIds),
      grants: target.grants.map(grantOf),
    })
  const second = () => row.second ?? expect.fail('the case has no second target')
  switch (operation) {
    case 'ReEncrypt':
      return [onKey('kms:ReEncryptFrom', row), onKey('kms:ReEncryptTo', second())]
    case 'CreateAlias':
    case 'DeleteAlias': {
      const action = `kms:${operation}`
      return [onKey(action, row), authorizeByIdentity(requestOf(row, action, second()))]
    }
    case 'UpdateAlias': {
      const alias = {
        key: { ...row.key, resourceType: 'alias', arn: 'arn:aws:kms:us-east-1:111122223333:alias/x' },
      } as const
      const action = 'kms:UpdateAlias'
      return [onKey(action, row), onKey(action, second()), authorizeByIdentity(requestOf(row, action, alias))]
    }
    case 'RetireGrant': {
      const [grant] = row.grants.map(grantOf)
      if (grant === undefined) return expect.fail('the case has no grant')
      return [authorizeRetire(requestOf(row, 'kms:RetireGrant', row), grant, policyOf(row, hasIds))]
    }
    default:
      return [onKey(`kms:${operation}`, row)]
  }
}

function answer(row: Case, hasIds: boolean): string {
  return decide(row, hasIds).every(({ isAllowed }) => isAllowed) ? 'allow' : 'deny'
}

function load(name: string): readonly Case[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../vectors', name), 'utf8')).cases
}

const cases = load('access.json')

it('has all the cases', () => {
  expect(cases.length).toBe(195)
})

describe.each([
  ['by unique id', true],
  ['by ARN', false],
])('acceptance, principals compared %s', (_how, hasIds) => {
  it.each(cases)('$expect: $name', (row) => {
    expect(answer(row, hasIds), JSON.stringify(decide(row, hasIds))).toBe(row.expect)
  })
})

describe('acceptance, a reason for every answer', () => {
  it.each(cases)('$name', (row) => {
    for (const { isAllowed, denial, reason, mayBeGranted } of decide(row, true)) {
      expect(reason).not.toBe('')
      expect(denial === null).toBe(isAllowed)
      expect(isAllowed && mayBeGranted).toBe(false)
    }
  })
})

/** Where the documentation leaves a doubt, and we decide otherwise than the case's author: docs/decisions/2026-11-23-access-uncertain.md. */
const ours: Readonly<Record<string, 'allow' | 'deny'>> = { 'u-cross-account-grant-alone': 'deny' }

describe('where AWS leaves a doubt, our decision', () => {
  it.each(load('access-uncertain.json'))('$name', (row) => {
    expect(answer(row, true), JSON.stringify(decide(row, true))).toBe(ours[row.name] ?? row.expect)
  })
})
