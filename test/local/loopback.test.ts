import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { AwsClient } from 'aws4fetch'
import { beforeAll, describe, expect, it } from 'vitest'
import { failedStart, type RunningKms, startKms } from '../support/server.ts'

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** One request with exactly these headers: `fetch` would choose Host and Origin itself. */
async function send(endpoint: string, { method = 'POST', path = '/', headers = {} }: Sent, body = '{}') {
  const { hostname, port } = new URL(endpoint)
  const sent = request({ host: hostname, port, method, path, headers, agent: false }).end(
    method === 'POST' ? body : undefined,
  )
  const [response] = await once(sent, 'response')
  const answer = await text(response)
  const isJson = String(response.headers['content-type']).includes('json')
  return { status: response.statusCode, headers: response.headers, body: isJson ? JSON.parse(answer) : answer }
}

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }

/** A call whose signature is right for that Host. */
async function signedHeaders(host: string, operation: string, as = credentials): Promise<Record<string, string>> {
  const headers = { 'x-amz-target': `TrentService.${operation}`, 'content-type': 'application/x-amz-json-1.1' }
  const client = new AwsClient({ ...as, service: 'kms', region: 'us-east-1' })
  const signed = await client.sign(`http://${host}/`, { method: 'POST', headers, body: '{}' })
  return { ...Object.fromEntries(signed.headers), host }
}

const whoAmI = 'Action=GetCallerIdentity&Version=2011-06-15'

/** Of `whoAmI`, for a service. */
async function signedForm(service: string, as: typeof credentials): Promise<Record<string, string>> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const client = new AwsClient({ ...as, service, region: 'us-east-1' })
  const signed = await client.sign('http://127.0.0.1/', { method: 'POST', headers, body: whoAmI })
  return { ...Object.fromEntries(signed.headers), host: '127.0.0.1' }
}

const refusedAccess = { status: 400, body: { __type: 'AccessDeniedException' } }

let guarded: RunningKms
let trusting: RunningKms

beforeAll(async () => {
  guarded = await startKms(['--state', 'memory'])
  trusting = await startKms(['--state', 'memory', '--auth', 'off'])
})

describe.each(['default credentials', '--auth off'])('with %s', (name) => {
  let endpoint: string
  let port: string

  beforeAll(() => {
    ;({ endpoint } = name === '--auth off' ? trusting : guarded)
    ;({ port } = new URL(endpoint))
  })

  it.each(['127.0.0.1', '127.0.0.2', 'localhost', 'kms.localhost', '[::1]'])('serves Host %s', async (name) => {
    for (const host of [name, `${name}:${port}`]) {
      const headers = await signedHeaders(host, 'ListKeys')
      expect(await send(endpoint, { headers })).toMatchObject({ status: 200 })
    }
  })

  it.each([
    'kms.example',
    '127.0.0.1.kms.example',
    'localhost.kms.example',
    'notlocalhost',
    '10.0.0.1',
    '[::2]',
    '0.0.0.0',
  ])('refuses Host %s, however well signed', async (name) => {
    for (const host of [name, `${name}:${port}`]) {
      const headers = await signedHeaders(host, 'ListKeys')
      expect(await send(endpoint, { headers })).toMatchObject(refusedAccess)
    }
    expect(await send(endpoint, { method: 'GET', path: '/health/ready', headers: { host: name } })).toMatchObject(
      refusedAccess,
    )
  })

  it.each(['https://kms.example', 'http://localhost:3000', 'null'])('refuses Origin %s', async (origin) => {
    const headers = { ...(await signedHeaders(`127.0.0.1:${port}`, 'ListKeys')), origin }
    expect(await send(endpoint, { headers })).toMatchObject(refusedAccess)
    const preflight = await send(endpoint, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    })
    expect(preflight).toMatchObject(refusedAccess)
    expect(preflight.headers).not.toHaveProperty('access-control-allow-origin')
  })

  it.each([
    [{}],
    [{ authorization: 'Basic dGVzdDp0ZXN0' }],
    [{ authorization: 'AWS4-HMAC-SHA256' }],
    [{ authorization: 'Bearer Credential=test/20270101/us-east-1/kms/aws4_request' }],
  ])('refuses a POST with %j, which any web form could send', async (authorization) => {
    const headers = { 'x-amz-target': 'TrentService.ListKeys', 'content-type': 'text/plain', ...authorization }
    expect(await send(endpoint, { headers })).toMatchObject({
      status: 400,
      body: { __type: 'MissingAuthenticationTokenException', message: 'Missing Authentication Token' },
    })
  })
})

