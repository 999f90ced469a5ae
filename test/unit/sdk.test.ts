import { describe, expect, it } from 'vitest'
import type { EnvelopeKms } from '../../src/envelope/index.ts'
import type { BindingAnswer, BindingCall } from '../../src/model/kms-binding.ts'
import { operations } from '../../src/operations/index.ts'
import { createKms, KmsError, type KmsOptions } from '../../src/sdk/index.ts'
import { isRepeatable, type MethodName, methods } from '../../src/sdk/methods.ts'
import { blobMembers, timeMembers } from '../../src/sdk/wire.ts'
import { type SdkMembers, sdkOutput } from '../support/sdk.ts'

const endpoint = 'http://kms.test'
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }

interface Asked {
  readonly url: string
  readonly operation: string | undefined
  readonly headers: Headers
  readonly body: string
}

type Answer = Response | Error | (() => Response)

/** A client whose requests get these answers, one after the other, and what it asked. */
function clientOf(answers: readonly Answer[], options: Partial<KmsOptions> = {}) {
  const asked: Asked[] = []
  const fetch = async (url: Request | string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers)
    const operation = headers.get('x-amz-target')?.replace('TrentService.', '')
    asked.push({ url: String(url), operation, headers, body: String(init.body) })
    init.signal?.throwIfAborted()
    const answer = answers[Math.min(asked.length, answers.length) - 1]
    if (answer instanceof Error) throw answer
    return typeof answer === 'function' ? answer() : (answer as Response).clone()
  }
  return { kms: createKms({ endpoint, credentials, fetch, ...options } as KmsOptions), asked }
}

function refusal(type: string, message?: string, status = 400) {
  return new Response(JSON.stringify({ __type: type, message }), { status, headers: { 'x-amzn-requestid': 'r-1' } })
}

const ok = Response.json({ KeyId: 'k' })
const failed = refusal('KMSInternalException', undefined, 500)
const throttled = refusal('ThrottlingException', 'Rate exceeded')

async function thrown(work: Promise<unknown>): Promise<KmsError> {
  const failure = await work.then(
    () => null,
    (failure: unknown) => failure,
  )
  expect(failure).toBeInstanceOf(KmsError)
  return failure as KmsError
}

describe('its lists', () => {
  it('have every operation of KMS', () => {
    expect(Object.keys(methods)).toEqual(Object.keys(operations))
  })

  it('have every blob and every time that KMS answers, and nothing else', () => {
    const kinds = { Blob: new Set<string>(), Timestamp: new Set<string>() }
    const others = new Set<string>()
    const walk = (members: SdkMembers) => {
      for (const [name, { kind, members: nested }] of Object.entries(members)) {
        if (kind === 'Blob' || kind === 'Timestamp') kinds[kind].add(name)
        else others.add(name)
        if (nested !== null) walk(nested)
      }
    }
    for (const name of Object.keys(methods)) walk(sdkOutput(name) ?? {})
    expect([...blobMembers].sort()).toEqual([...kinds.Blob].sort())
    expect([...timeMembers].sort()).toEqual([...kinds.Timestamp].sort())
    for (const name of others) expect(blobMembers.has(name) || timeMembers.has(name), name).toBe(false)
  })
})

