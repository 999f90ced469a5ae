import { type Reader, readerOf } from './condition-keys.ts'
import { type Condition, compileConditions } from './conditions.ts'
import { constantOf, fill, glob, parseTemplate, resourceGlob, type Test } from './pattern.ts'
import { everyone, listOf, type PrincipalElement, parsePrincipals } from './principals.ts'
import type { AccessRequest, AskedAccess, PolicyKind } from './request.ts'

export interface Statement {
  readonly effect: 'Allow' | 'Deny'
  readonly sid: string | null
  readonly index: number
  /** For a reason: `statement "Sid"`, or `statement #2`. */
  readonly label: string
  /** Null: the statement names none, as those of identity policies. */
  readonly principals: PrincipalElement | null
  readonly coversAction: Test
  /** Null: the statement names none. */
  readonly coversResource: ((asked: AskedAccess) => boolean) | null
  readonly conditions: readonly Condition[]
}

export interface CompiledPolicy {
  readonly statements: readonly Statement[]
  /** True where something has no meaning. What is stored was checked when it was written, so this is damage. */
  readonly isMalformed: boolean
  /** The condition keys that it asks for, as written, also in variables. */
  readonly conditionKeys: readonly string[]
  /** The same in lower case, as their case does not matter. */
  readonly lowerConditionKeys: ReadonlySet<string>
  /** Entries of AWS in Principal and NotPrincipal that are neither accounts nor everyone. */
  readonly principals: readonly string[]
}

const entriesMax = 4000
const charactersMax = 4_000_000
const compiled = new Map<string, CompiledPolicy>()
let characters = 0

/**
 * Compiles a text once in an isolate's life, or again when much else was compiled since. Never throws: a document, or a
 * statement, without a meaning allows nothing; and as it may have been a Deny, it denies everything, unless its Effect is
 * readable as Allow.
 */
export function compiledPolicy(text: string): CompiledPolicy {
  const known = compiled.get(text)
  if (known !== undefined) return known
  const policy = compile(text)
  compiled.set(text, policy)
  characters += text.length
  while (compiled.size > entriesMax || (characters > charactersMax && compiled.size > 1)) {
    const oldest = compiled.keys().next().value as string
    compiled.delete(oldest)
    characters -= oldest.length
  }
  return policy
}

/** As compiledPolicy, for a text that may never be seen again. */
export function compile(text: string): CompiledPolicy {
  const document = parseJson(text)
  if (!isObject(document)) return unreadable
  const { Version, Id, Statement, ...others } = document
  const isKnown = Version === undefined || Version === '2008-10-17' || Version === '2012-10-17'
  const isNamed = Id === undefined || typeof Id === 'string'
  if (!isKnown || !isNamed || !(isObject(Statement) || Array.isArray(Statement)) || Object.keys(others).length > 0) {
    return unreadable
  }
  const conditionKeys = new Set<string>()
  const hasVariables = Version === '2012-10-17'
  const raw: readonly unknown[] = Array.isArray(Statement) ? Statement : [Statement]
  const read = raw.map((statement, index) => ({
    index,
    statement,
    parsed: compileStatement(statement, index, hasVariables, (key) => conditionKeys.add(key)),
  }))
  return {
    statements: read.map(({ parsed, statement, index }) => parsed ?? broken(statement, index)),
    isMalformed: read.some(({ parsed }) => parsed === null),
    conditionKeys: [...conditionKeys],
    lowerConditionKeys: new Set([...conditionKeys].map((key) => key.toLowerCase())),
    principals: [...new Set(read.flatMap(({ parsed }) => parsed?.principals?.named ?? []))],
  }
}

const always: Test = () => true
const never: Test = () => false

function broken(raw: unknown, index: number): Statement {
  const isAllow = isObject(raw) && raw.Effect === 'Allow'
  return {
    effect: isAllow ? 'Allow' : 'Deny',
    sid: null,
    index,
    label: `malformed statement #${index + 1}`,
    principals: everyone,
    coversAction: isAllow ? never : always,
    coversResource: () => !isAllow,
    conditions: [],
  }
}

