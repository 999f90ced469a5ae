import { CreateKeyCommand } from '@aws-sdk/client-kms'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openKms, uses, uuid } from '../support/conformance.ts'
import { sdkInput } from '../support/sdk.ts'
import { type Answer, type Draft, sha256 } from '../support/sign.ts'

/** Requests that are wrong before any operation looks at them, and a few odd ones that are right. */

const kms = await openKms()
const { KeyMetadata } = await kms.client().send(new CreateKeyCommand({}))
const KeyId = KeyMetadata?.KeyId ?? ''

interface Row extends Draft {
  readonly name: string
  readonly status?: number
  readonly type: string
  readonly message?: string | RegExp | null
}

/** What no refusal may hold: secrets, what was to be encrypted, and how the server is made. */
const hidden = ['hidden-secret', 'aGlkZGVuIHBsYWludGV4dA==', 'Error:', '    at ', '.ts:', '.js:', 'sqlite', 'D1_']

function expectRefusal(answer: Answer, { status = 400, type, message }: Row): void {
  expect(answer, answer.text).toMatchObject({ status, contentType: 'application/x-amz-json-1.1' })
  expect(answer.requestId).toMatch(uuid)
  expect(answer.json.__type).toBe(type)
  if (message === null) expect(answer.json).not.toHaveProperty('message')
  else if (message !== undefined) expect(answer.json.message).toEqual(matching(message))
  for (const text of hidden) expect(answer.text).not.toContain(text)
}

function matching(message: string | RegExp): unknown {
  return typeof message === 'string' ? message : expect.stringMatching(message)
}

function refuses(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    it.each(rows)('$name', async (row) => {
      expectRefusal(await kms.send(row), row)
      // What the isolate remembers of a header lets nothing pass.
      expectRefusal(await kms.send(row), row)
    })
  })
}

const encrypt = (members: string): Draft => ({ operation: 'Encrypt', body: `{"KeyId":"${KeyId}",${members}}` })
const chunked = { 'transfer-encoding': 'chunked' }
const tooLarge = {
  status: 413,
  type: 'RequestEntityTooLargeException',
  message: 'A request is at most 409600 bytes.',
} as const
const serialization = { type: 'SerializationException' } as const
const unknown = { type: 'UnknownOperationException', message: null } as const

refuses('the body', [
  { name: 'is not JSON', body: 'KeyId=1', ...serialization },
  { name: 'is cut short', body: '{"Limit":1', ...serialization },
  { name: 'has something behind it', body: '{} {}', ...serialization },
  { name: 'is empty', body: '', ...serialization },
  { name: 'is an array', body: '[]', ...serialization },
  { name: 'is null', body: 'null', ...serialization },
  { name: 'is a number', body: '1', ...serialization },
  { name: 'is a string', body: '"{}"', ...serialization },
  {
    name: 'says that it is refused',
    operation: 'DescribeKey',
    body: '{"refused":"constructor"}',
    type: 'ValidationException',
  },
  { name: 'begins with a byte order mark', body: '\uFEFF{}', ...serialization },
  { name: 'is not UTF-8', body: Buffer.from('{"Marker":"\xff\xfe"}', 'latin1'), ...serialization },
  { name: 'is UTF-8 of a surrogate', body: Buffer.from('{"Marker":"\xed\xa0\x80"}', 'latin1'), ...serialization },
  { name: 'is UTF-16', body: Buffer.from('{}', 'utf16le'), ...serialization },
  { name: 'nests 100,000 deep', body: '['.repeat(100_000) + ']'.repeat(100_000), ...serialization },
  // Not sent whole: what is refused unread may be cut off.
  { name: 'is to be of 10 MB', claimedBytes: 10_000_000, ...tooLarge },
  { name: 'is one byte too large', body: `{}${' '.repeat(409_599)}`, ...tooLarge },
  { name: 'is too large, in chunks', body: Buffer.alloc(500_000, ' '), unsignedHeaders: chunked, ...tooLarge },
])

