import { checkPolicy } from '../access/check-policy.ts'
import { authorizeByIdentity, authorizeKey, matchingStatements } from '../access/decide.ts'
import { compile } from '../access/policy.ts'
import type { AccessRequest, PolicyKind, ResourcePolicy } from '../access/request.ts'
import type { Call, Principal } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { optional, type Parsed, required, shape } from '../model/shapes.ts'
import { anything, type IamServices, query } from './operation.ts'
import { pageOf } from './page.ts'
import { customSource, documentOf, type PolicySource, principalSource, sourceNamed } from './simulated-policies.ts'
import {
  ActionNameType,
  arnType,
  ContextEntryType,
  members,
  paging,
  policyDocumentType,
  ResourceHandlingOptionType,
  ResourceNameType,
} from './types.ts'

const policyList = members('SimulationPolicyListType', policyDocumentType)

const question = {
  PermissionsBoundaryPolicyInputList: optional(policyList),
  ActionNames: required(members('ActionNameListType', ActionNameType)),
  ResourceArns: optional(members('ResourceNameListType', ResourceNameType)),
  ResourcePolicy: optional(policyDocumentType),
  ResourceOwner: optional(ResourceNameType),
  CallerArn: optional(ResourceNameType),
  ContextEntries: optional(members('ContextEntryListType', ContextEntryType)),
  ResourceHandlingOption: optional(ResourceHandlingOptionType),
  ...paging,
} as const

type Question = Parsed<typeof question>

export const SimulateCustomPolicy = query({
  input: shape({ PolicyInputList: required(policyList), ...question }),
  action: 'iam:SimulateCustomPolicy',
  isReadOnly: true,
  errors: ['InvalidInput'],
  on: anything(),
  async handle(input, call, _, services) {
    const source = customSource(input.PolicyInputList, input.CallerArn, call)
    return simulated('SimulateCustomPolicy', source, input, call, services)
  },
})

export const SimulatePrincipalPolicy = query({
  input: shape({ PolicySourceArn: required(arnType), PolicyInputList: optional(policyList), ...question }),
  action: 'iam:SimulatePrincipalPolicy',
  isReadOnly: true,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: sourceNamed,
  async handle(input, call, entity, services) {
    const source = await principalSource(entity, input.PolicyInputList, input.CallerArn, services.database)
    return simulated('SimulatePrincipalPolicy', source, input, call, services)
  },
})

export const GetContextKeysForCustomPolicy = query({
  input: shape({ PolicyInputList: required(policyList) }),
  action: 'iam:GetContextKeysForCustomPolicy',
  isReadOnly: true,
  errors: ['InvalidInput'],
  on: anything(),
  async handle({ PolicyInputList }) {
    return malformed(PolicyInputList, 'identity') ?? { ContextKeyNames: contextKeysIn(PolicyInputList) }
  },
})

export const GetContextKeysForPrincipalPolicy = query({
  input: shape({ PolicySourceArn: required(arnType), PolicyInputList: optional(policyList) }),
  action: 'iam:GetContextKeysForPrincipalPolicy',
  isReadOnly: true,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: sourceNamed,
  async handle({ PolicyInputList = [] }, _call, entity, { database }) {
    const refusal = malformed(PolicyInputList, 'identity')
    if (refusal !== null) return refusal
    const { policies } = await principalSource(entity, PolicyInputList, undefined, database)
    return { ContextKeyNames: contextKeysIn(policies.map(({ text }) => text)) }
  },
})

/** Every action on every resource, put to the evaluator that decides of calls. */
async function simulated(
  operation: string,
  source: PolicySource,
  input: Question & { readonly PolicyInputList?: readonly string[] },
  call: Call,
  services: IamServices,
) {
  const { PermissionsBoundaryPolicyInputList: [boundaryText] = [], ResourcePolicy } = input
  const given = [...(input.PolicyInputList ?? []), ...(boundaryText === undefined ? [] : [boundaryText])]
  const refusal =
    malformed(given, 'identity') ??
    (ResourcePolicy === undefined ? null : malformed([ResourcePolicy], 'key')) ??
    unknownAction(input.ActionNames)
  if (refusal !== null) return refusal
  const boundary =
    boundaryText === undefined ? source.boundary : { name: 'PermissionsBoundaryPolicyInputList.1', text: boundaryText }
  const scene: Scene = {
    source,
    boundary,
    resourcePolicy:
      ResourcePolicy === undefined ? null : { name: 'ResourcePolicy', text: ResourcePolicy, principalIds: null },
    resourceOwner: accountIn(input.ResourceOwner),
    context: contextOf(input.ContextEntries ?? []),
    call,
  }
  const asked = input.ActionNames.flatMap((action) =>
    (input.ResourceArns ?? ['*']).map((resource) => ({ action, resource })),
  )
  const results = await pageOf(input, call, services, {
    query: [operation, JSON.stringify({ ...input, Marker: undefined, MaxItems: undefined })],
    items: asked.map((one, index) => ({ ...one, place: String(index).padStart(6, '0') })),
    placeOf: ({ place }) => place,
  })
  if (isRefusal(results)) return results
  return { EvaluationResults: results.items.map((one) => evaluated(scene, one)), ...results.next }
}

/** What holds for every question of one simulation. */
interface Scene {
  readonly source: PolicySource
  readonly boundary: { readonly name: string; readonly text: string } | null
  readonly resourcePolicy: ResourcePolicy | null
  /** Null: the account of the resource, or the caller's. */
  readonly resourceOwner: string | null
  readonly context: Readonly<Record<string, readonly string[]>>
  readonly call: Call
}

