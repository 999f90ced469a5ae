import type { AccessRequest, Grant, ResourcePolicy } from '../../src/access/request.ts'

/*
 * Who may use a key, written a second time from AWS's documentation and as plainly as can be: policies are read anew for
 * every question, wildcards are tried by recursion, nothing is prepared or kept. It is what the real decision is compared
 * with, so it shares nothing with src/ but the types of a question.
 *
 * "IAM" is the IAM User Guide, "KMS" the KMS Developer Guide.
 */

type Json = null | boolean | number | string | readonly Json[] | JsonObject
interface JsonObject {
  readonly [name: string]: Json
}

/** How a statement or a grant reaches the caller. */
type Reach = 'everyone' | 'account' | 'role' | 'self'

/** Where a policy hangs: some condition keys exist only in the caller's own policies. */
type Side = 'caller' | 'key'

interface Answer {
  readonly isAllowed: boolean
  /** What decided. */
  readonly stage: string
}

interface GuardedKey {
  readonly policy: ResourcePolicy
  readonly grants: readonly Grant[]
}

/** May this be done with the key? */
export function referenceKey(request: AccessRequest, key: GuardedKey): boolean {
  return answerForKey(request, key).isAllowed
}

/** May this be done with what has no policy of its own, such as an alias? The root user needs no policy. */
export function referenceIdentity(request: AccessRequest): boolean {
  if (request.principal.account !== request.resourceAccount) return false
  if (callerDenies(request)) return false
  return request.principal.kind === 'root' || (identityAllows(request) && isWithinLimits(request))
}

export function answerForKey(request: AccessRequest, { policy, grants }: GuardedKey): Answer {
  // IAM, policy evaluation logic: an explicit deny in any policy wins.
  if (callerDenies(request)) return deny('a policy of the caller denies')
  if (keyPolicyDenies(request, policy)) return deny('the key policy denies')
  if (request.action === 'kms:RetireGrant') return answerForRetiring(request, grants)

  const isForeign = request.principal.account !== request.resourceAccount
  if (isForeign && !usableAcrossAccounts.includes(request.action)) return deny('no use across accounts')

  const reaches = keyPolicyAllows(request, policy)
  const ready = grants.filter((grant) => grantCovers(grant, request))
  if (!isForeign) {
    if (suffices(reaches, request)) return allow('the key policy')
    if (ready.some((grant) => suffices(granteeReaches(grant, request), request))) return allow('a grant')
    return deny('nothing allows')
  }

  // KMS, users in other accounts: the key's account and the caller's have to consent, each on its own.
  const isShared = reaches.length > 0 || ready.some((grant) => granteeReaches(grant, request).length > 0)
  if (!isShared) return deny('the key is not shared')
  if (request.principal.kind === 'root') return allow('the key is shared with the whole account')
  if (identityAllows(request) && isWithinLimits(request)) return allow('both accounts')
  // A grant that the caller's own account issued is that account's consent.
  const issuedAtHome = ready.filter((grant) => grant.issuingAccount === request.principal.account)
  if (issuedAtHome.some((grant) => suffices(granteeReaches(grant, request), request))) return allow('a grant from home')
  return deny('the account of the caller does not allow')
}

function allow(stage: string): Answer {
  return { isAllowed: true, stage }
}

function deny(stage: string): Answer {
  return { isAllowed: false, stage }
}

/**
 * IAM, implicit denies: what names the caller as such, or everyone, is enough. What names the role is cut by boundary and
 * session policies. What names the account only lets the account's own policies speak; its root user is the account.
 */
function suffices(reaches: readonly Reach[], request: AccessRequest): boolean {
  if (reaches.includes('everyone') || reaches.includes('self')) return true
  if (reaches.includes('role') && isWithinLimits(request)) return true
  return reaches.includes('account') && identityAllows(request) && isWithinLimits(request)
}

