import { fromHex, scratchUtf8, toHex, utf8 } from '../model/bytes.ts'
import type { Principal } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import { canonicalRequest } from './canonical-request.ts'

/** A request whose body has been read: what was received, byte for byte. */
export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Headers
  /** The header of that name. */
  readonly authorization: string | null
  readonly body: Uint8Array<ArrayBuffer>
  /** The Accept-Encoding that the client sent, where another one has arrived; else null. */
  acceptEncoding(): string | null
}

export interface Caller {
  readonly principal: Principal
  readonly accessKeyId: string
  /** The Region and the service of the signature's scope: those that the caller addresses. */
  readonly region: string
  readonly service: string
}

export interface Credential {
  readonly secretAccessKey: string
  readonly principal: Principal
}

type WaitUntil = (promise: Promise<unknown>) => void

export interface Sigv4Settings {
  /** By the name that a scope has for it. */
  readonly services: ReadonlyMap<string, { isRegion(text: string): boolean }>
  /** A refusal says why these credentials are none; the signature is then checked in vain, which takes as long. */
  findCredential(
    accessKeyId: string,
    sessionToken: string | null,
    wallTime: number,
    waitUntil: WaitUntil,
  ): NowOrLater<Credential | Refusal>
  /** After a signature that holds. */
  noteUse(caller: Caller, wallTime: number, waitUntil: WaitUntil): void
}

/** Who is calling, or why that cannot be told. */
export type Authenticate = (
  request: ReceivedRequest,
  wallTime: number,
  waitUntil: WaitUntil,
) => Promise<Caller | Refusal>

/** An Authorization header without its signature: the same in all of a client's calls of a day. */
interface Terms {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly service: string
  /** `date/region/service/aws4_request` */
  readonly scope: string
  readonly signedHeaders: string
  /** The names in it. */
  readonly signed: readonly string[]
  /** Of those that are signed where they are present: what must not be there, as it is not signed. */
  readonly absent: readonly string[]
  /** Why these headers are not enough; null: they are. */
  readonly refusal: Refusal | null
}

const algorithm = 'AWS4-HMAC-SHA256'
// Reading it from `crypto` is a call into the runtime each time.
const { subtle } = crypto
const signingKeysMax = 1_000
const hmacSha256 = { name: 'HMAC', hash: 'SHA-256' } as const
/**
 * All that this door reads of x-amz-*, and what else clients sign. Any other has no meaning here, and walking all headers
 * to find one costs a twentieth of an Encrypt (docs/decisions/2026-11-23-signed-headers.md).
 */
const signedWherePresent = [
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-target',
  'x-amz-user-agent',
]
/** As a signature ends the header that every known client sends. */
const signatureForm = /^[0-9a-f]{64}$/
/** RFC 9110's token, in lower case. */
const headerName = /^[a-z0-9!#$%&'*+.^_`|~-]+$/
const isoBasicForm = /^\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3])[0-5]\d[0-5]\dZ$/
const wrongSignature =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.'

/** A verifier of Signature Version 4 in the Authorization header, and of nothing else. */
export function sigv4({ services, findCredential, noteUse }: Sigv4Settings): Authenticate {
  const signingKeys = new SigningKeys()
  const headersRead = new HeadersRead()

  return async (request, wallTime, waitUntil) => {
    const { headers, body } = request
    const authorization = headersRead.read(request.authorization, request.query)
    if (isRefusal(authorization)) return authorization
    const { terms } = authorization
    const { accessKeyId, region, service, scope, signedHeaders, signed } = terms
    const time = signedTime(headers, signed)
    if (time === null)
      return incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    const refusal =
      terms.refusal ??
      unsignedRefusal(headers, terms) ??
      scopeRefusal(terms, time, services) ??
      skewRefusal(time, wallTime)
    if (refusal !== null) return refusal

    const payloadHash = toHex(new Uint8Array(await subtle.digest('SHA-256', body)))
    // Where either of these two is there, it is signed.
    const claimedHash = signed.includes('x-amz-content-sha256') ? headers.get('x-amz-content-sha256') : null
    if (claimedHash !== null && claimedHash !== payloadHash) {
      return refuse('InvalidSignatureException', wrongSignature, 'x-amz-content-sha256 is not the hash of the body')
    }
    const canonical = canonicalRequest({
      method: request.method,
      path: request.path,
      query: request.query,
      headers: signed.map((name) => [name, headerValue(name, request)] as const),
      signedHeaders,
      payloadHash,
    })
    const canonicalHash = toHex(new Uint8Array(await subtle.digest('SHA-256', scratchUtf8(canonical))))
    const stringToSign = `${algorithm}\n${time.text}\n${scope}\n${canonicalHash}`

    // Where it is there, it is signed, too.
    const sessionToken = signed.includes('x-amz-security-token') ? headers.get('x-amz-security-token') : null
    const finding = findCredential(accessKeyId, sessionToken, wallTime, waitUntil)
    const credential = finding instanceof Promise ? await finding : finding
    // An unknown access key costs what a known one does.
    const secret = isRefusal(credential) ? '' : credential.secretAccessKey
    const key = signingKeys.held(accessKeyId, secret, scope) ?? (await signingKeys.make(accessKeyId, secret, scope))
    const signature = fromHex(authorization.signature) ?? new Uint8Array(0)
    const isSigned = await subtle.verify('HMAC', key, signature, scratchUtf8(stringToSign))
    if (isRefusal(credential)) return credential
    if (!isSigned) return refuse('InvalidSignatureException', wrongSignature, 'wrong signature')
    const caller: Caller = { principal: credential.principal, accessKeyId, region, service }
    noteUse(caller, wallTime, waitUntil)
    return caller
  }
}

