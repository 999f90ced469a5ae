import { authorizeByIdentity } from '../access/decide.ts'
import { denialOf } from '../access/denial-text.ts'
import type { Grant, GrantConstraints } from '../access/request.ts'
import { requestOf } from '../access/request-of.ts'
import type { Database } from '../catalog/database.ts'
import { principalIds } from '../catalog/principals.ts'
import { listRetirableGrants } from '../catalog/retirable-grants.ts'
import { makeGrantToken, readGrantToken } from '../crypto/grant-token.ts'
import { newGrantId } from '../crypto/random.ts'
import { accountOf, keyArn, rootArn } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { invalidGrantToken, isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { optional, type Parsed, required, shape } from '../model/shapes.ts'
import { changed, nothing } from './change.ts'
import { isIntegration } from './managed-keys.ts'
import { type KeyHandle, keyHandle, keyObjectNamed } from './needs.ts'
import { type Finder, need, operation } from './operation.ts'
import { page } from './page.ts'
import {
  GrantConstraints as GrantConstraintsType,
  GrantIdType,
  GrantNameType,
  GrantOperationList,
  GrantTokenList,
  GrantTokenType,
  KeyIdType,
  limitType,
  MarkerType,
  NullableBooleanType,
  PrincipalIdType,
  ServicePrincipalType,
} from './types.ts'

const creation = {
  KeyId: required(KeyIdType),
  Operations: required(GrantOperationList),
  GranteePrincipal: optional(PrincipalIdType),
  RetiringPrincipal: optional(PrincipalIdType),
  Constraints: optional(GrantConstraintsType),
  GrantTokens: optional(GrantTokenList),
  Name: optional(GrantNameType),
  DryRun: optional(NullableBooleanType),
  GranteeServicePrincipal: optional(ServicePrincipalType),
  RetiringServicePrincipal: optional(ServicePrincipalType),
} as const

export const CreateGrant = operation({
  changes: 'key',
  input: shape(creation),
  needs: { key: need('kms:CreateGrant', keyObjectNamed('KeyId')) },
  errors: [
    'DisabledException',
    'DryRunOperationException',
    'InvalidArnException',
    'KMSInvalidStateException',
    'LimitExceededException',
    'NotFoundException',
  ],
  async handle(input, call, { key }, services) {
    const constraints = constraintsOf(input.Constraints)
    if (isRefusal(constraints)) return constraints
    const grantee = await granteeOf(input, services.database)
    if (isRefusal(grantee)) return grantee
    const retiring = await retiringOf(input, services.database)
    if (isRefusal(retiring)) return retiring
    const operations = [...new Set(input.Operations)]
    const grant = { grantId: newGrantId(), name: input.Name ?? null, ...grantee, ...retiring, operations, constraints }
    const created = await key.object.createGrant(key.call, grant, input.DryRun === true)
    if (isRefusal(created)) return created
    const { grantId, snapshot } = created
    await services.keys.keep(snapshot, call.wallTime)
    const { account, region, keyId } = snapshot.record
    const named = { account, region, keyId, grantId }
    return { GrantToken: await makeGrantToken(services.roots, named, call.wallTime), GrantId: grantId }
  },
})

export const ListGrants = operation({
  input: shape({
    KeyId: required(KeyIdType),
    Limit: optional(limitType(100)),
    Marker: optional(MarkerType),
    GrantId: optional(GrantIdType),
    GranteePrincipal: optional(PrincipalIdType),
    GranteeServicePrincipal: optional(ServicePrincipalType),
  }),
  needs: { key: need('kms:ListGrants', keyObjectNamed('KeyId')) },
  errors: [
    'InvalidArnException',
    'InvalidGrantIdException',
    'InvalidMarkerException',
    'KMSInvalidStateException',
    'NotFoundException',
  ],
  async handle(input, call, { key }, services) {
    const { GrantId, GranteePrincipal, GranteeServicePrincipal } = input
    if (GranteePrincipal !== undefined && GranteeServicePrincipal !== undefined) return eitherOr('Grantee')
    const refusal = GrantId === undefined ? null : grantIdRefusal(GrantId)
    if (refusal !== null) return refusal
    const filter = {
      grantId: GrantId ?? null,
      granteePrincipal: GranteePrincipal ?? null,
      granteeServicePrincipal: GranteeServicePrincipal ?? null,
    }
    const grants = await page(input, call, services, {
      query: ['ListGrants', key.call.keyAccount, key.keyId, JSON.stringify(filter)],
      limitDefault: 50,
      fetch: (after, limit) => key.object.listGrants(key.call, { after, limit, ...filter }),
      placeOf: ({ grantId }) => grantId,
    })
    if (isRefusal(grants)) return grants
    const arn = keyArn(call.region, key.call.keyAccount, key.keyId)
    const shown = await shownGrants(grants.items, services.database)
    return { Grants: shown.map((grant) => grantEntry(arn, grant)), ...grants.next }
  },
})

export const ListRetirableGrants = operation({
  input: shape({
    Limit: optional(limitType(100)),
    Marker: optional(MarkerType),
    RetiringPrincipal: optional(PrincipalIdType),
    RetiringServicePrincipal: optional(ServicePrincipalType),
  }),
  needs: { retiring: need('kms:ListRetirableGrants', retiringPrincipal()) },
  errors: ['InvalidArnException', 'InvalidMarkerException', 'NotFoundException'],
  async handle(input, call, { retiring }, services) {
    const { region } = call
    const grants = await page(input, call, services, {
      query: ['ListRetirableGrants', retiring.id],
      limitDefault: 50,
      fetch: (after, limit) =>
        listRetirableGrants(services.database, { region, retiringId: retiring.id }, after, limit),
      placeOf: ({ keyId, grantId }) => `${keyId}/${grantId}`,
    })
    if (isRefusal(grants)) return grants
    const shown = await shownGrants(
      grants.items.map(({ body }) => JSON.parse(body) as Grant),
      services.database,
    )
    const arnAt = (at: number) => keyArn(region, grants.items[at]?.account ?? '', grants.items[at]?.keyId ?? '')
    return { Grants: shown.map((grant, at) => grantEntry(arnAt(at), grant)), ...grants.next }
  },
})

export const RetireGrant = operation({
  changes: 'key',
  input: shape({
    GrantToken: optional(GrantTokenType),
    KeyId: optional(KeyIdType),
    GrantId: optional(GrantIdType),
    DryRun: optional(NullableBooleanType),
  }),
  needs: { grant: need('kms:RetireGrant', grantNamed()) },
  errors: [
    'DryRunOperationException',
    'InvalidArnException',
    'InvalidGrantIdException',
    'KMSInvalidStateException',
    'NotFoundException',
  ],
  async handle({ DryRun }, call, { grant: { key, grantId } }, services) {
    return changed(key.object.retireGrant(key.call, grantId, DryRun === true), call, services, nothing)
  },
})

export const RevokeGrant = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType), GrantId: required(GrantIdType), DryRun: optional(NullableBooleanType) }),
  needs: { key: need('kms:RevokeGrant', keyObjectNamed('KeyId')) },
  errors: [
    'DryRunOperationException',
    'InvalidArnException',
    'InvalidGrantIdException',
    'KMSInvalidStateException',
    'NotFoundException',
  ],
  async handle({ GrantId, DryRun }, call, { key }, services) {
    const refusal = grantIdRefusal(GrantId)
    if (refusal !== null) return refusal
    return changed(key.object.revokeGrant(key.call, GrantId, DryRun === true), call, services, nothing)
  },
})

