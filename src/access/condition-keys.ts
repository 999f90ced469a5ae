import { limits } from '../model/limits.ts'
import type { AccessRequest, AskedAccess, KeyFacts } from './request.ts'

/** A condition key's value; an array where the key may have several, null where it is absent. */
export type Values = string | readonly string[] | null

export type Reader = (asked: AskedAccess) => Values

/** How the key is read, found once, when a policy is compiled. A key that nobody knows is absent, unless supposed. */
export function readerOf(key: string): Reader {
  const name = key.toLowerCase()
  const read = keys.get(name) ?? familyReader(key, name) ?? absent
  return (asked) => {
    const { context } = asked.request
    return context !== undefined && Object.hasOwn(context, name) ? only(textsOf(context[name])) : read(asked)
  }
}

function familyReader(key: string, name: string): Reader | null {
  for (const [prefix, reader] of families) if (name.startsWith(prefix)) return reader(key.slice(prefix.length))
  return null
}

const absent: Reader = () => null

type Pair = readonly [name: string, value: string]

/** The pair named so; else those named so but for their case, as a condition key's name has none. */
function valueNamed(pairs: readonly Pair[], name: string, lowerName: string): Values {
  const exact = pairs.find(([candidate]) => candidate === name)
  if (exact !== undefined) return exact[1]
  return only(pairs.filter(([candidate]) => candidate.toLowerCase() === lowerName).map(([, value]) => value))
}

/** A family of keys: one for each name in what `pairsOf` finds. */
function family(pairsOf: (asked: AskedAccess) => readonly Pair[]): (name: string) => Reader {
  return (name) => {
    const lowerName = name.toLowerCase()
    return (asked) => valueNamed(pairsOf(asked), name, lowerName)
  }
}

const families: readonly (readonly [prefix: string, reader: (name: string) => Reader])[] = [
  ['aws:principaltag/', family(({ request }) => pairsIn(request.principal.tags))],
  ['aws:requesttag/', family(({ request }) => requestTags(request))],
  ['aws:resourcetag/', family(resourceTags)],
  ['kms:encryptioncontext:', family((asked) => pairsIn(encryptionContext(asked)))],
]

/** AWS KMS knows aws:ResourceTag in IAM policies only. */
function resourceTags({ request, kind }: AskedAccess): readonly Pair[] {
  if (kind !== 'identity' || request.key === null) return []
  return request.key.tags.map(({ tagKey, tagValue }) => [tagKey, tagValue] as const)
}

/** KMS writes a tag as TagKey and TagValue, IAM and STS as Key and Value. */
function requestTags(request: AccessRequest): readonly Pair[] {
  const tags = sent(request, 'Tags')
  if (!Array.isArray(tags)) return []
  return tags.flatMap((tag: unknown): Pair[] => {
    if (!isObject(tag)) return []
    const { TagKey, TagValue, Key = TagKey, Value = TagValue } = tag
    return typeof Key === 'string' && typeof Value === 'string' ? [[Key, Value]] : []
  })
}

const contextParameters: ReadonlyMap<string, string> = new Map([
  ['kms:reencryptfrom', 'SourceEncryptionContext'],
  ['kms:reencryptto', 'DestinationEncryptionContext'],
])

/** Of a CreateGrant, the pairs that the constraint asks for. */
function encryptionContext({ request, action }: AskedAccess): Readonly<Record<string, unknown>> {
  if (action === 'kms:creategrant') {
    const constraints = sent(request, 'Constraints')
    if (!isObject(constraints)) return {}
    return { ...objectAt(constraints, 'EncryptionContextSubset'), ...objectAt(constraints, 'EncryptionContextEquals') }
  }
  return objectAt(request.parameters, contextParameters.get(action) ?? 'EncryptionContext')
}

function actions(operations: string): ReadonlySet<string> {
  return new Set(operations.split(' ').map((operation) => `kms:${operation.toLowerCase()}`))
}