refuses('a value', [
  { name: 'lone high surrogate in KeyId', operation: 'DescribeKey', body: '{"KeyId":"\\ud800"}', ...serialization },
  {
    name: 'lone low surrogate in Description',
    operation: 'CreateKey',
    body: '{"Description":"a\\udc00b"}',
    ...serialization,
  },
  {
    name: 'lone surrogate in a context value',
    ...encrypt('"Plaintext":"YQ==","EncryptionContext":{"a":"\\ud800"}'),
    ...serialization,
  },
  {
    name: 'lone surrogate in a context name',
    ...encrypt('"Plaintext":"YQ==","EncryptionContext":{"\\udfff":"a"}'),
    ...serialization,
  },
  {
    name: 'lone surrogate in a tag',
    operation: 'CreateKey',
    body: '{"Tags":[{"TagKey":"\\ud800","TagValue":""}]}',
    ...serialization,
  },
  { name: 'base64 with a character that is none', ...encrypt('"Plaintext":"aGVs*G8="'), ...serialization },
  { name: 'base64url', ...encrypt('"Plaintext":"_-__"'), ...serialization },
  { name: 'base64 with white space', ...encrypt('"Plaintext":"aGVs\\nbG8="'), ...serialization },
  { name: 'base64 with a space at its end', ...encrypt('"Plaintext":"aGVsbG8= "'), ...serialization },
  { name: 'base64 without padding', ...encrypt('"Plaintext":"aGVsbG8"'), ...serialization },
  { name: 'base64 with too much padding', ...encrypt('"Plaintext":"aGVsbG8=="'), ...serialization },
  { name: 'base64 with padding inside', ...encrypt('"Plaintext":"YQ==YQ=="'), ...serialization },
  { name: 'base64 with leftover bits', ...encrypt('"Plaintext":"aGVsbG9="'), ...serialization },
  { name: 'a blob of bytes', ...encrypt('"Plaintext":[104,101]'), ...serialization },
  {
    name: 'a KeyId of 2,049 characters',
    operation: 'DescribeKey',
    body: JSON.stringify({ KeyId: 'k'.repeat(2049) }),
    type: 'ValidationException',
    message:
      /^1 validation error detected: Value 'k+' at 'keyId' failed to satisfy constraint: Member must have length less than or equal to 2048$/,
  },
  {
    name: 'a plaintext of 4,097 bytes is not repeated',
    ...encrypt(`"Plaintext":"${Buffer.from('hidden plaintext'.padEnd(4097)).toString('base64')}"`),
    type: 'ValidationException',
    message:
      "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
  },
  { name: 'a KeyId of a NUL', operation: 'DescribeKey', body: '{"KeyId":"\\u0000"}', type: 'NotFoundException' },
  {
    name: 'an alias with a NUL',
    operation: 'DescribeKey',
    body: '{"KeyId":"alias/\\u0000"}',
    type: 'NotFoundException',
  },
  {
    name: 'an alias of 2,000 characters',
    operation: 'DescribeKey',
    body: `{"KeyId":"alias/${'a'.repeat(2000)}"}`,
    type: 'NotFoundException',
  },
  {
    name: 'grant tokens that become no text',
    ...encrypt(`"Plaintext":"YQ==","GrantTokens":[${Array(11).fill('{"toString":1,"valueOf":1}')}]`),
    ...serialization,
  },
  {
    name: 'grant tokens that nest 50,000 deep',
    ...encrypt(`"Plaintext":"YQ==","GrantTokens":[${'['.repeat(50_000)}${']'.repeat(50_000)},1,1,1,1,1,1,1,1,1,1]`),
    ...serialization,
  },
  { name: 'a number beyond all numbers', operation: 'ListKeys', body: '{"Limit":1e999}', ...serialization },
])

refuses('the target', [
  { name: 'is missing', operation: null, ...unknown },
  { name: 'is empty', headers: { 'x-amz-target': '' }, ...unknown },
  { name: 'has no operation', headers: { 'x-amz-target': 'TrentService.' }, ...unknown },
  { name: 'is of another service', headers: { 'x-amz-target': 'DynamoDB_20120810.ListTables' }, ...unknown },
  { name: 'has another prefix', headers: { 'x-amz-target': 'trentservice.ListKeys' }, ...unknown },
  { name: 'is no operation', operation: 'EncryptEverything', ...unknown },
  { name: 'has the wrong case', operation: 'listKeys', ...unknown },
  { name: 'is what objects inherit', operation: 'constructor', ...unknown },
  { name: 'is a prototype', operation: '__proto__', ...unknown },
])