interface RetirementInput {
  readonly GrantToken?: string
  readonly KeyId?: string
  readonly GrantId?: string
}

/** A grant by its token, or by its key and id. A token names the key, whosever it is; who may retire, the key decides. */
function grantNamed(): Finder<RetirementInput, { readonly key: KeyHandle; readonly grantId: string }> {
  return async (input, call, services, action) => {
    const { GrantToken, KeyId, GrantId } = input
    if (GrantToken !== undefined) {
      const named = await readGrantToken(services.roots, GrantToken, call.wallTime)
      if (named === null || named.isExpired) return invalidGrantToken('it is not a token of ours, or has expired')
      if (named.region !== call.region) return invalidGrantToken('it is a token of another Region')
      const key = await keyHandle(named, null, {}, call, services)
      return isRefusal(key) ? key : { key, grantId: named.grantId }
    }
    if (KeyId === undefined || GrantId === undefined) {
      return refuse('ValidationException', 'You must specify either a GrantToken, or both a KeyId and a GrantId.')
    }
    const refusal = grantIdRefusal(GrantId)
    if (refusal !== null) return refusal
    const key = await keyObjectNamed('KeyId')({ KeyId }, call, services, action)
    return isRefusal(key) ? key : { key, grantId: GrantId }
  }
}