/** A member of the request, for these operations; `otherwise` where it was not sent. */
function parameter(operations: string, name: string, otherwise: string | null = null): Reader {
  const among = actions(operations)
  return ({ request, action }) => (among.has(action) ? (textsOf(sent(request, name)) ?? otherwise) : null)
}

/** A member of the request, whatever the operation. */
function member(name: string): Reader {
  return ({ request }) => textsOf(sent(request, name))
}

function about(read: (request: AccessRequest) => Values): Reader {
  return ({ request }) => read(request)
}

function ofSession(read: (session: NonNullable<AccessRequest['principal']['session']>) => Values): Reader {
  return ({ request: { principal } }) => (principal.session === null ? null : read(principal.session))
}

/** A trait of the key; where CreateKey asks for one, of the key to be. */
function ofKey(read: (key: KeyFacts) => Values, wanted: (request: AccessRequest) => Values): Reader {
  return ({ request, action }) => {
    if (action === 'kms:createkey') return wanted(request)
    return request.key === null ? null : read(request.key)
  }
}

const keySpec = ofKey(
  ({ spec }) => spec,
  (request) => textsOf(sent(request, 'KeySpec') ?? sent(request, 'CustomerMasterKeySpec')) ?? 'SYMMETRIC_DEFAULT',
)
const keyUsage = ofKey(
  ({ usage }) => usage,
  (request) => textsOf(sent(request, 'KeyUsage')) ?? 'ENCRYPT_DECRYPT',
)

const principalTypes = {
  root: 'Account',
  user: 'User',
  session: 'AssumedRole',
  service: null,
  federated: null,
} as const

const symmetric =
  'Encrypt Decrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext'
const pairs = 'GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext'

function encryptionAlgorithm(asked: AskedAccess): Values {
  for (const read of encryptionAlgorithms) {
    const value = read(asked)
    if (value !== null) return value
  }
  return null
}

const encryptionAlgorithms: readonly Reader[] = [
  parameter(symmetric, 'EncryptionAlgorithm', 'SYMMETRIC_DEFAULT'),
  parameter('ReEncryptFrom', 'SourceEncryptionAlgorithm', 'SYMMETRIC_DEFAULT'),
  parameter('ReEncryptTo', 'DestinationEncryptionAlgorithm', 'SYMMETRIC_DEFAULT'),
]

const reEncrypts = actions('ReEncryptFrom ReEncryptTo')
const grantManagement = actions('CreateGrant ListGrants RevokeGrant')

/** Absent where a name that is needed was not sent. A name that is an alias tells nothing but itself. */
function isSameKey({ request, action }: AskedAccess): Values {
  if (!reEncrypts.has(action)) return null
  if (request.isSameKey !== undefined) return String(request.isSameKey)
  const source = sent(request, 'SourceKeyId')
  const destination = sent(request, 'DestinationKeyId')
  if (typeof source !== 'string' || typeof destination !== 'string') return null
  return String(source === destination || keyIdIn(source) === keyIdIn(destination))
}

