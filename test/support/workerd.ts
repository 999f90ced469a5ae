import { applyD1Migrations, env as testEnv } from 'cloudflare:test'
import { AwsClient } from 'aws4fetch'
import type { Env } from '../../src/deployment.ts'
import type { Call } from '../../src/model/call.ts'
import { rootPrincipal } from '../../src/model/settings.ts'

interface TestEnv extends Env {
  readonly TEST_MIGRATIONS: Parameters<typeof applyD1Migrations>[1]
  readonly SLOW: string
}

/** The bindings of wrangler.toml, and what only tests have. */
export const env = testEnv as unknown as TestEnv
export const account = '111122223333'
export const region = 'us-east-1'

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)

/** A call by the root of the account, as a door makes it. */
export function callBy(options: Partial<Call> & { account?: string } = {}): Call {
  const { account: by = account, ...rest } = options
  const now = Date.now()
  return { requestId: crypto.randomUUID(), principal: rootPrincipal(by), region, wallTime: now, time: now, ...rest }
}

/** A call by the sweep, for a key of the account. */
export function sweepCall(options: Partial<Call> = {}): Call {
  return callBy({ principal: { kind: 'service', account, arn: 'sweep.edge-kms' }, ...options })
}

/** A signed request to the Worker under test. */
export async function signed(operation: string, input: unknown, options: { region?: string } = {}): Promise<Request> {
  const client = new AwsClient({
    accessKeyId: 'ROOTONE',
    secretAccessKey: 'secret-one',
    service: 'kms',
    region: options.region ?? region,
  })
  const request = await client.sign('http://kms.test/', {
    method: 'POST',
    headers: { 'x-amz-target': `TrentService.${operation}`, 'content-type': 'application/x-amz-json-1.1' },
    body: JSON.stringify(input),
  })
  // On the wire a client adds it; here nothing else would.
  request.headers.set('host', 'kms.test')
  return request
}
