import { AwsV4Signer } from 'aws4fetch'
import { type CredentialSource, type Fetch, heldCredentials } from './credentials.ts'
import { KmsError } from './error.ts'
import type { Ask } from './kms.ts'
import { decode, encode } from './wire.ts'

export interface HttpOptions {
  /** Such as `https://kms.example.com`. */
  readonly endpoint: string
  /** `us-east-1` where it is left out. */
  readonly region?: string
  readonly credentials: CredentialSource
  /** In place of the platform's own. */
  readonly fetch?: Fetch
}

/** Four for each day and secret. */
const signingKeysMax = 100

/** Asks over HTTP, signed. */
export function overHttp({ endpoint, region = 'us-east-1', credentials, fetch: own }: HttpOptions): Ask {
  const url = endpointUrl(endpoint)
  // The platform's is called as a function of its own: elsewhere it is refused as an illegal invocation.
  const send: Fetch = own ?? ((input, init) => fetch(input, init))
  const held = heldCredentials(credentials, url, send)
  const signingKeys = new Map<string, ArrayBuffer>()
  const ask: Ask = async (operation, input, signal) => {
    const { accessKeyId, secretAccessKey, sessionToken } = await held.get(signal)
    const signer = new AwsV4Signer({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${operation}` },
      body: JSON.stringify(encode(input)),
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: 'kms',
      region,
      cache: signingKeys,
    })
    const { method, headers, body } = await signer.sign()
    // Sessions come and go.
    if (signingKeys.size > signingKeysMax) signingKeys.clear()
    const request = { method, headers, body: body as string, ...(signal && { signal }) }
    return read(url, await sent(send(url, request), url, signal), signal)
  }
  return async (operation, input, signal) => {
    try {
      return await ask(operation, input, signal)
    } catch (failure) {
      const isOver = failure instanceof KmsError && failure.name === 'ExpiredTokenException' && held.renew()
      if (!isOver) throw failure
      return ask(operation, input, signal)
    }
  }
}

function endpointUrl(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url !== null && /^https?:$/.test(url.protocol)) return `${url.origin}/`
  throw new KmsError({
    name: 'EndpointError',
    message: `${endpoint} is no endpoint: it takes a URL such as https://kms.example.com or http://127.0.0.1:8787.`,
  })
}

async function sent<Answer>(sending: Promise<Answer>, url: string, signal: AbortSignal | undefined): Promise<Answer> {
  try {
    return await sending
  } catch (failure) {
    if (signal?.aborted) throw signal.reason
    const { message, cause } = failure as Error
    const isPage = 'document' in globalThis
    throw new KmsError({
      name: 'EndpointError',
      message: `${url} does not answer: ${(cause as Error | undefined)?.message || message}.`,
      retryable: true,
      remedy: isPage
        ? "Check the endpoint, that the deployment's CORS_ORIGINS names this page's origin, and the network."
        : 'Check the endpoint, that the server runs, and the network.',
      cause: failure,
    })
  }
}

async function read(url: string, response: Response, signal: AbortSignal | undefined): Promise<unknown> {
  const { status, headers } = response
  const text = await sent(response.text(), url, signal)
  const body = parse(text)
  if (response.ok && body !== null) return text === '' ? undefined : decode(body)
  const type = body?.__type ?? headers.get('x-amzn-errortype')
  const retryable = status >= 500 || status === 429
  if (typeof type !== 'string') {
    const kind = headers.get('content-type') ?? 'no content type'
    throw new KmsError({
      name: 'EndpointError',
      message: `${url} answers ${status} with ${kind}, and not as KMS does.`,
      retryable,
      remedy: 'Check the endpoint: something else is there.',
    })
  }
  const name = (type.split('#').pop() as string).split(':')[0] as string
  throw new KmsError({
    name,
    message: (body?.message ?? body?.Message ?? null) as string | null,
    requestId: headers.get('x-amzn-requestid'),
    retryable: retryable || name === 'ThrottlingException',
  })
}

/** Null: no JSON object. Nothing at all is an answer without members. */
function parse(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value = text === '' ? {} : JSON.parse(text)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
