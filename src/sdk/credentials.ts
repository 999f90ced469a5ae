import { KmsError } from './error.ts'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  /** When a session ends; left out: it does not, or nobody knows. */
  readonly expiration?: Date | undefined
}

/** A role that a token of an OpenID Connect issuer is exchanged for. The request is not signed: the token is the proof. */
export interface WebIdentity {
  readonly roleArn: string
  /** The token, or what gets a new one: tokens end, too. */
  readonly webIdentityToken: string | (() => string | Promise<string>)
  /** `edge-kms` where it is left out. */
  readonly roleSessionName?: string
  /** From 900 to what the role allows; an hour where it is left out. */
  readonly durationSeconds?: number
  /** Where STS is, if not at the same endpoint. */
  readonly endpoint?: string
}

/** A function is asked again when what it gave is about to end; without an `expiration`, for every request. */
export type CredentialSource = Credentials | (() => Credentials | Promise<Credentials>) | WebIdentity

export type Fetch = (input: Request | string, init?: RequestInit) => Promise<Response>

export interface HeldCredentials {
  /** Those to sign with now. */
  get(signal: AbortSignal | undefined): Promise<Credentials>
  /** What is held is over. True where there may be others. */
  renew(): boolean
}

/** A session is renewed this long before its end, as a request and two clocks take their time. */
const marginMs = 300_000

export function heldCredentials(source: CredentialSource, endpoint: string, fetch: Fetch): HeldCredentials {
  let held: Credentials | null = null
  const isFixed = 'accessKeyId' in source
  return {
    async get(signal) {
      if (isFixed) return source
      if (held?.expiration !== undefined && held.expiration.getTime() - marginMs > Date.now()) return held
      held = await (typeof source === 'function'
        ? source()
        : exchange(source, source.endpoint ?? endpoint, fetch, signal))
      return held
    },
    renew() {
      held = null
      return !isFixed
    },
  }
}

/** AssumeRoleWithWebIdentity. */
async function exchange(
  { roleArn, webIdentityToken, roleSessionName = 'edge-kms', durationSeconds = 3600 }: WebIdentity,
  endpoint: string,
  fetch: Fetch,
  signal: AbortSignal | undefined,
): Promise<Credentials> {
  const response = await fetch(endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: roleArn,
      RoleSessionName: roleSessionName,
      DurationSeconds: String(durationSeconds),
      WebIdentityToken: typeof webIdentityToken === 'string' ? webIdentityToken : await webIdentityToken(),
    }),
    ...(signal && { signal }),
  })
  const text = await response.text()
  const accessKeyId = element(text, 'AccessKeyId')
  const secretAccessKey = element(text, 'SecretAccessKey')
  const sessionToken = element(text, 'SessionToken')
  if (!response.ok || accessKeyId === null || secretAccessKey === null || sessionToken === null) {
    throw new KmsError({
      name: element(text, 'Code') ?? 'CredentialsError',
      message: element(text, 'Message') ?? `${endpoint} answers ${response.status} to AssumeRoleWithWebIdentity.`,
      requestId: element(text, 'RequestId'),
      retryable: response.status >= 500,
      remedy: `The role ${roleArn} has to trust the token's issuer, audience and subject, and the token has to be of now.`,
    })
  }
  return { accessKeyId, secretAccessKey, sessionToken, expiration: new Date(element(text, 'Expiration') ?? Date.now()) }
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'", apos: "'" }

/** The text of the first element of that name; null: there is none. */
function element(xml: string, name: string): string | null {
  const [, text] = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml) ?? []
  return text?.replace(/&(#?\w+);/g, (whole, entity: string) => entities[entity] ?? whole) ?? null
}
