import type { Documents, PolicyDocument } from '../model/call.ts'
import { compile, compiledPolicy } from './policy.ts'
import { hasTwinMembers } from './policy-text.ts'
import { accountIn, listOf } from './principals.ts'

export { withPrincipalsReplaced } from './policy-text.ts'

/** `identity` is also a boundary; `session` is what a session is narrowed to. */
export type CheckedKind = 'identity' | 'key' | 'trust' | 'session'

interface Grammar {
  readonly texts: {
    readonly json: string
    /** Anything without a text of its own. */
    readonly syntax: string
    readonly noEffect: string
    readonly noActions: string
    readonly noStatement: string
    readonly unknownElement: (element: string) => string
  }
  /** What is wrong with a statement of this kind of policy that has a meaning. */
  readonly checks: readonly Check[]
  /** The same, for one whose elements were not looked into yet. */
  readonly presence: readonly Check[]
  readonly needsNewVersion: boolean
}

type Members = Readonly<Record<string, unknown>>
type Check = (statement: Members) => string | null

const syntax = 'Syntax errors in policy.'

/** The texts of IAM's older parser, which reads identity policies; those of the newer one name the field. */
const older: Grammar['texts'] = {
  json: syntax,
  syntax,
  noEffect: syntax,
  noActions: 'Policy statement must contain actions.',
  noStatement: syntax,
  unknownElement: () => syntax,
}
const newer: Grammar['texts'] = {
  json: 'This policy contains invalid Json',
  syntax,
  noEffect: 'Missing required field Effect',
  noActions: 'Missing required field Action',
  noStatement: 'Could not parse the policy: Statement is empty!',
  unknownElement: (element) => `Unknown field ${element}`,
}

const identityChecks = [actionsAreQualified, resourcesAreArns, conditionKeysAreQualified, sidIsAlphanumeric]
const identityPresence = [lacksPrincipal, hasResource]

const grammars: Readonly<Record<CheckedKind, Grammar>> = {
  identity: { texts: older, presence: identityPresence, checks: identityChecks, needsNewVersion: true },
  session: {
    texts: { ...older, json: 'The policy is not in the valid JSON format.' },
    presence: identityPresence,
    checks: identityChecks,
    needsNewVersion: false,
  },
  key: {
    texts: newer,
    presence: [
      (statement) => (hasPrincipal(statement) ? null : 'Policy contains a statement with no principal.'),
      notPrincipalDenies,
    ],
    checks: [
      actionsAreQualified,
      (statement) =>
        badPrincipal(statement, keyPrincipals) === null
          ? null
          : 'Policy contains a statement with one or more invalid principals.',
    ],
    needsNewVersion: false,
  },
  trust: {
    texts: newer,
    presence: [
      (statement) => (hasPrincipal(statement) ? null : 'Missing required field Principal'),
      (statement) => prohibited(statement, 'Resource') ?? prohibited(statement, 'NotResource'),
      notPrincipalDenies,
    ],
    checks: [
      actionsAreOfSts,
      actionsAreQualified,
      (statement) => {
        const bad = badPrincipal(statement, trustPrincipals)
        return bad === null ? null : `Invalid principal in policy: "${bad.type.toUpperCase()}":"${bad.entry}"`
      },
    ],
    needsNewVersion: false,
  },
}

/**
 * Null: the document may be stored as given. Else AWS's text for its MalformedPolicyDocument. What is stored has a meaning
 * to the evaluator; what AWS tolerates, such as a condition key or a variable that nobody knows, is no fault.
 */
export function checkPolicy(text: string, kind: CheckedKind): string | null {
  const { texts, presence, checks, needsNewVersion } = grammars[kind]
  const document = parseJson(text)
  if (document === undefined) return texts.json
  if (!isObject(document) || hasTwinMembers(text)) return texts.syntax
  const { Statement } = document
  const statements: readonly unknown[] = Array.isArray(Statement) ? Statement : [Statement]
  if (Statement === undefined || statements.length === 0) return texts.noStatement
  for (const statement of statements) {
    const fault = isObject(statement) ? faultOfElements(statement, texts) : texts.syntax
    if (fault !== null) return fault
  }
  const members = statements.filter(isObject)
  const missing = firstFault(members, presence)
  if (missing !== null) return missing
  const { isMalformed, statements: compiled } = compile(text)
  if (isMalformed) return texts.syntax
  if (needsNewVersion && document.Version !== '2012-10-17') {
    return 'Policy document must be version 2012-10-17 or greater.'
  }
  const fault = firstFault(members, checks)
  if (fault !== null) return fault
  const sids = compiled.flatMap(({ sid }) => (sid === null || sid === '' ? [] : sid))
  return new Set(sids).size < sids.length ? 'Statement IDs (SID) in a single policy must be unique.' : null
}

function firstFault(statements: readonly Members[], checks: readonly Check[]): string | null {
  for (const statement of statements) {
    for (const check of checks) {
      const fault = check(statement)
      if (fault !== null) return fault
    }
  }
  return null
}

const elements: ReadonlySet<string> = new Set(
  'Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition'.split(' '),
)

function faultOfElements(statement: Members, texts: Grammar['texts']): string | null {
  const unknown = Object.keys(statement).find((element) => !elements.has(element))
  if (unknown !== undefined) return texts.unknownElement(unknown)
  if (!Object.hasOwn(statement, 'Effect')) return texts.noEffect
  return isThere(statement, 'Action') || isThere(statement, 'NotAction') ? null : texts.noActions
}