const unserved = `ConnectCustomKeyStore CreateCustomKeyStore DeleteCustomKeyStore DisconnectCustomKeyStore
  UpdateCustomKeyStore`.split(/\s+/)

refuses(
  'an operation that is not served yet',
  unserved.map((operation) => ({
    name: operation,
    operation,
    type: 'UnsupportedOperationException',
    message: `${operation} is an operation of AWS KMS that edge-kms does not serve yet.`,
  })),
)

const incomplete = { type: 'IncompleteSignatureException' } as const
const wrong = {
  type: 'InvalidSignatureException',
  message:
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
} as const
const invalidSignature = { type: 'InvalidSignatureException' } as const
const unrecognized = {
  type: 'UnrecognizedClientException',
  message: 'The security token included in the request is invalid.',
} as const
const hourMs = 3_600_000

refuses('the Authorization header', [
  {
    name: 'is missing',
    authorization: () => null,
    type: 'MissingAuthenticationTokenException',
    message: 'Missing Authentication Token',
  },
  { name: 'is empty', authorization: () => '', type: 'MissingAuthenticationTokenException' },
  { name: 'is of another scheme', authorization: () => 'Bearer abc', ...incomplete },
  { name: 'has nothing but the algorithm', authorization: () => 'AWS4-HMAC-SHA256', ...incomplete },
  {
    name: 'has nothing behind the algorithm',
    authorization: () => 'AWS4-HMAC-SHA256 x',
    ...incomplete,
    message:
      "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
  },
  {
    name: 'has no Credential',
    authorization: (header) => header.replace(/Credential=[^,]*, /, ''),
    ...incomplete,
    message: "Authorization header requires 'Credential' parameter.",
  },
  {
    name: 'has no SignedHeaders',
    authorization: (header) => header.replace(/SignedHeaders=[^,]*, /, ''),
    ...incomplete,
    message: "Authorization header requires 'SignedHeaders' parameter.",
  },
  {
    name: 'has no Signature',
    authorization: (header) => header.replace(/, Signature=.*/, ''),
    ...incomplete,
    message: "Authorization header requires 'Signature' parameter.",
  },
  {
    name: 'has a scope of four parts',
    authorization: (header) => header.replace('/aws4_request', ''),
    ...incomplete,
    message: /^Credential must have exactly 5 slash-delimited elements/,
  },
  { name: 'has a scope of six parts', authorization: (header) => header.replace('/kms/', '/kms/kms/'), ...incomplete },
  {
    name: 'has another terminator',
    authorization: (header) => header.replace('aws4_request', 'aws5_request'),
    ...incomplete,
  },
  {
    name: 'is of SigV4a',
    authorization: (header) => header.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'),
    ...incomplete,
    message: 'SigV4a signatures are not accepted: sign with SigV4.',
  },
  {
    name: 'has a signature that is no hex',
    authorization: (header) => header.replace(/Signature=.*/, 'Signature=zz'),
    ...wrong,
  },
  { name: 'has half a signature', authorization: (header) => header.slice(0, -32), ...wrong },
  { name: 'has an unknown access key', accessKeyId: 'NOBODY', ...unrecognized },
  { name: 'has an access key of a prototype', accessKeyId: '__proto__', ...unrecognized },
  { name: 'is made with a wrong secret', secretAccessKey: 'hidden-secret-of-nobody', ...wrong },
  { name: 'is made with no secret', secretAccessKey: '', ...wrong },
  {
    name: 'is for a Region that is none',
    region: 'mars-north-1',
    ...invalidSignature,
    message: 'Credential should be scoped to a valid region.',
  },
  {
    name: 'is for another service',
    service: 's3',
    ...invalidSignature,
    message: "Credential should be scoped to correct service: 'kms'.",
  },
  {
    name: 'has another day in its scope',
    scopeDate: '20200101',
    ...invalidSignature,
    message:
      /^Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20200101' != '\d{8}', from '\d{8}T\d{6}Z'\.$/,
  },
  {
    name: 'is replaced by a presigned query',
    path: '/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Signature=b',
    authorization: () => null,
    ...incomplete,
    message: 'Presigned requests are not accepted: sign in the Authorization header.',
  },
])

