import { checkPolicy } from '../access/check-policy.ts'
import { authorizeTrust } from '../access/decide.ts'
import type { AccessRequest } from '../access/request.ts'
import { requestOf } from '../access/request-of.ts'
import type { Database } from '../catalog/database.ts'
import { loadPolicies, loadRole, type RoleRecord } from '../catalog/principals.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import { newAccessKey } from '../crypto/secret.ts'
import { sealSession } from '../crypto/session-token.ts'
import { utf8 } from '../model/bytes.ts'
import type { Call, PolicyDocument, Principal } from '../model/call.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { awsManagedPolicy } from './aws-managed-policies.ts'

/** What a session is to be, whoever asks for it. */
export interface SessionWish {
  readonly sessionName: string
  readonly durationSeconds: number
  readonly policies: readonly PolicyDocument[]
  readonly tags: Readonly<Record<string, string>>
  readonly transitiveTagKeys: readonly string[]
  readonly sourceIdentity: string | null
  readonly federatedProvider: string | null
}

/** Policies and tags travel in the token, and a token in a header: all of them together are no longer. */
const packedBytesMax = 10_240

/** A session of the role. Nothing is stored: its token is all there is of it. */
export async function startSession(
  roots: RootKeys,
  role: RoleRecord,
  wish: SessionWish,
  wallTime: number,
): Promise<Readonly<Record<string, unknown>> | Refusal<'PackedPolicyTooLarge'>> {
  const { sessionName, durationSeconds, policies, tags, transitiveTagKeys, sourceIdentity, federatedProvider } = wish
  const packed = policies.length > 0 || Object.keys(tags).length > 0 ? JSON.stringify([policies, tags]) : ''
  const packedPercent = Math.ceil((utf8(packed).length * 100) / packedBytesMax)
  if (packedPercent > 100) {
    const text = `Serialized token too large for session: packed size is ${packedPercent}% of the allowed size`
    return refuse('PackedPolicyTooLarge', text)
  }
  const { accessKeyId, secretAccessKey } = newAccessKey('ASIA')
  // What a client is told is in whole seconds.
  const expiresAt = Math.floor(wallTime / 1000 + durationSeconds) * 1000
  const arn = `arn:aws:sts::${role.account}:assumed-role/${role.name}/${sessionName}`
  const facts = {
    roleArn: role.arn,
    roleId: role.id,
    sessionName,
    issuedAt: wallTime,
    sourceIdentity,
    federatedProvider,
    tags,
    transitiveTagKeys,
  }
  const session = { secretAccessKey, account: role.account, arn, facts, policies, expiresAt }
  return {
    Credentials: {
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      SessionToken: await sealSession(roots, accessKeyId, session),
      Expiration: new Date(expiresAt),
    },
    AssumedRoleUser: { AssumedRoleId: `${role.id}:${sessionName}`, Arn: arn },
    PackedPolicySize: packed === '' ? undefined : packedPercent,
    SourceIdentity: sourceIdentity ?? undefined,
  }
}

/** Null: no role can have that ARN. */
export function parseRoleArn(arn: string): { readonly account: string; readonly name: string } | null {
  const [, account, name] = /^arn:aws:iam::(\d{12}):role\/(?:.*\/)?([^/]+)$/.exec(arn) ?? []
  return account === undefined || name === undefined ? null : { account, name }
}

/** Null: no role of that ARN, path and case included. A refusal: it is none at all. */
export async function roleOfArn(
  db: Database,
  arn: string,
): Promise<RoleRecord | null | Refusal<'ValidationException'>> {
  const named = parseRoleArn(arn)
  if (named === null) return invalidRoleArn(arn)
  const role = await loadRole(db, named)
  return role?.arn === arn ? role : null
}

export function invalidRoleArn(arn: string): Refusal<'ValidationException'> {
  return refuse('ValidationException', `${arn} is invalid`)
}

/** Which of the actions on the role its trust policy, or the caller's own policies, do not allow. Null: none. */
export function deniedAction(
  role: RoleRecord,
  principal: Principal,
  actions: readonly string[],
  call: Call,
  asked: Pick<AccessRequest, 'parameters' | 'context'>,
): { readonly action: string; readonly reason: string } | null {
  const trust = { name: role.arn, text: role.trustPolicy, principalIds: role.trustPrincipalIds }
  for (const action of actions) {
    const request = requestOf(call, { ...asked, principal, action, resource: role.arn, resourceAccount: role.account })
    const { isAllowed, reason } = authorizeTrust(request, trust)
    if (!isAllowed) return { action, reason }
  }
  return null
}

/** What else a session does, beside being assumed. */
export function sessionActions({ tags, sourceIdentity }: Pick<SessionWish, 'tags' | 'sourceIdentity'>): string[] {
  const tagged = Object.keys(tags).length > 0 ? ['sts:TagSession'] : []
  return sourceIdentity === null ? tagged : [...tagged, 'sts:SetSourceIdentity']
}

/** The policies that narrow a session, as they are now: a managed one that changes later does not change the session. */
export async function sessionPolicies(
  db: Database,
  account: string,
  { Policy, PolicyArns = [] }: { readonly Policy?: string; readonly PolicyArns?: readonly { readonly arn: string }[] },
): Promise<readonly PolicyDocument[] | Refusal<'MalformedPolicyDocument' | 'ValidationException'>> {
  const arns = [...new Set(PolicyArns.map(({ arn }) => arn))]
  const foreign = arns.find(
    (arn) => !arn.startsWith('arn:aws:iam::aws:') && !arn.startsWith(`arn:aws:iam::${account}:`),
  )
  if (foreign !== undefined) return refuse('ValidationException', `PolicyArn ${foreign} is not of the role's account.`)
  const stored = arns.length === 0 ? new Map<string, string>() : await loadPolicies(db, arns)
  const documents: PolicyDocument[] = []
  for (const arn of arns) {
    const text = stored.get(arn) ?? awsManagedPolicy(arn)
    if (text === null) return refuse('ValidationException', `PolicyArn ${arn} does not exist.`)
    documents.push({ name: arn, text })
  }
  if (Policy === undefined) return documents
  const malformed = checkPolicy(Policy, 'session')
  if (malformed !== null) return refuse('MalformedPolicyDocument', malformed)
  return [{ name: 'session policy', text: Policy }, ...documents]
}

/** Null: the role's sessions may be that long. */
export function durationRefusal(
  durationSeconds: number,
  role: RoleRecord,
  isChained: boolean,
): Refusal<'ValidationException'> | null {
  if (durationSeconds > role.maxSessionSeconds) {
    const text = 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.'
    return refuse('ValidationException', text)
  }
  if (!isChained || durationSeconds <= chainedSecondsMax) return null
  const text = 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining'
  return refuse('ValidationException', text)
}

const chainedSecondsMax = 3600