/** KMS, FACTS 1.2: the operations whose cross-account use is "Yes", by the permissions they need. */
const usableAcrossAccounts = [
  'kms:CreateGrant',
  'kms:Decapsulate',
  'kms:Decrypt',
  'kms:DeriveSharedSecret',
  'kms:DescribeKey',
  'kms:Encapsulate',
  'kms:Encrypt',
  'kms:GenerateDataKey',
  'kms:GenerateDataKeyPair',
  'kms:GenerateDataKeyPairWithoutPlaintext',
  'kms:GenerateDataKeyWithoutPlaintext',
  'kms:GenerateMac',
  'kms:GetKeyRotationStatus',
  'kms:GetPublicKey',
  'kms:ListGrants',
  'kms:ReEncryptFrom',
  'kms:ReEncryptTo',
  'kms:RetireGrant',
  'kms:RevokeGrant',
  'kms:Sign',
  'kms:Verify',
  'kms:VerifyMac',
]

// The caller's own policies.

function callerDenies(request: AccessRequest): boolean {
  const documents = request.principal.documents
  if (documents === null) return false
  const { identity, boundary, session } = documents
  const all = boundary === null ? [...identity, ...session] : [...identity, boundary, ...session]
  return all.some(({ text }) => hasStatement(text, 'Deny', request))
}

function identityAllows(request: AccessRequest): boolean {
  return (request.principal.documents?.identity ?? []).some(({ text }) => hasStatement(text, 'Allow', request))
}

/** What boundary and session policies leave. Of several session policies any one may allow. */
function isWithinLimits(request: AccessRequest): boolean {
  const documents = request.principal.documents
  if (documents === null) return true
  const { boundary, session } = documents
  if (boundary !== null && !hasStatement(boundary.text, 'Allow', request)) return false
  return session.length === 0 || session.some(({ text }) => hasStatement(text, 'Allow', request))
}

function hasStatement(text: string, effect: 'Allow' | 'Deny', request: AccessRequest): boolean {
  const policy = objectOf(JSON.parse(text))
  return statementsOf(policy).some(
    (statement) => statement.Effect === effect && isAbout(statement, request, versionOf(policy), 'caller'),
  )
}

// The key policy.

function keyPolicyDenies(request: AccessRequest, { text, principalIds }: ResourcePolicy): boolean {
  const policy = objectOf(JSON.parse(text))
  return statementsOf(policy).some((statement) => {
    if (statement.Effect !== 'Deny' || !isAbout(statement, request, versionOf(policy), 'key')) return false
    if (statement.NotPrincipal !== undefined) return !isExempt(statement.NotPrincipal, request, principalIds)
    return reachesOf(statement.Principal, request, principalIds).length > 0
  })
}

/** IAM, NotPrincipal: must not be used to allow, so that it allows nobody. */
function keyPolicyAllows(request: AccessRequest, { text, principalIds }: ResourcePolicy): readonly Reach[] {
  const policy = objectOf(JSON.parse(text))
  return statementsOf(policy)
    .filter((statement) => statement.Effect === 'Allow' && isAbout(statement, request, versionOf(policy), 'key'))
    .flatMap((statement) => reachesOf(statement.Principal, request, principalIds))
}

/** In how many ways an element Principal means the caller. Services and other kinds of principals are never callers. */
function reachesOf(
  element: Json | undefined,
  request: AccessRequest,
  principalIds: ResourcePolicy['principalIds'],
): readonly Reach[] {
  if (element === '*') return ['everyone']
  const { account, arn, id, kind, session } = request.principal
  const reaches: Reach[] = []
  for (const name of textsOf(objectOf(element ?? null).AWS)) {
    if (name === '*') reaches.push('everyone')
    if (name === account || name === `arn:aws:iam::${account}:root`) reaches.push(kind === 'root' ? 'self' : 'account')
    if (kind === 'root') continue
    const namedId = principalIds !== null && Object.hasOwn(principalIds, name) ? principalIds[name] : undefined
    if (principalIds === null ? name === arn : namedId === id) reaches.push('self')
    if (session === null) continue
    if (principalIds === null ? name === session.roleArn : namedId === session.roleId) reaches.push('role')
  }
  return reaches
}

/** IAM, NotPrincipal: a user has to be listed along with its account, a session along with its role and account. */
function isExempt(element: Json, request: AccessRequest, principalIds: ResourcePolicy['principalIds']): boolean {
  const reaches = reachesOf(element, request, principalIds)
  if (reaches.includes('everyone')) return true
  const { kind } = request.principal
  const needed: Reach[] =
    kind === 'root' ? ['self'] : kind === 'user' ? ['account', 'self'] : ['account', 'role', 'self']
  return needed.every((reach) => reaches.includes(reach))
}

