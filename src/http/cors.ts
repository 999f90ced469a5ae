import { after, type NowOrLater } from '../model/now-or-later.ts'
import { rawTarget } from './serve.ts'

type Fetch<Env> = (request: Request, env: Env, ctx: ExecutionContext) => NowOrLater<Response>

/** What KMS clients send that a page may not send unasked. */
const headersAllowed = [
  'authorization',
  'content-type',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-target',
  'x-amz-user-agent',
  'amz-sdk-invocation-id',
  'amz-sdk-request',
].join(', ')
const preflightSeconds = 3600

/**
 * Lets pages of the origins in CORS_ORIGINS call KMS and read its answers. A page of another origin gets what any client
 * gets, and its browser does not show it.
 */
export function forPages<Env extends { readonly CORS_ORIGINS?: string }>(fetch: Fetch<Env>): Fetch<Env> {
  return (request, env, ctx) => {
    const origin = env.CORS_ORIGINS ? request.headers.get('origin') : null
    if (origin === null || !isAllowed(origin, env.CORS_ORIGINS) || rawTarget(request.url).path !== '/') {
      return fetch(request, env, ctx)
    }
    if (request.method === 'OPTIONS') return preflight(origin)
    return after(fetch(request, env, ctx), (answer) => readable(answer, origin))
  }
}

function readable(answer: Response, origin: string): Response {
  const headers = new Headers(answer.headers)
  headers.set('access-control-allow-origin', origin)
  headers.set('access-control-expose-headers', 'x-amzn-requestid')
  headers.append('vary', 'origin')
  return new Response(answer.body, { status: answer.status, headers })
}

function isAllowed(origin: string, origins: string | undefined): boolean {
  return origins?.split(/\s+/).includes(origin) ?? false
}

function preflight(origin: string): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': headersAllowed,
      'access-control-max-age': String(preflightSeconds),
      vary: 'origin',
    },
  })
}