describe.each(['default credentials', '--auth off'])('a form without a signature, with %s', (name) => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const post = async (body: string, headers = {}) => {
    const { endpoint } = name === '--auth off' ? trusting : guarded
    const { host } = new URL(endpoint)
    return send(endpoint, { headers: { host, ...form, ...headers } }, body)
  }
  const exchange = 'Action=AssumeRoleWithWebIdentity&Version=2011-06-15'

  it('is read where it brings a web token', async () => {
    const { status, body } = await post(exchange)
    expect(status).toBe(400)
    expect(body).toContain('<Code>ValidationError</Code>')
  })

  it.each(['Action=GetCallerIdentity&Version=2011-06-15', 'Action=ListUsers&Version=2010-05-08', 'a=b'])(
    'is refused where it is %s',
    async (body) => {
      const answer = await post(body)
      expect(answer.status).toBe(403)
      expect(answer.body).toContain('<Code>MissingAuthenticationToken</Code>')
    },
  )

  it.each([{ origin: 'https://kms.example' }, { origin: 'null' }, { host: 'kms.example' }])(
    'is refused with %j, whatever it brings',
    async (headers) => {
      const answer = await post(exchange, headers)
      expect(answer.status).toBe(403)
      expect(answer.body).toContain('<Code>AccessDenied</Code>')
    },
  )
})

it('takes anybody for a root on IAM and STS where signatures are off', async () => {
  const headers = await signedForm('sts', { accessKeyId: '111122223333', secretAccessKey: 'nobody knows' })
  const { status, body } = await send(trusting.endpoint, { headers }, whoAmI)
  expect(status).toBe(200)
  expect(body).toContain('<Arn>arn:aws:iam::111122223333:root</Arn>')
  const other = await send(trusting.endpoint, { headers: await signedForm('s3', credentials) }, whoAmI)
  expect(other).toMatchObject({ status: 400, body: { __type: 'IncompleteSignatureException' } })
})

it.each([
  ['111122223333', '111122223333'],
  ['AKIAANYBODY', '000000000000'],
  ['1111222233334', '000000000000'],
])('takes access key id %s for account %s where signatures are off, and only there', async (accessKeyId, account) => {
  const as = { accessKeyId, secretAccessKey: 'nobody knows' }
  const trusted = await send(trusting.endpoint, { headers: await signedHeaders('127.0.0.1', 'CreateKey', as) })
  expect(trusted).toMatchObject({ status: 200, body: { KeyMetadata: { AWSAccountId: account } } })
  expect(trusted.body.KeyMetadata.Arn).toMatch(new RegExp(`^arn:aws:kms:us-east-1:${account}:key/`))
  const refused = await send(guarded.endpoint, { headers: await signedHeaders('127.0.0.1', 'CreateKey', as) })
  expect(refused).toMatchObject({ status: 400, body: { __type: 'UnrecognizedClientException' } })
})

it('checks the signature of the default credentials', async () => {
  const headers = await signedHeaders('127.0.0.1', 'ListKeys', { ...credentials, secretAccessKey: 'guess' })
  expect(await send(guarded.endpoint, { headers })).toMatchObject({ body: { __type: 'InvalidSignatureException' } })
})

it('serves any Host to those who bring credentials of their own', async () => {
  const env = { ROOT_CREDENTIALS: '111122223333:MINE:a-secret' }
  const { endpoint, output } = await startKms(['--state', 'memory'], { env })
  const own = { accessKeyId: 'MINE', secretAccessKey: 'a-secret' }
  const headers = { ...(await signedHeaders('kms.example', 'CreateKey', own)), origin: 'https://console.example' }
  const answer = await send(endpoint, { headers })
  expect(answer).toMatchObject({ status: 200, body: { KeyMetadata: { AWSAccountId: '111122223333' } } })
  const asDefault = await send(endpoint, { headers: await signedHeaders('kms.example', 'CreateKey') })
  expect(asDefault).toMatchObject({ status: 400, body: { __type: 'UnrecognizedClientException' } })
  expect(output()).not.toContain('a-secret')
})

it.each([
  [['--host', '0.0.0.0'], {}],
  [['--host', '::'], {}],
  [['--host', '0.0.0.0', '--auth', 'off'], { ROOT_CREDENTIALS: '111122223333:MINE:a-secret' }],
])('does not open %j to the network', async (args, env) => {
  const { code, stdout, stderr } = await failedStart(['--state', 'memory', ...args], { env })
  expect(stderr).toMatch(
    /^With default credentials or --auth off, only a loopback --host is served, not [0.:]+\. .*\.\n$/,
  )
  expect(stdout).toBe('')
  expect(code).toBe(1)
})
