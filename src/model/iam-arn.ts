/** The kinds of IAM's resources that have a path and a name in their ARN. */
export type IamKind = 'user' | 'group' | 'role' | 'policy'

/** `path` begins and ends with a slash. */
export function iamArn(
  kind: IamKind,
  { account, path, name }: { account: string; path: string; name: string },
): string {
  return `arn:aws:iam::${account}:${kind}${path}${name}`
}

export function oidcProviderArn(account: string, url: string): string {
  return `arn:aws:iam::${account}:oidc-provider/${url}`
}

/** True for the ARN of a managed policy, be it there or not. */
export function isPolicyArn(text: string): boolean {
  return /^arn:aws:iam::(\d{12}|aws):policy\/[!-~]+$/.test(text)
}

/** Of a policy that is compiled in and belongs to no account. */
export function isAwsPolicyArn(arn: string): boolean {
  return arn.startsWith('arn:aws:iam::aws:policy/')
}

/** The name at the end of an ARN. */
export function nameInArn(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1)
}
