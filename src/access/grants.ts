import type { Principal } from '../model/call.ts'
import type { Standing } from './principals.ts'
import type { AccessRequest, Grant, GrantConstraints } from './request.ts'

/** The ids by which a grant may name the caller, its own first. */
export function grantIdsOf(principal: Principal): readonly string[] {
  return [...standingsOf(principal).keys()]
}

/** What a grant that names one of these ids, as its grantee or as who may retire it, is to the caller. */
export function standingsOf({ kind, id, account, arn, session }: Principal): ReadonlyMap<string, Standing> {
  if (kind === 'root') return new Map([[account, 'direct']])
  if (kind === 'service') return new Map([[arn, 'direct']])
  if (kind === 'federated') return new Map()
  const own: [string, Standing][] = [[id, 'direct']]
  if (session !== null) own.push([session.roleId, 'role'])
  return new Map([...own, [account, 'account']])
}

/** KMS's GrantOperations, as actions. */
const grantable: ReadonlySet<string> = new Set(
  [
    'CreateGrant Decapsulate Decrypt DeriveSharedSecret DescribeKey Encapsulate Encrypt GenerateDataKey',
    'GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac GetPublicKey',
    'ReEncryptFrom ReEncryptTo Sign Verify VerifyMac',
  ].flatMap((line) => line.split(' ').map((operation) => `kms:${operation}`)),
)

/** Whether a grant can allow the action to use the key. (RetireGrant is about the grant itself.) */
export function isGrantable(action: string): boolean {
  return grantable.has(action)
}

/** The operations with an encryption context, which alone its constraints bind. */
const constrained: ReadonlySet<string> = new Set(
  [
    'Decrypt Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext',
    'GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo',
  ].flatMap((line) => line.split(' ')),
)

const contextParameters: ReadonlyMap<string, string> = new Map([
  ['ReEncryptFrom', 'SourceEncryptionContext'],
  ['ReEncryptTo', 'DestinationEncryptionContext'],
])

/** Whether the grant allows this operation in this way to its grantee. Does not ask whether the caller is that grantee. */
export function grantAllows({ operations, constraints }: Grant, request: AccessRequest): boolean {
  if (!isGrantable(request.action)) return false
  const operation = request.action.slice('kms:'.length)
  if (!operations.includes(operation)) return false
  if (constraints?.sourceArn !== undefined && !isOnBehalfOf(constraints.sourceArn, request)) return false
  if (operation === 'CreateGrant') return isNarrower(operations, constraints, request)
  if (constraints === null || !constrained.has(operation)) return true
  const context = objectAt(request.parameters, contextParameters.get(operation) ?? 'EncryptionContext') ?? {}
  const { encryptionContextSubset: subset, encryptionContextEquals: equals } = constraints
  return (subset === undefined || hasPairs(context, subset)) && (equals === undefined || isSame(context, equals))
}

function isOnBehalfOf(sourceArn: string, { context }: AccessRequest): boolean {
  if (context === undefined || !Object.hasOwn(context, 'aws:sourcearn')) return false
  const given = context['aws:sourcearn']
  return given?.length === 1 && given[0] === sourceArn
}

/** A grantee gives on no more than it has: no other operation, and no weaker constraint. */
function isNarrower(
  operations: readonly string[],
  constraints: GrantConstraints | null,
  { parameters }: AccessRequest,
): boolean {
  const wanted = Object.hasOwn(parameters, 'Operations') ? parameters.Operations : undefined
  if (!Array.isArray(wanted) || !wanted.every((operation) => operations.includes(operation))) return false
  if (constraints === null) return true
  const { encryptionContextSubset: subset, encryptionContextEquals: equals, sourceArn } = constraints
  const child = objectAt(parameters, 'Constraints') ?? {}
  const childEquals = objectAt(child, 'EncryptionContextEquals')
  const childSubset = objectAt(child, 'EncryptionContextSubset')
  if (sourceArn !== undefined && !(Object.hasOwn(child, 'SourceArn') && child.SourceArn === sourceArn)) return false
  if (equals !== undefined && !(childEquals !== null && isSame(childEquals, equals))) return false
  return subset === undefined || [childEquals, childSubset].some((pairs) => pairs !== null && hasPairs(pairs, subset))
}

type Pairs = Readonly<Record<string, unknown>>

/** Case matters, to names too. */
function hasPairs(pairs: Pairs, wanted: Pairs): boolean {
  return Object.keys(wanted).every((name) => Object.hasOwn(pairs, name) && pairs[name] === wanted[name])
}

function isSame(pairs: Pairs, wanted: Pairs): boolean {
  return Object.keys(pairs).length === Object.keys(wanted).length && hasPairs(pairs, wanted)
}

function objectAt(members: Pairs, name: string): Pairs | null {
  const value = Object.hasOwn(members, name) ? members[name] : undefined
  return typeof value === 'object' && value !== null ? (value as Pairs) : null
}