/** An empty list is as good as nothing. */
function isThere(statement: Members, element: string): boolean {
  if (!Object.hasOwn(statement, element)) return false
  const value = statement[element]
  return !(Array.isArray(value) && value.length === 0)
}

function lacksPrincipal(statement: Members): string | null {
  const has = Object.hasOwn(statement, 'Principal') || Object.hasOwn(statement, 'NotPrincipal')
  return has ? 'Policy document should not specify a principal.' : null
}

function hasResource(statement: Members): string | null {
  const has = isThere(statement, 'Resource') || isThere(statement, 'NotResource')
  return has ? null : 'Policy statement must contain resources.'
}

function prohibited(statement: Members, element: string): string | null {
  return Object.hasOwn(statement, element) ? `Has prohibited field ${element}` : null
}

function hasPrincipal(statement: Members): boolean {
  return ['Principal', 'NotPrincipal'].some((element) => {
    const value = isThere(statement, element) ? statement[element] : null
    return typeof value === 'string' || (isObject(value) && Object.values(value).flat().length > 0)
  })
}

function notPrincipalDenies(statement: Members): string | null {
  const isAllow = statement.Effect === 'Allow' && Object.hasOwn(statement, 'NotPrincipal')
  return isAllow ? 'Allow with NotPrincipal is not allowed.' : null
}

function actionsIn({ Action, NotAction }: Members): readonly string[] {
  return listOf(Action ?? NotAction) ?? []
}

function actionsAreQualified(statement: Members): string | null {
  for (const action of actionsIn(statement)) {
    if (action === '*') continue
    const [vendor = '', name, more] = action.split(':')
    if (name === undefined) return unqualified
    if (more !== undefined) return 'Actions/Condition can contain only one colon.'
    if (vendor !== '*' && !/^[A-Za-z0-9.-]+$/.test(vendor)) return `Vendor ${vendor} is not valid`
  }
  return null
}

const unqualified = 'Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.'

function actionsAreOfSts(statement: Members): string | null {
  const isOfSts = Object.hasOwn(statement, 'Action') && actionsIn(statement).every((action) => /^sts:/i.test(action))
  return isOfSts ? null : 'AssumeRole policy may only specify STS AssumeRole actions.'
}

function conditionKeysAreQualified({ Condition }: Members): string | null {
  const keys = isObject(Condition) ? Object.values(Condition).flatMap((tests) => Object.keys(tests as Members)) : []
  return keys.every((key) => key.includes(':')) ? null : unqualified
}

const partitions: ReadonlySet<string> = new Set(['aws', 'aws-cn', 'aws-us-gov', '*'])

function resourcesAreArns({ Resource, NotResource }: Members): string | null {
  for (const resource of listOf(Resource ?? NotResource) ?? []) {
    if (resource === '*') continue
    const [arn, partition = '', vendor = ''] = resource.split(':')
    if (arn !== 'arn' || partition === '') return `Resource ${resource} must be in ARN format or "*".`
    if (!partitions.has(partition)) return `Partition "${partition}" is not valid for resource "${resource}".`
    if (!/^[A-Za-z0-9-]+$/.test(vendor)) return 'Resource vendor must be fully qualified and cannot contain regexes.'
  }
  return null
}

function sidIsAlphanumeric({ Sid }: Members): string | null {
  if (Sid === undefined || /^[0-9A-Za-z]*$/.test(String(Sid))) return null
  return 'Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*'
}

type PrincipalForms = Readonly<Record<string, RegExp>>

const keyPrincipals: PrincipalForms = {
  AWS: /^(\*|A(ID|RO)A[A-Z0-9]{12,124}(:[\w+=,.@-]{2,64})?|arn:aws:iam::\d{12}:(user|role)\/[!-~]{1,576}|arn:aws:sts::\d{12}:assumed-role\/[\w+=,.@-]{1,64}\/[\w+=,.@-]{2,64})$/,
  Service: /^[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com|amazonaws\.com\.cn|amazon\.com)$/,
}
const trustPrincipals: PrincipalForms = {
  ...keyPrincipals,
  // Besides AWS's own, this deployment's: Workers that are bound to it.
  Service: /^([a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com|amazonaws\.com\.cn|amazon\.com)|workers\.edge-kms)$/,
  Federated:
    /^(arn:aws:iam::\d{12}:(oidc|saml)-provider\/[!-~]{1,255}|cognito-identity\.amazonaws\.com|accounts\.google\.com|graph\.facebook\.com|www\.amazon\.com)$/,
}

/** The first entry whose form no principal has. Whether a well-formed one exists is not asked. */
function badPrincipal(
  { Principal, NotPrincipal }: Members,
  forms: PrincipalForms,
): { readonly type: string; readonly entry: string } | null {
  const principals = Principal ?? NotPrincipal
  if (!isObject(principals)) return null
  for (const [type, value] of Object.entries(principals)) {
    for (const entry of listOf(value) ?? []) {
      const isAccount = type === 'AWS' && accountIn(entry) !== null
      if (!isAccount && !(Object.hasOwn(forms, type) && forms[type]?.test(entry))) return { type, entry }
    }
  }
  return null
}

/** The principals that a policy names one by one: ARNs of users, roles and sessions, and unique ids. */
export function principalsNamed(text: string): readonly string[] {
  return compile(text).principals
}

/** Whether any policy of the caller asks for a condition key, given in lower case: it may cost something to find out. */
export function asksFor({ identity, boundary, session }: Documents, conditionKey: string): boolean {
  const asks = ({ text }: PolicyDocument) => compiledPolicy(text).lowerConditionKeys.has(conditionKey)
  return identity.some(asks) || session.some(asks) || (boundary !== null && asks(boundary))
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
