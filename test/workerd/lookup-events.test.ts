import { beforeAll, describe, expect, it } from 'vitest'
import { packEvents } from '../../src/audit/batch.ts'
import { EventIds } from '../../src/audit/event-ids.ts'
import { eventStatements, pruneChanges, recordChanges } from '../../src/catalog/events.ts'
import { invokeQuery } from '../../src/iam/invoke.ts'
import { type AuditEvent, eventTimeOf } from '../../src/model/audit-event.ts'
import type { Call } from '../../src/model/call.ts'
import { isRefusal, type Refusal } from '../../src/model/errors.ts'
import { storedUser } from '../support/isolate.ts'
import { deliver } from '../support/queues.ts'
import { callBy, env, region } from '../support/workerd.ts'
import { services } from './iam-door.ts'

/** An account whose trail nobody else writes. */
const account = '777788889999'
const now = Date.UTC(2027, 0, 1)
const arn = (key: number) => `arn:aws:kms:${region}:${account}:key/${key}`

function event(number: number, changes: Partial<AuditEvent> = {}): AuditEvent {
  const userName = `user-${number % 3}`
  return {
    eventVersion: '1.11',
    userIdentity: { type: 'IAMUser', principalId: 'AIDA', userName, accessKeyId: `AKIA${number % 5}` },
    eventTime: eventTimeOf(now - number * 60_000),
    eventSource: number % 4 === 0 ? 'iam.amazonaws.com' : 'kms.amazonaws.com',
    eventName: number % 2 === 0 ? 'Encrypt' : 'Decrypt',
    awsRegion: region,
    sourceIPAddress: '203.0.113.10',
    userAgent: 'test',
    requestParameters: null,
    responseElements: null,
    requestID: `request-${number}`,
    eventID: `event-${number}`,
    readOnly: number % 2 === 0,
    resources: [
      { accountId: account, type: number % 7 === 0 ? 'AWS::KMS::Alias' : 'AWS::KMS::Key', ARN: arn(number % 6) },
    ],
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: account,
    eventCategory: 'Management',
    ...changes,
  }
}

const numbers = Array.from({ length: 120 }, (_, number) => number)
const messages = 5
/** Half of them come by the queue, of each kind some. */
const isCall = (number: number) => (number * 7) % 20 < 10

async function tell(events: readonly AuditEvent[]): Promise<void> {
  for (const text of packEvents(events)) expect(await deliver('edge-kms-audit', text)).toMatchObject({ isAcked: true })
}

beforeAll(async () => {
  const { database } = services
  const all = numbers.map((number) => event(number))
  await recordChanges(
    database,
    all.filter((_, number) => !isCall(number)),
  )
  // In messages that overlap in time.
  for (let message = 0; message < messages; message++) {
    await tell(all.filter((_, number) => isCall(number) && number % messages === message))
  }
})

function lookup(input: object, call: Partial<Call> = {}) {
  const by = callBy({ account, ...call, time: now + 1_000 })
  return invokeQuery('cloudtrail', 'LookupEvents', input, by, services)
}

interface Page {
  readonly Events: readonly { readonly EventId: string; readonly CloudTrailEvent: string }[]
  readonly NextToken?: string
}

/** The numbers of all events of all pages. */
async function found(input: object): Promise<number[]> {
  const seen: number[] = []
  let NextToken: string | undefined
  do {
    const page = await lookup({ ...input, ...(NextToken !== undefined && { NextToken }) })
    if (isRefusal(page)) throw new Error(`${page.refused}: ${page.message}`)
    const { Events, NextToken: next } = page as unknown as Page
    seen.push(...Events.map(({ EventId }) => Number(EventId.replace('event-', ''))))
    NextToken = next
  } while (NextToken !== undefined)
  return seen
}

