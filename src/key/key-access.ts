import { authorizeByIdentity, authorizeKey } from '../access/decide.ts'
import { denialOf, denialText } from '../access/denial-text.ts'
import { grantIdsOf } from '../access/grants.ts'
import type { AccessRequest, Grant, ResourcePolicy, Verdict } from '../access/request.ts'
import { requestOf } from '../access/request-of.ts'
import { keyArn } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { refuse } from '../model/errors.ts'
import { type KeyCall, type KeyRecord, multiRegionKeyType } from './key.ts'

/** What a request says of itself, beyond the call. */
export interface Asked {
  readonly keyNamed: string | null
  readonly parameters: Readonly<Record<string, unknown>>
  readonly aliases: readonly string[] | null
  /** For ReEncrypt: source and destination are one key. */
  readonly isSameKey?: boolean
}

/** The key as policies see it. */
type GuardedKey = KeyPlace & Pick<KeyRecord, 'spec' | 'usage' | 'origin' | 'multiRegion' | 'tags'>
type KeyPlace = Pick<KeyRecord, 'region' | 'account' | 'keyId'>
type PolicedKey = GuardedKey & Pick<KeyRecord, 'manager' | 'policy' | 'policyPrincipalIds'>

export function keyRequest(
  call: Call,
  { keyNamed, parameters, aliases, isSameKey }: Asked,
  action: string,
  key: GuardedKey,
): AccessRequest {
  return requestOf(call, {
    action,
    resource: keyArn(key.region, key.account, key.keyId),
    resourceAccount: key.account,
    keyNamed,
    parameters,
    key: {
      spec: key.spec,
      usage: key.usage,
      origin: key.origin,
      isMultiRegion: key.multiRegion !== null,
      multiRegionKeyType: multiRegionKeyType(key),
      tags: key.tags,
      aliases,
    },
    ...(isSameKey === undefined ? null : { isSameKey }),
  })
}

export function policyOf({
  policy,
  policyPrincipalIds,
}: Pick<KeyRecord, 'policy' | 'policyPrincipalIds'>): ResourcePolicy {
  return { name: 'key policy', text: policy, principalIds: policyPrincipalIds }
}

/** The verdict of policies first; the caller's grants are looked up only where they could still help. */
export function keyVerdict(
  request: AccessRequest,
  policy: ResourcePolicy,
  grantsOf: (granteeIds: readonly string[]) => readonly Grant[],
): Verdict {
  const verdict = authorizeKey(request, { policy, grants: [] })
  if (!verdict.mayBeGranted) return verdict
  return authorizeKey(request, { policy, grants: grantsOf(grantIdsOf(request.principal)) })
}

/** Null: the caller may make this key. */
export function creationDenial(call: KeyCall, key: PolicedKey) {
  if (call.principal.kind === 'service') return null
  if (key.manager !== 'CUSTOMER')
    return refuse('AccessDeniedException', null, 'managed keys are made by services alone')
  const { region, account, keyId, tags } = key
  const creation = { ...keyRequest(call, call, 'kms:CreateKey', key), resource: '*' }
  const tagging = requestOf(call, {
    action: 'kms:TagResource',
    resource: keyArn(region, account, keyId),
    resourceAccount: account,
    parameters: call.parameters,
  })
  return (
    denialOf(creation, authorizeByIdentity(creation)) ??
    (tags.length === 0 ? null : denialOf(tagging, authorizeByIdentity(tagging)))
  )
}

/** Null: whoever puts this policy on the key may still put another one there. */
export function lockoutRefusal(call: KeyCall, key: PolicedKey) {
  const request = keyRequest(call, call, 'kms:PutKeyPolicy', key)
  if (keyVerdict(request, policyOf(key), () => []).isAllowed) return null
  return refuse(
    'MalformedPolicyDocumentException',
    'The new key policy will not allow you to update the key policy in the future.',
  )
}

/** A key of another account reads the same whether it is there or not. */
export function keyNotFound(call: Call, { region, account, keyId }: KeyPlace, action: string) {
  const arn = keyArn(region, account, keyId)
  if (account !== call.principal.account) return otherAccountsDenial(call, action, arn, account)
  return refuse('NotFoundException', `Key '${arn}' does not exist`)
}

export function otherAccountsDenial(call: Call, action: string, resource: string, account: string) {
  const request = requestOf(call, { action, resource, resourceAccount: account, parameters: {} })
  const verdict = {
    isAllowed: false,
    denial: 'otherAccount',
    reason: 'there is no such resource',
    mayBeGranted: false,
  } as const
  return refuse('AccessDeniedException', denialText(request, verdict), verdict.reason)
}

/** Conditions never ask for bytes, and plaintext has no business on the way to an object. */
export function withoutBlobs(parameters: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => !(value instanceof Uint8Array)))
}
