import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isPublicHttps } from '../../src/iam/issuers.ts'
import {
  allow,
  type FormInput,
  keysIn,
  kms,
  must,
  newRole,
  now,
  otherAccount,
  otherRoot,
  query,
  send,
  trust,
} from '../support/query-door.ts'
import { network, testClock } from '../support/test-worker.ts'
import { account, createKey } from '../support/workerd.ts'

type Claims = Readonly<Record<string, unknown>>

const rsa = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
}
const ec = { name: 'ECDSA', namedCurve: 'P-256' }
const pair = (algorithm: object) =>
  crypto.subtle.generateKey(algorithm as never, true, ['sign', 'verify']) as Promise<CryptoKeyPair>
const [rsaPair, ecPair, strangerPair] = [await pair(rsa), await pair(ec), await pair(rsa)]

const jwkOf = async ({ publicKey }: CryptoKeyPair, more: object) => ({
  ...((await crypto.subtle.exportKey('jwk', publicKey)) as JsonWebKey),
  key_ops: undefined,
  ...more,
})
const keys = [
  await jwkOf(rsaPair, { kid: 'rsa', use: 'sig', alg: 'RS256' }),
  await jwkOf(ecPair, { kid: 'ec', use: 'sig' }),
]

const base64Url = (bytes: Uint8Array) => bytes.toBase64({ alphabet: 'base64url', omitPadding: true })
const encoded = (value: unknown) => base64Url(new TextEncoder().encode(JSON.stringify(value)))

/** A token of the issuer, with these claims instead of those that are right. */
async function tokenOf(
  issuer: string,
  claims: Claims = {},
  { header = {}, by = rsaPair }: { header?: object; by?: CryptoKeyPair } = {},
): Promise<string> {
  const seconds = Math.floor(now() / 1000)
  const right = { iss: issuer, sub: 'repo:a/b', aud: 'client-1', iat: seconds, exp: seconds + 600 }
  const signed = `${encoded({ alg: 'RS256', kid: 'rsa', ...header })}.${encoded({ ...right, ...claims })}`
  const { name } = by.privateKey.algorithm
  const signature = await crypto.subtle.sign(
    { name, hash: 'SHA-256' } as never,
    by.privateKey,
    new TextEncoder().encode(signed),
  )
  return `${signed}.${base64Url(new Uint8Array(signature))}`
}

/** What the issuers of these tests answer, and how often each was asked. */
const asked: string[] = []
let answers: Record<string, () => Response | Promise<Response>> = {}
let issuer = ''
let url = ''
let provider = ''
let role: Awaited<ReturnType<typeof newRole>>

const web = 'sts:AssumeRoleWithWebIdentity'

beforeEach(async () => {
  const host = `id-${crypto.randomUUID()}.example`
  url = `${host}/Path`
  issuer = `https://${url}`
  asked.length = 0
  answers = {
    [`${issuer}/.well-known/openid-configuration`]: () => Response.json({ issuer, jwks_uri: `https://${host}/keys` }),
    [`https://${host}/keys`]: () => Response.json({ keys }),
  }
  network.fetch = async (target, { redirect }) => {
    asked.push(target)
    expect(redirect).toBe('manual')
    const answer = answers[target]
    if (answer === undefined) return new Response('nothing', { status: 404 })
    return answer()
  }
  const made = await must('iam', 'CreateOpenIDConnectProvider', {
    Url: issuer,
    ClientIDList: ['client-1', 'client-2'],
    ThumbprintList: ['0'.repeat(40)],
  })
  provider = made.field('OpenIDConnectProviderArn') ?? ''
  role = await newRole(trust({ Federated: provider }, [web, 'sts:TagSession', 'sts:SetSourceIdentity']), allow('kms:*'))
})

afterEach(() => {
  testClock.wallMs = 0
  network.fetch = null
})

async function exchange(token: string, input: Record<string, FormInput> = {}) {
  const RoleSessionName = 'job'
  return query(
    'sts',
    'AssumeRoleWithWebIdentity',
    { RoleArn: role.arn, RoleSessionName, WebIdentityToken: token, ...input },
    {
      by: null,
    },
  )
}

const verificationKey = /^InvalidIdentityToken: Couldn't retrieve verification key from your identity provider/

