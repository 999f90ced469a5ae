import type { PolicyDocument } from '../model/call.ts'
import { grantAllows, isGrantable, standingsOf } from './grants.ts'
import { asked, compiledPolicy, covers, type Statement } from './policy.ts'
import { isAmong, isStronger, type Standing, standingAmong } from './principals.ts'
import type { AccessRequest, AskedAccess, Denial, Grant, PolicyKind, ResourcePolicy, Verdict } from './request.ts'

export { denialText } from './denial-text.ts'

/**
 * May this caller do this with this key? An explicit Deny anywhere says no. Then the key has to give: by a statement of
 * its policy, or by a grant; and what it gives has to reach the caller past its account, its boundary and its session's
 * policies. Across accounts the caller's own account has to allow it as well.
 */
export function authorizeKey(
  request: AccessRequest,
  { policy, grants }: { readonly policy: ResourcePolicy; readonly grants: readonly Grant[] },
): Verdict {
  const internal = internalVerdict(request)
  if (internal !== null) return internal
  const { principal, action } = request
  if (principal.kind === 'federated') return denied('noResourcePolicy', 'a web token opens no key')
  const isForeign = isFromElsewhere(request)
  if (isForeign && !worksAcrossAccounts.has(action)) {
    return denied('otherAccount', 'the operation does not work across accounts')
  }
  const caller = callerSide(request)
  const key = resourceSide(request, policy, 'key', 'key policy')
  // Of another account's key its own side comes first, so that a refusal does not tell whether the key exists.
  if (isForeign && key.deny !== null) return denied('otherAccount', key.deny)
  const explicit = isForeign ? null : explicitDenial(caller, key)
  if (explicit !== null) return explicit
  let verdict = settle(request, caller, key.given, isForeign)
  const standings = standingsOf(principal)
  for (const grant of grants) {
    if (verdict.isAllowed) break
    const standing = standings.get(grant.granteeId)
    if (standing === undefined || !grantAllows(grant, request)) continue
    // A grant that the caller's own account made is that account's word already.
    const needsOwnAccount = isForeign && grant.issuingAccount !== principal.account
    verdict = settle(request, caller, { standing, reason: `grant ${grant.grantId}` }, needsOwnAccount)
  }
  return verdict.isAllowed ? verdict : { ...verdict, mayBeGranted: caller.deny === null && isGrantable(action) }
}

/**
 * May this caller do this with what has no policy of its own: an alias, the account's list of keys, a user? An alias is
 * its account's alone.
 */
export function authorizeByIdentity(request: AccessRequest): Verdict {
  const internal = internalVerdict(request)
  if (internal !== null) return internal
  const { kind } = request.principal
  if (kind === 'federated' || kind === 'service') return denied('noIdentityPolicy', 'the caller has no policies')
  if (isFromElsewhere(request)) return denied('otherAccount', 'the resource is of another account')
  const caller = callerSide(request)
  if (caller.deny !== null) return denied(caller.deny.denial, caller.deny.reason)
  return settle(request, caller, { standing: 'account', reason: 'the account of the resource' }, false)
}

/** May this caller assume the role with this trust policy? A service, or the bearer of a web token, needs its trust alone. */
export function authorizeTrust(request: AccessRequest, trust: ResourcePolicy): Verdict {
  const { kind } = request.principal
  if (kind === 'root') return denied('noResourcePolicy', 'root cannot assume a role')
  const caller = callerSide(request)
  const role = resourceSide(request, trust, 'trust', 'trust policy')
  const explicit = explicitDenial(caller, role)
  if (explicit !== null) return explicit
  return settle(request, caller, role.given, isFromElsewhere(request))
}

/**
 * May this caller retire the grant? Its retiring principal may, its grantee if the grant says so, and the key's account
 * may: its root, or whom its identity policies allow. An Allow of the key policy has no effect, a Deny anywhere has.
 */