// Grants.

function granteeReaches(grant: Grant, request: AccessRequest): readonly Reach[] {
  return idReaches(grant.granteePrincipal === null ? null : grant.granteeId, request)
}

function idReaches(id: string | null, { principal }: AccessRequest): readonly Reach[] {
  if (id === null) return []
  if (id === principal.id) return ['self']
  if (principal.session !== null && id === principal.session.roleId) return ['role']
  return id === principal.account ? ['account'] : []
}

/** Does the grant hold the operation, and is the request within its constraints? */
function grantCovers(grant: Grant, request: AccessRequest): boolean {
  const operation = operationOf(request)
  if (!grant.operations.includes(operation)) return false
  const { encryptionContextSubset, encryptionContextEquals, sourceArn } = grant.constraints ?? {}
  if (sourceArn !== undefined && !(request.context?.['aws:sourcearn'] ?? []).includes(sourceArn)) return false
  if (operation === 'CreateGrant') return isNarrower(request, grant)
  if (!takesEncryptionContext.includes(operation)) return true
  const context = encryptionContextOf(request)
  if (encryptionContextSubset !== undefined && !contains(context, encryptionContextSubset)) return false
  return encryptionContextEquals === undefined || isSame(context, encryptionContextEquals)
}

/** KMS, granting CreateGrant: only operations of the parent, and constraints that are as strict or stricter. */
function isNarrower(request: AccessRequest, parent: Grant): boolean {
  const operations = textsOf(request.parameters.Operations as Json | undefined)
  if (!operations.every((operation) => parent.operations.includes(operation))) return false
  const child = objectOf((request.parameters.Constraints ?? null) as Json)
  const { encryptionContextSubset, encryptionContextEquals, sourceArn } = parent.constraints ?? {}
  if (sourceArn !== undefined && child.SourceArn !== sourceArn) return false
  const subset = child.EncryptionContextSubset === undefined ? null : pairsOf(child.EncryptionContextSubset)
  const equals = child.EncryptionContextEquals === undefined ? null : pairsOf(child.EncryptionContextEquals)
  if (encryptionContextEquals !== undefined && (equals === null || !isSame(equals, encryptionContextEquals)))
    return false
  if (encryptionContextSubset === undefined) return true
  return [subset, equals].some((pairs) => pairs !== null && contains(pairs, encryptionContextSubset))
}

/**
 * KMS, retiring grants: the grant says who may retire it, and as a backup the account of the key may, or whom of its own
 * it lets by policy. kms:RetireGrant is not effective in a key policy.
 */
function answerForRetiring(request: AccessRequest, grants: readonly Grant[]): Answer {
  const grant = grants.find(({ grantId }) => grantId === request.parameters.GrantId)
  if (grant === undefined) return deny('no such grant')
  const retiringId = grant.retiringPrincipal === null ? null : grant.retiringId
  if (suffices(idReaches(retiringId, request), request)) return allow('retires the grant')
  const isGrantees = grant.operations.includes('RetireGrant')
  if (isGrantees && suffices(granteeReaches(grant, request), request)) return allow('its grantee, who may retire it')
  if (request.principal.account !== request.resourceAccount) return deny('another account')
  if (suffices(request.principal.kind === 'root' ? ['self'] : ['account'], request))
    return allow('the account of the key')
  return deny('may not retire it')
}

type Pairs = Readonly<Record<string, string>>

function contains(pairs: Pairs, wanted: Pairs): boolean {
  return Object.keys(wanted).every((name) => Object.hasOwn(pairs, name) && pairs[name] === wanted[name])
}

function isSame(one: Pairs, other: Pairs): boolean {
  return contains(one, other) && contains(other, one)
}

// One statement.

function isAbout(statement: JsonObject, request: AccessRequest, version: Version, side: Side): boolean {
  return isAboutAction(statement, request) && isAboutResource(statement, request, version, side)
    ? conditionsHold(objectOf(statement.Condition ?? {}), request, version, side)
    : false
}

function isAboutAction({ Action, NotAction }: JsonObject, { action }: AccessRequest): boolean {
  const isListed = (list: Json) =>
    textsOf(list).some((pattern) => fits(action.toLowerCase(), wildcardsOf(pattern.toLowerCase())))
  if (Action !== undefined) return isListed(Action)
  return NotAction !== undefined && !isListed(NotAction)
}

