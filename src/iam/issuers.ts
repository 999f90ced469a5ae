import { collect, fromUtf8 } from '../model/bytes.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** A public key as an issuer publishes it, with the members that a verifier reads. */
export type Jwk = Readonly<Record<string, unknown>>

interface HeldIssuer {
  /** Of the last good reading; empty where there was none. */
  readonly keys: readonly Jwk[]
  readonly readAt: number
  readonly triedAt: number
  /** Of the last reading; null: it was good. */
  readonly failure: Refusal<IssuerFailure> | null
}

type IssuerFailure = 'IDPCommunicationError' | 'InvalidIdentityToken'
type WaitUntil = (promise: Promise<unknown>) => void

const freshMs = 15 * 60_000
/** For how long keys are good while the issuer does not answer. */
const staleMs = 60 * 60_000
/** For how long an issuer is left alone after it was asked: an unknown key id, or a failure, does not ask again at once. */
const retryMs = 10_000
const timeoutMs = 3_000
const bytesMax = 65_536
const keysMax = 100
const issuersMax = 1_000

/** The public keys of OpenID Connect issuers, as of some minutes ago. Only those that an account has registered are asked for. */
export class Issuers {
  readonly #held = new Map<string, HeldIssuer>()
  readonly #reading = new Map<string, Promise<HeldIssuer>>()

  /**
   * The issuer's keys that are wanted, `url` being without its `https://`. Where none is they are read once more, unless
   * that was lately: the issuer may have a new one.
   */
  async keys(
    url: string,
    isWanted: (key: Jwk) => boolean,
    { wallTime, fetch, waitUntil }: { wallTime: number; fetch: Fetch; waitUntil: WaitUntil },
  ): Promise<readonly Jwk[] | Refusal<IssuerFailure>> {
    const held = this.#held.get(url)
    const fresh = wantedOf(held, isWanted, wallTime - freshMs)
    if (fresh.length > 0) return fresh
    const isLeftAlone = held !== undefined && wallTime - held.triedAt < retryMs
    const read = isLeftAlone ? held : await this.#read(url, wallTime, fetch, waitUntil)
    const wanted = wantedOf(read, isWanted, wallTime - staleMs)
    return wanted.length > 0 ? wanted : (read.failure ?? noKey('no key of that id and algorithm'))
  }

  /** One reading at a time of each issuer. */
  #read(url: string, wallTime: number, fetch: Fetch, waitUntil: WaitUntil): Promise<HeldIssuer> {
    const underway = this.#reading.get(url)
    if (underway !== undefined) return underway
    const reading = readKeys(url, fetch)
      .then((read) => {
        const { keys, readAt } = this.#held.get(url) ?? { keys: [], readAt: 0 }
        const held: HeldIssuer = isRefusal(read)
          ? { keys, readAt, triedAt: wallTime, failure: read as Refusal<IssuerFailure> }
          : { keys: read, readAt: wallTime, triedAt: wallTime, failure: null }
        this.#held.delete(url)
        if (this.#held.size >= issuersMax) this.#held.delete(this.#held.keys().next().value as string)
        this.#held.set(url, held)
        return held
      })
      .finally(() => this.#reading.delete(url))
    this.#reading.set(url, reading)
    // The request that began it may end before those that joined it.
    waitUntil(reading.catch(() => {}))
    return reading
  }
}

function wantedOf(held: HeldIssuer | undefined, isWanted: (key: Jwk) => boolean, readAfter: number): readonly Jwk[] {
  return held === undefined || held.readAt <= readAfter ? [] : held.keys.filter(isWanted)
}

/** The discovery document, and the keys that it points at. */
async function readKeys(url: string, fetch: Fetch): Promise<readonly Jwk[] | Refusal<IssuerFailure>> {
  const signal = AbortSignal.timeout(timeoutMs)
  const issuer = `https://${url}`
  const discovery = await readJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, fetch, signal)
  if (isRefused(discovery)) return discovery
  const { issuer: named, jwks_uri: jwksUri } = discovery.json
  if (named !== issuer) return noKey('the discovery document is of another issuer')
  if (typeof jwksUri !== 'string') return noKey('the discovery document has no jwks_uri')
  const jwks = await readJson(jwksUri, fetch, signal)
  if (isRefused(jwks)) return jwks
  const { keys } = jwks.json
  if (!Array.isArray(keys) || keys.length > keysMax) return noKey('the jwks_uri has no list of keys, or too long a one')
  return keys.filter((key): key is Jwk => typeof key === 'object' && key !== null && !Array.isArray(key))
}

interface ReadJson {
  readonly json: Readonly<Record<string, unknown>>
}

async function readJson(url: string, fetch: Fetch, signal: AbortSignal): Promise<ReadJson | Refusal<IssuerFailure>> {
  if (!isPublicHttps(url)) return noKey(`${url} is no public https address`)
  let body: Uint8Array | null
  try {
    const response = await fetch(url, { redirect: 'manual', signal, headers: { accept: 'application/json' } })
    if (response.status !== 200) {
      await response.body?.cancel()
      return (response.status >= 500 ? unreachable : noKey)(`${url} answers ${response.status}`)
    }
    body = await collect(response.body ?? [], bytesMax)
  } catch (failure) {
    return unreachable(`${url}: ${failure}`)
  }
  if (body === null) return noKey(`${url} answers more than ${bytesMax} bytes`)
  try {
    const json: unknown = JSON.parse(fromUtf8(body) ?? '')
    if (typeof json === 'object' && json !== null) return { json: json as ReadJson['json'] }
  } catch {}
  return noKey(`${url} answers no JSON object`)
}

/**
 * A name that is not of this machine or its network, on https' own port. Where a public name leads is for the runtime's
 * network to guard: at the edge there is nothing private to reach.
 */
export function isPublicHttps(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, port, username, password, hash } = new URL(text)
  if (protocol !== 'https:' || port !== '' || username !== '' || password !== '' || hash !== '') return false
  const name = hostname.replace(/\.$/, '')
  // The parser has brought every way to write an IPv4 address into this form.
  if (/^[\d.]+$/.test(name) || name.startsWith('[') || !name.includes('.')) return false
  return !/\.(localhost|local|internal|intranet|lan|home|corp|private|arpa|test|invalid)$/.test(name)
}

function isRefused(read: ReadJson | Refusal<IssuerFailure>): read is Refusal<IssuerFailure> {
  return 'refused' in read
}

/** AWS's own texts for the two. */
function noKey(reason: string): Refusal<'InvalidIdentityToken'> {
  const text =
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
  return refuse('InvalidIdentityToken', text, reason)
}

function unreachable(reason: string): Refusal<'IDPCommunicationError'> {
  const text =
    'The request could not be fulfilled because the identity provider that was asked to verify the incoming identity token could not be reached.'
  return refuse('IDPCommunicationError', text, reason)
}
