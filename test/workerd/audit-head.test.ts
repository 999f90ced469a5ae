import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { AwsClient } from 'aws4fetch'
import { beforeAll, expect, it } from 'vitest'
import { packEvents } from '../../src/audit/batch.ts'
import type { TrailHead } from '../../src/audit/digest.ts'
import { getAuditHead } from '../../src/audit/trail-object.ts'
import { EventBatch } from '../../src/audit/unpack.ts'
import { database } from '../../src/catalog/database.ts'
import { archiveCalls, closeTrails } from '../../src/jobs/archive.ts'
import { serviceEvent } from '../../src/model/audit-event.ts'
import type { Principal } from '../../src/model/call.ts'
import worker from '../support/test-worker.ts'
import { account, callBy, env, userPrincipal } from '../support/workerd.ts'

const other = '444455556666'
const region = 'ap-south-2'
const parts = { database: database(env.DB), trails: env.AUDIT_TRAIL }

beforeAll(async () => {
  const event = serviceEvent({
    eventName: 'RotateKey',
    time: Date.now(),
    region,
    requestId: crypto.randomUUID(),
    resource: { accountId: account, type: 'AWS::KMS::Key', ARN: `arn:aws:kms:${region}:${account}:key/1` },
    details: {},
  })
  await archiveCalls(
    parts,
    packEvents([event]).map((text) => new EventBatch(text)),
    Date.now(),
  )
  await closeTrails(parts, Date.now())
})

interface Asked {
  readonly query?: string
  readonly accessKeyId?: string
  readonly service?: string
  readonly change?: (request: Request) => Request
}

async function ask({ query, accessKeyId = 'ROOTONE', service = 'kms', change = (request) => request }: Asked = {}) {
  const secretAccessKey = accessKeyId === 'ROOTONE' ? 'secret-one' : 'secret-two'
  const client = new AwsClient({ accessKeyId, secretAccessKey, service, region: 'us-east-1' })
  const asked = query ?? `account=${account}&region=${region}`
  const signed = await client.sign(`http://kms.test/audit/head?${asked}`, { aws: { allHeaders: true } })
  signed.headers.set('host', 'kms.test')
  const ctx = createExecutionContext()
  const response = await worker.fetch?.(change(signed) as never, env, ctx)
  await waitOnExecutionContext(ctx)
  return { status: response?.status, body: (await response?.json()) as Record<string, unknown> }
}

it('tells the root of the account the end of the chain, and the key', async () => {
  const { status, body } = await ask()
  expect(status).toBe(200)
  expect(body).toEqual({
    account,
    region,
    number: 1,
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    object: expect.stringContaining(`AWSLogs/${account}/CloudTrail-Digest/${region}/`),
    publicKey: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/),
    fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
})

it.each<[string, Asked, number, string]>([
  ['the root of another account', { accessKeyId: 'ROOTTWO' }, 403, 'AccessDeniedException'],
  ['an account that is none', { query: `account=1&region=${region}` }, 400, 'ValidationException'],
  ['a Region that is none', { query: `account=${account}&region=mars` }, 400, 'ValidationException'],
  ['a Region without a trail', { query: `account=${account}&region=eu-north-1` }, 404, 'NotFoundException'],
  ['a signature for another service', { service: 'iam' }, 403, 'InvalidSignatureException'],
  [
    'a query that was not signed',
    { change: (request) => new Request(request.url.replace(region, 'us-east-1'), request) },
    403,
    'InvalidSignatureException',
  ],
  [
    'nobody',
    { change: ({ url }) => new Request(url, { headers: { host: 'kms.test' } }) },
    403,
    'MissingAuthenticationTokenException',
  ],
])('refuses %s', async (_, asked, status, name) => {
  const answer = await ask(asked)
  expect(answer.status).toBe(status)
  expect(answer.body.__type).toBe(name)
})

const may = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 'edge-kms:GetAuditHead', Resource: '*' }],
}
const mayKms = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'kms:*', Resource: '*' }] }

it.each<[string, Principal, boolean]>([
  ['a user whom a policy allows it', userPrincipal(account, may), true],
  ['a user whom no policy allows it', userPrincipal(account, mayKms), false],
  ['a user without policies', userPrincipal(account), false],
  ['a user of another account', userPrincipal(other, may), false],
])('knows %s', async (_, principal, isAllowed) => {
  const answer = await getAuditHead(callBy({ principal }), { account, region }, env.AUDIT_TRAIL)
  if (isAllowed) expect((answer as TrailHead).number).toBe(1)
  else expect(answer).toMatchObject({ refused: 'AccessDeniedException' })
})