function keyIdIn(name: string): string {
  return name.slice(name.lastIndexOf(':key/') + 1).replace(/^key\//, '')
}

function requestAlias({ keyNamed }: AccessRequest): Values {
  if (keyNamed === null) return null
  if (keyNamed.startsWith('alias/')) return keyNamed
  const at = keyNamed.indexOf(':alias/')
  return keyNamed.startsWith('arn:') && at !== -1 ? keyNamed.slice(at + 1) : null
}

function principalArn({ principal }: AccessRequest): Values {
  if (principal.kind === 'service' || principal.kind === 'federated') return null
  return principal.session?.roleArn ?? principal.arn
}

function tagKeys(request: AccessRequest): Values {
  const named = requestTags(request).map(([name]) => name)
  return many(named.length > 0 ? named : textsOf(sent(request, 'TagKeys')))
}

/** `s3.us-east-1.amazonaws.com` calls as `s3.amazonaws.com`. */
function calledVia({ viaService }: AccessRequest): Values {
  return viaService === null ? null : `${viaService.split('.')[0]}.amazonaws.com`
}

function grantConstraintTypes({ request, action }: AskedAccess): Values {
  const constraints = sent(request, 'Constraints')
  if (action !== 'kms:creategrant' || !isObject(constraints)) return null
  const types = ['EncryptionContextEquals', 'EncryptionContextSubset', 'SourceArn']
  return only(types.filter((type) => Object.hasOwn(constraints, type)))
}

/** By lower-case name: the names of condition keys have no case. */
const keys: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['aws:calledvia', about((request) => many(calledVia(request)))],
  ['aws:calledviafirst', about(calledVia)],
  ['aws:calledvialast', about(calledVia)],
  ['aws:currenttime', about(({ wallTime }) => isoTime(wallTime))],
  ['aws:epochtime', about(({ wallTime }) => String(Math.floor(wallTime / 1000)))],
  ['aws:federatedprovider', about(({ principal }) => federatedProvider(principal))],
  // Only temporary credentials have the key; none of ours are made with a second factor.
  ['aws:multifactorauthpresent', ofSession(() => 'false')],
  ['aws:principalaccount', about(({ principal }) => principal.account)],
  ['aws:principalarn', about(principalArn)],
  ['aws:principalisawsservice', about(({ principal }) => String(principal.kind === 'service'))],
  ['aws:principalservicename', about(({ principal }) => (principal.kind === 'service' ? principal.arn : null))],
  ['aws:principaltype', about(({ principal }) => principalTypes[principal.kind])],
  ['aws:requestedregion', about(({ region }) => region)],
  ['aws:resourceaccount', about(({ resourceAccount }) => resourceAccount)],
  ['aws:securetransport', about(({ isSecure }) => String(isSecure))],
  ['aws:sourceidentity', ofSession(({ sourceIdentity }) => sourceIdentity)],
  ['aws:sourceip', about(({ sourceIp }) => sourceIp)],
  ['aws:tagkeys', about(tagKeys)],
  ['aws:tokenissuetime', ofSession(({ issuedAt }) => isoTime(issuedAt))],
  ['aws:useragent', about(({ userAgent }) => userAgent)],
  ['aws:userid', about(({ principal }) => principal.id)],
  ['aws:username', about(({ principal }) => (principal.kind === 'user' ? nameIn(principal.arn) : null))],
  ['aws:viaawsservice', about(({ viaService }) => String(viaService !== null))],

  ['iam:permissionsboundary', member('PermissionsBoundary')],
  ['iam:policyarn', member('PolicyArn')],

  [
    'kms:bypasspolicylockoutsafetycheck',
    parameter('CreateKey PutKeyPolicy ReplicateKey', 'BypassPolicyLockoutSafetyCheck'),
  ],
  ['kms:calleraccount', about(({ principal }) => principal.account)],
  ['kms:customermasterkeyspec', keySpec],
  ['kms:customermasterkeyusage', keyUsage],
  ['kms:datakeypairspec', parameter(pairs, 'KeyPairSpec')],
  ['kms:encryptionalgorithm', encryptionAlgorithm],
  ['kms:encryptioncontextkeys', (asked) => many(Object.keys(encryptionContext(asked)))],
  ['kms:expirationmodel', parameter('ImportKeyMaterial', 'ExpirationModel')],
  ['kms:grantconstrainttype', grantConstraintTypes],
  [
    'kms:grantisforawsresource',
    ({ request, action }) => (grantManagement.has(action) ? String(request.viaService !== null) : null),
  ],
  ['kms:grantoperations', parameter('CreateGrant', 'Operations')],
  ['kms:granteeprincipal', parameter('CreateGrant', 'GranteePrincipal')],
  ['kms:keyagreementalgorithm', parameter('DeriveSharedSecret', 'KeyAgreementAlgorithm')],
  [
    'kms:keyorigin',
    ofKey(
      ({ origin }) => origin,
      (request) => textsOf(sent(request, 'Origin')) ?? 'AWS_KMS',
    ),
  ],
  ['kms:keyspec', keySpec],
  ['kms:keyusage', keyUsage],
  ['kms:macalgorithm', parameter('GenerateMac VerifyMac', 'MacAlgorithm')],
  ['kms:messagetype', parameter('Sign Verify', 'MessageType', 'RAW')],
  [
    'kms:multiregion',
    ofKey(
      ({ isMultiRegion }) => String(isMultiRegion),
      (request) => textsOf(sent(request, 'MultiRegion')) ?? 'false',
    ),
  ],
  [
    'kms:multiregionkeytype',
    ofKey(
      ({ multiRegionKeyType }) => multiRegionKeyType,
      // Creating a replica is a part of ReplicateKey, with the members of both.
      (request) => (sent(request, 'MultiRegion') === true ? wantedKeyType(request) : null),
    ),
  ],
  ['kms:primaryregion', parameter('UpdatePrimaryRegion', 'PrimaryRegion')],
  ['kms:reencryptonsamekey', isSameKey],
  ['kms:replicaregion', parameter('ReplicateKey', 'ReplicaRegion')],
  ['kms:requestalias', about(requestAlias)],
  // AWS KMS knows it in IAM policies only.
  ['kms:resourcealiases', ({ request, kind }) => (kind === 'identity' ? many(request.key?.aliases ?? null) : null)],
  ['kms:retiringprincipal', parameter('CreateGrant', 'RetiringPrincipal')],
  [
    'kms:rotationperiodindays',
    parameter('EnableKeyRotation', 'RotationPeriodInDays', String(limits.rotationPeriodDaysDefault)),
  ],
  [
    'kms:schedulekeydeletionpendingwindowindays',
    parameter('ScheduleKeyDeletion', 'PendingWindowInDays', String(limits.pendingWindowDaysDefault)),
  ],
  ['kms:signingalgorithm', parameter('Sign Verify', 'SigningAlgorithm')],
  ['kms:validto', parameter('ImportKeyMaterial', 'ValidTo')],
  ['kms:viaservice', about(({ viaService }) => viaService)],
  ['kms:wrappingalgorithm', parameter('GetParametersForImport', 'WrappingAlgorithm')],
  ['kms:wrappingkeyspec', parameter('GetParametersForImport', 'WrappingKeySpec')],

  ['sts:externalid', member('ExternalId')],
  ['sts:rolesessionname', member('RoleSessionName')],
  ['sts:sourceidentity', member('SourceIdentity')],
  ['sts:transitivetagkeys', about((request) => many(textsOf(sent(request, 'TransitiveTagKeys'))))],
])

