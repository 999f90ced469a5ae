import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { afterEach, describe, expect, it, vi } from 'vitest'
import worker, { testClock } from '../support/test-worker.ts'
import { createKey, env, request, succeed } from '../support/workerd.ts'

afterEach(() => {
  Object.assign(testClock, { wallMs: 0, lifecycleMs: 0 })
  vi.restoreAllMocks()
})

const first = env.ROOT_KEYS as string
const second = '2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8='

async function ready(overEnv: typeof env) {
  const ctx = createExecutionContext()
  const response = await worker.fetch?.(new Request('http://kms.test/health/ready') as never, overEnv, ctx)
  await waitOnExecutionContext(ctx)
  return { status: response?.status, body: await response?.json() }
}

describe('a configuration that is wrong', () => {
  it.each([
    ['no root key', { ROOT_KEYS: '' }, /^ROOT_KEYS is not set\. Set it to VERSION:BASE64/],
    ['a short root key', { ROOT_KEYS: '1:c2VjcmV0' }, /^ROOT_KEYS is malformed: entry 1 is not VERSION:BASE64/],
    ['a root key without a version', { ROOT_KEYS: first.slice(2) }, /^ROOT_KEYS is malformed: entry 1/],
    ['a version twice', { ROOT_KEYS: `${first} ${first}` }, /^ROOT_KEYS is malformed: version 1 is there twice/],
    ['another root key', { ROOT_KEYS: second.replace('2:', '1:') }, /^Root key version 1 in ROOT_KEYS is not the one/],
    ['none of the root keys in use', { ROOT_KEYS: second }, /sealed with root key version 1, and ROOT_KEYS has none/],
    ['no credentials', { ROOT_CREDENTIALS: '' }, /^ROOT_CREDENTIALS is not set/],
    ['malformed credentials', { ROOT_CREDENTIALS: '1:a:secret-one' }, /^ROOT_CREDENTIALS is malformed: entry 1/],
    ['a wrong number', { KEY_SNAPSHOT_SECONDS: 'five' }, /^KEY_SNAPSHOT_SECONDS is not a number of seconds/],
    ['a wrong number of rows', { AUDIT_ROWS_MAX: 'all' }, /^AUDIT_ROWS_MAX is not a number of rows/],
    ['every page', { CORS_ORIGINS: 'https://a.example *' }, /^CORS_ORIGINS has \*, which is no origin/],
    ['a page', { CORS_ORIGINS: 'https://a.example/' }, /^CORS_ORIGINS has https:\/\/a.example\/, which is no origin/],
    ['a wrong switch', { RPC: 'no' }, /^RPC is none of on, off/],
    ['a wrong Region', { REGIONS: 'us-east-1 moon-1' }, /^REGIONS has moon-1, which is no AWS Region/],
  ])('%s: every call says which, and health is not ready', async (_, change, sentence) => {
    await createKey()
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const wrong = { ...env, ...change }
    const { status, body } = await request('ListKeys', {}, wrong)
    expect({ status, type: body.__type }).toEqual({ status: 500, type: 'KMSInternalException' })
    expect(body.message).toMatch(sentence)
    for (const secret of ['c2VjcmV0', 'secret-one', first.slice(2), second.slice(2)]) {
      expect(JSON.stringify(body)).not.toContain(secret)
    }
    expect(await ready(wrong)).toMatchObject({ status: 503, body: { ready: false } })
  })

  it('does not stop the right one beside it', async () => {
    expect(await ready({ ...env })).toEqual({
      status: 200,
      body: { ready: true, rootKey: true, database: true, objects: true, rolledBack: false },
    })
  })
})

describe('root keys', () => {
  it('of several versions open what each has sealed', async () => {
    const { keyId } = await createKey()
    const Plaintext = 'aGVsbG8='
    const { CiphertextBlob } = await succeed('Encrypt', { KeyId: keyId, Plaintext })
    const both = { ...env, ROOT_KEYS: `${first} ${second}` }
    expect(await succeed('Decrypt', { CiphertextBlob }, both)).toMatchObject({ Plaintext })
    await succeed('Encrypt', { KeyId: keyId, Plaintext }, both)
  })
})

describe('health', () => {
  it('tells of a rolled-back key, and of nothing else about it', async () => {
    const { keyId } = await createKey()
    await env.DB.prepare(`update keys set fault = 'rolled-back' where key_id = ?`).bind(keyId).run()
    const { status, body } = await ready({ ...env })
    expect(status).toBe(200)
    expect(body).toEqual({ ready: true, rootKey: true, database: true, objects: true, rolledBack: true })
    await env.DB.prepare('update keys set fault = null').run()
  })

  it('is not ready without its database', async () => {
    const away = () => {
      throw new Error('away')
    }
    const down = { ...env, DB: { prepare: away, batch: away } as unknown as D1Database }
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    expect(await ready(down)).toMatchObject({ status: 503, body: { ready: false, database: false, objects: true } })
  })
})
