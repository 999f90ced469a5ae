import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import worker from '../support/test-worker.ts'
import { env, signed } from '../support/workerd.ts'

const origin = 'https://app.example.com'
const open = { ...env, CORS_ORIGINS: `https://other.example.com ${origin}` }

async function answer(request: Request, overEnv: typeof env) {
  const ctx = createExecutionContext()
  const response = (await worker.fetch?.(request as never, overEnv, ctx)) as Response
  await waitOnExecutionContext(ctx)
  await response.body?.cancel()
  return { status: response.status, headers: Object.fromEntries(response.headers) }
}

const preflight = (from: string, path = '/') =>
  new Request(`http://kms.test${path}`, {
    method: 'OPTIONS',
    headers: {
      origin: from,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-amz-date,x-amz-target',
    },
  })

describe('a web page', () => {
  it('of a listed origin may ask, and reads the answer and its request id', async () => {
    const asked = await answer(preflight(origin), open)
    expect(asked).toMatchObject({
      status: 204,
      headers: { 'access-control-allow-origin': origin, 'access-control-allow-methods': 'POST', vary: 'origin' },
    })
    const allowed = asked.headers['access-control-allow-headers']?.split(', ')
    for (const name of ['authorization', 'content-type', 'x-amz-date', 'x-amz-target', 'x-amz-security-token']) {
      expect(allowed).toContain(name)
    }
    expect(asked.headers).not.toHaveProperty('access-control-allow-credentials')
    for (const operation of ['ListKeys', 'Nothing']) {
      const request = await signed(operation, {}, { origin })
      expect((await answer(request, open)).headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-expose-headers': 'x-amzn-requestid',
        'x-amzn-requestid': expect.any(String),
      })
    }
  })

  it.each([
    ['of another origin', 'https://evil.example.com', open],
    ['of a longer origin', `${origin}.evil.example`, open],
    ['without an origin', 'null', open],
    ['where none is listed', origin, env],
  ])('%s gets no leave', async (_, from, overEnv) => {
    expect((await answer(preflight(from), overEnv)).headers).not.toHaveProperty('access-control-allow-origin')
    const request = await signed('ListKeys', {}, { origin: from })
    expect((await answer(request, overEnv)).headers).not.toHaveProperty('access-control-allow-origin')
  })

  it('never asks what is for operators', async () => {
    const asked = await answer(preflight(origin, '/admin/rewrap'), open)
    expect(asked.headers).not.toHaveProperty('access-control-allow-origin')
  })
})
