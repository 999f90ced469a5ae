import type { EventQuery, FoundEvent } from '../catalog/events.ts'
import { markedPage } from '../crypto/marked-page.ts'
import { type AuditEvent, type EventAttribute, userNameOf } from '../model/audit-event.ts'
import { refuse } from '../model/errors.ts'
import { integer, list, optional, required, shape, string, structure, timestamp } from '../model/shapes.ts'
import { lookupEvents } from './lookup-events.ts'
import { anything, type QueryOperation, query } from './operation.ts'

const resultsMax = 50

const attributes: readonly EventAttribute[] = [
  'AccessKeyId',
  'EventId',
  'EventName',
  'EventSource',
  'ReadOnly',
  'ResourceName',
  'ResourceType',
  'Username',
]

const LookupEvents = query({
  input: shape({
    LookupAttributes: optional(
      list(
        'LookupAttributesList',
        structure('LookupAttribute', {
          AttributeKey: required(string('LookupAttributeKey', {})),
          AttributeValue: required(string('LookupAttributeValue', { min: 1, max: 2000 })),
        }),
      ),
    ),
    StartTime: optional(timestamp('Date')),
    EndTime: optional(timestamp('Date')),
    EventCategory: optional(string('EventCategory', {})),
    MaxResults: optional(integer('MaxResults', { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })),
    NextToken: optional(string('NextToken', {})),
  }),
  action: 'cloudtrail:LookupEvents',
  isReadOnly: true,
  errors: [
    'InvalidEventCategoryException',
    'InvalidLookupAttributesException',
    'InvalidMaxResultsException',
    'InvalidNextTokenException',
    'InvalidTimeRangeException',
  ],
  on: anything(),
  async handle(input, call, _found, { database, roots }) {
    const { LookupAttributes = [], StartTime, EndTime, EventCategory, MaxResults = resultsMax, NextToken } = input
    const now = Math.floor(call.time / 1000)
    // How far back there is something is for retention to say.
    const from = secondsOf(StartTime) ?? 0
    const to = secondsOf(EndTime) ?? now
    if (EventCategory !== undefined) {
      return refuse('InvalidEventCategoryException', `Event category ${EventCategory} has no events here.`)
    }
    if (StartTime !== undefined && EndTime !== undefined && StartTime > EndTime) {
      return refuse('InvalidTimeRangeException', 'The start time is after the end time.')
    }
    if (MaxResults < 1 || MaxResults > resultsMax) {
      return refuse('InvalidMaxResultsException', `MaxResults is from 1 to ${resultsMax}.`)
    }
    const [first, second] = LookupAttributes
    if (second !== undefined) return refuse('InvalidLookupAttributesException', 'You can specify one attribute only.')
    const key = attributes.find((name) => name === first?.AttributeKey)
    if (first !== undefined && key === undefined) {
      return refuse('InvalidLookupAttributesException', `${first.AttributeKey} is none of ${attributes.join(', ')}.`)
    }
    const attribute = key === undefined || first === undefined ? null : { key, value: first.AttributeValue }
    const { account } = call.principal
    const asked = [attribute?.key ?? '', attribute?.value ?? '', String(StartTime ?? ''), String(EndTime ?? '')]
    const scope = { account, region: call.region, query: ['LookupEvents', ...asked] }
    const query = { account, region: call.region, from, to, attribute }
    const found = await markedPage<FoundEvent>(roots, {
      scope,
      marker: NextToken,
      limit: MaxResults,
      wallTime: call.wallTime,
      fetch: (place, count) => lookupEvents(database, { ...query, before: eventAt(place) }, count),
      placeOf: ({ time, eventId }) => `${time}/${eventId}`,
    })
    if (found === null) return refuse('InvalidNextTokenException', 'The token is not valid for this request.')
    const Events = found.items.map(({ body }) => shown(JSON.parse(body) as AuditEvent, body))
    return found.marker === null ? { Events } : { Events, NextToken: found.marker }
  },
})

/** The table of CloudTrail. */
export const cloudtrail: Readonly<Record<string, QueryOperation>> = { LookupEvents }

/** Null: from the beginning. */
function eventAt(place: string): EventQuery['before'] {
  const slash = place.indexOf('/')
  return slash === -1 ? null : { time: Number(place.slice(0, slash)), eventId: place.slice(slash + 1) }
}

function secondsOf(date: Date | undefined): number | undefined {
  return date === undefined ? undefined : Math.floor(date.getTime() / 1000)
}

/** CloudTrail's Event structure. */
function shown(event: AuditEvent, CloudTrailEvent: string) {
  const { userIdentity, resources = [] } = event
  const { accessKeyId } = userIdentity
  const Username = userNameOf(event)
  return {
    EventId: event.eventID,
    EventName: event.eventName,
    ReadOnly: String(event.readOnly),
    ...(accessKeyId === undefined ? {} : { AccessKeyId: accessKeyId }),
    EventTime: new Date(event.eventTime),
    EventSource: event.eventSource,
    ...(Username === null ? {} : { Username }),
    Resources: resources.map(({ type, ARN }) => ({ ResourceType: type, ResourceName: ARN })),
    CloudTrailEvent,
  }
}
