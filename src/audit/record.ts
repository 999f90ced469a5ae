import { accountOf } from '../model/arn.ts'
import { type AuditEvent, eventTimeOf, type Outcome } from '../model/audit-event.ts'
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

/** What no record holds, besides every blob. */
const secret: ReadonlySet<string> = new Set(['GrantTokens', 'GrantToken', 'WebIdentityToken', 'Password'])
/** Their members are the caller's own words, not KMS's names. */
const asGiven: ReadonlySet<string> = new Set([
  'EncryptionContext',
  'SourceEncryptionContext',
  'DestinationEncryptionContext',
  'EncryptionContextSubset',
  'EncryptionContextEquals',
])

/** What is known of a call once it has been decided. */
export interface Known extends Outcome {
  /** Null: it was not refused. */
  readonly refusal: Refusal | null
}

const undecided: Known = { refusal: null }

/** The record of a call: before it is decided, for whoever decides it, or after. */
export function auditRecord(
  call: Call,
  asked: Asked,
  known: Known = undecided,
  eventID = eventIdOf(call.requestId),
): AuditEvent {
  const { principal, accessKeyId, region, time, sourceIp, userAgent, viaService, requestId } = call
  const { refusal, resources } = known
  return {
    eventVersion: '1.11',
    userIdentity: identityOf(principal, accessKeyId),
    eventTime: eventTimeOf(time),
    eventSource: `${asked.service}.amazonaws.com`,
    eventName: asked.operation,
    // IAM has one trail, wherever its clients sign for.
    awsRegion: asked.service === 'iam' ? 'us-east-1' : region,
    sourceIPAddress: viaService ?? sourceIp ?? 'unknown',
    userAgent: viaService ?? userAgent ?? 'unknown',
    ...(refusal === null ? null : errorOf(refusal)),
    requestParameters: asked.parameters === null ? null : shown(asked.parameters),
    responseElements: null,
    ...(known.additionalEventData === undefined ? null : { additionalEventData: known.additionalEventData }),
    requestID: requestId,
    eventID,
    readOnly: asked.isReadOnly,
    ...(resources === undefined ? null : { resources }),
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: principal.account || accountMeant(asked.parameters),
    eventCategory: 'Management',
  }
}

/** The request's id in RFC 9562's version 8: each is as unique as the other, and they are not the same. */
function eventIdOf(requestId: string): string {
  return `${requestId.slice(0, 14)}8${requestId.slice(15)}`
}

/** Of whoever brings a web token: the account of the role that they want. */
function accountMeant(parameters: Asked['parameters']): string {
  return accountOf(String(parameters?.RoleArn ?? '')) ?? ''
}

/** CloudTrail's words for them: AccessDenied has no `Exception`, and the rest keep theirs. */
function errorOf({ refused, message }: Refusal) {
  const errorCode = refused === 'AccessDeniedException' ? 'AccessDenied' : refused
  return message === null ? { errorCode } : { errorCode, errorMessage: message }
}

type Identity = Readonly<Record<string, unknown>>

/** A caller is the same object for as long as its credential is held. */
const identities = new WeakMap<Principal, { accessKeyId: string | null; identity: Identity }>()

function identityOf(principal: Principal, accessKeyId: string | null): Identity {
  const known = identities.get(principal)
  if (known?.accessKeyId === accessKeyId) return known.identity
  const identity = newIdentity(principal, accessKeyId)
  identities.set(principal, { accessKeyId, identity })
  return identity
}

function newIdentity({ kind, id, arn, account, session }: Principal, accessKeyId: string | null): Identity {
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
  if (value instanceof Date) return eventTimeOf(value.getTime())
  return Array.isArray(value) ? value.map(shownValue) : shown(value as Record<string, unknown>)
}