describe('AssumeRoleWithWebIdentity', () => {
  it('makes a session of a token, and no signature is needed', async () => {
    expect(provider).toBe(`arn:aws:iam::${account}:oidc-provider/${url}`)
    const answer = await exchange(await tokenOf(issuer))
    expect(answer.error).toBeNull()
    expect(['SubjectFromWebIdentityToken', 'Provider', 'Audience', 'AssumedRoleId'].map(answer.field)).toEqual([
      'repo:a/b',
      provider,
      'client-1',
      `${role.id}:job`,
    ])
    const session = keysIn(answer)
    const { keyId } = await createKey()
    expect((await kms('Encrypt', { KeyId: keyId, Plaintext: 'aGVsbG8=' }, session)).status).toBe(200)
  })

  it.each<[string, Claims, object?]>([
    ['ES256', {}, { header: { alg: 'ES256', kid: 'ec' }, by: ecPair }],
    ['a key id left out', {}, { header: { kid: undefined } }],
    ['several audiences', { aud: ['other', 'client-2'] }],
    ['an authorised party', { aud: ['client-1', 'other'], azp: 'client-2' }],
    ['a time of issue a little ahead', { iat: Math.floor(Date.now() / 1000) + 30 }],
  ])('takes %s', async (_, claims, how) => {
    expect((await exchange(await tokenOf(issuer, claims, how as never))).error).toBeNull()
  })

  it.each<[string, Claims, RegExp]>([
    ['another audience', { aud: 'client-3' }, /^InvalidIdentityToken: Incorrect token audience$/],
    ['no audience', { aud: undefined }, /^InvalidIdentityToken: Incorrect token audience$/],
    ['an audience of another case', { aud: 'CLIENT-1' }, /^InvalidIdentityToken: Incorrect token audience$/],
    ['another authorised party', { azp: 'client-3' }, /^InvalidIdentityToken: Incorrect token audience$/],
    ['no subject', { sub: undefined }, /^InvalidIdentityToken: The token has no subject/],
    ['a subject that is no text', { sub: 1 }, /^InvalidIdentityToken: The token has no subject/],
    ['no expiration', { exp: undefined }, /^InvalidIdentityToken/],
    ['an expiration that is no number', { exp: '9999999999' }, /^InvalidIdentityToken/],
    ['no time of issue', { iat: undefined }, /^InvalidIdentityToken/],
    ['a time of issue ahead', { iat: 9_999_999_999 }, /^InvalidIdentityToken: The token is not valid yet/],
    [
      'a time before which it is not valid',
      { nbf: 9_999_999_999 },
      /^InvalidIdentityToken: The token is not valid yet/,
    ],
    [
      'an expiration that is past',
      { exp: 1_700_000_000 },
      /^ExpiredTokenException: Token expired: current date\/time \d+ must be before the expiration date\/time 1700000000$/,
    ],
    ['an issuer without a scheme', { iss: 'id.example' }, /^InvalidIdentityToken: No OpenIDConnect provider found/],
    ['an issuer that is http', { iss: 'http://id.example' }, /^InvalidIdentityToken: No OpenIDConnect provider found/],
    ['no issuer', { iss: undefined }, /^InvalidIdentityToken: The token has no issuer/],
    ['tags that are none', { 'https://aws.amazon.com/tags': 'x' }, /^InvalidIdentityToken/],
    ['an odd source identity', { 'https://aws.amazon.com/source_identity': 'a b' }, /^InvalidIdentityToken/],
  ])('refuses %s', async (_, claims, error) => {
    const answer = await exchange(await tokenOf(issuer, claims))
    expect(answer.error).toMatch(error)
    expect(answer.status).toBe(400)
  })

  it('asks nobody but a registered issuer, and for no token that is for somebody else', async () => {
    const stranger = 'https://stranger.example'
    answers[`${stranger}/.well-known/openid-configuration`] = () => Response.json({ issuer: stranger })
    expect((await exchange(await tokenOf(stranger))).error).toBe(
      `InvalidIdentityToken: No OpenIDConnect provider found in your account for ${stranger}`,
    )
    for (const other of [`${issuer}/`, issuer.toUpperCase(), issuer.replace('/Path', '/path'), `${issuer}/../Path`]) {
      expect((await exchange(await tokenOf(other))).error).toMatch(/No OpenIDConnect provider found/)
    }
    await exchange(await tokenOf(issuer, { aud: 'other' }))
    expect(asked).toEqual([])
  })

  it("takes a provider of the role's own account alone", async () => {
    const Federated = `arn:aws:iam::${otherAccount}:oidc-provider/${url}`
    const theirs = await newRole(trust({ Federated: provider }, web), null, otherRoot)
    expect((await exchange(await tokenOf(issuer), { RoleArn: theirs.arn })).error).toMatch(/No OpenIDConnect provider/)
    await must('iam', 'CreateOpenIDConnectProvider', { Url: issuer, ClientIDList: ['client-1'] }, { by: otherRoot })
    const refused = await exchange(await tokenOf(issuer), { RoleArn: theirs.arn })
    expect(refused.error).toBe('AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity')
    expect(refused.status).toBe(403)
    const open = await newRole(trust({ Federated }, web), null, otherRoot)
    expect((await exchange(await tokenOf(issuer), { RoleArn: open.arn })).error).toBeNull()
  })

  it('is told no more of a role that is not there than of one that does not trust', async () => {
    const closed = await newRole(trust({ AWS: `arn:aws:iam::${account}:root` }))
    for (const RoleArn of [closed.arn, `arn:aws:iam::${account}:role/nobody`]) {
      expect((await exchange(await tokenOf(issuer), { RoleArn })).error).toBe(
        'AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity',
      )
    }
  })

  it.each<[string, object, boolean]>([
    ['aud', { StringEquals: { 'ISSUER:aud': 'client-1' } }, true],
    ['another aud', { StringEquals: { 'ISSUER:aud': 'client-2' } }, false],
    ['sub', { StringLike: { 'ISSUER:sub': 'repo:a/*' } }, true],
    ['another sub', { StringLike: { 'ISSUER:sub': 'repo:c/*' } }, false],
    ['amr', { 'ForAnyValue:StringEquals': { 'ISSUER:amr': 'mfa' } }, true],
    ['another amr', { 'ForAnyValue:StringEquals': { 'ISSUER:amr': 'pin' } }, false],
    ['the session name', { StringEquals: { 'sts:RoleSessionName': 'job' } }, true],
    ['another session name', { StringEquals: { 'sts:RoleSessionName': 'x' } }, false],
  ])('asks the trust policy about %s', async (_, condition, isAllowed) => {
    const Condition = JSON.parse(JSON.stringify(condition).replaceAll('ISSUER', url))
    const conditional = await newRole(trust({ Federated: provider }, web, Condition))
    const token = await tokenOf(issuer, { amr: ['authenticated', 'mfa'] })
    expect((await exchange(token, { RoleArn: conditional.arn })).status).toBe(isAllowed ? 200 : 403)
  })

  it('takes tags and a source identity from the token, where the trust policy lets it', async () => {
    const claims = {
      'https://aws.amazon.com/tags': { principal_tags: { team: ['a'] }, transitive_tag_keys: ['team'] },
      'https://aws.amazon.com/source_identity': 'ada',
    }
    const token = await tokenOf(issuer, claims)
    expect((await exchange(token)).field('SourceIdentity')).toBe('ada')
    const plain = await newRole(trust({ Federated: provider }, web))
    expect((await exchange(token, { RoleArn: plain.arn })).status).toBe(403)
    const other = trust({ Federated: provider }, [web, 'sts:TagSession', 'sts:SetSourceIdentity'], {
      StringEquals: { 'aws:RequestTag/team': 'b' },
    })
    expect((await exchange(token, { RoleArn: (await newRole(other)).arn })).status).toBe(403)
  })
})

