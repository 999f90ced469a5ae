import { createHash, createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

type Headers = Readonly<Record<string, string>>

/** A signed request to KMS, and every way to spoil it. What is left out is right. */
export interface Draft {
  readonly method?: string
  /** With its query. */
  readonly path?: string
  /** X-Amz-Target behind `TrentService.`; null: no such header. */
  readonly operation?: string | null
  readonly body?: string | Uint8Array
  /** Further headers, or others instead of these; null: not there. All are signed. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly region?: string
  readonly service?: string
  /** When it is signed. */
  readonly at?: number
  /** The day of the scope, where it is not that of `at`. */
  readonly scopeDate?: string
  /** Which of the headers are signed, and in which order. */
  readonly signedHeaders?: (names: readonly string[]) => readonly string[]
  /** Joins them in the canonical request, too. */
  readonly payloadHash?: string
  /** Rewrites what was signed; null: no such header. */
  readonly authorization?: (header: string) => string | null
  /** Added or replaced after signing. */
  readonly unsignedHeaders?: Headers
  readonly sentBody?: string | Uint8Array
  /** Says in Content-Length that more is to come, and does not send it. */
  readonly claimedBytes?: number
}

export interface Answer {
  readonly status: number
  readonly requestId: string | undefined
  readonly contentType: string | undefined
  readonly text: string
  /** The members of a JSON object; empty where the answer is none. */
  readonly json: Readonly<Record<string, unknown>>
}

export async function send(endpoint: string, draft: Draft): Promise<Answer> {
  const url = new URL(endpoint)
  const body = bytes(draft.sentBody ?? draft.body ?? '{}')
  const headers = signedRequestHeaders(url.host, draft)
  const length = { 'content-length': String(draft.claimedBytes ?? body.length) }
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)({
      host: url.hostname,
      port: url.port,
      // Not through a URL, which would normalise it.
      path: draft.path ?? '/',
      method: draft.method ?? 'POST',
      headers: 'transfer-encoding' in headers ? headers : { ...headers, ...length },
      agent: false,
    })
    request.on('response', async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      const text = Buffer.concat(chunks).toString()
      resolve({
        status: response.statusCode ?? 0,
        requestId: response.headers['x-amzn-requestid'] as string | undefined,
        contentType: response.headers['content-type'],
        text,
        json: parsed(text),
      })
      request.destroy()
    })
    request.on('error', reject)
    if (draft.claimedBytes === undefined) request.end(body)
    else request.write(body)
  })
}

function signedRequestHeaders(host: string, draft: Draft): Headers {
  const { at = Date.now(), operation = 'ListKeys', region = 'us-east-1', service = 'kms' } = draft
  const { accessKeyId = 'test', secretAccessKey = 'test' } = draft
  const time = `${new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
  const date = draft.scopeDate ?? time.slice(0, 8)
  const wanted = {
    'content-type': 'application/x-amz-json-1.1',
    host,
    'x-amz-date': time,
    'x-amz-target': operation === null ? null : `TrentService.${operation}`,
    ...draft.headers,
  }
  const headers = Object.fromEntries(
    Object.entries(wanted).filter((entry): entry is [string, string] => entry[1] !== null),
  )
  const names = Object.keys(headers).sort()
  const signed = draft.signedHeaders?.(names) ?? names
  const [path = '', query = ''] = (draft.path ?? '/').split('?')
  const canonical = [
    draft.method ?? 'POST',
    path,
    query,
    ...signed.map((name) => `${name}:${(headers[name.toLowerCase()] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signed.join(';'),
    draft.payloadHash ?? sha256(bytes(draft.body ?? '{}')),
  ].join('\n')
  const scope = `${date}/${region}/${service}/aws4_request`
  const key = [date, region, service, 'aws4_request'].reduce(hmac, Buffer.from(`AWS4${secretAccessKey}`))
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`).toString('hex')
  const credential = `Credential=${accessKeyId}/${scope}`
  const written = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${signed.join(';')}, Signature=${signature}`
  const authorization = draft.authorization === undefined ? written : draft.authorization(written)
  return { ...headers, ...(authorization === null ? {} : { authorization }), ...draft.unsignedHeaders }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function bytes(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