function wantedKeyType(request: AccessRequest): Values {
  return sent(request, 'ReplicaRegion') === undefined ? 'PRIMARY' : 'REPLICA'
}

function federatedProvider({ kind, arn, session }: AccessRequest['principal']): Values {
  return kind === 'federated' ? arn : (session?.federatedProvider ?? null)
}

function nameIn(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1)
}

function isoTime(time: number): string | null {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}

function sent({ parameters }: AccessRequest, name: string): unknown {
  return Object.hasOwn(parameters, name) ? parameters[name] : undefined
}

/** A date in seconds since 1970. Null for what is neither text, number, boolean, date, nor a list with one of them. */
function textsOf(value: unknown): Values {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value instanceof Date) return String(value.getTime() / 1000)
  return Array.isArray(value) ? many(value.filter((element) => typeof element === 'string')) : null
}

/** Of a key that may have several values, also where there is one. */
function many(values: Values): readonly string[] | null {
  if (values === null || values.length === 0) return null
  return typeof values === 'string' ? [values] : values
}

/** One value as itself, so that a variable can stand for it. */
function only(values: Values): Values {
  if (values === null || typeof values === 'string') return values
  return values.length > 1 ? values : (values[0] ?? null)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function objectAt(members: Readonly<Record<string, unknown>>, name: string): Readonly<Record<string, unknown>> {
  const value = Object.hasOwn(members, name) ? members[name] : undefined
  return isObject(value) ? value : {}
}

function pairsIn(members: Readonly<Record<string, unknown>>): readonly Pair[] {
  return Object.keys(members).flatMap((name): Pair[] => {
    const value = members[name]
    return typeof value === 'string' ? [[name, value]] : []
  })
}
