import type { OidcProvider } from '../catalog/oidc-providers.ts'
import { type Refusal, refuse } from '../model/errors.ts'

/** What a web token says, as a session and a trust policy have it. */
export interface WebIdentity {
  readonly provider: OidcProvider
  readonly subject: string
  readonly audience: string
  readonly tags: Readonly<Record<string, string>>
  readonly transitiveTagKeys: readonly string[]
  readonly sourceIdentity: string | null
  /** The condition keys of the provider, by their lower-case names. */
  readonly context: Readonly<Record<string, readonly string[]>>
}

type Claims = Readonly<Record<string, unknown>>

const skewSeconds = 60
const namespace = 'https://aws.amazon.com'

/** Refused where the token is for somebody else, for another time, or malformed; expired comes last. */
export function claimsFor(
  provider: OidcProvider,
  claims: Claims,
  wallTime: number,
): WebIdentity | Refusal<'ExpiredTokenException' | 'InvalidIdentityToken'> {
  const { sub, exp, nbf, iat } = claims
  const audience = audienceOf(claims, provider.clientIds)
  if (audience === null) return invalid('Incorrect token audience')
  if (typeof sub !== 'string' || sub === '' || sub.length > 255) return invalid('The token has no subject.')
  if (typeof exp !== 'number') return invalid('The token has no expiration time.')
  if (typeof iat !== 'number') return invalid('The token has no time of issue.')
  if (nbf !== undefined && typeof nbf !== 'number') return invalid('The nbf claim of the token is malformed.')
  const now = Math.floor(wallTime / 1000)
  if (now + skewSeconds < Math.max(iat, nbf ?? iat)) return invalid('The token is not valid yet.')
  const session = sessionClaims(claims)
  if (session === null) return invalid('The claims of the token about the session are malformed.')
  if (now >= exp) {
    const text = `Token expired: current date/time ${now} must be before the expiration date/time ${exp}`
    return refuse('ExpiredTokenException', text)
  }
  const key = provider.url.toLowerCase()
  const context: Record<string, readonly string[]> = {
    [`${key}:aud`]: [audience],
    [`${key}:oaud`]: textsOf(claims.aud),
    [`${key}:sub`]: [sub],
    [`${key}:amr`]: textsOf(claims.amr),
    'aws:federatedprovider': [provider.arn],
  }
  return { provider, subject: sub, audience, context, ...session }
}

/** Whom the token is for: its authorised party where it names one, as AWS has it. Null: not for any of our clients. */
function audienceOf({ aud, azp }: Claims, clientIds: readonly string[]): string | null {
  const audiences = azp === undefined ? textsOf(aud) : textsOf(azp)
  return audiences.find((audience) => clientIds.includes(audience)) ?? null
}

/** The tags and the source identity that an issuer may give a session. Null: malformed. */
function sessionClaims(claims: Claims): Pick<WebIdentity, 'tags' | 'transitiveTagKeys' | 'sourceIdentity'> | null {
  const sourceIdentity = claims[`${namespace}/source_identity`] ?? null
  if (sourceIdentity !== null && !(typeof sourceIdentity === 'string' && /^[\w+=,.@-]{2,64}$/.test(sourceIdentity))) {
    return null
  }
  const said = claims[`${namespace}/tags`] ?? {}
  if (typeof said !== 'object' || Array.isArray(said)) return null
  const { principal_tags: principalTags = {}, transitive_tag_keys: transitive = [] } = said as Claims
  if (typeof principalTags !== 'object' || principalTags === null || Array.isArray(principalTags)) return null
  const tags = Object.entries(principalTags).map(([key, values]) => [key, textsOf(values)] as const)
  const keys = new Set(tags.map(([key]) => key.toLowerCase()))
  if (tags.length > 50 || keys.size < tags.length || tags.some(([, values]) => values.length !== 1)) return null
  if (tags.some(([key, [value = '']]) => !isTag(key, value))) return null
  const transitiveTagKeys = textsOf(transitive)
  if (transitiveTagKeys.some((key) => !tags.some(([tagKey]) => tagKey === key))) return null
  return {
    sourceIdentity,
    transitiveTagKeys,
    tags: Object.fromEntries(tags.map(([key, [value = '']]) => [key, value])),
  }
}

const tagText = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

function isTag(key: string, value: string): boolean {
  if (key === '' || key.length > 128 || value.length > 256 || /^aws:/i.test(key)) return false
  return tagText.test(key) && tagText.test(value)
}

/** A text, or a list's texts. */
function textsOf(value: unknown): readonly string[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  return values.filter((text) => typeof text === 'string')
}

function invalid(message: string): Refusal<'InvalidIdentityToken'> {
  return refuse('InvalidIdentityToken', message)
}
