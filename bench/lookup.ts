import { createHash } from 'node:crypto'
import { AwsClient } from 'aws4fetch'
import { packEvents } from '../src/audit/batch.ts'
import { indexOf } from '../src/audit/batch-index.ts'
import { EventIds } from '../src/audit/event-ids.ts'
import { EventBatch } from '../src/audit/unpack.ts'
import { type Database, database as open } from '../src/catalog/database.ts'
import { batchStatements } from '../src/catalog/event-batches.ts'
import { type AuditEvent, eventTimeOf } from '../src/model/audit-event.ts'
import { root } from './drive.ts'

const account = '000000000000'
const region = 'us-east-1'
/** Of one isolate, before it sends what it has. */
const perFlush = 1_000
const attributes = {
  key: { AttributeKey: 'ResourceName', AttributeValue: arnOf(1) },
  user: { AttributeKey: 'Username', AttributeValue: 'user-1' },
} as const

/** LookupEvents by key and by user with 1,000 calls in D1's batches and with 1,000,000. `median` of 50 calls each. */
export async function measureLookup(
  port: number,
  binding: Parameters<typeof open>[0],
  timed: (work: () => Promise<unknown>) => Promise<number>,
  median: (values: readonly number[]) => number,
): Promise<void> {
  const database = open(binding)
  const rows = Number(process.env.BENCH_EVENTS ?? 1_000_000)
  const times: Record<string, number[]> = {}
  let made = 0
  for (const count of [1_000, rows]) {
    for (; made < count; made = Math.min(made + perFlush, count)) {
      await addEvents(database, made, Math.min(made + perFlush, count))
    }
    for (const [name, attribute] of Object.entries(attributes)) {
      const taken: number[] = []
      for (let round = 0; round < 50; round++) taken.push(await timed(() => lookup(port, attribute)))
      times[name] = [...(times[name] ?? []), median(taken)]
    }
  }
  for (const [name, [few = 0, many = 0]] of Object.entries(times)) {
    console.log(
      `lookup-by-${name} rows=1000 ${few.toFixed(2)}ms rows=${rows} ${many.toFixed(2)}ms ratio=${(many / few).toFixed(2)}`,
    )
  }
}

/** A thousand keys and a hundred users, a call a second, older and older, as messages of the audit queue bring them. */
async function addEvents(database: Database, from: number, to: number): Promise<void> {
  const events = Array.from({ length: to - from }, (_, at) => eventOf(from + at))
  const statements = packEvents(events).flatMap((body) => {
    const batch = new EventBatch(body)
    const { newest, oldest, packed } = batch
    const digest = createHash('sha256').update(body).digest('hex')
    const stored = { digest, account, region, count: packed.events.length, newest, oldest, body, index: indexOf(batch) }
    return batchStatements(database, stored)
  })
  const [first, ...others] = statements
  if (first !== undefined) await database.batch([first, ...others])
  ids.renew()
}

const now = Math.floor(Date.now() / 1000)
const ids = new EventIds()

function eventOf(number: number): AuditEvent {
  const userName = `user-${number % 100}`
  return {
    eventVersion: '1.11',
    userIdentity: { type: 'IAMUser', principalId: userName, userName, accessKeyId: `AKIA${number % 100}` },
    eventTime: eventTimeOf((now - number) * 1000),
    eventSource: 'kms.amazonaws.com',
    eventName: 'Encrypt',
    awsRegion: region,
    sourceIPAddress: '203.0.113.10',
    userAgent: 'bench',
    requestParameters: { encryptionContext: { tenant: String(number) } },
    responseElements: null,
    requestID: crypto.randomUUID(),
    eventID: ids.next(),
    readOnly: true,
    resources: [{ accountId: account, type: 'AWS::KMS::Key', ARN: arnOf(number % 1_000) }],
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: account,
    eventCategory: 'Management',
  }
}

function arnOf(key: number): string {
  return `arn:aws:kms:${region}:${account}:key/key-${key}`
}

async function lookup(port: number, attribute: (typeof attributes)[keyof typeof attributes]): Promise<void> {
  const aws = new AwsClient({ ...root, service: 'cloudtrail', region })
  const request = await aws.sign(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents',
    },
    body: JSON.stringify({ LookupAttributes: [attribute], MaxResults: 1 }),
  })
  const response = await fetch(request)
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  const { Events } = (await response.json()) as { Events: unknown[] }
  if (Events.length !== 1) throw new Error('LookupEvents finds nothing')
}