/**
 * KMS, key policy overview: a statement without Resource applies to no key. IAM, resource ARNs: a wildcard may reach over
 * colons, and an incomplete ARN is completed with a star for each of the six parts that it lacks.
 */
function isAboutResource(statement: JsonObject, request: AccessRequest, version: Version, side: Side): boolean {
  const isListed = (list: Json) =>
    textsOf(list).some((text) => {
      const missing = text.split(':')[0] === 'arn' ? Math.max(0, 6 - text.split(':').length) : 0
      const pattern = patternOf(`${text}${':*'.repeat(missing)}`, request, version, side)
      return pattern !== null && fits(request.resource, pattern)
    })
  if (statement.Resource !== undefined) return isListed(statement.Resource)
  return statement.NotResource !== undefined && !isListed(statement.NotResource)
}

// Conditions.

/** All operators, and all keys under each, have to hold. */
function conditionsHold(conditions: JsonObject, request: AccessRequest, version: Version, side: Side): boolean {
  return Object.entries(conditions).every(([operator, keys]) =>
    Object.entries(objectOf(keys)).every(([key, wanted]) =>
      conditionHolds(operator, valuesOf(key.toLowerCase(), request, side), textsOf(wanted), request, version, side),
    ),
  )
}

const opposites: Readonly<Record<string, string>> = {
  StringNotEquals: 'StringEquals',
  StringNotEqualsIgnoreCase: 'StringEqualsIgnoreCase',
  StringNotLike: 'StringLike',
  NumericNotEquals: 'NumericEquals',
  DateNotEquals: 'DateEquals',
  NotIpAddress: 'IpAddress',
  ArnNotEquals: 'ArnEquals',
  ArnNotLike: 'ArnLike',
}

/** `values` null: the request does not have the key. */
function conditionHolds(
  written: string,
  values: readonly string[] | null,
  wanted: readonly string[],
  request: AccessRequest,
  version: Version,
  side: Side,
): boolean {
  const isForAll = written.startsWith('ForAllValues:')
  const isForAny = written.startsWith('ForAnyValue:')
  const unqualified = isForAll || isForAny ? written.slice(written.indexOf(':') + 1) : written
  const isIfExists = unqualified.endsWith('IfExists')
  const operator = isIfExists ? unqualified.slice(0, -'IfExists'.length) : unqualified
  if (operator === 'Null') return wanted.some((text) => text.toLowerCase() === String(values === null))

  const opposite = opposites[operator]
  if (values === null) {
    if (isIfExists || isForAll) return true
    return !isForAny && opposite !== undefined
  }
  const isMatch = (value: string) =>
    wanted.some((text) => compare(opposite ?? operator, value, text, request, version, side))
  const holds = (value: string) => isMatch(value) === (opposite === undefined)
  // Without a set operator, several values match where one does, and a negated operator is the opposite of that.
  if (isForAll || (!isForAny && opposite !== undefined)) return values.every(holds)
  return values.some(holds)
}

function compare(
  operator: string,
  value: string,
  wanted: string,
  request: AccessRequest,
  version: Version,
  side: Side,
): boolean {
  const pattern = patternOf(wanted, request, version, side)
  const text =
    pattern === null ? null : pattern.map((piece) => (piece === any ? '*' : piece === one ? '?' : piece)).join('')
  switch (operator) {
    case 'StringEquals':
      return text === value
    case 'StringEqualsIgnoreCase':
      return text !== null && text.toLowerCase() === value.toLowerCase()
    case 'StringLike':
      return pattern !== null && fits(value, pattern)
    case 'ArnEquals':
    case 'ArnLike':
      return pattern !== null && fitsArn(value, pattern)
    case 'Bool':
      return isBoolean(value) && value.toLowerCase() === wanted.toLowerCase()
    case 'BinaryEquals':
      return value === wanted
    case 'IpAddress':
      return isInRange(value, wanted)
    case 'NumericEquals':
      return numberOf(value) === numberOf(wanted)
    case 'NumericLessThan':
      return numberOf(value) < numberOf(wanted)
    case 'NumericLessThanEquals':
      return numberOf(value) <= numberOf(wanted)
    case 'NumericGreaterThan':
      return numberOf(value) > numberOf(wanted)
    case 'NumericGreaterThanEquals':
      return numberOf(value) >= numberOf(wanted)
    case 'DateEquals':
      return dateOf(value) === dateOf(wanted)
    case 'DateLessThan':
      return dateOf(value) < dateOf(wanted)
    case 'DateLessThanEquals':
      return dateOf(value) <= dateOf(wanted)
    case 'DateGreaterThan':
      return dateOf(value) > dateOf(wanted)
    case 'DateGreaterThanEquals':
      return dateOf(value) >= dateOf(wanted)
    default:
      throw new Error(`${operator} is no condition operator`)
  }
}

