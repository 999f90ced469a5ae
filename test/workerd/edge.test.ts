import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import worker from '../support/test-worker.ts'
import { env, signed } from '../support/workerd.ts'

async function answer(request: Request) {
  const ctx = createExecutionContext()
  const response = await worker.fetch?.(request as never, env, ctx)
  await waitOnExecutionContext(ctx)
  return { status: response?.status, body: (await response?.json()) as Record<string, unknown> }
}

/** What the edge makes of a request: another Accept-Encoding, and the client's own beside it. */
function rewritten(request: Request, clientAcceptEncoding: string | undefined): Request {
  const headers = new Headers(request.headers)
  headers.set('accept-encoding', 'gzip, br')
  return new Request(request, { headers, cf: { clientAcceptEncoding } as never })
}

describe('an Accept-Encoding that was signed', () => {
  it('is the one that the client sent', async () => {
    const request = await signed('GenerateRandom', { NumberOfBytes: 1 }, { 'accept-encoding': 'identity' })
    expect(request.headers.get('authorization')).toContain('accept-encoding')
    expect((await answer(rewritten(request, 'identity'))).status).toBe(200)
  })

  it.each(['gzip', undefined])('is not %s', async (other) => {
    const request = await signed('GenerateRandom', { NumberOfBytes: 1 }, { 'accept-encoding': 'identity' })
    expect((await answer(rewritten(request, other))).body.__type).toBe('InvalidSignatureException')
  })
})

it('does not mind another Accept-Encoding that was not signed', async () => {
  const request = await signed('GenerateRandom', { NumberOfBytes: 1 })
  expect((await answer(rewritten(request, 'identity'))).status).toBe(200)
})
