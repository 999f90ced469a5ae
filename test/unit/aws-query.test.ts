import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { iamQuery, stsQuery } from '../../src/http/aws-query.ts'
import { type FormValue, parseForm } from '../../src/http/form.ts'
import { xmlOf } from '../../src/http/xml.ts'
import { type ExceptionName, isRefusal, refuse } from '../../src/model/errors.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

function formOf(text: string | Uint8Array): unknown {
  const parsed = parseForm(typeof text === 'string' ? bytes(text) : text)
  return isRefusal(parsed) ? parsed.message : structuredClone(parsed.form)
}

describe('a form', () => {
  it.each<[string, unknown]>([
    ['', {}],
    ['Action=ListUsers&Version=2010-05-08', { Action: 'ListUsers', Version: '2010-05-08' }],
    ['A=', { A: '' }],
    ['A', { A: '' }],
    ['A=b=c', { A: 'b=c' }],
    ['&&A=1&', { A: '1' }],
    ['A=a+b%20c%2Bd', { A: 'a b c+d' }],
    ['A=%C3%A9%F0%9F%94%91', { A: 'é🔑' }],
    ['A=%00', { A: '\0' }],
    ['Tags.member.1.Key=a&Tags.member.1.Value=b', { Tags: [{ Key: 'a', Value: 'b' }] }],
    ['T.member.2=b&T.member.1=a', { T: ['a', 'b'] }],
    ['A.B.C=1', { A: { B: { C: '1' } } }],
    ['A.member.1.B.member.1=x&A.member.1.B.member.2=y', { A: [{ B: ['x', 'y'] }] }],
    ['refused=x', { refused: 'x' }],
    ['constructor=1&hasOwnProperty.member.1=2', { constructor: '1', hasOwnProperty: ['2'] }],
  ])('%s', (text, form) => expect(formOf(text)).toEqual(form))

  it('has no prototype to reach', () => {
    const parsed = parseForm(bytes('__proto__.polluted=1&A.__proto__.polluted=2&A.constructor.prototype.polluted=3'))
    if (isRefusal(parsed)) throw new Error(parsed.reason)
    expect(Object.getPrototypeOf(parsed.form)).toBeNull()
    expect(Object.keys(parsed.form)).toEqual(['__proto__', 'A'])
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it.each<[string, string | Uint8Array, RegExp]>([
    ['is not UTF-8', new Uint8Array([65, 61, 0xff]), /not valid UTF-8/],
    ['is not UTF-8 once decoded', 'A=%FF', /percent-encoded/],
    ['has half an escape', 'A=%4', /percent-encoded/],
    ['has a surrogate', 'A=%ED%A0%80', /percent-encoded/],
    ['says a thing twice', 'A=1&A=1', /The parameter A is there twice/],
    ['says a thing twice in a list', 'A.member.1=1&A.member.1=2', /twice/],
    ['has a value with members', 'A=1&A.B=2', /twice/],
    ['has members with a value', 'A.B=2&A=1', /twice/],
    ['has a list with other members', 'A.member.1=1&A.B=2', /A list has members and nothing else/],
    ['has a list of text', 'A.member=1', /A list has members and nothing else/],
    ['begins a list at 0', 'A.member.0=1', /numbered from 1/],
    ['begins a list at 2', 'A.member.2=1', /numbered from 1/],
    ['leaves a member out', 'A.member.1=1&A.member.3=3', /numbered from 1/],
    ['has a huge index', 'A.member.4294967297=1', /numbered from 1/],
    ['has a negative index', 'A.member.-1=1', /numbered from 1/],
    ['has an index that is no number', 'A.member.x=1', /numbered from 1/],
    ['has an index with a zero before it', 'A.member.01=1', /numbered from 1/],
    ['has an index of a prototype', 'A.member.__proto__=1', /numbered from 1/],
    ['is a list', 'member.1=a', /no list/],
    ['has an empty name', '=1', /name is malformed/],
    ['has an empty part', 'A..B=1', /name is malformed/],
    ['ends in a dot', 'A.=1', /name is malformed/],
    ['has an odd name', 'A%20B=1', /name is malformed/],
    ['begins with a byte order mark', '\uFEFFA=1', /name is malformed/],
    ['is JSON', '{"Action":"ListUsers"}', /name is malformed/],
    ['is deep', `${Array(13).fill('A').join('.')}=1`, /at most 12 parts/],
    ['is very deep', `${Array(100_000).fill('A').join('.')}=1`, /at most 12 parts/],
    ['has very many parameters', Array.from({ length: 10_001 }, (_, at) => `A${at}=1`).join('&'), /at most 10000/],
  ])('that %s is refused', (_, text, message) => expect(formOf(text)).toMatch(message))

  it('is parsed or refused, whatever it holds', () => {
    const pieces = fc.constantFrom('A', 'member', '.', '=', '&', '1', '2', '%', '%41', '+', '__proto__', '\0', 'é')
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        formOf(parts.join(''))
      }),
      { numRuns: 2_000 },
    )
  })

  it('reads back what was written', () => {
    const name = fc.stringMatching(/^[A-Za-z]{1,8}$/).filter((text) => text !== 'member')
    const { value } = fc.letrec<{ value: FormValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'binary' }),
        fc.array(tie('value'), { minLength: 1, maxLength: 4 }),
        fc.dictionary(name, tie('value'), { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (form) => {
        expect(formOf(written(form, ''))).toEqual(form)
      }),
    )
  })
})

