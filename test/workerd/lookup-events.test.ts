import { beforeAll, describe, expect, it } from 'vitest'
import { eventStatements, pruneCalls, pruneChanges } from '../../src/catalog/events.ts'
import { invokeQuery } from '../../src/iam/invoke.ts'
import { type AuditEvent, eventTimeOf } from '../../src/model/audit-event.ts'
import type { Call } from '../../src/model/call.ts'
import { isRefusal, type Refusal } from '../../src/model/errors.ts'
import { storedUser } from '../support/isolate.ts'
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

beforeAll(async () => {
  const { database } = services
  await database.batch(
    eventStatements(
      database,
      numbers.map((number) => event(number)),
      false,
    ),
  )
})

function lookup(input: object, call: Partial<Call> = {}) {
  const by = callBy({ account, time: now + 1_000, ...call })
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

  it('keeps to a range of time, both ends included', async () => {
    const at = (number: number) => (now - number * 60_000) / 1000
    expect(await found({ StartTime: at(20), EndTime: at(10) })).toEqual(numbers.slice(10, 21))
    expect(await found({ StartTime: at(5) + 1 })).toEqual(numbers.slice(0, 5))
  })

  it('shows the record as it was written', async () => {
    const page = (await lookup({
      LookupAttributes: [{ AttributeKey: 'EventId', AttributeValue: 'event-3' }],
    })) as unknown as Page
    expect(page.Events).toMatchObject([
      {
        EventId: 'event-3',
        EventName: 'Decrypt',
        ReadOnly: 'false',
        AccessKeyId: 'AKIA3',
        EventSource: 'kms.amazonaws.com',
        Username: 'user-0',
        Resources: [{ ResourceType: 'AWS::KMS::Key', ResourceName: arn(3) }],
      },
    ])
    expect(JSON.parse(page.Events[0]?.CloudTrailEvent ?? '')).toEqual(event(3))
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
  it('loses old changes and the oldest calls, a page at a time, with what names their resources', async () => {
    const { database } = services
    const of = '999900001111'
    const many = numbers.map((number) => event(number, { eventID: `kept-${number}`, recipientAccountId: of }))
    await database.batch(eventStatements(database, many.slice(0, 60), true))
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
    await database.batch(eventStatements(database, many.slice(60), false))
    for (let page = -1; page !== 0; ) page = await pruneCalls(database, 10, 9)
    const calls = await env.DB.prepare('select count(*) as rows from events where is_change = 0').first<{
      rows: number
    }>()
    expect(calls?.rows).toBe(10)
  })
})
