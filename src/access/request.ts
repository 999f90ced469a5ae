import type { PolicyDocument, Principal } from '../model/call.ts'

/** What policies may ask about a key. */
export interface KeyFacts {
  readonly spec: string
  readonly usage: string
  readonly origin: string
  readonly isMultiRegion: boolean
  /** Null for a single-Region key. */
  readonly multiRegionKeyType: 'PRIMARY' | 'REPLICA' | null
  readonly tags: readonly { readonly tagKey: string; readonly tagValue: string }[]
  /** The aliases that point at the key, `alias/…`; null: nobody has looked, as no policy of the caller asks. */
  readonly aliases: readonly string[] | null
}

/** One question to the policies: may this principal do this with that, now and in this way? Plain data. */
export interface AccessRequest {
  readonly principal: Principal
  /** `kms:Decrypt`, `iam:CreateUser`, `sts:AssumeRole`. */
  readonly action: string
  /** An ARN; `*` for what is about no one resource. */
  readonly resource: string
  /** The account that the resource belongs to. */
  readonly resourceAccount: string
  /** Null where the resource is no key. */
  readonly key: KeyFacts | null
  /** The key as the request names it: id, ARN, `alias/…` or alias ARN; null where it names none. */
  readonly keyNamed: string | null
  /** The request's members, as their shape parsed them. Blobs are never asked for and may be left out. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly region: string
  /** Wall time in milliseconds. */
  readonly wallTime: number
  readonly sourceIp: string | null
  readonly userAgent: string | null
  readonly isSecure: boolean
  readonly viaService: string | null
  /** For kms:ReEncryptFrom and kms:ReEncryptTo: whether source and destination are one key. Not given: told by their names. */
  readonly isSameKey?: boolean
  /** Further condition keys, by their lower-case names: a web token's claims, what a simulation supposes. They come first. */
  readonly context?: Readonly<Record<string, readonly string[]>>
}

/** A request as one kind of policy asks about it: some condition keys have a value only in one of them. */
export interface AskedAccess {
  readonly request: AccessRequest
  /** The request's, in lower case: the case of actions does not matter. */
  readonly action: string
  readonly kind: PolicyKind
}

/** `identity` also stands for boundaries and session policies: policies that name no principal. */
export type PolicyKind = 'identity' | 'key' | 'trust'

/**
 * A policy of a resource: a key's, or a role's trust policy. `principalIds` has, for every user, role and session ARN
 * that it names as a principal, the unique id that ARN stood for when the policy was written; an ARN that is missing
 * matches nobody. Null: ARNs are compared as they are, for policies that were never written down (a simulation's).
 */
export interface ResourcePolicy extends PolicyDocument {
  readonly principalIds: Readonly<Record<string, string>> | null
}

export interface GrantConstraints {
  readonly encryptionContextSubset?: Readonly<Record<string, string>>
  readonly encryptionContextEquals?: Readonly<Record<string, string>>
  readonly sourceArn?: string
}

/** Names by which a grant knows its grantee and who may retire it. Principals are known by unique id. */
export interface Grant {
  readonly grantId: string
  readonly name: string | null
  /** An ARN; null where the grantee is a service. */
  readonly granteePrincipal: string | null
  /** What the ARN stood for when the grant was made (as `Principal.id`, or a role's AROA…); the service's name for a service. */
  readonly granteeId: string
  readonly granteeServicePrincipal: string | null
  readonly retiringPrincipal: string | null
  readonly retiringId: string | null
  readonly retiringServicePrincipal: string | null
  /** The account of the principal that made the grant. */
  readonly issuingAccount: string
  /** KMS's GrantOperations, in the order given. */
  readonly operations: readonly string[]
  readonly constraints: GrantConstraints | null
  /** Lifecycle time. */
  readonly createdAt: number
}

/** Why not, as far as AWS's text tells it. */
export type Denial =
  | 'explicitInIdentityPolicy'
  | 'explicitInResourcePolicy'
  | 'explicitInBoundary'
  | 'explicitInSessionPolicy'
  | 'noIdentityPolicy'
  | 'noResourcePolicy'
  | 'noBoundary'
  | 'noSessionPolicy'
  /** The resource is another account's: whether it exists is not told. */
  | 'otherAccount'

export interface Verdict {
  readonly isAllowed: boolean
  /** Null where it is allowed. */
  readonly denial: Denial | null
  /** The deciding statement of which policy, the grant, or that nothing applied. Never for the caller. */
  readonly reason: string
  /** True where no policy allowed, none denied, and a grant naming the caller might: the grants were not looked at, or lack one. */
  readonly mayBeGranted: boolean
}