function evaluated(scene: Scene, { action, resource }: { action: string; resource: string }) {
  const request = requestOf(scene, action, resource)
  const decision = decide(scene, request)
  return {
    EvalActionName: action,
    EvalResourceName: resource,
    EvalDecision: decision,
    MatchedStatements: matched(scene, request, decision),
    MissingContextValues: missingKeys(scene),
    PermissionsBoundaryDecisionDetail:
      scene.boundary === null ? undefined : { AllowedByPermissionsBoundary: allows(request, scene.boundary.text) },
  }
}

type Decision = 'allowed' | 'explicitDeny' | 'implicitDeny'

function decide({ resourcePolicy }: Scene, request: AccessRequest): Decision {
  const isKey = request.action.toLowerCase().startsWith('kms:')
  if (resourcePolicy !== null && isKey) return decisionOf(authorizeKey(request, { policy: resourcePolicy, grants: [] }))
  const byIdentity = decisionOf(authorizeByIdentity({ ...request, resourceAccount: request.principal.account }))
  if (resourcePolicy === null || byIdentity === 'explicitDeny') return byIdentity
  const effects = matchingStatements(request, resourcePolicy, 'key').map(({ effect }) => effect)
  if (effects.includes('Deny')) return 'explicitDeny'
  const isGiven = effects.includes('Allow')
  // In one account either side's word is enough; across two it takes both.
  const isForeign = request.resourceAccount !== request.principal.account
  const isAllowed = isForeign ? isGiven && byIdentity === 'allowed' : isGiven || byIdentity === 'allowed'
  return isAllowed ? 'allowed' : 'implicitDeny'
}

function decisionOf({ isAllowed, denial }: ReturnType<typeof authorizeByIdentity>): Decision {
  if (isAllowed) return 'allowed'
  return denial?.startsWith('explicit') ? 'explicitDeny' : 'implicitDeny'
}

/** The statements that decided, by the policies that they are in. */
function matched({ source, resourcePolicy }: Scene, request: AccessRequest, decision: Decision) {
  const effect = { allowed: 'Allow', explicitDeny: 'Deny', implicitDeny: null }[decision]
  const speaking = (policy: { name: string; text: string } | ResourcePolicy, kind: PolicyKind) =>
    matchingStatements(request, policy, kind).filter((statement) => statement.effect === effect)
  const ofIdentity = source.policies.flatMap(({ id, type, ...policy }) =>
    speaking(policy, 'identity').map(() => ({ SourcePolicyId: id, SourcePolicyType: type })),
  )
  const ofResource = resourcePolicy === null ? [] : speaking(resourcePolicy, 'key')
  return [...ofIdentity, ...ofResource.map(() => ({ SourcePolicyId: 'ResourcePolicy', SourcePolicyType: 'resource' }))]
}

function allows(request: AccessRequest, text: string): boolean {
  const effects = matchingStatements(request, { name: '', text }, 'identity').map(({ effect }) => effect)
  return effects.includes('Allow') && !effects.includes('Deny')
}

function requestOf({ source, boundary, resourceOwner, context, call }: Scene, action: string, resource: string) {
  const principal: Principal = {
    ...source.principal,
    documents: {
      identity: source.policies.map(documentOf),
      boundary,
      session: [],
    },
  }
  const request: AccessRequest = {
    principal,
    action,
    resource,
    resourceAccount: resourceOwner ?? accountIn(resource) ?? principal.account,
    key: null,
    keyNamed: null,
    parameters: {},
    region: resource.split(':')[3] || call.region,
    wallTime: call.wallTime,
    // Who simulates says nothing about who would call.
    sourceIp: null,
    userAgent: null,
    isSecure: true,
    viaService: null,
    context,
  }
  return request
}

function missingKeys({ source, boundary, resourcePolicy, context }: Scene): readonly string[] {
  const texts = [...source.policies, boundary, resourcePolicy].flatMap((policy) => policy?.text ?? [])
  return contextKeysIn(texts).filter(
    (key) => !Object.hasOwn(context, key.toLowerCase()) && !known.has(key.toLowerCase()),
  )
}

/** What the simulated principal and the moment tell by themselves. */
const known: ReadonlySet<string> = new Set(
  'currenttime epochtime principalaccount principalarn principaltype userid username securetransport'
    .split(' ')
    .map((name) => `aws:${name}`),
)

function contextKeysIn(texts: readonly string[]): readonly string[] {
  return [...new Set(texts.flatMap((text) => compile(text).conditionKeys))].sort()
}

function contextOf(entries: NonNullable<Question['ContextEntries']>): Record<string, readonly string[]> {
  const context: Record<string, readonly string[]> = Object.create(null)
  for (const { ContextKeyName, ContextKeyValues = [] } of entries) {
    if (ContextKeyName !== undefined) context[ContextKeyName.toLowerCase()] = ContextKeyValues
  }
  return context
}

function accountIn(arn: string | undefined): string | null {
  return /^(?:arn:[^:]*:[^:]*:[^:]*:)?(\d{12})(?:$|:)/.exec(arn ?? '')?.[1] ?? null
}

function malformed(texts: readonly string[], kind: 'identity' | 'key'): Refusal<'InvalidInput'> | null {
  for (const text of texts) {
    const fault = checkPolicy(text, kind)
    if (fault !== null) return refuse('InvalidInput', `Invalid policy: ${fault}`)
  }
  return null
}

function unknownAction(actions: readonly string[]): Refusal<'InvalidInput'> | null {
  const bad = actions.find((action) => !/^[a-z0-9-]+:[a-z0-9]+$/i.test(action))
  return bad === undefined ? null : refuse('InvalidInput', `Invalid action name: ${bad}`)
}