refuses('the time', [
  {
    name: 'is an hour ago',
    at: Date.now() - hourMs,
    ...invalidSignature,
    message: /^Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)$/,
  },
  {
    name: 'is in an hour',
    at: Date.now() + hourMs,
    ...invalidSignature,
    message: /^Signature not yet current: \d{8}T\d{6}Z is still later than \d{8}T\d{6}Z \(\d{8}T\d{6}Z \+ 5 min\.\)$/,
  },
  { name: 'is missing', headers: { 'x-amz-date': null }, ...incomplete },
  { name: 'is not ISO 8601', headers: { 'x-amz-date': 'yesterday' }, ...incomplete },
  { name: 'is no date', headers: { 'x-amz-date': '20261345T256199Z' }, ...incomplete },
  {
    name: 'is in an unsigned Date',
    headers: { 'x-amz-date': null },
    unsignedHeaders: { date: new Date().toUTCString() },
    ...incomplete,
  },
])

refuses('the signed headers', [
  {
    name: 'leave out one that KMS reads',
    unsignedHeaders: { 'x-amz-user-agent': '1' },
    ...invalidSignature,
    message: "'x-amz-user-agent' must be a 'SignedHeader' in the AWS Authorization.",
  },
  {
    name: 'leave out the target',
    signedHeaders: (names) => names.filter((name) => name !== 'x-amz-target'),
    ...invalidSignature,
    message: "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.",
  },
  {
    name: 'leave out the date',
    signedHeaders: (names) => names.filter((name) => name !== 'x-amz-date'),
    ...invalidSignature,
    message: "'x-amz-date' must be a 'SignedHeader' in the AWS Authorization.",
  },
  {
    name: 'leave out the host',
    signedHeaders: (names) => names.filter((name) => name !== 'host'),
    ...invalidSignature,
    message: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
  },
  { name: 'are not sorted', signedHeaders: (names) => [...names].reverse(), ...incomplete },
  { name: 'repeat one', signedHeaders: (names) => names.flatMap((name) => [name, name]), ...incomplete },
  { name: 'are in upper case', signedHeaders: (names) => names.map((name) => name.toUpperCase()), ...incomplete },
  {
    name: 'have one in mixed case',
    signedHeaders: (names) => ['Content-Type', ...names.filter((name) => name !== 'content-type')],
    ...incomplete,
  },
  { name: 'have an empty name', signedHeaders: (names) => ['', ...names], ...incomplete },
  { name: 'have a name that no header has', signedHeaders: (names) => ['a b(c)', ...names], ...incomplete },
  {
    name: 'name one that is not there',
    signedHeaders: (names) => ['a-header', ...names],
    unsignedHeaders: { 'a-header': 'x' },
    ...wrong,
  },
  { name: 'have another target by now', unsignedHeaders: { 'x-amz-target': 'TrentService.CreateKey' }, ...wrong },
  { name: 'have another host by now', unsignedHeaders: { host: 'localhost' }, ...wrong },
  { name: 'have a session token', headers: { 'x-amz-security-token': 'token' }, ...unrecognized },
  {
    name: 'lack a session token that is there',
    unsignedHeaders: { 'x-amz-security-token': 'token' },
    ...invalidSignature,
  },
])