/** Whoever may retire the grants that are listed: a principal of the caller's own account. */
function retiringPrincipal(): Finder<
  { readonly RetiringPrincipal?: string; readonly RetiringServicePrincipal?: string },
  { readonly id: string }
> {
  return async (input, call, { database }, action) => {
    const { RetiringPrincipal, RetiringServicePrincipal } = input
    if ((RetiringPrincipal === undefined) === (RetiringServicePrincipal === undefined)) return eitherOr('Retiring')
    if (RetiringPrincipal === undefined) {
      return refuse('ValidationException', 'RetiringServicePrincipal is for service principals alone.')
    }
    const denial = listingDenial(RetiringPrincipal, input, call, action)
    if (denial !== null) return denial
    const id = await principalIdOf(RetiringPrincipal, database)
    return isRefusal(id) ? id : { id }
  }
}

function listingDenial(arn: string, parameters: Readonly<Record<string, unknown>>, call: Call, action: string) {
  const resourceAccount = accountOf(arn) ?? call.principal.account
  const request = requestOf(call, { action, resource: arn, resourceAccount, parameters })
  return denialOf(request, authorizeByIdentity(request))
}

async function granteeOf(input: Parsed<typeof creation>, database: Database) {
  const { GranteePrincipal, GranteeServicePrincipal } = input
  if ((GranteePrincipal === undefined) === (GranteeServicePrincipal === undefined)) return eitherOr('Grantee')
  if (GranteePrincipal === undefined) {
    const service = serviceOf(GranteeServicePrincipal as string)
    return isRefusal(service)
      ? service
      : { granteePrincipal: null, granteeId: service, granteeServicePrincipal: service }
  }
  const granteeId = await principalIdOf(GranteePrincipal, database)
  if (isRefusal(granteeId)) return granteeId
  return { granteePrincipal: GranteePrincipal, granteeId, granteeServicePrincipal: null }
}

async function retiringOf(input: Parsed<typeof creation>, database: Database) {
  const { RetiringPrincipal, RetiringServicePrincipal } = input
  if (RetiringPrincipal !== undefined && RetiringServicePrincipal !== undefined) return eitherOr('Retiring')
  if (RetiringServicePrincipal !== undefined) {
    const service = serviceOf(RetiringServicePrincipal)
    return isRefusal(service)
      ? service
      : { retiringPrincipal: null, retiringId: service, retiringServicePrincipal: service }
  }
  if (RetiringPrincipal === undefined) {
    return { retiringPrincipal: null, retiringId: null, retiringServicePrincipal: null }
  }
  const retiringId = await principalIdOf(RetiringPrincipal, database)
  if (isRefusal(retiringId)) return retiringId
  return { retiringPrincipal: RetiringPrincipal, retiringId, retiringServicePrincipal: null }
}

/** A service that does not run here would be a grantee that nobody can be, or that somebody might become. */
function serviceOf(name: string): string | Refusal<'ValidationException'> {
  if (isIntegration(name)) return name
  return refuse('ValidationException', `${name} is not a service principal that edge-kms serves.`)
}

