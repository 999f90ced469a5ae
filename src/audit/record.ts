import type { AuditEvent } from '../model/audit-event.ts'
import { eventTimeOf } from '../model/audit-event.ts'
import type { Call, Principal } from '../model/call.ts'
import type { Refusal } from '../model/errors.ts'

export interface Asked {
  /** `kms`, `iam`, `sts`, `cloudtrail` */
  readonly service: string
  readonly operation: string
  readonly isReadOnly: boolean
  /** As the operation's shape parsed them; null: they could not be parsed. */
  readonly parameters: Readonly<Record<string, unknown>> | null
}

/** What no record holds, besides every blob: tokens and passwords, and the member that names no value of its own. */
const secret: ReadonlySet<string> = new Set(['GrantTokens', 'GrantToken', 'WebIdentityToken', 'Password'])
/** Their members are the caller's own words, not KMS's names. */
const asGiven: ReadonlySet<string> = new Set([
  'EncryptionContext',
  'SourceEncryptionContext',
  'DestinationEncryptionContext',
  'EncryptionContextSubset',
  'EncryptionContextEquals',
])

/** The record of a call before it is decided, or of one that was refused. */
export function auditRecord(call: Call, asked: Asked, refusal: Refusal | null): AuditEvent {
  const { principal, accessKeyId, region, time, sourceIp, userAgent, viaService, requestId } = call
  return {
    eventVersion: '1.11',
    userIdentity: identityOf(principal, accessKeyId),
    eventTime: eventTimeOf(time),
    eventSource: `${asked.service}.amazonaws.com`,
    eventName: asked.operation,
    awsRegion: region,
    sourceIPAddress: viaService ?? sourceIp ?? 'unknown',
    userAgent: viaService ?? userAgent ?? 'unknown',
    ...(refusal === null ? {} : errorOf(refusal)),
    requestParameters: asked.parameters === null ? null : shown(asked.parameters),
    responseElements: null,
    requestID: requestId,
    eventID: crypto.randomUUID(),
    readOnly: asked.isReadOnly,
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: principal.account,
    eventCategory: 'Management',
  }
}

/** CloudTrail's words for them: AccessDenied has no `Exception`, and the rest keep theirs. */
function errorOf({ refused, message, reason }: Refusal) {
  const errorCode = refused === 'AccessDeniedException' ? 'AccessDenied' : refused
  return {
    errorCode,
    ...(message === null ? {} : { errorMessage: message }),
    additionalEventData: { decidedBy: reason },
  }
}

function identityOf({ kind, id, arn, account, session }: Principal, accessKeyId: string | null) {
  const signed = accessKeyId === null ? {} : { accessKeyId }
  const common = { principalId: id, arn, accountId: account, ...signed }
  if (kind === 'root') return { type: 'Root', ...common }
  if (kind === 'user') return { type: 'IAMUser', ...common, userName: arn.slice(arn.lastIndexOf('/') + 1) }
  if (kind === 'service') return { type: 'AWSService', invokedBy: arn }
  if (session === null) return { type: 'WebIdentityUser', principalId: id, identityProvider: arn }
  const { roleArn, roleId, issuedAt, sourceIdentity } = session
  const userName = roleArn.slice(roleArn.lastIndexOf('/') + 1)
  return {
    type: 'AssumedRole',
    ...common,
    sessionContext: {
      sessionIssuer: { type: 'Role', principalId: roleId, arn: roleArn, accountId: account, userName },
      attributes: { creationDate: eventTimeOf(issuedAt), mfaAuthenticated: 'false' },
      ...(sourceIdentity === null ? {} : { sourceIdentity }),
    },
  }
}

/** Members by CloudTrail's spelling, without blobs and secrets. */
function shown(parameters: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const members: Record<string, unknown> = {}
  for (const name of Object.keys(parameters)) {
    const value = parameters[name]
    if (value instanceof Uint8Array || secret.has(name)) continue
    members[name.charAt(0).toLowerCase() + name.slice(1)] = asGiven.has(name) ? value : shownValue(value)
  }
  return members
}

function shownValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  return Array.isArray(value) ? value.map(shownValue) : shown(value as Record<string, unknown>)
}