describe('over HTTP', () => {
  it('signs, encodes and decodes', async () => {
    const { kms, asked } = clientOf([
      Response.json({ CiphertextBlob: 'AAEC', Plaintext: '/w==', KeyId: 'k', KeyMaterialId: 'm' }),
    ])
    const answer = await kms.generateDataKey({
      KeyId: 'alias/a',
      NumberOfBytes: 1,
      EncryptionContext: { Plaintext: 'a' },
    })
    expect(answer).toEqual({
      CiphertextBlob: new Uint8Array([0, 1, 2]),
      Plaintext: new Uint8Array([255]),
      KeyId: 'k',
      KeyMaterialId: 'm',
    })
    const [{ url, operation, headers, body }] = asked as [Asked]
    expect(url).toBe('http://kms.test/')
    expect(operation).toBe('GenerateDataKey')
    expect(headers.get('authorization')).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/us-east-1\/kms\/aws4_request/,
    )
    expect(JSON.parse(body)).toEqual({ KeyId: 'alias/a', NumberOfBytes: 1, EncryptionContext: { Plaintext: 'a' } })
  })

  it('takes any bytes for a blob', async () => {
    const { kms, asked } = clientOf([ok])
    const bytes = [Buffer.from([1, 2]), new Uint8Array([0, 1, 2, 3]).subarray(1, 3), new Uint8Array([1, 2])]
    for (const Plaintext of bytes) await kms.encrypt({ KeyId: 'k', Plaintext })
    expect(asked.map(({ body }) => JSON.parse(body).Plaintext)).toEqual(['AQI=', 'AQI=', 'AQI='])
  })

  it("leaves the caller's own words as they are, and makes Dates of times", async () => {
    const Constraints = { EncryptionContextSubset: { Plaintext: 'AAEC', CreationDate: 'then' } }
    const { kms } = clientOf([Response.json({ Grants: [{ CreationDate: 1.5, Constraints }], Truncated: false })])
    expect(await kms.listGrants({ KeyId: 'k' })).toEqual({
      Grants: [{ CreationDate: new Date(1500), Constraints }],
      Truncated: false,
    })
  })

  it('answers undefined where KMS answers nothing', async () => {
    const { kms } = clientOf([new Response(null)])
    expect(await kms.disableKey({ KeyId: 'k' })).toBe(undefined)
  })

  it('throws what KMS refuses by its name, with the remedy', async () => {
    const { kms, asked } = clientOf([refusal('com.amazonaws.kms#DisabledException', 'arn is disabled.')])
    const failure = await thrown(kms.encrypt({ KeyId: 'k', Plaintext: new Uint8Array(1) }))
    expect(failure).toMatchObject({
      name: 'DisabledException',
      message: 'arn is disabled.',
      requestId: 'r-1',
      retryable: false,
      remedy: expect.stringContaining('EnableKey'),
    })
    expect(asked).toHaveLength(1)
  })

  it.each([
    ['20260101T110000Z', 'is now earlier than 20260101T115500Z (20260101T120000Z - 5 min.)', '60 minutes behind'],
    ['20260101T130000Z', 'is still later than 20260101T120500Z (20260101T120000Z + 5 min.)', '60 minutes ahead of'],
  ])('says how far off the clock is', async (signed, rest, told) => {
    const { kms } = clientOf([refusal('InvalidSignatureException', `Signature expired: ${signed} ${rest}`)])
    expect((await thrown(kms.listKeys())).remedy).toContain(`clock is ${told} the server's`)
  })

  it.each([
    ['nothing listens', new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }), 'ECONNREFUSED', true],
    ['a web page', new Response('<html>', { headers: { 'content-type': 'text/html' } }), '200 with text/html', false],
    ['not found', new Response('nope', { status: 404 }), 'answers 404', false],
    ['a bad gateway', new Response('', { status: 502 }), 'answers 502', true],
    ['JSON of somebody else', Response.json({ error: 'x' }, { status: 400 }), 'answers 400', false],
  ])('says that the endpoint is wrong: %s', async (_, answer, message, retryable) => {
    const { kms } = clientOf([answer], { maxAttempts: 1 })
    const failure = await thrown(kms.listKeys())
    expect(failure).toMatchObject({ name: 'EndpointError', retryable })
    expect(failure.message).toContain(message)
    expect(failure.remedy).toContain('Check the endpoint')
  })

  it.each(['localhost:8787', 'kms.example.com', '', 'ftp://kms.example.com'])('takes no %j for an endpoint', (text) => {
    expect(() => createKms({ endpoint: text, credentials })).toThrow('it takes a URL such as')
  })

  it('is on behalf of nobody else', () => {
    expect(() => clientOf([ok]).kms.via('s3')).toThrow('over a service binding alone')
  })
})

