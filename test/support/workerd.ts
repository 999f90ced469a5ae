import { applyD1Migrations, createExecutionContext, env as testEnv, waitOnExecutionContext } from 'cloudflare:test'
import { AwsClient } from 'aws4fetch'
import { expect } from 'vitest'
import { defaultKeyPolicy } from '../../src/access/key-policy.ts'
import type { Env } from '../../src/deployment.ts'
import { keyObject } from '../../src/key/directory.ts'
import type { KeyCall, NewGrant, NewKey } from '../../src/key/key.ts'
import { type Principal, servicePrincipal } from '../../src/model/call.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { rootPrincipal } from '../../src/model/settings.ts'
import worker, { testClock } from './test-worker.ts'

interface TestEnv extends Env {
  readonly TEST_MIGRATIONS: Parameters<typeof applyD1Migrations>[1]
  readonly SLOW: string
  readonly DOCUMENTS: R2Bucket
  readonly VALUES: KVNamespace
}

/** The bindings of wrangler.toml, and what only tests have. */
export const env = testEnv as unknown as TestEnv
export const account = '111122223333'
export const region = 'us-east-1'
export const dayMs = 86_400_000

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)

/** A call by the root of the account, as a door makes it, about a key of that account. */
export function callBy(options: Partial<KeyCall> & { account?: string } = {}): KeyCall {
  const { account: by = account, ...rest } = options
  const now = Date.now()
  return {
    requestId: crypto.randomUUID(),
    principal: rootPrincipal(by),
    accessKeyId: null,
    region,
    wallTime: now,
    time: now,
    sourceIp: '203.0.113.10',
    userAgent: 'test',
    isSecure: true,
    viaService: null,
    keyAccount: by,
    keyNamed: null,
    parameters: {},
    aliases: null,
    grantIds: [],
    event: null,
    ...rest,
  }
}

/** A call by the sweep, for a key of the account. */
export function sweepCall(options: Partial<KeyCall> = {}): KeyCall {
  return callBy({ principal: servicePrincipal('sweep.edge-kms', account), ...options })
}

/** A user with these policies; none of them: nothing allows it anything. */
export function userPrincipal(by = account, ...policies: object[]): Principal {
  return {
    kind: 'user',
    account: by,
    arn: `arn:aws:iam::${by}:user/test`,
    id: 'AIDATESTTESTTESTTEST1',
    tags: {},
    documents: {
      identity: policies.map((policy, at) => ({ name: `policy ${at}`, text: JSON.stringify(policy) })),
      boundary: null,
      session: [],
    },
    session: null,
  }
}

/** To the user of `userPrincipal`. */
export function newGrant(options: Partial<NewGrant> = {}): NewGrant {
  return {
    grantId: `${crypto.randomUUID()}${crypto.randomUUID()}`.replaceAll('-', ''),
    name: null,
    granteePrincipal: userPrincipal().arn,
    granteeId: userPrincipal().id,
    granteeServicePrincipal: null,
    retiringPrincipal: null,
    retiringId: null,
    retiringServicePrincipal: null,
    operations: ['Decrypt'],
    constraints: null,
    ...options,
  }
}

export function newKey(keyId: string): NewKey {
  return {
    keyId,
    spec: 'SYMMETRIC_DEFAULT',
    usage: 'ENCRYPT_DECRYPT',
    origin: 'AWS_KMS',
    isMultiRegion: false,
    manager: 'CUSTOMER',
    description: '',
    policy: defaultKeyPolicy(account),
    policyPrincipalIds: {},
    tags: [],
    rotationPeriodDays: null,
    createdBy: crypto.randomUUID(),
    isLockoutChecked: true,
  }
}

/** A key of the account, and a stub of its object. */
export async function createKey(keyId: string = crypto.randomUUID(), options: Partial<NewKey> = {}) {
  const key = keyObject(env.KEYS, region, keyId)
  const snapshot = await key.create(callBy(), { ...newKey(keyId), ...options })
  if (isRefusal(snapshot)) throw new Error(snapshot.reason)
  return { keyId, key, snapshot, stub: env.KEYS.getByName(`${region}/${keyId}`) }
}

/** The key's row in the index; null: there is none. */
export function indexRow(keyId: string) {
  return env.DB.prepare('select * from keys where key_id = ?').bind(keyId).first()
}

export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

/** One signed request through the Worker's door, and all that it left running. */
export async function request(operation: string, input: unknown, overEnv: Env = env): Promise<Answer> {
  const ctx = createExecutionContext()
  const response = await worker.fetch?.((await signed(operation, input)) as never, overEnv, ctx)
  await waitOnExecutionContext(ctx)
  const text = (await response?.text()) ?? ''
  return { status: response?.status ?? 0, body: text === '' ? {} : JSON.parse(text) }
}

/** As `request`, for what has to succeed. */
export async function succeed(operation: string, input: unknown, overEnv: Env = env): Promise<Record<string, unknown>> {
  const { status, body } = await request(operation, input, overEnv)
  expect(body).not.toHaveProperty('__type')
  expect(status).toBe(200)
  return body
}

/** An operator's job: `POST /admin/JOB`, signed by the root. */
export async function signedAdmin(job: string, input: unknown, overEnv: Env = env): Promise<Answer> {
  const client = new AwsClient({ accessKeyId: 'ROOTONE', secretAccessKey: 'secret-one', service: 'kms', region })
  const signing = await client.sign(`http://kms.test/admin/${job}`, { method: 'POST', body: JSON.stringify(input) })
  signing.headers.set('host', 'kms.test')
  const ctx = createExecutionContext()
  const response = await worker.fetch?.(signing as never, overEnv, ctx)
  await waitOnExecutionContext(ctx)
  return { status: response?.status ?? 0, body: (await response?.json()) ?? {} }
}

export async function signed(
  operation: string,
  input: unknown,
  headers: Record<string, string> = {},
): Promise<Request> {
  const client = new AwsClient({ accessKeyId: 'ROOTONE', secretAccessKey: 'secret-one', service: 'kms', region })
  const signing = await client.sign('http://kms.test/', {
    method: 'POST',
    headers: {
      'x-amz-target': `TrentService.${operation}`,
      'content-type': 'application/x-amz-json-1.1',
      ...headers,
    },
    body: JSON.stringify(input),
    aws: {
      allHeaders: true,
      datetime: new Date(Date.now() + testClock.wallMs).toISOString().replace(/[-:]|\.\d+/g, ''),
    },
  })
  // On the wire a client adds it; here nothing else would.
  signing.headers.set('host', 'kms.test')
  return signing
}