describe('a token', () => {
  const notJwt = /^InvalidIdentityToken: The ID Token provided is not a valid JWT/

  it.each<[string, (token: string) => string | Promise<string>, RegExp]>([
    ['that says alg: none', (token) => `${encoded({ alg: 'none' })}.${token.split('.')[1]}.`, notJwt],
    ['that says alg: None', (token) => `${encoded({ alg: 'None' })}.${token.split('.')[1]}.`, notJwt],
    ['signed with a MAC', (token) => token.replace(/^[^.]+/, encoded({ alg: 'HS256', kid: 'rsa' })), notJwt],
    ['of another RSA', (token) => token.replace(/^[^.]+/, encoded({ alg: 'RS512', kid: 'rsa' })), notJwt],
    ['with an algorithm of a prototype', (token) => token.replace(/^[^.]+/, encoded({ alg: 'constructor' })), notJwt],
    ['with no algorithm', (token) => token.replace(/^[^.]+/, encoded({ kid: 'rsa' })), notJwt],
    [
      'with what is critical',
      (token) => token.replace(/^[^.]+/, encoded({ alg: 'RS256', kid: 'rsa', crit: ['x'] })),
      notJwt,
    ],
    ['of one part', () => encoded({ alg: 'RS256' }), notJwt],
    ['of four parts', (token) => `${token}.x`, notJwt],
    ['of lists', () => `${encoded([])}.${encoded([])}.${encoded('')}`, notJwt],
    ['in other base64', (token) => `${token}=`, notJwt],
    ['without its signature', (token) => token.replace(/[^.]+$/, ''), /^InvalidIdentityToken: The token signature/],
    ['with half a signature', (token) => token.slice(0, -174), /^InvalidIdentityToken: The token signature/],
    [
      'of other claims',
      (token) =>
        token.replace(/\.[^.]+\./, `.${encoded({ iss: issuer, sub: 'x', aud: 'client-1', iat: 1, exp: 9e9 })}.`),
      /^InvalidIdentityToken: The token signature/,
    ],
    ['signed by a stranger', () => tokenOf(issuer, {}, { by: strangerPair }), /^InvalidIdentityToken: The token sig/],
    ['of an unknown key', () => tokenOf(issuer, {}, { header: { kid: 'new' } }), verificationKey],
    ['of the key of another algorithm', () => tokenOf(issuer, {}, { header: { kid: 'ec' } }), verificationKey],
    [
      'that has expired, signed by a stranger',
      () => tokenOf(issuer, { exp: 1 }, { by: strangerPair }),
      /^InvalidIdentityToken: The token signature/,
    ],
  ])('%s is refused', async (_, spoil, error) => {
    const answer = await exchange(await spoil(await tokenOf(issuer)))
    expect(answer.error).toMatch(error)
    expect(answer.status).toBe(400)
  })
})