describe('asks again', () => {
  it.each([
    ['after throttling, whatever it is', 'CreateKey', throttled, 3],
    ['after a failure, what does no harm', 'Encrypt', failed, 3],
    ['after no answer, what does no harm', 'Encrypt', new TypeError('fetch failed'), 3],
    ['not after a failure, what may have made something', 'CreateKey', failed, 1],
    ['not after no answer, what may have made something', 'RotateKeyOnDemand', new TypeError('fetch failed'), 1],
    ['not after a refusal', 'Encrypt', refusal('NotFoundException'), 1],
  ] as const)('%s', async (_, operation, answer, times) => {
    const { kms, asked } = clientOf([answer])
    const name = `${operation.charAt(0).toLowerCase()}${operation.slice(1)}` as 'encrypt'
    await thrown(kms[name]({ KeyId: 'k', Plaintext: new Uint8Array(1) }))
    expect(asked).toHaveLength(times)
  })

  it('and is answered', async () => {
    const { kms, asked } = clientOf([failed, throttled, ok])
    expect(await kms.describeKey({ KeyId: 'k' })).toEqual({ KeyId: 'k' })
    expect(asked).toHaveLength(3)
  })

  it('as often as it may', async () => {
    const { kms, asked } = clientOf([throttled], { maxAttempts: 5 })
    await thrown(kms.listKeys())
    expect(asked).toHaveLength(5)
  })

  it('for a grant that has a name', () => {
    expect(isRepeatable('CreateGrant', { Name: 'a' })).toBe(true)
    expect(isRepeatable('CreateGrant', {})).toBe(false)
    const readers = (Object.keys(methods) as MethodName[]).filter((name) => /^(List|Get|Describe)/.test(name))
    expect(readers.filter((name) => !isRepeatable(name, {}))).toEqual([])
    const makers = (Object.keys(methods) as MethodName[]).filter((name) => /^(Create|Delete|Replicate)/.test(name))
    expect(makers.filter((name) => isRepeatable(name, {}))).toEqual([])
  })
})

