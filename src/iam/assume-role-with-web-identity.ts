import { findProvider, type OidcProvider } from '../catalog/oidc-providers.ts'
import type { Call, Principal } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { anything, type IamServices, query } from './operation.ts'
import {
  deniedAction,
  durationRefusal,
  invalidRoleArn,
  parseRoleArn,
  roleOfArn,
  sessionActions,
  sessionPolicies,
  startSession,
} from './sessions.ts'
import { clientTokenType, narrowing, roleDurationSecondsType, roleSessionNameType, stsArnType } from './sts-types.ts'
import { claimsFor, type WebIdentity } from './web-identity.ts'
import { isKeyOf, isSignedBy, parseWebToken } from './web-token.ts'

/** A session of a role that trusts an OpenID Connect provider of its account, for whoever bears one of its tokens. */
export const AssumeRoleWithWebIdentity = query({
  input: shape({
    RoleArn: required(stsArnType),
    RoleSessionName: required(roleSessionNameType),
    WebIdentityToken: required(clientTokenType),
    ...narrowing,
    DurationSeconds: optional(roleDurationSecondsType),
  }),
  action: null,
  // Nothing is stored of a session.
  isReadOnly: true,
  errors: [
    'ExpiredTokenException',
    'IDPCommunicationError',
    'IDPRejectedClaim',
    'InvalidIdentityToken',
    'MalformedPolicyDocument',
    'PackedPolicyTooLarge',
  ],
  on: anything(),
  async handle(input, call, _found, services) {
    const { roots, database } = services
    const named = parseRoleArn(input.RoleArn)
    if (named === null) return invalidRoleArn(input.RoleArn)
    // The token is looked at first: who has none learns nothing of which roles there are.
    const identity = await verified(input.WebIdentityToken, named.account, call, services)
    if (isRefusal(identity)) return identity
    const role = await roleOfArn(database, input.RoleArn)
    if (isRefusal(role)) return role
    if (role === null) return notAuthorized('no such role')
    const { WebIdentityToken: _, ...parameters } = input
    const { provider, tags, sourceIdentity, context } = identity
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const actions = ['sts:AssumeRoleWithWebIdentity', ...sessionActions(identity)]
    const denied = deniedAction(role, bearer(provider), actions, call, {
      parameters: {
        ...parameters,
        ...(Tags.length > 0 ? { Tags, TransitiveTagKeys: identity.transitiveTagKeys } : {}),
        ...(sourceIdentity === null ? {} : { SourceIdentity: sourceIdentity }),
      },
      context,
    })
    if (denied !== null) return notAuthorized(denied.reason)
    const durationSeconds = input.DurationSeconds ?? limits.maxSessionSecondsDefault
    const tooLong = durationRefusal(durationSeconds, role, false)
    if (tooLong !== null) return tooLong
    const policies = await sessionPolicies(database, role.account, input)
    if (isRefusal(policies)) return policies
    const wish = {
      sessionName: input.RoleSessionName,
      durationSeconds,
      policies,
      tags,
      transitiveTagKeys: identity.transitiveTagKeys,
      sourceIdentity,
      federatedProvider: provider.arn,
    }
    const started = await startSession(roots, role, wish, call.wallTime)
    if (isRefusal(started)) return started
    return {
      ...started,
      SubjectFromWebIdentityToken: identity.subject,
      Provider: provider.arn,
      Audience: identity.audience,
    }
  },
})

type TokenRefusal = Refusal<
  'ExpiredTokenException' | 'IDPCommunicationError' | 'IDPRejectedClaim' | 'InvalidIdentityToken'
>

/** Who the token is about, once its issuer is a provider of the account, its signature holds, and it is for us and now. */
async function verified(
  text: string,
  account: string,
  { wallTime }: Call,
  { database, issuers, fetch, waitUntil }: IamServices,
): Promise<WebIdentity | TokenRefusal> {
  const token = parseWebToken(text)
  if (token === null) {
    const message = 'The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)'
    return refuse('InvalidIdentityToken', message, 'no JWT, or signed otherwise than by RS256 or ES256')
  }
  const { iss } = token.claims
  if (typeof iss !== 'string') return refuse('InvalidIdentityToken', 'The token has no issuer.')
  const provider = await providerOf(iss, account, database)
  if (provider === null) {
    return refuse('InvalidIdentityToken', `No OpenIDConnect provider found in your account for ${iss}`)
  }
  const identity = claimsFor(provider, token.claims, wallTime)
  // A token for somebody else is refused before its issuer is asked for anything.
  if (isRefusal(identity) && identity.refused === 'InvalidIdentityToken') return identity
  const hold = { wallTime, fetch, waitUntil: (promise: Promise<unknown>) => waitUntil(promise) }
  const keys = await issuers.keys(provider.url, (key) => isKeyOf(token, key), hold)
  if (isRefusal(keys)) return keys
  for (const key of keys) if (await isSignedBy(token, key)) return identity
  return refuse('InvalidIdentityToken', 'The token signature is invalid.')
}

async function providerOf(issuer: string, account: string, database: IamServices['database']) {
  if (!issuer.startsWith('https://')) return null
  const url = issuer.slice('https://'.length)
  const provider = await findProvider(database, `arn:aws:iam::${account}:oidc-provider/${url}`)
  return provider?.url === url ? provider : null
}

function bearer({ arn, account }: OidcProvider): Principal {
  return { kind: 'federated', account, arn, id: arn, tags: {}, documents: null, session: null }
}

function notAuthorized(reason: string): Refusal<'AccessDeniedException'> {
  return refuse('AccessDeniedException', 'Not authorized to perform sts:AssumeRoleWithWebIdentity', reason)
}
