import { AwsClient } from 'aws4fetch'
import { root } from './drive.ts'

interface Statements {
  prepare(query: string): { run(): Promise<unknown> }
}

const account = '000000000000'
const region = 'us-east-1'
const perStatement = 50_000
const attributes = {
  key: { AttributeKey: 'ResourceName', AttributeValue: `arn:aws:kms:${region}:${account}:key/key-1` },
  user: { AttributeKey: 'Username', AttributeValue: 'user-1' },
} as const

/** LookupEvents by key and by user with 1,000 records in D1 and with 1,000,000. `median` of 50 calls each. */
export async function measureLookup(
  port: number,
  database: Statements,
  timed: (work: () => Promise<unknown>) => Promise<number>,
  median: (values: readonly number[]) => number,
): Promise<void> {
  const rows = Number(process.env.BENCH_EVENTS ?? 1_000_000)
  const times: Record<string, number[]> = {}
  let made = 0
  for (const count of [1_000, rows]) {
    for (; made < count; made = Math.min(made + perStatement, count)) {
      await addEvents(database, made, Math.min(made + perStatement, count))
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

/** A thousand keys and a hundred users, a call a second. */
async function addEvents(database: Statements, from: number, to: number): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  const counter = `with recursive counter(n) as (select ${from} union all select n + 1 from counter where n < ${to - 1})`
  await database
    .prepare(
      `${counter} insert or ignore into events (event_id, account, region, time, source, name, is_read_only, user_name,
         access_key_id, body, is_change)
       select 'bench-' || n, '${account}', '${region}', ${now} - n, 'kms.amazonaws.com', 'Encrypt', 1, 'user-' || (n % 100),
         'AKIA' || (n % 100), '{"eventID":"bench-' || n || '","userIdentity":{},"eventTime":"2026-01-01T00:00:00Z"}', 0
       from counter`,
    )
    .run()
  await database
    .prepare(
      `insert or ignore into event_resources (account, region, resource_name, resource_type, time, sequence)
       select account, region, 'arn:aws:kms:${region}:${account}:key/key-' || (substr(event_id, 7) % 1000), 'AWS::KMS::Key', time, sequence
       from events where event_id like 'bench-%' and cast(substr(event_id, 7) as integer) between ${from} and ${to - 1}`,
    )
    .run()
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
