import { accountOf } from '../model/arn.ts'
import { type AuditResource, type CommonPart, eventTimeOf, type RecordParts } from '../model/audit-event.ts'
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
export interface Known {
  /** Null: it was not refused. */
  readonly refusal: Refusal | null
  /** The keys and the rest that it is about. */
  readonly resources: readonly AuditResource[]
  /** Why it may touch the keys. */
  readonly reasons: readonly string[]
  readonly keyMaterialId: string | undefined
}

/** The record of a call: before it is decided, for whoever decides it (`known` null), or after. */
export function auditRecord(
  call: Call,
  asked: Asked,
  known: Known | null,
  eventID = eventIdOf(call.requestId),
): RecordParts {
  const own = {
    eventTime: eventTimeOf(call.time),
    requestParameters: asked.parameters === null ? null : shown(asked.parameters),
    requestID: call.requestId,
    eventID,
  }
  return { common: commonOf(call, asked, known), own }
}

/** By the caller, who is the same object for as long as its credential is held; then by operation and key. */
const kindsHeld = new WeakMap<Principal, Map<string, Kind>>()
const kindsMax = 1_000

/** What was recorded of calls of one kind, and what it says: nothing else of them is kept. */
interface Kind {
  readonly call: Pick<Call, 'accessKeyId' | 'region' | 'sourceIp' | 'userAgent' | 'viaService'>
  readonly service: string
  readonly known: Known
  readonly common: CommonPart
}

/** The same object for calls of one kind that were not refused: making it anew costs more than all else of a record. */
function commonOf(call: Call, asked: Asked, known: Known | null): CommonPart {
  const { principal, accessKeyId, region, sourceIp, userAgent, viaService } = call
  // The account of whoever has none depends on the parameters.
  if (known === null || known.refusal !== null || principal.account === '') return newCommon(call, asked, known)
  let kinds = kindsHeld.get(principal)
  if (kinds === undefined) {
    kinds = new Map()
    kindsHeld.set(principal, kinds)
  }
  const name = `${asked.operation} ${known.resources[0]?.ARN}`
  const held = kinds.get(name)
  if (held !== undefined && isOfKind(held, call, asked, known)) return held.common
  const common = newCommon(call, asked, known)
  if (kinds.size >= kindsMax) kinds.clear()
  const facts = { accessKeyId, region, sourceIp, userAgent, viaService }
  kinds.set(name, { call: facts, service: asked.service, known, common })
  return common
}

function isOfKind({ call: like, service, known: held }: Kind, call: Call, asked: Asked, known: Known): boolean {
  return (
    service === asked.service &&
    like.accessKeyId === call.accessKeyId &&
    like.region === call.region &&
    like.sourceIp === call.sourceIp &&
    like.userAgent === call.userAgent &&
    like.viaService === call.viaService &&
    held.keyMaterialId === known.keyMaterialId &&
    held.reasons.length === known.reasons.length &&
    held.reasons.every((reason, at) => reason === known.reasons[at]) &&
    held.resources.length === known.resources.length &&
    held.resources.every((resource, at) => isSameResource(resource, known.resources[at] as AuditResource))
  )
}

function isSameResource(one: AuditResource, other: AuditResource): boolean {
  return one.ARN === other.ARN && one.accountId === other.accountId && one.type === other.type
}

function newCommon(call: Call, { service, operation, isReadOnly, parameters }: Asked, known: Known | null): CommonPart {
  const { principal, accessKeyId, region, sourceIp, userAgent, viaService } = call
  return {
    eventVersion: '1.11',
    userIdentity: identityOf(principal, accessKeyId),
    eventSource: `${service}.amazonaws.com`,
    eventName: operation,
    // IAM has one trail, wherever its clients sign for.
    awsRegion: service === 'iam' ? 'us-east-1' : region,
    sourceIPAddress: viaService ?? sourceIp ?? 'unknown',
    userAgent: viaService ?? userAgent ?? 'unknown',
    ...(known?.refusal ? errorOf(known.refusal) : null),
    responseElements: null,
    ...(known === null ? null : { additionalEventData: additionalOf(known) }),
    readOnly: isReadOnly,
    ...(known === null || known.resources.length === 0 ? null : { resources: known.resources }),
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: principal.account || accountMeant(parameters),
    eventCategory: 'Management',
  }
}

function additionalOf({ refusal, reasons, keyMaterialId }: Known): Record<string, unknown> {
  if (refusal !== null) return { decidedBy: refusal.reason }
  const decidedBy = reasons.length > 1 ? reasons : reasons[0]
  return {
    ...(keyMaterialId === undefined ? {} : { keyMaterialId }),
    ...(decidedBy === undefined ? {} : { decidedBy }),
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

function identityOf({ kind, id, arn, account, session }: Principal, accessKeyId: string | null): Identity {
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
