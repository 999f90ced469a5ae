import { findProvider, type OidcProvider } from '../catalog/oidc-providers.ts'
import { refuse } from '../model/errors.ts'
import type { TargetFinder } from './operation.ts'

/** The account's OpenID Connect provider of the ARN. */
export const providerNamed: TargetFinder<{ readonly OpenIDConnectProviderArn: string }, OidcProvider> = async (
  { OpenIDConnectProviderArn: arn },
  { principal },
  { database },
) => {
  const isArn = /^arn:aws:iam::\d{12}:oidc-provider\/.+$/.test(arn)
  const provider = isArn ? await findProvider(database, arn) : null
  const found = isArn
    ? refuse('NoSuchEntity', `OpenIDConnect Provider not found for arn ${arn}`)
    : refuse('InvalidInput', `ARN ${arn} is not valid.`)
  const isOwn = provider?.account === principal.account
  return { arn, ownerId: isOwn ? arn : null, boundaryArn: null, found: isOwn && provider !== null ? provider : found }
}