/** The unique id that the ARN stands for now; an account's is its number. */
async function principalIdOf(arn: string, database: Database): Promise<string | Refusal<'InvalidArnException'>> {
  const account = /^\d{12}$/.test(arn) ? arn : accountOf(arn)
  if (account !== null && (arn === account || arn === rootArn(account))) return account
  const id = (await principalIds(database, [arn])).get(arn)
  return id ?? refuse('InvalidArnException', `ARN does not refer to a valid principal: ${arn}`)
}

function constraintsOf(
  given: Parsed<typeof creation>['Constraints'],
): GrantConstraints | null | Refusal<'ValidationException'> {
  if (given === undefined) return null
  const { EncryptionContextSubset: subset, EncryptionContextEquals: equals, SourceArn: sourceArn } = given
  for (const context of [subset, equals]) {
    const values = Object.values(context ?? {})
    if (values.length > limits.grantConstraintPairsMax) {
      return refuse('ValidationException', `A constraint has at most ${limits.grantConstraintPairsMax} pairs.`)
    }
    if (values.some((value) => value.length > limits.grantConstraintValueMax)) {
      return refuse(
        'ValidationException',
        `A constraint's value has at most ${limits.grantConstraintValueMax} characters.`,
      )
    }
  }
  return {
    ...(subset === undefined ? {} : { encryptionContextSubset: subset }),
    ...(equals === undefined ? {} : { encryptionContextEquals: equals }),
    ...(sourceArn === undefined ? {} : { sourceArn }),
  }
}

/** Null: it has the form of a grant's id. */
function grantIdRefusal(grantId: string) {
  if (/^[0-9a-f]{64}$/.test(grantId)) return null
  return refuse('InvalidGrantIdException', `Invalid grant ID '${grantId}'`)
}

function eitherOr(who: 'Grantee' | 'Retiring') {
  return refuse(
    'ValidationException',
    `You must specify either ${who}Principal or ${who}ServicePrincipal, but not both.`,
  )
}

/** Principals that are gone show as the unique id that nobody has any more. */
async function shownGrants(grants: readonly Grant[], database: Database): Promise<Grant[]> {
  const arns = grants.flatMap(({ granteePrincipal, retiringPrincipal }) => [granteePrincipal, retiringPrincipal])
  const ids = await principalIds(database, [...new Set(arns.filter((arn) => arn !== null))])
  const shown = (arn: string | null, id: string | null) =>
    arn === null || id === null || /^\d{12}$/.test(id) || ids.get(arn) === id ? arn : id
  return grants.map((grant) => ({
    ...grant,
    granteePrincipal: shown(grant.granteePrincipal, grant.granteeId),
    retiringPrincipal: shown(grant.retiringPrincipal, grant.retiringId),
  }))
}

/** KMS's GrantListEntry. */
function grantEntry(KeyId: string, grant: Grant) {
  const { constraints } = grant
  return {
    KeyId,
    GrantId: grant.grantId,
    CreationDate: new Date(grant.createdAt),
    IssuingAccount: rootArn(grant.issuingAccount),
    Operations: grant.operations,
    ...member('Name', grant.name),
    ...member('GranteePrincipal', grant.granteePrincipal),
    ...member('GranteeServicePrincipal', grant.granteeServicePrincipal),
    ...member('RetiringPrincipal', grant.retiringPrincipal),
    ...member('RetiringServicePrincipal', grant.retiringServicePrincipal),
    ...(constraints === null
      ? {}
      : {
          Constraints: {
            ...member('EncryptionContextSubset', constraints.encryptionContextSubset),
            ...member('EncryptionContextEquals', constraints.encryptionContextEquals),
            ...member('SourceArn', constraints.sourceArn),
          },
        }),
  }
}

function member(name: string, value: unknown): Record<string, unknown> {
  return value === null || value === undefined ? {} : { [name]: value }
}