/** The key that signs for one access key in one scope, `date/region/service/aws4_request`, derived as SigV4 has it. */
async function deriveSigningKey(secret: string, scope: string): Promise<CryptoKey> {
  let key = utf8(`AWS4${secret}`)
  for (const part of scope.split('/')) {
    const hmacKey = await subtle.importKey('raw', key, hmacSha256, false, ['sign'])
    key = new Uint8Array(await subtle.sign('HMAC', hmacKey, utf8(part)))
  }
  return subtle.importKey('raw', key, hmacSha256, false, ['verify'])
}

/** The days' signing keys of this isolate: what is remembered of a secret access key. */
class SigningKeys {
  readonly #keys = new Map<string, { secret: string; key: CryptoKey }>()

  held(accessKeyId: string, secret: string, scope: string): CryptoKey | undefined {
    const held = this.#keys.get(`${accessKeyId}/${scope}`)
    return held?.secret === secret ? held.key : undefined
  }

  async make(accessKeyId: string, secret: string, scope: string): Promise<CryptoKey> {
    const key = await deriveSigningKey(secret, scope)
    // An unknown access key is never remembered: anybody can name any number of them.
    if (secret === '') return key
    if (this.#keys.size >= signingKeysMax) this.#keys.delete(this.#keys.keys().next().value as string)
    this.#keys.set(`${accessKeyId}/${scope}`, { secret, key })
    return key
  }
}

interface Authorization {
  readonly terms: Terms
  readonly signature: string
}

const termsHeldMax = 1_000
const termsLengthMax = 1_000

/** What this isolate has read of Authorization headers. What one says depends on nothing but its text. */
class HeadersRead {
  /** By the text ahead of the signature. */
  readonly #terms = new Map<string, Terms>()