export function authorizeRetire(request: AccessRequest, grant: Grant, policy: ResourcePolicy): Verdict {
  const { principal } = request
  const caller = callerSide(request)
  const explicit = explicitDenial(caller, resourceSide(request, policy, 'key', 'key policy'))
  if (explicit !== null) return isFromElsewhere(request) ? { ...explicit, denial: 'otherAccount' } : explicit
  const standings = standingsOf(principal)
  const isForGrantee = grant.operations.includes('RetireGrant')
  const ways: readonly (Given | null)[] = [
    given(standings.get(grant.retiringId ?? ''), `retiring principal of grant ${grant.grantId}`),
    given(isForGrantee ? standings.get(grant.granteeId) : undefined, `grantee of grant ${grant.grantId}`),
    given(standings.has(request.resourceAccount) ? 'account' : undefined, 'the account of the key'),
  ]
  const verdicts = ways.filter((way) => way !== null).map((way) => settle(request, caller, way, false))
  const allowed = verdicts.find(({ isAllowed }) => isAllowed)
  if (allowed !== undefined) return allowed
  if (isFromElsewhere(request)) return denied('otherAccount', 'the grant gives the caller no right to retire it')
  return verdicts.at(-1) ?? denied('noResourcePolicy', 'the grant gives the caller no right to retire it')
}

export interface StatementMatch {
  readonly effect: 'Allow' | 'Deny'
  readonly sid: string | null
  /** Its place in the document, from 0. */
  readonly index: number
}

/** Which statements of a document speak of the request. For an identity policy, a boundary or a session's, no `principalIds`. */
export function matchingStatements(
  request: AccessRequest,
  document: PolicyDocument | ResourcePolicy,
  kind: PolicyKind,
): readonly StatementMatch[] {
  const question = asked(request, kind)
  const ids = 'principalIds' in document ? document.principalIds : null
  return compiledPolicy(document.text)
    .statements.filter((statement) => covers(statement, question) && isAddressed(statement, question, ids))
    .map(({ effect, sid, index }) => ({ effect, sid, index }))
}

function isAddressed(
  { principals, effect }: Statement,
  { request, kind }: AskedAccess,
  ids: ResourcePolicy['principalIds'],
): boolean {
  if (kind === 'identity') return true
  if (principals === null) return false
  return effect === 'Deny'
    ? isAmong(principals, request.principal, ids)
    : standingAmong(principals, request.principal, ids) !== null
}

/** The operations that the API reference allows on another account's key. */
const worksAcrossAccounts: ReadonlySet<string> = new Set(
  [
    'CreateGrant Decapsulate Decrypt DeriveSharedSecret DescribeKey Encapsulate Encrypt GenerateDataKey',
    'GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac',
    'GetKeyRotationStatus GetPublicKey ListGrants ReEncryptFrom ReEncryptTo RetireGrant RevokeGrant Sign Verify VerifyMac',
  ].flatMap((line) => line.split(' ').map((operation) => `kms:${operation}`)),
)

/** What this deployment does by itself is open to its services alone, and to them whatever policies say. Null: not that. */
function internalVerdict({ action, principal }: AccessRequest): Verdict | null {
  if (!action.startsWith('internal:')) return null
  const isAllowed = principal.kind === 'service'
  return isAllowed ? allowed('internal') : denied('noResourcePolicy', 'internal')
}

/** Services and bearers of web tokens are of no account. */
function isFromElsewhere({ principal, resourceAccount }: AccessRequest): boolean {
  return principal.kind !== 'service' && principal.kind !== 'federated' && principal.account !== resourceAccount
}

function allowed(reason: string): Verdict {
  return { isAllowed: true, denial: null, reason, mayBeGranted: false }
}

function denied(denial: Denial, reason: string): Verdict {
  return { isAllowed: false, denial, reason, mayBeGranted: false }
}

/** What a resource gives the caller, and why. */
interface Given {
  readonly standing: Standing
  readonly reason: string
}

function given(standing: Standing | undefined, reason: string): Given | null {
  return standing === undefined ? null : { standing, reason }
}

interface ResourceSide {
  /** The reason of an explicit Deny. */
  readonly deny: string | null
  /** The strongest of what its statements allow. */
  readonly given: Given | null
}

