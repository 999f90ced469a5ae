import { describe, expect, it } from 'vitest'
import { openKms, uuid } from '../support/conformance.ts'
import { type Draft, sha256 } from '../support/sign.ts'

/** Requests to IAM and STS that are wrong before any operation looks at them, and a few odd ones that are right. */

const kms = await openKms()
const form = 'application/x-www-form-urlencoded; charset=utf-8'

interface Row extends Draft {
  readonly name: string
  readonly status: number
  readonly code: string
  readonly message?: string
}

const draftOf = (draft: Draft): Draft => ({
  operation: null,
  service: 'iam',
  body: 'Action=ListUsers&Version=2010-05-08',
  ...draft,
  headers: { 'content-type': form, ...draft.headers },
})

describe('refuses a request that', () => {
  it.each<Row>([
    { name: 'is empty', body: '', status: 400, code: 'InvalidAction' },
    { name: 'has no Action', body: 'Version=2010-05-08', status: 400, code: 'InvalidAction' },
    {
      name: "has another service's version",
      body: 'Action=ListUsers&Version=2011-06-15',
      status: 400,
      code: 'InvalidAction',
      message: 'Could not find operation ListUsers for version 2011-06-15',
    },
    {
      name: 'has an unknown Action',
      body: 'Action=<&>&Version=2010-05-08',
      status: 400,
      code: 'MalformedInput',
    },
    {
      name: 'has an Action to be escaped',
      body: 'Action=%3C%26%3E&Version=2010-05-08',
      status: 400,
      code: 'InvalidAction',
      message: 'Could not find operation &lt;&amp;&gt; for version 2010-05-08',
    },
    {
      name: "asks IAM for STS's",
      body: 'Action=GetCallerIdentity&Version=2010-05-08',
      status: 400,
      code: 'InvalidAction',
    },
    { name: 'is not UTF-8', body: Buffer.from('Action=\xff', 'latin1'), status: 400, code: 'MalformedInput' },
    { name: 'says a thing twice', body: 'Action=ListUsers&Action=ListUsers', status: 400, code: 'MalformedInput' },
    {
      name: 'skips a member',
      body: 'Action=TagUser&Version=2010-05-08&UserName=a&Tags.member.7.Key=a',
      status: 400,
      code: 'MalformedInput',
    },
    { name: 'is one byte too large', body: 'A'.repeat(409_601), status: 413, code: 'RequestEntityTooLarge' },
    { name: 'is to be of 10 MB', claimedBytes: 10_000_000, status: 413, code: 'RequestEntityTooLarge' },
    {
      name: 'is signed with another secret',
      secretAccessKey: 'guess',
      status: 403,
      code: 'SignatureDoesNotMatch',
    },
    { name: 'is signed by nobody', accessKeyId: 'AKIANOBODY', status: 403, code: 'InvalidClientTokenId' },
    {
      name: 'is not what was signed',
      sentBody: 'Action=CreateUser&UserName=x',
      status: 403,
      code: 'SignatureDoesNotMatch',
    },
    { name: 'is an hour old', at: Date.now() - 3_600_000, status: 403, code: 'SignatureDoesNotMatch' },
    { name: 'is for a Region that is none', region: 'mars-1', status: 403, code: 'SignatureDoesNotMatch' },
    { name: 'is not signed', authorization: () => null, status: 403, code: 'MissingAuthenticationToken' },
    {
      name: 'has half an Authorization header',
      authorization: (header) => header.replace(/, Signature=.*/, ''),
      status: 400,
      code: 'IncompleteSignature',
    },
    {
      name: 'has a session token that was not signed',
      unsignedHeaders: { 'x-amz-security-token': 'token' },
      status: 403,
      code: 'SignatureDoesNotMatch',
    },
  ])('$name', async ({ name: _, status, code, message, ...draft }) => {
    const answer = await kms.send(draftOf(draft))
    expect(answer, answer.text).toMatchObject({ status, contentType: 'text/xml' })
    expect(answer.requestId).toMatch(uuid)
    expect(answer.text).toContain(`<Type>Sender</Type><Code>${code}</Code>`)
    expect(answer.text).toContain(`<RequestId>${answer.requestId}</RequestId>`)
    if (message !== undefined) expect(answer.text).toContain(`<Message>${message}</Message>`)
    for (const text of ['hidden-secret', 'Error:', '    at ', '.ts:', 'sqlite', 'D1_']) {
      expect(answer.text).not.toContain(text)
    }
  })
})

describe('serves a request', () => {
  it.each<Draft & { name: string }>([
    { name: 'that is plain' },
    { name: 'of another content type, as that was not to decide', headers: { 'content-type': 'text/plain' } },
    { name: 'with a target of KMS', headers: { 'x-amz-target': 'TrentService.ListKeys' } },
    { name: 'in another Region', region: 'ap-southeast-2' },
    { name: 'in chunks', unsignedHeaders: { 'transfer-encoding': 'chunked' } },
    {
      name: 'with the hash of its payload',
      headers: { 'x-amz-content-sha256': sha256('Action=ListUsers&Version=2010-05-08') },
    },
    { name: 'with escapes', body: 'Action=%4cistUsers&Version=2010%2D05-08&PathPrefix=%2F' },
    {
      name: 'with parameters that no shape has',
      body: 'Action=ListUsers&Version=2010-05-08&Nonsense.member.1.__proto__=1',
    },
  ])('$name', async ({ name: _, ...draft }) => {
    const { status, text, contentType, requestId } = await kms.send(draftOf(draft))
    expect(text).toMatch(
      /^<ListUsersResponse xmlns="https:\/\/iam\.amazonaws\.com\/doc\/2010-05-08\/"><ListUsersResult>/,
    )
    expect({ status, contentType }).toEqual({ status: 200, contentType: 'text/xml' })
    expect(requestId).toMatch(uuid)
  })

  it('that keeps characters that XML has to escape', async () => {
    const body = `Action=CreateUser&Version=2010-05-08&UserName=a&Tags.member.1.Key=k&Tags.member.1.Value=${encodeURIComponent('a b=:/@')}`
    expect((await kms.send(draftOf({ body }))).text).toContain('<Value>a b=:/@</Value>')
  })
})

it('has logged no bug and no secret by now', () => {
  for (const text of ['"bug"', 'hidden-secret']) expect(kms.output()).not.toContain(text)
})