function written(value: FormValue, at: string): string {
  if (typeof value === 'string') return `${at}=${encodeURIComponent(value).replaceAll('%20', '+')}`
  const members = Array.isArray(value)
    ? value.map((member, index) => written(member, `${at}.member.${index + 1}`))
    : Object.entries(value).map(([name, member]) => written(member, at === '' ? name : `${at}.${name}`))
  return members.join('&')
}

describe('XML', () => {
  it.each<[unknown, string]>([
    ['a<b>&"c\'', 'a&lt;b&gt;&amp;&quot;c&apos;'],
    [']]>', ']]&gt;'],
    ['tab\tline\nreturn\r', 'tab\tline\nreturn&#xD;'],
    ['\u0000\u0008\u000b\u001f\ufffe\uffff', '\ufffd'.repeat(6)],
    ['half \ud800 a pair', 'half \ufffd a pair'],
    ['é🔑\u0085', 'é🔑\u0085'],
    [true, 'true'],
    [0, '0'],
    [new Date(1_700_000_000_999), '2023-11-14T22:13:20Z'],
    [{ A: undefined, B: null, C: '' }, '<C></C>'],
    [{ Users: [] }, '<Users></Users>'],
    [
      { Users: [{ Name: 'a' }, { Name: 'b' }] },
      '<Users><member><Name>a</Name></member><member><Name>b</Name></member></Users>',
    ],
  ])('of %j', (value, xml) => expect(xmlOf(value)).toBe(xml))
})

const requestId = '0123abcd-0000-4000-8000-0123456789ab'
const headers = new Headers()
const asked = { operation: 'GetUser', input: {} }

describe('the wire', () => {
  it.each<[string, string]>([
    ['Action=GetUser&Version=2011-06-15', 'Could not find operation GetUser for version 2011-06-15'],
    ['Action=GetUser', 'The request has no Action, or no Version.'],
    ['Version=2010-05-08', 'The request has no Action, or no Version.'],
    ['Action.member.1=GetUser&Version=2010-05-08', 'The request has no Action, or no Version.'],
  ])('refuses %s', (form, message) => {
    expect(iamQuery.read(headers, bytes(form))).toMatchObject({ refused: 'UnknownOperationException', message })
  })

  it('asks what the form says', () => {
    const form = 'Action=AssumeRole&Version=2011-06-15&refused=x'
    expect(stsQuery.read(headers, bytes(form))).toEqual({
      operation: 'AssumeRole',
      input: expect.objectContaining({ refused: 'x' }),
    })
  })

  it('answers as AWS does', async () => {
    const answer = iamQuery.answer({ User: { UserName: 'a&b', CreateDate: new Date(0) } }, asked, requestId)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/xml')
    expect(answer.headers.get('x-amzn-requestid')).toBe(requestId)
    expect(await answer.text()).toBe(
      '<GetUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetUserResult><User><UserName>a&amp;b</UserName><CreateDate>1970-01-01T00:00:00Z</CreateDate></User></GetUserResult>' +
        `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></GetUserResponse>\n`,
    )
    expect(await iamQuery.answer(undefined, { operation: 'DeleteUser', input: {} }, requestId).text()).toBe(
      `<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></DeleteUserResponse>\n`,
    )
  })

  it.each<[ExceptionName, number, string, string]>([
    ['ValidationException', 400, 'Sender', 'ValidationError'],
    ['AccessDeniedException', 403, 'Sender', 'AccessDenied'],
    ['NoSuchEntity', 404, 'Sender', 'NoSuchEntity'],
    ['EntityAlreadyExists', 409, 'Sender', 'EntityAlreadyExists'],
    ['UnrecognizedClientException', 403, 'Sender', 'InvalidClientTokenId'],
    ['InvalidSignatureException', 403, 'Sender', 'SignatureDoesNotMatch'],
    ['IncompleteSignatureException', 400, 'Sender', 'IncompleteSignature'],
    ['MissingAuthenticationTokenException', 403, 'Sender', 'MissingAuthenticationToken'],
    ['ExpiredTokenException', 400, 'Sender', 'ExpiredTokenException'],
    ['ThrottlingException', 400, 'Sender', 'Throttling'],
    ['KMSInternalException', 500, 'Receiver', 'ServiceFailure'],
    ['DependencyTimeoutException', 503, 'Receiver', 'ServiceUnavailable'],
    ['RequestEntityTooLargeException', 413, 'Sender', 'RequestEntityTooLarge'],
    ['IDPRejectedClaim', 403, 'Sender', 'IDPRejectedClaim'],
  ])('refuses with %s as %i %s %s', async (name, status, type, code) => {
    const answer = stsQuery.refuse(refuse(name, 'a <text>'), asked, requestId)
    expect(answer.status).toBe(status)
    expect(await answer.text()).toBe(
      `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>${type}</Type><Code>${code}</Code><Message>a &lt;text&gt;</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>\n`,
    )
  })

  it("tells the caller's own expired token from one that it brings", async () => {
    const expired = refuse('ExpiredTokenException', 'The security token included in the request is expired')
    const answer = stsQuery.refuse(expired, null, requestId)
    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain('<Code>ExpiredToken</Code>')
  })

  it('names an operation that is not there, and what it cannot say in XML', async () => {
    const unknown = { operation: 'Get<User>\0', input: {} }
    const answer = iamQuery.refuse(refuse('UnknownOperationException', null), unknown, requestId)
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain(
      '<Code>InvalidAction</Code><Message>Could not find operation Get&lt;User&gt;\ufffd for version 2010-05-08</Message>',
    )
  })
})