const unreadable: CompiledPolicy = {
  statements: [{ ...broken(null, 0), label: 'malformed document' }],
  isMalformed: true,
  conditionKeys: [],
  lowerConditionKeys: new Set(),
  principals: [],
}

const elements: ReadonlySet<string> = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
])

/** Null for a statement without a meaning. */
function compileStatement(
  raw: unknown,
  index: number,
  hasVariables: boolean,
  onKey: (key: string) => void,
): Statement | null {
  if (!isObject(raw) || Object.keys(raw).some((element) => !elements.has(element))) return null
  const { Sid, Effect } = raw
  if (Effect !== 'Allow' && Effect !== 'Deny') return null
  if (Sid !== undefined && typeof Sid !== 'string') return null
  const principals = oneOf(raw, 'Principal', 'NotPrincipal')
  const actions = oneOf(raw, 'Action', 'NotAction')
  const resources = oneOf(raw, 'Resource', 'NotResource')
  if (principals === null || actions?.value === undefined || resources === null) return null
  const named = principals.value === undefined ? null : parsePrincipals(principals.value, principals.isNegated)
  if (principals.value !== undefined && named === null) return null
  if (named?.isNegated && Effect === 'Allow') return null
  const coversAction = compileActions(actions)
  const variables = (key: string): Reader => {
    onKey(key)
    return readerOf(key)
  }
  const coversResource =
    resources.value === undefined ? undefined : compileResources(resources, hasVariables ? variables : null)
  const conditions = compileConditions(raw.Condition, hasVariables, onKey)
  if (coversAction === null || coversResource === null || conditions === null) return null
  return {
    effect: Effect,
    sid: Sid ?? null,
    index,
    label: Sid ? `statement "${Sid}"` : `statement #${index + 1}`,
    principals: named,
    coversAction,
    coversResource: coversResource ?? null,
    conditions,
  }
}

interface Element {
  /** Undefined: neither form is there. */
  readonly value: unknown
  readonly isNegated: boolean
}

/** Null where both forms are there. */
function oneOf(raw: Readonly<Record<string, unknown>>, name: string, negation: string): Element | null {
  if (raw[name] !== undefined && raw[negation] !== undefined) return null
  const isNegated = raw[negation] !== undefined
  return { value: isNegated ? raw[negation] : raw[name], isNegated }
}

function compileActions({ value, isNegated }: Element): Test | null {
  const list = listOf(value)
  if (list === null) return null
  const tests = list.map((action) => glob(constantOf(parseTemplate(action.toLowerCase(), null)) ?? []))
  const [first] = tests
  if (tests.length === 1 && first !== undefined && !isNegated) return first
  return (action) => tests.some((test) => test(action)) !== isNegated
}

function compileResources(
  { value, isNegated }: Element,
  variables: ((key: string) => Reader) | null,
): ((asked: AskedAccess) => boolean) | null {
  const list = listOf(value)
  if (list === null) return null
  const tests = list.map((resource) => compileResource(resource, variables))
  return (asked) => tests.some((test) => test(asked)) !== isNegated
}

function compileResource(resource: string, variables: ((key: string) => Reader) | null): Condition {
  const template = parseTemplate(resource, variables)
  const constant = constantOf(template)
  if (constant !== null) {
    const test = resourceGlob(constant)
    return ({ request }) => test(request.resource)
  }
  return (asked) => {
    const filled = fill(template, asked)
    return filled !== null && resourceGlob(filled)(asked.request.resource)
  }
}

export function asked(request: AccessRequest, kind: PolicyKind): AskedAccess {
  return { request, action: request.action.toLowerCase(), kind }
}

/**
 * Whether the statement is about this action on this resource under these conditions, whoever asks. Without a Resource it
 * is about nothing, but for a trust policy's, which never has one.
 */
export function covers(statement: Statement, question: AskedAccess): boolean {
  if (!statement.coversAction(question.action)) return false
  if (statement.coversResource === null ? question.kind !== 'trust' : !statement.coversResource(question)) return false
  for (const holds of statement.conditions) if (!holds(question)) return false
  return true
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
