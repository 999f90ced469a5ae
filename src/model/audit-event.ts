/** One call, in the shape of a CloudTrail record. Plain data, and JSON. */
export interface AuditEvent {
  readonly eventVersion: '1.11'
  readonly userIdentity: Readonly<Record<string, unknown>>
  /** UTC, to the second: lifecycle time. */
  readonly eventTime: string
  /** `kms.amazonaws.com` */
  readonly eventSource: string
  readonly eventName: string
  readonly awsRegion: string
  readonly sourceIPAddress: string
  readonly userAgent: string
  readonly errorCode?: string
  readonly errorMessage?: string
  readonly requestParameters: Readonly<Record<string, unknown>> | null
  readonly responseElements: Readonly<Record<string, unknown>> | null
  /** What is ours: the key material used, and which statement or grant decided. */
  readonly additionalEventData?: Readonly<Record<string, unknown>>
  readonly serviceEventDetails?: Readonly<Record<string, unknown>>
  readonly requestID: string
  readonly eventID: string
  readonly readOnly: boolean
  readonly resources?: readonly AuditResource[]
  readonly eventType: 'AwsApiCall' | 'AwsServiceEvent'
  readonly managementEvent: true
  /** Whose trail it is in. */
  readonly recipientAccountId: string
  /** The same in both accounts' records of one call. */
  readonly sharedEventID?: string
  readonly eventCategory: 'Management'
}

/** What a record has of its own. */
export type OwnPart = Pick<AuditEvent, 'eventTime' | 'requestParameters' | 'requestID' | 'eventID' | 'sharedEventID'>
/** What it may have in common with others. */
export type CommonPart = Omit<AuditEvent, keyof OwnPart>

/** A record in two parts. Two that hold the same `common` object have it in common. */
export interface RecordParts {
  readonly common: CommonPart
  readonly own: OwnPart
}

export function partsOf(event: AuditEvent): RecordParts {
  const { eventTime, requestParameters, requestID, eventID, sharedEventID, ...common } = event
  const shared = sharedEventID === undefined ? null : { sharedEventID }
  return { common, own: { eventTime, requestParameters, requestID, eventID, ...shared } }
}

export function wholeOf({ common, own }: RecordParts): AuditEvent {
  return { ...common, ...own }
}

export interface AuditResource {
  readonly accountId: string
  /** `AWS::KMS::Key` */
  readonly type: string
  readonly ARN: string
}

/** LookupEvents' attributes, by their names there. */
export type EventAttribute =
  | 'AccessKeyId'
  | 'EventId'
  | 'EventName'
  | 'EventSource'
  | 'ReadOnly'
  | 'ResourceName'
  | 'ResourceType'
  | 'Username'

/** What is known of a call once it has been decided. */
export interface Outcome {
  readonly resources?: readonly AuditResource[]
  readonly responseElements?: Readonly<Record<string, unknown>> | null
  readonly additionalEventData?: Readonly<Record<string, unknown>>
}

/** The draft's records, now that it is known what became of the call. */
export function eventsOf(draft: AuditEvent, outcome: Outcome): readonly AuditEvent[] {
  return inEveryTrail(partsOf({ ...draft, ...outcome })).map(wholeOf)
}

/**
 * The records of a call: one in the caller's account, and where it touched another account's key and was not denied, one
 * in that account too.
 */
export function inEveryTrail(
  { common, own }: RecordParts,
  newEventId: () => string = () => crypto.randomUUID(),
): readonly RecordParts[] {
  const { resources = [], recipientAccountId, errorCode } = common
  const isOthers = ({ accountId }: AuditResource) => accountId !== recipientAccountId
  if (errorCode === 'AccessDenied' || !resources.some(isOthers)) return [{ common, own }]
  const others = new Set(resources.filter(isOthers).map(({ accountId }) => accountId))
  const shared = { ...own, sharedEventID: own.eventID }
  return [
    { common, own: shared },
    ...[...others].map((account) => ({
      common: { ...common, recipientAccountId: account },
      own: { ...shared, eventID: newEventId() },
    })),
  ]
}

/** What this deployment does by itself, as CloudTrail records it of AWS: RotateKey, DeleteKey. */
export function serviceEvent(parts: {
  readonly eventName: string
  readonly time: number
  readonly region: string
  readonly requestId: string
  readonly resource: AuditResource
  readonly details: Readonly<Record<string, unknown>>
}): AuditEvent {
  const { eventName, time, region, requestId, resource, details } = parts
  return {
    eventVersion: '1.11',
    userIdentity: { accountId: resource.accountId, invokedBy: 'AWS Internal' },
    eventTime: eventTimeOf(time),
    eventSource: 'kms.amazonaws.com',
    eventName,
    awsRegion: region,
    sourceIPAddress: 'AWS Internal',
    userAgent: 'AWS Internal',
    requestParameters: null,
    responseElements: null,
    serviceEventDetails: details,
    requestID: requestId,
    eventID: crypto.randomUUID(),
    readOnly: false,
    resources: [resource],
    eventType: 'AwsServiceEvent',
    managementEvent: true,
    recipientAccountId: resource.accountId,
    eventCategory: 'Management',
  }
}

let lastSecond = { second: Number.NaN, text: '' }

/** Most records are of the second that the last one was of. */
export function eventTimeOf(time: number): string {
  const second = Math.floor(time / 1000)
  if (second !== lastSecond.second) {
    lastSecond = { second, text: `${new Date(second * 1000).toISOString().slice(0, 19)}Z` }
  }
  return lastSecond.text
}

/** By which name a trail knows the caller: `root`, a user's name, a session's; null: a service. */
export function userNameOf({
  userIdentity: { type, userName, principalId },
}: Pick<AuditEvent, 'userIdentity'>): string | null {
  if (type === 'Root') return 'root'
  if (type === 'AssumedRole') return String(principalId).split(':')[1] ?? null
  return typeof userName === 'string' ? userName : null
}
