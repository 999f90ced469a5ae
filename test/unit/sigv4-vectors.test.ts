import { createHash, createHmac } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { canonicalRequest } from '../../src/http/canonical-request.ts'

/** The signing test suite of AWS (awslabs/aws-c-auth), where it lies beside the project. */
const suite = join(import.meta.dirname, '../../../shared/vectors/sigv4')
const cases = existsSync(suite)
  ? readdirSync(suite).filter((name) => existsSync(join(suite, name, 'context.json')))
  : []

interface Context {
  readonly credentials: { readonly secret_access_key: string }
  readonly region: string
  readonly service: string
  readonly normalize: boolean
  /** The token was added after signing. */
  readonly omit_session_token?: boolean
}

/** A request of the suite: header lines may repeat, and a line that begins with white space goes on the one before. */
function parseRequest(text: string) {
  const [head = '', ...rest] = text.split('\n\n')
  const [requestLine = '', ...lines] = head.split('\n')
  const [, method = '', target = ''] = /^(\S+) (.*?)( HTTP\/1\.1)?$/.exec(requestLine) ?? []
  const headers: [string, string][] = []
  for (const line of lines) {
    const last = headers.at(-1)
    if (/^\s/.test(line) && last !== undefined) last[1] += `\n${line}`
    else headers.push([line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1)])
  }
  const queryAt = target.indexOf('?')
  return {
    method,
    path: queryAt < 0 ? target : target.slice(0, queryAt),
    query: queryAt < 0 ? '' : target.slice(queryAt + 1),
    headers,
    body: rest.join('\n\n'),
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

describe.skipIf(cases.length === 0)('the signing test suite', () => {
  it('has its 38 cases', () => expect(cases).toHaveLength(38))

  describe.each(cases)('%s', (name) => {
    it.each(['header', 'query'])('signed in the %s', (where) => {
      const read = (file: string) => readFileSync(join(suite, name, `${where}-${file}.txt`), 'utf8')
      const context = JSON.parse(readFileSync(join(suite, name, 'context.json'), 'utf8')) as Context
      const request = parseRequest(read('signed-request'))
      const expected = read('canonical-request')
      const [signedHeaders = '', payloadHash = ''] = expected.split('\n').slice(-2)
      const canonical = canonicalRequest(
        {
          ...request,
          query: context.omit_session_token ? request.query.replace(/&X-Amz-Security-Token=[^&]*/, '') : request.query,
          headers: signedHeaders
            .split(';')
            .flatMap((signed) => request.headers.filter(([header]) => header === signed)),
          signedHeaders,
          payloadHash:
            request.headers.find(([header]) => header === 'x-amz-content-sha256')?.[1] ?? sha256(request.body),
        },
        { normalizesPath: context.normalize },
      )
      expect(canonical).toBe(expected)
      expect(payloadHash).toBe(sha256(request.body))

      const [algorithm, time, scope = ''] = read('string-to-sign').split('\n')
      const stringToSign = [algorithm, time, scope, sha256(canonical)].join('\n')
      expect(stringToSign).toBe(read('string-to-sign'))
      const [date = '', region = '', service = '', terminator = ''] = scope.split('/')
      const dayKey = hmac(`AWS4${context.credentials.secret_access_key}`, date)
      const key = hmac(hmac(hmac(dayKey, region), service), terminator)
      expect(hmac(key, stringToSign).toString('hex')).toBe(read('signature'))
    })
  })
})

it.skipIf(cases.length > 0)('skips the signing test suite: it does not lie beside the project', () => {})