interface CallerSide {
  readonly deny: { readonly denial: Denial; readonly reason: string } | null
  /** The reason of an identity policy's Allow. */
  readonly allow: string | null
  readonly isInBoundary: boolean
  readonly isInSession: boolean
}

function explicitDenial(caller: CallerSide, resource: ResourceSide): Verdict | null {
  if (caller.deny !== null) return denied(caller.deny.denial, caller.deny.reason)
  return resource.deny === null ? null : denied('explicitInResourcePolicy', resource.deny)
}

/** Whether what the resource gives reaches the caller. `needsOwnAccount`: the caller's account has to allow it, too. */
function settle(
  { principal }: AccessRequest,
  caller: CallerSide,
  gift: Given | null,
  needsOwnAccount: boolean,
): Verdict {
  if (gift === null) return denied(needsOwnAccount ? 'otherAccount' : 'noResourcePolicy', nothing)
  if (caller.deny !== null) return denied(caller.deny.denial, caller.deny.reason)
  const needed = needsOwnAccount ? 'account' : gift.standing
  if (needed === 'direct') return allowed(gift.reason)
  if (needed === 'account') {
    if (principal.kind === 'root') return allowed(gift.reason)
    if (caller.allow === null) return denied('noIdentityPolicy', `${gift.reason}, but no identity policy`)
  }
  if (!caller.isInBoundary) return denied('noBoundary', `${gift.reason}, but not the permissions boundary`)
  if (!caller.isInSession) return denied('noSessionPolicy', `${gift.reason}, but no session policy`)
  return allowed(needed === 'account' ? `${gift.reason}; ${caller.allow}` : gift.reason)
}

const nothing = 'nothing allows it'

interface Finding {
  readonly deny: string | null
  readonly allow: string | null
}

const unbound: CallerSide = { deny: null, allow: null, isInBoundary: true, isInSession: true }

function callerSide(request: AccessRequest): CallerSide {
  const { documents } = request.principal
  if (documents === null) return unbound
  const question = asked(request, 'identity')
  const identity = find(documents.identity, question, 'identity policy')
  const boundary = documents.boundary === null ? null : find([documents.boundary], question, 'permissions boundary')
  const session = documents.session.length === 0 ? null : find(documents.session, question, 'session policy')
  return {
    deny:
      explicitly('explicitInIdentityPolicy', identity) ??
      explicitly('explicitInBoundary', boundary) ??
      explicitly('explicitInSessionPolicy', session),
    allow: identity.allow,
    isInBoundary: boundary === null || boundary.allow !== null,
    isInSession: session === null || session.allow !== null,
  }
}

function explicitly(denial: Denial, finding: Finding | null): CallerSide['deny'] {
  return finding === null || finding.deny === null ? null : { denial, reason: finding.deny }
}

function find(documents: readonly PolicyDocument[], question: AskedAccess, noun: string): Finding {
  let allow: string | null = null
  for (const { name, text } of documents) {
    for (const statement of compiledPolicy(text).statements) {
      const isNews = statement.effect === 'Deny' || allow === null
      if (!isNews || !covers(statement, question)) continue
      const reason = `${noun} ${name}, ${statement.label}`
      if (statement.effect === 'Deny') return { deny: reason, allow }
      allow = reason
    }
  }
  return { deny: null, allow }
}

function resourceSide(request: AccessRequest, policy: ResourcePolicy, kind: PolicyKind, noun: string): ResourceSide {
  const question = asked(request, kind)
  let best: Given | null = null
  for (const statement of compiledPolicy(policy.text).statements) {
    const { principals, effect, label } = statement
    if (principals === null) continue
    if (effect === 'Deny') {
      if (isAmong(principals, request.principal, policy.principalIds) && covers(statement, question)) {
        return { deny: `${noun}, ${label}`, given: null }
      }
      continue
    }
    const standing = standingAmong(principals, request.principal, policy.principalIds)
    if (standing === null || (best !== null && !isStronger(standing, best.standing))) continue
    if (covers(statement, question)) best = { standing, reason: `${noun}, ${label}` }
  }
  return { deny: null, given: best }
}