refuses('the payload', [
  { name: 'is not the one that was signed', body: '{}', sentBody: '{"Limit":1}', ...wrong },
  { name: 'has the hash of another', headers: { 'x-amz-content-sha256': sha256('{"Limit":1}') }, ...wrong },
  {
    name: 'has the hash of another, signed as such',
    headers: { 'x-amz-content-sha256': sha256('x') },
    payloadHash: sha256('x'),
    ...wrong,
  },
  {
    name: 'is not signed',
    headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    payloadHash: 'UNSIGNED-PAYLOAD',
    ...wrong,
  },
  {
    name: 'is streamed',
    headers: { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' },
    payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    ...wrong,
  },
  {
    name: 'has a hash in upper case',
    headers: { 'x-amz-content-sha256': sha256('{}').toUpperCase() },
    payloadHash: sha256('{}').toUpperCase(),
    ...wrong,
  },
])

refuses('the address', [
  { name: 'GET /', method: 'GET', body: '', status: 404, ...unknown },
  { name: 'PUT /', method: 'PUT', status: 404, ...unknown },
  { name: 'DELETE /', method: 'DELETE', body: '', status: 404, ...unknown },
  { name: 'POST /keys', path: '/keys', status: 404, ...unknown },
  { name: 'POST //', path: '//', status: 404, ...unknown },
  { name: 'GET /../etc/passwd', method: 'GET', path: '/../etc/passwd', body: '', status: 404, ...unknown },
  { name: 'GET /constructor', method: 'GET', path: '/constructor', body: '', status: 404, ...unknown },
])

const other = '0123abcd-0000-4000-8000-0123456789ab'
const arn = (region: string, account: string, resource: string) => `arn:aws:kms:${region}:${account}:${resource}`
const here = (resource: string) => arn(kms.region, kms.caller.account, resource)
const denied = {
  type: 'AccessDeniedException',
  message:
    /^User: arn:aws:iam::\d{12}:root is not authorized to perform: kms:\w+ on resource: arn:aws:kms:\S+ because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access$/,
} as const
const notFound = (message: string) => ({ type: 'NotFoundException', message }) as const
// Encrypt does not list InvalidArnException.
const malformed = (operation: string) => ({
  type: operation === 'Encrypt' ? 'NotFoundException' : 'InvalidArnException',
  message: /^Invalid arn 'arn:aws/,
})
const named = (operation: string, name: string): Draft => ({
  operation,
  body: JSON.stringify({ KeyId: name, ...(operation === 'Encrypt' ? { Plaintext: 'aGlkZGVuIHBsYWludGV4dA==' } : {}) }),
})

refuses(
  'a name',
  ['DescribeKey', 'Encrypt', 'DisableKey', 'GetKeyRotationStatus'].flatMap((operation): Row[] => [
    {
      name: `${operation}: no key`,
      ...named(operation, other),
      ...notFound(`Key '${here(`key/${other}`)}' does not exist`),
    },
    {
      name: `${operation}: no multi-Region key`,
      ...named(operation, `mrk-${'0'.repeat(32)}`),
      ...notFound(`Key '${here(`key/mrk-${'0'.repeat(32)}`)}' does not exist`),
    },
    { name: `${operation}: no id`, ...named(operation, 'fake'), ...notFound("Invalid keyId 'fake'") },
    {
      name: `${operation}: another Region`,
      ...named(operation, arn('eu-west-3', kms.caller.account, `key/${KeyId}`)),
      ...notFound('Invalid arn eu-west-3'),
    },
    {
      name: `${operation}: another account`,
      ...named(operation, arn(kms.region, '999988887777', `key/${KeyId}`)),
      ...denied,
    },
    {
      name: `${operation}: another partition`,
      ...named(operation, here(`key/${KeyId}`).replace('arn:aws:', 'arn:aws-cn:')),
      ...malformed(operation),
    },
    {
      name: `${operation}: another service`,
      ...named(operation, here(`key/${KeyId}`).replace(':kms:', ':s3:')),
      ...malformed(operation),
    },
    { name: `${operation}: no ARN`, ...named(operation, 'arn:aws:kms'), ...malformed(operation) },
  ]),
)

refuses('an alias', [
  ...['DescribeKey', 'Encrypt'].flatMap((operation): Row[] => [
    {
      name: `${operation}: of nothing`,
      ...named(operation, 'alias/nothing'),
      ...notFound(`Alias ${here('alias/nothing')} is not found.`),
    },
    {
      name: `${operation}: of nothing, as an ARN`,
      ...named(operation, here('alias/nothing')),
      ...notFound(`Alias ${here('alias/nothing')} is not found.`),
    },
    {
      name: `${operation}: of another account`,
      ...named(operation, arn(kms.region, '999988887777', 'alias/nothing')),
      ...denied,
    },
    {
      name: `${operation}: of another Region`,
      ...named(operation, arn('eu-west-3', kms.caller.account, 'alias/nothing')),
      ...notFound('Invalid arn eu-west-3'),
    },
  ]),
  ...['DisableKey', 'ScheduleKeyDeletion', 'GetKeyPolicy', 'ListResourceTags', 'ListAliases'].flatMap(
    (operation): Row[] => [
      {
        name: `${operation}: where only keys are taken`,
        ...named(operation, 'alias/nothing'),
        ...notFound("Invalid keyId 'alias/nothing'"),
      },
      {
        name: `${operation}: its ARN where only keys are taken`,
        ...named(operation, here('alias/nothing')),
        type: 'InvalidArnException',
      },
    ],
  ),
])

describe('what is right', () => {
  it.each<Draft & { name: string }>([
    { name: 'nothing but the minimum' },
    { name: 'members that no shape has', body: '{"Limit":1,"Nonsense":[1,{"a":null}],"__proto__":{"Limit":"x"}}' },
    { name: 'members that are null', body: '{"Limit":null,"Marker":null}' },
    { name: 'white space in the body', body: ' \n{ "Limit" : 1 }\t' },
    { name: 'a body of 409,600 bytes', body: `{}${' '.repeat(409_598)}` },
    { name: 'a body in chunks', unsignedHeaders: chunked },
    { name: 'the right payload hash', headers: { 'x-amz-content-sha256': sha256('{}') } },
    { name: 'a signed content-length', headers: { 'content-length': '2' } },
    { name: 'another content type', headers: { 'content-type': 'application/json' } },
    {
      name: 'headers of the SDK, signed',
      headers: { 'amz-sdk-invocation-id': other, 'x-amz-user-agent': 'aws-sdk-js' },
    },
    {
      name: 'headers of the SDK, unsigned',
      unsignedHeaders: { 'amz-sdk-invocation-id': other, 'amz-sdk-request': 'attempt=1' },
    },
    { name: 'white space in a signed header', headers: { 'x-amz-user-agent': ' a   b ' } },
    { name: 'a signed query', path: '/?a=b' },
    { name: 'no spaces between the parts', authorization: (header) => header.replaceAll(', ', ',') },
    { name: 'four minutes ago', at: Date.now() - 240_000 },
    { name: 'in four minutes', at: Date.now() + 240_000 },
    { name: 'another Region', region: 'ap-southeast-2' },
  ])('$name', async (draft) => {
    const { status, text, requestId, contentType } = await kms.send(draft)
    expect(text).toMatch(/^\{"Keys":\[/)
    expect({ status, contentType }).toEqual({ status: 200, contentType: 'application/x-amz-json-1.1' })
    expect(requestId).toMatch(uuid)
  })

  it('gives every answer its own request id', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => kms.send({})))
    expect(new Set(answers.map(({ requestId }) => requestId)).size).toBe(10)
  })
})

it('answers any JSON at all with less than a 500', async () => {
  const requests = fc.constantFrom(...Object.keys(uses)).chain((operation) => {
    const members = Object.keys(sdkInput(operation)).map((name) => [name, fc.jsonValue({ noUnicodeString: false })])
    return fc.record({
      operation: fc.constant(operation),
      input: fc.record(Object.fromEntries(members), { requiredKeys: [] }),
    })
  })
  await fc.assert(
    fc.asyncProperty(requests, async ({ operation, input }) => {
      const { status, text } = await kms.ask(operation, input)
      expect(status, `${operation}: ${text}`).toBeLessThan(500)
    }),
    { numRuns: 300 },
  )
})

it('has logged no bug, no secret and no plaintext by now', () => {
  for (const text of ['"bug"', 'hidden-secret', 'aGlkZGVuIHBsYWludGV4dA', 'hidden plaintext']) {
    expect(kms.output()).not.toContain(text)
  }
})
