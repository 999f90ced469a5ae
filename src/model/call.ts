/** A policy as it is stored, under the name by which a reason may speak of it: an ARN, or an inline policy's name. */
export interface PolicyDocument {
  readonly name: string
  readonly text: string
}

/** The policies that travel with a caller. */
export interface Documents {
  /** Of a user, its groups, or a role: inline and attached. Any of them may allow. */
  readonly identity: readonly PolicyDocument[]
  /** Null: there is none, so nothing is cut. */
  readonly boundary: PolicyDocument | null
  /** Of a session: what it was narrowed to. Empty: nothing is cut; else one of them has to allow. */
  readonly session: readonly PolicyDocument[]
}

/** What a session knows of how it came to be. */
export interface SessionFacts {
  readonly roleArn: string
  /** AROA… */
  readonly roleId: string
  readonly sessionName: string
  /** Wall time in milliseconds. */
  readonly issuedAt: number
  readonly sourceIdentity: string | null
  /** The OpenID Connect provider's ARN where a web token was exchanged; else null. */
  readonly federatedProvider: string | null
  /** The session's own tags, which are over its role's; left out: none. */
  readonly tags?: Readonly<Record<string, string>>
  /** Those of the tags that a session of a further role, assumed from here, has as well. */
  readonly transitiveTagKeys?: readonly string[]
}

/**
 * Who is calling. A service is a part of this deployment acting by itself: no door makes one from a request. Federated is
 * the bearer of a web token that is being exchanged for a session; its ARN is the provider's.
 */
export interface Principal {
  readonly kind: 'root' | 'user' | 'session' | 'service' | 'federated'
  readonly account: string
  /** …:root, …:user/PATH/NAME, arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION, a service's own name, or a provider's ARN. */
  readonly arn: string
  /** Never given to another: the account of root, AIDA… of a user, AROA…:SESSION of a session. */
  readonly id: string
  /** A user's own tags, or a role's with the session's over them. */
  readonly tags: Readonly<Record<string, string>>
  /** None for root and services. */
  readonly documents: Documents | null
  readonly session: SessionFacts | null
}

/** One call, as it travels from a door to a key's object. Plain data: it crosses RPC. Fields are only ever added. */
export interface Call {
  readonly requestId: string
  readonly principal: Principal
  /** The access key id that signed; null where nothing was signed. */
  readonly accessKeyId: string | null
  /** The Region the caller addressed. */
  readonly region: string
  /** Wall time in milliseconds: signatures, cache ages, expiries of tokens, and the time that policies see. */
  readonly wallTime: number
  /** Lifecycle time in milliseconds: rotation, deletion, and every date shown. Ahead of wall time on a moved local clock. */
  readonly time: number
  readonly sourceIp: string | null
  readonly userAgent: string | null
  /** True where the request came over TLS or from a binding. */
  readonly isSecure: boolean
  /** `s3.us-east-1.amazonaws.com` where one of our own integrations calls on the principal's behalf; else null. */
  readonly viaService: string | null
}

/** The Region of a call by a job that goes through objects by their ids, whatever Region each is of. */
export const anyRegion = ''

/** A part of this deployment, acting by itself. */
export function servicePrincipal(name: string, account = ''): Principal {
  return { kind: 'service', account, arn: name, id: name, tags: {}, documents: null, session: null }
}