describe('an issuer', () => {
  const configuration = () => `${issuer}/.well-known/openid-configuration`
  const jwks = () => `${issuer.replace('/Path', '')}/keys`

  it('is asked once for many tokens, and again after a while', async () => {
    for (let at = 0; at < 3; at++) expect((await exchange(await tokenOf(issuer))).status).toBe(200)
    expect(asked).toEqual([configuration(), jwks()])
    testClock.wallMs = 16 * 60_000
    expect((await exchange(await tokenOf(issuer))).status).toBe(200)
    expect(asked).toHaveLength(4)
  })

  it('is asked once by many at the same time', async () => {
    const token = await tokenOf(issuer)
    const answered = await Promise.all(Array.from({ length: 10 }, () => exchange(token)))
    expect(answered.map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect(asked).toHaveLength(2)
  })

  it('is asked once more for a key that it has only now, and not for every token that names one', async () => {
    expect((await exchange(await tokenOf(issuer))).status).toBe(200)
    const next = await pair(rsa)
    const rotated = { header: { kid: 'next' }, by: next }
    testClock.wallMs = 31_000
    for (let at = 0; at < 5; at++)
      expect((await exchange(await tokenOf(issuer, {}, rotated))).error).toMatch(verificationKey)
    expect(asked).toHaveLength(4)
    const published = [...keys, await jwkOf(next, { kid: 'next' })]
    answers[jwks()] = () => Response.json({ keys: published })
    testClock.wallMs = 62_000
    expect((await exchange(await tokenOf(issuer, {}, rotated))).status).toBe(200)
    expect((await exchange(await tokenOf(issuer))).status).toBe(200)
    expect(asked).toHaveLength(6)
  })

  it('that is away is not needed for the keys that are known, for an hour', async () => {
    const token = () => tokenOf(issuer)
    expect((await exchange(await token())).status).toBe(200)
    answers = {}
    testClock.wallMs = 11_000
    expect((await exchange(await tokenOf(issuer, {}, { header: { kid: 'new' } }))).error).toMatch(verificationKey)
    expect((await exchange(await token())).status).toBe(200)
    testClock.wallMs = 59 * 60_000
    expect((await exchange(await token())).status).toBe(200)
    testClock.wallMs = 61 * 60_000
    expect((await exchange(await token())).error).toMatch(verificationKey)
  })

  const redirect = () => new Response(null, { status: 302, headers: { location: 'https://elsewhere.example/keys' } })
  const large = () => new Response(JSON.stringify({ keys, padding: 'x'.repeat(70_000) }))

  it.each<[string, () => void, RegExp]>([
    ['that redirects', () => Object.assign(answers, { [configuration()]: redirect }), verificationKey],
    ['whose keys redirect', () => Object.assign(answers, { [jwks()]: redirect }), verificationKey],
    ['with too many bytes', () => Object.assign(answers, { [jwks()]: large }), verificationKey],
    ['with no keys', () => Object.assign(answers, { [jwks()]: () => Response.json({}) }), verificationKey],
    ['with no JSON', () => Object.assign(answers, { [jwks()]: () => new Response('<html>') }), verificationKey],
    ['that is not there', () => Object.assign(answers, { [configuration()]: undefined }), verificationKey],
    [
      'that says it is another',
      () =>
        Object.assign(answers, {
          [configuration()]: () => Response.json({ issuer: 'https://other.example', jwks_uri: jwks() }),
        }),
      verificationKey,
    ],
    [
      'whose keys are on this machine',
      () =>
        Object.assign(answers, {
          [configuration()]: () => Response.json({ issuer, jwks_uri: 'https://127.0.0.1/keys' }),
        }),
      verificationKey,
    ],
    [
      'whose keys are too weak',
      async () => {
        const weak = { ...keys[0], n: base64Url(new Uint8Array(128).fill(255)) }
        Object.assign(answers, { [jwks()]: () => Response.json({ keys: [weak] }) })
      },
      verificationKey,
    ],
    [
      'that fails',
      () => Object.assign(answers, { [configuration()]: () => new Response('', { status: 500 }) }),
      /^IDPCommunicationError: /,
    ],
    [
      'that cannot be reached',
      () =>
        Object.assign(answers, {
          [configuration()]: () => {
            throw new TypeError('connection refused')
          },
        }),
      /^IDPCommunicationError: /,
    ],
  ])('%s is refused, and left alone for a while', async (_, spoil, error) => {
    await spoil()
    const answer = await exchange(await tokenOf(issuer))
    expect(answer.error).toMatch(error)
    expect(answer.status).toBe(400)
    const { length } = asked
    expect(asked).not.toContain('https://elsewhere.example/keys')
    expect((await exchange(await tokenOf(issuer))).error).toMatch(error)
    expect(asked).toHaveLength(length)
  })

  it('that is slow is not waited for longer than three seconds', async () => {
    network.fetch = (_, { signal }) =>
      new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    const begun = performance.now()
    expect((await exchange(await tokenOf(issuer))).error).toMatch(/^IDPCommunicationError: /)
    expect(performance.now() - begun).toBeLessThan(5_000)
  })

  it.each([
    ['https://id.example/keys', true],
    ['https://id.example:443/keys', true],
    ['http://id.example/keys', false],
    ['https://id.example:8443/keys', false],
    ['https://user@id.example/', false],
    ['https://127.0.0.1/', false],
    ['https://2130706433/', false],
    ['https://0x7f.1/', false],
    ['https://10.0.0.1/', false],
    ['https://169.254.169.254/latest', false],
    ['https://[::1]/', false],
    ['https://[fd00::1]/', false],
    ['https://localhost/', false],
    ['https://a.localhost./', false],
    ['https://printer.local/', false],
    ['https://metadata.google.internal/', false],
    ['https://intranet/', false],
    ['ftp://id.example/', false],
    ['file:///etc/passwd', false],
    ['data:application/json,{}', false],
    ['', false],
  ])('at %s is asked: %s', (address, isAsked) => expect(isPublicHttps(address)).toBe(isAsked))
})

describe('what is not signed', () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    send(
      new Request('https://kms.test/', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body,
      }),
    )

  it.each([
    'Action=GetCallerIdentity&Version=2011-06-15',
    'Action=AssumeRole&Version=2011-06-15',
    'Action=ListUsers&Version=2010-05-08',
    'Action=AssumeRoleWithWebIdentity&Version=2010-05-08',
    'Action=assumerolewithwebidentity&Version=2011-06-15',
    'Action=AssumeRoleWithWebIdentity&Action=AssumeRoleWithWebIdentity&Version=2011-06-15',
    'a=b',
    '',
    '\u0000',
  ])('is refused as such: %j', async (body) => {
    const { status, error } = await post(body)
    expect(error).toBe('MissingAuthenticationToken: Missing Authentication Token')
    expect(status).toBe(403)
  })

  it('is refused where it is no form', async () => {
    const { text } = await post('Action=AssumeRoleWithWebIdentity&Version=2011-06-15', { 'content-type': 'text/plain' })
    expect(JSON.parse(text).__type).toBe('MissingAuthenticationTokenException')
  })

  it('is parsed like any other', async () => {
    const { error } = await post('Action=AssumeRoleWithWebIdentity&Version=2011-06-15')
    expect(error).toMatch(/^ValidationError: 3 validation errors detected: Value null at 'roleArn'/)
  })
})
