import type { Principal } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { anything, query } from './operation.ts'
import {
  deniedAction,
  durationRefusal,
  roleOfArn,
  type SessionWish,
  sessionActions,
  sessionPolicies,
  startSession,
} from './sessions.ts'
import {
  externalIdType,
  narrowing,
  roleDurationSecondsType,
  roleSessionNameType,
  serialNumberType,
  sessionTagKeysType,
  sessionTagsType,
  sourceIdentityType,
  stsArnType,
  tokenCodeType,
} from './sts-types.ts'

/** A session of a role that trusts the caller. A role that is not there and one that does not trust the caller read alike. */
export const AssumeRole = query({
  input: shape({
    RoleArn: required(stsArnType),
    RoleSessionName: required(roleSessionNameType),
    ...narrowing,
    DurationSeconds: optional(roleDurationSecondsType),
    Tags: optional(sessionTagsType),
    TransitiveTagKeys: optional(sessionTagKeysType),
    ExternalId: optional(externalIdType),
    SerialNumber: optional(serialNumberType),
    TokenCode: optional(tokenCodeType),
    SourceIdentity: optional(sourceIdentityType),
  }),
  action: null,
  // Nothing is stored of a session.
  isReadOnly: true,
  errors: ['ExpiredTokenException', 'MalformedPolicyDocument', 'PackedPolicyTooLarge', 'UnrecognizedClientException'],
  on: anything(),
  async handle(input, call, _found, { roots, database, credentials }) {
    const caller = await credentials.fresh(call)
    if (isRefusal(caller)) return caller as Refusal<'UnrecognizedClientException'>
    if (caller.kind === 'root') return refuse('AccessDeniedException', 'Roles may not be assumed by root accounts.')
    if (input.SerialNumber !== undefined || input.TokenCode !== undefined) return noSuchDevice()
    const role = await roleOfArn(database, input.RoleArn)
    if (isRefusal(role)) return role
    const tagging = sessionTags(input, caller)
    if (isRefusal(tagging)) return tagging
    const sourceIdentity = caller.session?.sourceIdentity ?? input.SourceIdentity ?? null
    if (role === null) return notTrusted(caller, 'sts:AssumeRole', input.RoleArn, 'no such role')
    if (input.SourceIdentity !== undefined && input.SourceIdentity !== sourceIdentity) {
      return notTrusted(caller, 'sts:SetSourceIdentity', role.arn, 'the calling session has another source identity')
    }
    const Tags = Object.entries(tagging.tags).map(([Key, Value]) => ({ Key, Value }))
    const actions = ['sts:AssumeRole', ...sessionActions({ tags: tagging.tags, sourceIdentity })]
    const denied = deniedAction(role, caller, actions, call, {
      parameters: {
        ...input,
        ...(Tags.length > 0 ? { Tags } : {}),
        ...(sourceIdentity === null ? {} : { SourceIdentity: sourceIdentity }),
      },
    })
    if (denied !== null) return notTrusted(caller, denied.action, role.arn, denied.reason)
    const durationSeconds = input.DurationSeconds ?? limits.maxSessionSecondsDefault
    const tooLong = durationRefusal(durationSeconds, role, caller.session !== null)
    if (tooLong !== null) return tooLong
    const policies = await sessionPolicies(database, role.account, input)
    if (isRefusal(policies)) return policies
    const wish: SessionWish = {
      ...tagging,
      sessionName: input.RoleSessionName,
      durationSeconds,
      policies,
      sourceIdentity,
      federatedProvider: null,
    }
    return startSession(roots, role, wish, call.wallTime)
  },
})

interface TagInput {
  readonly Tags?: readonly { readonly Key: string; readonly Value: string }[]
  readonly TransitiveTagKeys?: readonly string[]
}

/** The tags asked for, and those that the calling session has for good: these cannot be overridden. */
function sessionTags(
  { Tags = [], TransitiveTagKeys = [] }: TagInput,
  { session }: Principal,
): Pick<SessionWish, 'tags' | 'transitiveTagKeys'> | Refusal<'ValidationException'> {
  const lower = (keys: readonly string[]) => keys.map((key) => key.toLowerCase())
  const keys = lower(Tags.map(({ Key }) => Key))
  if (new Set(keys).size < keys.length) {
    return refuse('ValidationException', 'Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  }
  if (keys.some((key) => key.startsWith('aws:'))) {
    return refuse('ValidationException', 'aws: prefixed tag key names are not allowed for external use.')
  }
  if (lower(TransitiveTagKeys).some((key) => !keys.includes(key))) {
    const text = 'The specified transitive tag key must be included in the requested tags.'
    return refuse('ValidationException', text)
  }
  const inheritedKeys = session?.transitiveTagKeys ?? []
  if (lower(inheritedKeys).some((key) => keys.includes(key))) {
    const text =
      "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
    return refuse('ValidationException', text)
  }
  const inherited = inheritedKeys.map((key) => [key, session?.tags?.[key] ?? ''] as const)
  const asked = Tags.map(({ Key, Value }) => [Key, Value] as const)
  const isTransitive = new Set(lower(TransitiveTagKeys))
  return {
    tags: Object.fromEntries([...inherited, ...asked]),
    transitiveTagKeys: [
      ...inheritedKeys,
      ...asked.map(([key]) => key).filter((key) => isTransitive.has(key.toLowerCase())),
    ],
  }
}

function notTrusted(caller: Principal, action: string, roleArn: string, reason: string) {
  const text = `User: ${caller.arn} is not authorized to perform: ${action} on resource: ${roleArn}`
  return refuse('AccessDeniedException', text, reason)
}

/** No user here has an MFA device. */
function noSuchDevice(): Refusal<'AccessDeniedException'> {
  const text = 'MultiFactorAuthentication failed with invalid MFA one time pass code.'
  return refuse('AccessDeniedException', text)
}