describe('LookupEvents', () => {
  it('shows all, the newest first, in pages', async () => {
    expect(await found({})).toEqual(numbers)
    expect(await found({ MaxResults: 7 })).toEqual(numbers)
  })

  it.each<[string, string, (number: number) => boolean]>([
    ['EventId', 'event-17', (number) => number === 17],
    ['EventName', 'Encrypt', (number) => number % 2 === 0],
    ['EventSource', 'iam.amazonaws.com', (number) => number % 4 === 0],
    ['ReadOnly', 'false', (number) => number % 2 === 1],
    ['Username', 'user-2', (number) => number % 3 === 2],
    ['AccessKeyId', 'AKIA3', (number) => number % 5 === 3],
    ['ResourceName', arn(4), (number) => number % 6 === 4],
    ['ResourceType', 'AWS::KMS::Alias', (number) => number % 7 === 0],
    ['EventName', 'Nothing', () => false],
  ])('finds by %s %s', async (AttributeKey, AttributeValue, matches) => {
    const LookupAttributes = [{ AttributeKey, AttributeValue }]
    expect(await found({ LookupAttributes })).toEqual(numbers.filter(matches))
    expect(await found({ LookupAttributes, MaxResults: 3 })).toEqual(numbers.filter(matches))
  })

  it('shows each of one second once, of both kinds, by their ids', async () => {
    const account = '888899990000'
    const of = callBy({ account })
    const ids = new EventIds()
    const same = (number: number) =>
      event(7, { eventID: ids.next(), recipientAccountId: account, requestID: `${number}` })
    const all = Array.from({ length: 60 }, (_, number) => same(number))
    await recordChanges(services.database, all.slice(0, 20))
    for (let message = 0; message < 4; message++) await tell(all.slice(20).filter((_, at) => at % 4 === message))
    const seen: string[] = []
    for (let NextToken: string | undefined = ''; NextToken !== undefined; ) {
      const page = (await lookup({ MaxResults: 7, ...(NextToken !== '' && { NextToken }) }, of)) as unknown as Page
      seen.push(...page.Events.map(({ EventId }) => EventId))
      NextToken = page.NextToken
    }
    expect(seen).toEqual(all.map(({ eventID }) => eventID).reverse())
    const one = { AttributeKey: 'EventId', AttributeValue: seen[3] }
    expect(await lookup({ LookupAttributes: [one] }, of)).toMatchObject({ Events: [{ EventId: seen[3] }] })
    const none = { AttributeKey: 'EventId', AttributeValue: `${seen[3]?.slice(0, 30)}ffffff` }
    expect(await lookup({ LookupAttributes: [none] }, of)).toEqual({ Events: [] })
  })

  it('keeps to a range of time, both ends included', async () => {
    const at = (number: number) => (now - number * 60_000) / 1000
    expect(await found({ StartTime: at(20), EndTime: at(10) })).toEqual(numbers.slice(10, 21))
    expect(await found({ StartTime: at(5) + 1 })).toEqual(numbers.slice(0, 5))
  })

  it.each([
    ['a change', 13],
    ['a call', 3],
  ])('shows the record of %s as it was written', async (_what, number) => {
    const AttributeValue = `event-${number}`
    const page = (await lookup({ LookupAttributes: [{ AttributeKey: 'EventId', AttributeValue }] })) as unknown as Page
    expect(page.Events).toMatchObject([
      {
        EventId: AttributeValue,
        EventName: 'Decrypt',
        ReadOnly: 'false',
        AccessKeyId: 'AKIA3',
        EventSource: 'kms.amazonaws.com',
        Username: `user-${number % 3}`,
        Resources: [{ ResourceType: 'AWS::KMS::Key', ResourceName: arn(number % 6) }],
      },
    ])
    expect(page.Events[0]?.CloudTrailEvent).toBe(JSON.stringify(event(number)))
  })

  it('shows nothing of another account or Region', async () => {
    expect(await lookup({}, callBy({ account: '123412341234' }))).toMatchObject({ Events: [] })
    expect(await lookup({}, { region: 'eu-west-1' })).toMatchObject({ Events: [] })
  })

  it('is for whom policies allow it', async () => {
    const principal = await storedUser({ by: account })
    expect(await lookup({}, { principal })).toMatchObject({ refused: 'AccessDeniedException' })
  })

  it('takes a token for the query alone that it came from', async () => {
    const { NextToken } = (await lookup({ MaxResults: 2 })) as unknown as Page
    const invalid = { refused: 'InvalidNextTokenException' }
    const other = [{ AttributeKey: 'EventName', AttributeValue: 'Encrypt' }]
    expect(await lookup({ NextToken, LookupAttributes: other })).toMatchObject(invalid)
    expect(await lookup({ NextToken }, { region: 'eu-west-1' })).toMatchObject(invalid)
    expect(await lookup({ NextToken: `${NextToken}A` })).toMatchObject(invalid)
  })

  it.each<[string, object, Refusal['refused']]>([
    ['a range upside down', { StartTime: 2, EndTime: 1 }, 'InvalidTimeRangeException'],
    [
      'an unknown attribute',
      { LookupAttributes: [{ AttributeKey: 'Colour', AttributeValue: 'red' }] },
      'InvalidLookupAttributesException',
    ],
    [
      'two attributes',
      { LookupAttributes: [1, 2].map(() => ({ AttributeKey: 'EventName', AttributeValue: 'x' })) },
      'InvalidLookupAttributesException',
    ],
    ['too many results', { MaxResults: 51 }, 'InvalidMaxResultsException'],
    ['no results', { MaxResults: 0 }, 'InvalidMaxResultsException'],
    ['another category', { EventCategory: 'insight' }, 'InvalidEventCategoryException'],
    ['a time that is none', { StartTime: 'yesterday' }, 'SerializationException'],
    ['a time beyond time', { StartTime: 1e300 }, 'SerializationException'],
  ])('refuses %s', async (_name, input, refused) => {
    expect(await lookup(input)).toMatchObject({ refused })
  })
})

describe('what is kept', () => {
  it('loses old changes, a page at a time, with what names their resources', async () => {
    const { database } = services
    const of = '999900001111'
    const many = numbers.map((number) => event(number, { eventID: `kept-${number}`, recipientAccountId: of }))
    await database.batch(eventStatements(database, many.slice(0, 60)))
    const before = (now - 29.5 * 60_000) / 1000
    let removed = 0
    for (let page = -1; page !== 0; removed += page) page = await pruneChanges(database, { before, upTo: 1e9 }, 100)
    expect(removed).toBeGreaterThanOrEqual(30)
    const left = async (table: string) =>
      (
        await env.DB.prepare(`select count(*) as rows from ${table} where account = ?`)
          .bind(of)
          .first<{ rows: number }>()
      )?.rows
    expect([await left('events'), await left('event_resources')]).toEqual([30, 30])
  })
})