describe('an abort signal', () => {
  it('ends a request before it is sent, and the pause between two', async () => {
    const before = clientOf([ok])
    const reason = new Error('enough')
    await expect(before.kms.listKeys({}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const aborting = new AbortController()
    const abortAndThrottle = () => {
      aborting.abort(reason)
      return throttled.clone()
    }
    const { kms, asked } = clientOf([abortAndThrottle], { maxAttempts: 50 })
    await expect(kms.listKeys({}, { signal: aborting.signal })).rejects.toBe(reason)
    expect(asked).toHaveLength(1)
  })

  it('ends the wait for a binding', async () => {
    const reason = new Error('enough')
    const aborting = new AbortController()
    const kms = createKms({ binding: { invoke: () => new Promise<BindingAnswer>(() => aborting.abort(reason)) } })
    await expect(kms.listKeys({}, { signal: aborting.signal })).rejects.toBe(reason)
  })
})

describe('credentials', () => {
  const until = (ms: number) => ({ ...credentials, sessionToken: 't', expiration: new Date(Date.now() + ms) })

  it('of a function are held until shortly before they end', async () => {
    let gets = 0
    const get = (ms: number) => () => {
      gets++
      return until(ms)
    }
    const long = clientOf([ok], { credentials: get(3_600_000) })
    for (let n = 0; n < 3; n++) await long.kms.listKeys()
    expect(gets).toBe(1)
    expect(long.asked[0]?.headers.get('x-amz-security-token')).toBe('t')
    const short = clientOf([ok], { credentials: get(60_000) })
    for (let n = 0; n < 3; n++) await short.kms.listKeys()
    expect(gets).toBe(4)
  })

  it('that are over are got anew, once', async () => {
    let gets = 0
    const source = () => {
      gets++
      return until(3_600_000)
    }
    const over = refusal('ExpiredTokenException', 'The security token included in the request is expired')
    const { kms, asked } = clientOf([over, ok], { credentials: source })
    expect(await kms.listKeys()).toEqual({ KeyId: 'k' })
    expect([gets, asked.length]).toEqual([2, 2])
    const fixed = clientOf([over, ok], { credentials: until(0) })
    expect((await thrown(fixed.kms.listKeys())).remedy).toContain('get new credentials')
    expect(fixed.asked).toHaveLength(1)
  })

  const webIdentity = { roleArn: 'arn:aws:iam::000000000000:role/ci', webIdentityToken: async () => 'a.b.c' }

  it('of a web identity are exchanged for at the same endpoint', async () => {
    const expiration = new Date(Date.now() + 3_600_000).toISOString()
    const issued = new Response(
      `<R><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey><SessionToken>tok=</SessionToken><Expiration>${expiration}</Expiration></Credentials></R>`,
    )
    const { kms, asked } = clientOf([issued, ok], { credentials: webIdentity })
    await kms.listKeys()
    await kms.listKeys()
    expect(asked.map(({ url }) => url)).toEqual(['http://kms.test/', 'http://kms.test/', 'http://kms.test/'])
    const [exchange, first] = asked as [Asked, Asked]
    expect(Object.fromEntries(new URLSearchParams(exchange.body))).toMatchObject({
      Action: 'AssumeRoleWithWebIdentity',
      RoleArn: webIdentity.roleArn,
      WebIdentityToken: 'a.b.c',
    })
    expect(exchange.headers.has('authorization')).toBe(false)
    expect(first.headers.get('x-amz-security-token')).toBe('tok=')
  })

  it('of a web identity that is not taken say why', async () => {
    const refused = new Response(
      '<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>No &lt;provider&gt;</Message></Error><RequestId>r-9</RequestId></ErrorResponse>',
      { status: 400 },
    )
    const { kms } = clientOf([refused], { credentials: webIdentity })
    expect(await thrown(kms.listKeys())).toMatchObject({
      name: 'InvalidIdentityToken',
      message: 'No <provider>',
      requestId: 'r-9',
      remedy: expect.stringContaining('has to trust'),
    })
  })
})

describe('over a binding', () => {
  function bound(answer: BindingAnswer | Error) {
    const asked: { operation: string; input: unknown; call: BindingCall }[] = []
    const binding = {
      async invoke(operation: string, input: unknown, call: BindingCall) {
        asked.push({ operation, input, call })
        if (answer instanceof Error) throw answer
        return answer
      },
    }
    return { kms: createKms({ binding, region: 'eu-west-1' }), asked }
  }

  it('hands over bytes as they are', async () => {
    const output = { CiphertextBlob: new Uint8Array([1]), KeyId: 'k', EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' }
    const { kms, asked } = bound({ requestId: 'r', output })
    const input = { KeyId: 'k', Plaintext: new Uint8Array([2]) }
    expect(await kms.encrypt(input)).toBe(output)
    await kms.via('s3').encrypt(input)
    expect(asked).toEqual([
      { operation: 'Encrypt', input, call: { region: 'eu-west-1' } },
      { operation: 'Encrypt', input, call: { region: 'eu-west-1', via: 's3' } },
    ])
  })

  it('throws what is refused', async () => {
    const { kms } = bound({ requestId: 'r', refused: 'NotFoundException', message: 'no', isRetryable: false })
    expect(await thrown(kms.listKeys())).toMatchObject({ name: 'NotFoundException', message: 'no', requestId: 'r' })
  })

  it.each([
    [new TypeError('The RPC receiver does not implement the method "invoke".'), 'entrypoint = "Kms"', 1],
    [new Error('Network connection lost.'), 'Ask again', 3],
  ])('says what is wrong with the binding: %s', async (failure, remedy, times) => {
    const { kms, asked } = bound(failure)
    expect(await thrown(kms.listKeys())).toMatchObject({
      name: 'EndpointError',
      remedy: expect.stringContaining(remedy),
    })
    expect(asked).toHaveLength(times)
  })

  it('that is not there is told at once', () => {
    expect(() => createKms({ binding: undefined as never })).toThrow('The binding is not there')
  })
})

it('is what an envelope asks of KMS', () => {
  const asked: EnvelopeKms = clientOf([ok]).kms
  expect(asked.generateDataKey).toBeTypeOf('function')
})