function isBoolean(text: string): boolean {
  return ['true', 'false'].includes(text.toLowerCase())
}

/** NaN, which compares with nothing, for what is no number. */
function numberOf(text: string): number {
  return /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
}

/**
 * Seconds; NaN for what is no date. IAM, date operators: ISO 8601 as W3C writes it, or seconds since 1970, which four
 * digits and fewer are not taken for. A time without a zone is UTC.
 */
function dateOf(text: string): number {
  if (/^\d{5,}(\.\d+)?$/.test(text)) return Number(text)
  if (/^\d{4}(-\d\d(-\d\d)?)?$/.test(text)) return Date.parse(text) / 1000
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/.test(text)) return Number.NaN
  return Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`) / 1000
}

function isInRange(address: string, range: string): boolean {
  const [network = '', prefix] = range.split('/')
  const bits = bitsOf(address)
  const networkBits = bitsOf(network)
  if (bits === null || networkBits === null || bits.length !== networkBits.length) return false
  if (prefix !== undefined && !/^\d+$/.test(prefix)) return false
  const length = prefix === undefined ? bits.length : Number(prefix)
  return length <= bits.length && bits.slice(0, length) === networkBits.slice(0, length)
}

/** An address as a text of zeros and ones, 32 or 128 of them. */
function bitsOf(address: string): string | null {
  if (!address.includes(':')) {
    const bytes = address.split('.')
    if (bytes.length !== 4 || !bytes.every((byte) => /^\d{1,3}$/.test(byte) && Number(byte) < 256)) return null
    return bytes.map((byte) => Number(byte).toString(2).padStart(8, '0')).join('')
  }
  const halves = address.split('::').map((half) => (half === '' ? [] : half.split(':')))
  if (halves.length > 2) return null
  const [head = [], tail = []] = halves
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail]
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null
  return groups.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join('')
}

// Condition keys.

/** Null: the request does not have the key. Names of keys are compared without case, and so is what follows their prefix. */
function valuesOf(key: string, request: AccessRequest, side: Side): readonly string[] | null {
  const supposed = request.context?.[key]
  const values = supposed ?? foundValues(key, request, side)
  return values.length === 0 ? null : values
}

function foundValues(key: string, request: AccessRequest, side: Side): readonly string[] {
  const { principal, parameters, action } = request
  const parameter = (name: string) => texts(parameters[name])
  const onlyIn = (operations: readonly string[], values: readonly string[]) =>
    operations.includes(operationOf(request)) ? values : []
  const withPrefix = (prefix: string, pairs: readonly (readonly [string, string])[]) =>
    pairs.filter(([name]) => key === `${prefix}${name}`.toLowerCase()).map(([, value]) => value)

  if (key.startsWith('aws:principaltag/')) return withPrefix('aws:PrincipalTag/', Object.entries(principal.tags))
  if (key.startsWith('aws:requesttag/')) return withPrefix('aws:RequestTag/', tagsInRequest(request))
  if (key.startsWith('aws:resourcetag/')) {
    if (side === 'key') return [] // KMS, ABAC: in IAM policies only.
    return withPrefix(
      'aws:ResourceTag/',
      (request.key?.tags ?? []).map((tag) => [tag.tagKey, tag.tagValue]),
    )
  }
  if (key.startsWith('kms:encryptioncontext:')) {
    return withPrefix('kms:EncryptionContext:', contextPairs(request))
  }

  switch (key) {
    case 'aws:currenttime':
      return [secondsOf(request.wallTime)]
    case 'aws:epochtime':
      return [String(Math.floor(request.wallTime / 1000))]
    case 'aws:federatedprovider':
      return texts(principal.session?.federatedProvider)
    case 'aws:principalaccount':
      return [principal.account]
    case 'aws:principalarn':
      return [principal.session?.roleArn ?? principal.arn]
    case 'aws:principalisawsservice':
      return ['false']
    case 'aws:principaltype':
      return texts(
        { root: 'Account', user: 'User', session: 'AssumedRole', service: null, federated: null }[principal.kind],
      )
    case 'aws:requestedregion':
      return [request.region]
    case 'aws:resourceaccount':
      return [request.resourceAccount]
    case 'aws:securetransport':
      return [String(request.isSecure)]
    case 'aws:sourceidentity':
      return texts(principal.session?.sourceIdentity)
    case 'aws:sourceip':
      return texts(request.sourceIp)
    case 'aws:tagkeys':
      return [...tagsInRequest(request).map(([name]) => name), ...parameter('TagKeys')]
    case 'aws:tokenissuetime':
      return principal.session === null ? [] : [secondsOf(principal.session.issuedAt)]
    case 'aws:useragent':
      return texts(request.userAgent)
    case 'aws:userid':
      return [principal.id]
    case 'aws:username':
      return principal.kind === 'user' ? [principal.arn.slice(principal.arn.lastIndexOf('/') + 1)] : []
    case 'aws:viaawsservice':
      return [String(request.viaService !== null)]
    case 'kms:bypasspolicylockoutsafetycheck':
      return parameter('BypassPolicyLockoutSafetyCheck')
    case 'kms:calleraccount':
      return [principal.account]
    case 'kms:customermasterkeyspec':
    case 'kms:keyspec':
      return propertyOf(request, request.key?.spec, 'KeySpec', 'SYMMETRIC_DEFAULT')
    case 'kms:customermasterkeyusage':
    case 'kms:keyusage':
      return propertyOf(request, request.key?.usage, 'KeyUsage', 'ENCRYPT_DECRYPT')
    case 'kms:keyorigin':
      return propertyOf(request, request.key?.origin, 'Origin', 'AWS_KMS')
    case 'kms:multiregion':
      return propertyOf(request, request.key?.isMultiRegion, 'MultiRegion', 'false')
    case 'kms:multiregionkeytype':
      return texts(request.key?.multiRegionKeyType)
    case 'kms:datakeypairspec':
      return onlyIn(['GenerateDataKeyPair', 'GenerateDataKeyPairWithoutPlaintext'], parameter('KeyPairSpec'))
    case 'kms:encryptionalgorithm':
      return encryptionAlgorithmOf(request)
    case 'kms:encryptioncontextkeys':
      return contextPairs(request).map(([name]) => name)
    case 'kms:expirationmodel':
      return parameter('ExpirationModel')
    case 'kms:grantconstrainttype':
      return onlyIn(['CreateGrant'], constraintTypes(request))
    case 'kms:grantisforawsresource':
      return onlyIn(['CreateGrant', 'ListGrants', 'RevokeGrant'], [String(request.viaService !== null)])
    case 'kms:grantoperations':
      return onlyIn(['CreateGrant'], parameter('Operations'))
    case 'kms:granteeprincipal':
      return onlyIn(['CreateGrant'], parameter('GranteePrincipal'))
    case 'kms:retiringprincipal':
      return onlyIn(['CreateGrant'], parameter('RetiringPrincipal'))
    case 'kms:keyagreementalgorithm':
      return onlyIn(['DeriveSharedSecret'], parameter('KeyAgreementAlgorithm'))
    case 'kms:macalgorithm':
      return onlyIn(['GenerateMac', 'VerifyMac'], parameter('MacAlgorithm'))
    case 'kms:messagetype':
      return onlyIn(['Sign', 'Verify'], orElse(parameter('MessageType'), 'RAW'))
    case 'kms:signingalgorithm':
      return onlyIn(['Sign', 'Verify'], parameter('SigningAlgorithm'))
    case 'kms:primaryregion':
      return onlyIn(['UpdatePrimaryRegion'], parameter('PrimaryRegion'))
    case 'kms:replicaregion':
      return onlyIn(['ReplicateKey'], parameter('ReplicaRegion'))
    case 'kms:reencryptonsamekey':
      return isOnSameKey(request)
    case 'kms:requestalias':
      return aliasNamed(request)
    case 'kms:resourcealiases':
      return side === 'key' ? [] : (request.key?.aliases ?? []) // KMS: in IAM policies only.
    case 'kms:rotationperiodindays':
      return onlyIn(['EnableKeyRotation'], orElse(parameter('RotationPeriodInDays'), '365'))
    case 'kms:schedulekeydeletionpendingwindowindays':
      return onlyIn(['ScheduleKeyDeletion'], orElse(parameter('PendingWindowInDays'), '30'))
    case 'kms:validto':
      return parameter('ValidTo')
    case 'kms:viaservice':
      return action.startsWith('kms:') ? texts(request.viaService) : []
    case 'kms:wrappingalgorithm':
      return onlyIn(['GetParametersForImport'], parameter('WrappingAlgorithm'))
    case 'kms:wrappingkeyspec':
      return onlyIn(['GetParametersForImport'], parameter('WrappingKeySpec'))
    default:
      return []
  }
}

function operationOf({ action }: AccessRequest): string {
  return action.slice(action.indexOf(':') + 1)
}

/** A parameter's values as texts; none where it was not sent. */
function texts(value: unknown): readonly string[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value.map(String) : [String(value)]
}

function orElse(values: readonly string[], fallback: string): readonly string[] {
  return values.length === 0 ? [fallback] : values
}

function secondsOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

/** A property of the key; when a key is made, what the request asks for. */
function propertyOf(request: AccessRequest, value: unknown, name: string, fallback: string): readonly string[] {
  if (request.action === 'kms:CreateKey') return orElse(texts(request.parameters[name]), fallback)
  return texts(value)
}

function tagsInRequest({ parameters }: AccessRequest): readonly (readonly [string, string])[] {
  const tags = Array.isArray(parameters.Tags) ? parameters.Tags : []
  return tags.map((tag: { TagKey: string; TagValue: string }) => [tag.TagKey, tag.TagValue])
}

const takesEncryptionContext = [
  'Decrypt',
  'Encrypt',
  'GenerateDataKey',
  'GenerateDataKeyPair',
  'GenerateDataKeyPairWithoutPlaintext',
  'GenerateDataKeyWithoutPlaintext',
  'ReEncryptFrom',
  'ReEncryptTo',
]

function encryptionContextOf(request: AccessRequest): Pairs {
  const { parameters } = request
  const operation = operationOf(request)
  if (!takesEncryptionContext.includes(operation)) return {}
  if (operation === 'ReEncryptFrom') return pairsOf(parameters.SourceEncryptionContext)
  if (operation === 'ReEncryptTo') return pairsOf(parameters.DestinationEncryptionContext)
  return pairsOf(parameters.EncryptionContext)
}

/** The pairs that conditions see. For CreateGrant they are those of the constraints asked for. */
function contextPairs(request: AccessRequest): readonly (readonly [string, string])[] {
  if (request.action !== 'kms:CreateGrant') return Object.entries(encryptionContextOf(request))
  const constraints = objectOf((request.parameters.Constraints ?? null) as Json)
  const { EncryptionContextSubset, EncryptionContextEquals } = constraints
  return Object.entries({ ...pairsOf(EncryptionContextSubset), ...pairsOf(EncryptionContextEquals) })
}

function constraintTypes(request: AccessRequest): readonly string[] {
  const constraints = objectOf((request.parameters.Constraints ?? null) as Json)
  return ['EncryptionContextEquals', 'EncryptionContextSubset', 'SourceArn'].filter(
    (name) => constraints[name] !== undefined,
  )
}

/** KMS, kms:EncryptionAlgorithm: the algorithm used counts, stated or not. */
function encryptionAlgorithmOf(request: AccessRequest): readonly string[] {
  const operation = operationOf(request)
  const names: Readonly<Record<string, string>> = {
    Decrypt: 'EncryptionAlgorithm',
    Encrypt: 'EncryptionAlgorithm',
    ReEncryptFrom: 'SourceEncryptionAlgorithm',
    ReEncryptTo: 'DestinationEncryptionAlgorithm',
  }
  const name = names[operation]
  if (name !== undefined) return orElse(texts(request.parameters[name]), 'SYMMETRIC_DEFAULT')
  return operation.startsWith('GenerateDataKey') ? ['SYMMETRIC_DEFAULT'] : []
}

/** Names are told apart by the id they end with: the tests name keys by ARN or by id. */
function isOnSameKey({ action, parameters, isSameKey }: AccessRequest): readonly string[] {
  if (action !== 'kms:ReEncryptFrom' && action !== 'kms:ReEncryptTo') return []
  if (isSameKey !== undefined) return [String(isSameKey)]
  const idOf = (name: unknown) => String(name).slice(String(name).lastIndexOf('/') + 1)
  return [String(idOf(parameters.SourceKeyId) === idOf(parameters.DestinationKeyId))]
}

function aliasNamed({ keyNamed }: AccessRequest): readonly string[] {
  const name = keyNamed ?? ''
  const from = name.startsWith('arn:') ? name.indexOf('alias/') : 0
  return from >= 0 && name.startsWith('alias/', from) ? [name.slice(from)] : []
}

// Texts with wildcards and variables.

type Version = '2008-10-17' | '2012-10-17'

const any = Symbol('*')
const one = Symbol('?')
type Piece = string | typeof any | typeof one

/** A character each; what stands for a wildcard is no character. */
function wildcardsOf(text: string): readonly Piece[] {
  return [...text].map((character) => (character === '*' ? any : character === '?' ? one : character))
}

/**
 * IAM, policy variables: `${key}`, `${key, 'default'}`, and `${*}`, `${?}`, `${$}` for the characters themselves. What is
 * filled in is never a wildcard. Null: a variable has no value, so that the text matches nothing.
 */
function patternOf(text: string, request: AccessRequest, version: Version, side: Side): readonly Piece[] | null {
  const start = text.indexOf('${')
  const end = text.indexOf('}', start)
  if (version === '2008-10-17' || start < 0 || end < 0) return wildcardsOf(text)
  const value = variableOf(text.slice(start + 2, end), request, side)
  const rest = patternOf(text.slice(end + 1), request, version, side)
  if (value === null || rest === null) return null
  return [...wildcardsOf(text.slice(0, start)), ...value, ...rest]
}

function variableOf(name: string, request: AccessRequest, side: Side): string | null {
  if (['*', '?', '$'].includes(name)) return name
  const [, key = '', fallback] = /^([^,]*?)\s*(?:,\s*'(.*)'\s*)?$/.exec(name) ?? []
  const values = valuesOf(key.trim().toLowerCase(), request, side)
  if (values !== null) return values.length === 1 ? (values[0] ?? null) : null
  return fallback ?? null
}

function fits(text: string, pattern: readonly Piece[]): boolean {
  const characters = [...text]
  const fitsFrom = (at: number, piece: number): boolean => {
    const wanted = pattern[piece]
    if (wanted === undefined) return at === characters.length
    if (wanted === any) return fitsFrom(at, piece + 1) || (at < characters.length && fitsFrom(at + 1, piece))
    if (at === characters.length) return false
    return (wanted === one || wanted === characters[at]) && fitsFrom(at + 1, piece + 1)
  }
  return fitsFrom(0, 0)
}

/**
 * IAM, ARN operators: each of the six parts between colons is compared by itself; the sixth has the rest. What is to
 * become of a pattern with fewer parts is nowhere said; it is compared as a whole.
 */
function fitsArn(arn: string, pattern: readonly Piece[]): boolean {
  const parts = arn.split(':')
  const wanted: Piece[][] = [[]]
  for (const piece of pattern) {
    if (piece === ':' && wanted.length < 6) wanted.push([])
    else wanted.at(-1)?.push(piece)
  }
  if (wanted.length < 6) return fits(arn, pattern)
  const six = [...parts.slice(0, 5), parts.slice(5).join(':')]
  return parts.length >= 6 && six.every((part, index) => fits(part, wanted[index] ?? []))
}

// JSON.

function versionOf({ Version }: JsonObject): Version {
  return Version === '2012-10-17' ? '2012-10-17' : '2008-10-17'
}

function statementsOf({ Statement }: JsonObject): readonly JsonObject[] {
  return (Array.isArray(Statement) ? Statement : [Statement ?? {}]).map(objectOf)
}

function objectOf(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}

function pairsOf(value: unknown): Pairs {
  return objectOf((value ?? null) as Json) as Pairs
}

/** A single value needs no list. */
function textsOf(value: Json | undefined): readonly string[] {
  if (value === undefined) return []
  return (Array.isArray(value) ? value : [value]).map(String)
}
