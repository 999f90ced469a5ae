import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { AwsClient } from 'aws4fetch'
import { beforeAll, describe, expect, it } from 'vitest'
import { expandBatch } from '../../src/audit/unpack.ts'
import { heldQueues } from '../support/queues.ts'
import worker from '../support/test-worker.ts'
import { account, env, region } from '../support/workerd.ts'
import { newAccount } from './iam-door.ts'

interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const root = { accessKeyId: 'ROOTONE', secretAccessKey: 'secret-one' }
let user: Credentials & { readonly arn: string }

beforeAll(async () => {
  const door = newAccount()
  const { User } = await door.ok('CreateUser', { UserName: 'web' })
  const { AccessKey } = await door.ok('CreateAccessKey', { UserName: 'web' })
  user = { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey, arn: User.Arn }
})

const head = `/audit/head?account=${account}&region=eu-north-1`

/** One request, signed where somebody is named, to a Worker whose queue is held; and what that has on record then. */
async function ask(path: string, by: Credentials | null, held = heldQueues({ ...env, AUDIT: 'packed' })) {
  const url = `http://kms.test${path}`
  const init = path.startsWith('/admin/') ? { method: 'POST', body: '{}' } : {}
  const client = by === null ? null : new AwsClient({ ...by, service: 'kms', region })
  const asking = client === null ? new Request(url, init) : await client.sign(url, init)
  asking.headers.set('host', 'kms.test')
  const ctx = createExecutionContext()
  const response = (await worker.fetch?.(asking as never, held.env, ctx)) as Response
  const text = await response.text()
  await waitOnExecutionContext(ctx)
  const events = held.sent.splice(0).flatMap(({ body }) => expandBatch(body as string))
  return { status: response.status, text, events, held }
}

describe('what a root asks at a door of our own is on record', () => {
  it.each<[string, string, number, string, boolean, object | null, string | undefined]>([
    ['health', '/health/ready', 200, 'GetHealth', true, null, undefined],
    ['metrics', '/metrics', 200, 'GetMetrics', true, null, undefined],
    [
      'a head that is not there',
      head,
      404,
      'GetAuditHead',
      true,
      { account, region: 'eu-north-1' },
      'NotFoundException',
    ],
    ['a head of no account', '/audit/head?account=1', 400, 'GetAuditHead', true, null, 'ValidationException'],
    ['a job', '/admin/root-keys', 200, 'root-keys', false, null, undefined],
    ['a job that there is not', '/admin/destroy', 404, 'destroy', false, null, 'NotFoundException'],
  ])('%s', async (_, path, status, eventName, readOnly, requestParameters, errorCode) => {
    const answer = await ask(path, root)
    expect(answer.status).toBe(status)
    expect(answer.events).toHaveLength(1)
    expect(answer.events[0]).toMatchObject({
      eventSource: 'edge-kms.amazonaws.com',
      eventName,
      readOnly,
      requestParameters,
      recipientAccountId: account,
      userIdentity: { type: 'Root', accessKeyId: root.accessKeyId },
    })
    expect(answer.events[0]?.errorCode).toBe(errorCode)
  })
})

describe('what is not for a user is refused, and on record with the user', () => {
  it.each<[string, string]>([
    ['GetHealth', '/health/ready'],
    ['GetMetrics', '/metrics'],
    ['GetAuditHead', head],
    ['root-keys', '/admin/root-keys'],
  ])('%s', async (eventName, path) => {
    const { status, text, events } = await ask(path, user)
    expect(status).toBe(403)
    expect(text).not.toMatch(/calls|rootKey|fingerprint/)
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({ eventName, errorCode: 'AccessDenied', userIdentity: { arn: user.arn } })
  })
})

describe('whoever is not known is counted, and not on record', () => {
  it.each(['/metrics', head, '/admin/root-keys'])('at %s', async (path) => {
    const { held } = await ask('/health/live', null)
    for (const by of [null, { ...root, secretAccessKey: 'wrong' }]) {
      expect(await ask(path, by, held)).toMatchObject({ status: 403, events: [] })
    }
    expect((await ask('/metrics', root, held)).text).toMatch(/^edge_kms_unauthenticated 2$/m)
  })

  it('but for health, which anybody may ask in short', async () => {
    const { status, text, events, held } = await ask('/health/ready', null)
    expect({ status, events }).toEqual({ status: 200, events: [] })
    expect(JSON.parse(text)).not.toHaveProperty('isolate')
    expect((await ask('/metrics', root, held)).text).toMatch(/^edge_kms_unauthenticated 0$/m)
  })
})

it('while the queue takes nothing, strict mode answers no operator either', async () => {
  const held = heldQueues({ ...env, AUDIT: 'strict' })
  held.isRefusing = true
  const { status, text } = await ask('/metrics', root, held)
  expect({ status, body: JSON.parse(text) }).toMatchObject({
    status: 500,
    body: { __type: 'DependencyTimeoutException' },
  })
  expect(text).not.toContain('edge_kms')
})