  read(header: string | null, query: string): Authorization | Refusal {
    const signatureAt = header === null ? -1 : header.lastIndexOf('Signature=') + 'Signature='.length
    const signature = header?.slice(signatureAt) ?? ''
    const isLast = signatureForm.test(signature)
    const text = isLast ? (header?.slice(0, signatureAt) as string) : ''
    const held = isLast ? this.#terms.get(text) : undefined
    if (held !== undefined) return { terms: held, signature }
    const read = parseAuthorization(header, query)
    if (isLast && !isRefusal(read) && read.signature === signature && text.length <= termsLengthMax) {
      if (this.#terms.size >= termsHeldMax) this.#terms.delete(this.#terms.keys().next().value as string)
      this.#terms.set(text, read.terms)
    }
    return read
  }
}

function parseAuthorization(header: string | null, query: string): Authorization | Refusal {
  if (header === null) {
    if (/(^|&)X-Amz-(Signature|Algorithm|Credential)=/i.test(query)) {
      return incomplete('Presigned requests are not accepted: sign in the Authorization header.')
    }
    return refuse('MissingAuthenticationTokenException', 'Missing Authentication Token')
  }
  if (!header.startsWith(`${algorithm} `)) {
    if (header.startsWith('AWS4-ECDSA-P256-SHA256'))
      return incomplete('SigV4a signatures are not accepted: sign with SigV4.')
    return incomplete(`Authorization header requires the ${algorithm} algorithm.`)
  }
  let credential = ''
  let signedHeaders = ''
  let signature = ''
  for (const part of header.slice(algorithm.length + 1).split(',')) {
    const at = part.indexOf('=')
    const name = part.slice(0, at).trim()
    const value = part.slice(at + 1).trim()
    if (name === 'Credential') credential = value
    else if (name === 'SignedHeaders') signedHeaders = value
    else if (name === 'Signature') signature = value
  }
  const missing = [
    credential === '' ? "Authorization header requires 'Credential' parameter." : '',
    signature === '' ? "Authorization header requires 'Signature' parameter." : '',
    signedHeaders === '' ? "Authorization header requires 'SignedHeaders' parameter." : '',
  ].filter((text) => text !== '')
  if (missing.length > 0) return incomplete(missing.join(' '))
  const scope = credential.split('/')
  const [accessKeyId, date, region, service, terminator] = scope
  if (!accessKeyId || !date || !region || !service || terminator !== 'aws4_request' || scope.length !== 5) {
    return incomplete(
      'Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request.',
    )
  }
  const signed = signedHeaders.split(';')
  const terms = {
    accessKeyId,
    date,
    region,
    service,
    scope: `${date}/${region}/${service}/aws4_request`,
    signedHeaders,
    signed,
    absent: signedWherePresent.filter((name) => !signed.includes(name)),
    refusal: namesRefusal(signed),
  }
  return { terms, signature }
}

/** Null: these names are such, in order, and have the host among them. */
function namesRefusal(signed: readonly string[]): Refusal | null {
  for (let at = 1; at < signed.length; at++) {
    if ((signed[at - 1] as string) >= (signed[at] as string)) {
      return incomplete('SignedHeaders must be sorted and without repeats.')
    }
  }
  if (!signed.every((name) => headerName.test(name))) {
    return incomplete('SignedHeaders must be names of headers in lower case.')
  }
  if (!signed.includes('host')) {
    return refuse(
      'InvalidSignatureException',
      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    )
  }
  return null
}

/** Null: what is signed covers what matters. */
function unsignedRefusal(headers: Headers, { absent }: Terms): Refusal | null {
  for (const name of absent) {
    if (headers.has(name)) {
      return refuse('InvalidSignatureException', `'${name}' must be a 'SignedHeader' in the AWS Authorization.`)
    }
  }
  return null
}

function scopeRefusal(
  { date, region, service }: Terms,
  time: SignedTime,
  services: Sigv4Settings['services'],
): Refusal | null {
  const served = services.get(service)
  if (served === undefined) {
    return refuse('InvalidSignatureException', "Credential should be scoped to correct service: 'kms'.")
  }
  if (!served.isRegion(region)) {
    return refuse('InvalidSignatureException', 'Credential should be scoped to a valid region.')
  }
  const day = time.text.slice(0, 8)
  if (date === day) return null
  return refuse(
    'InvalidSignatureException',
    `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${date}' != '${day}', from '${time.text}'.`,
  )
}

function skewRefusal({ at, text }: SignedTime, wallTime: number): Refusal | null {
  const skewMs = limits.signatureSkewSeconds * 1000
  if (Math.abs(at - wallTime) <= skewMs) return null
  const minutes = limits.signatureSkewSeconds / 60
  const now = isoBasic(wallTime)
  const message =
    at < wallTime
      ? `Signature expired: ${text} is now earlier than ${isoBasic(wallTime - skewMs)} (${now} - ${minutes} min.)`
      : `Signature not yet current: ${text} is still later than ${isoBasic(wallTime + skewMs)} (${now} + ${minutes} min.)`
  return refuse('InvalidSignatureException', message)
}

interface SignedTime {
  /** YYYYMMDDTHHMMSSZ */
  readonly text: string
  readonly at: number
}

/** X-Amz-Date, or else Date in either of its forms; null: neither is there, signed and readable. */
function signedTime(headers: Headers, signed: readonly string[]): SignedTime | null {
  const amzDate = headers.get('x-amz-date')
  if (amzDate !== null) return fromIsoBasic(amzDate)
  const date = signed.includes('date') ? headers.get('date') : null
  if (date === null) return null
  const at = Date.parse(date)
  return fromIsoBasic(date) ?? (Number.isNaN(at) ? null : { text: isoBasic(at), at })
}

let lastRead: SignedTime | null = null

/** Most calls are of the second that the last one was of. */
function fromIsoBasic(text: string): SignedTime | null {
  if (text === lastRead?.text) return lastRead
  if (!isoBasicForm.test(text)) return null
  const digits = (from: number, to: number) => Number(text.slice(from, to))
  const at = Date.UTC(digits(0, 4), digits(4, 6) - 1, digits(6, 8), digits(9, 11), digits(11, 13), digits(13, 15))
  lastRead = { text, at }
  return lastRead
}

function isoBasic(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
}

function headerValue(name: string, { headers, body, acceptEncoding }: ReceivedRequest): string {
  const value = (name === 'accept-encoding' ? acceptEncoding() : null) ?? headers.get(name)
  if (value !== null) return value
  // A proxy may have reframed the body; its length is known all the same.
  return name === 'content-length' ? String(body.length) : ''
}

function incomplete(message: string): Refusal<'IncompleteSignatureException'> {
  return refuse('IncompleteSignatureException', message)
}
