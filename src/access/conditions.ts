import { type Reader, readerOf, type Values } from './condition-keys.ts'
import { arnGlob, constantOf, fill, glob, literalOf, type Pattern, parseTemplate, type Test } from './pattern.ts'
import type { AskedAccess } from './request.ts'

/** Whether a condition holds for a request. */
export type Condition = (asked: AskedAccess) => boolean

interface Operator {
  /** How a value of the policy tests one of the request's. */
  readonly compile: (value: Pattern) => Test
  /** True for the operators that hold where no value matches, and where the key is absent. */
  readonly isNegated: boolean
  readonly takesVariables: boolean
}

function text(compile: Operator['compile']): Operator {
  return { compile, isNegated: false, takesVariables: true }
}

/** Compares what `parse` makes of both sides; text that it cannot read matches nothing. */
function parsed<Value>(
  parse: (text: string) => Value | null,
  compare: (actual: Value, wanted: Value) => boolean,
): Operator {
  const compile = (value: Pattern): Test => {
    const wanted = parse(literalOf(value))
    if (wanted === null) return () => false
    return (given) => {
      const actual = parse(given)
      return actual !== null && compare(actual, wanted)
    }
  }
  return { compile, isNegated: false, takesVariables: false }
}

function not(operator: Operator): Operator {
  return { ...operator, isNegated: true }
}

const equals = text((value) => {
  const wanted = literalOf(value)
  return (given) => given === wanted
})
const equalsIgnoreCase = text((value) => {
  const wanted = literalOf(value).toLowerCase()
  return (given) => given.toLowerCase() === wanted
})
const like = text(glob)
/** ArnEquals and ArnLike do the same, as AWS says. */
const arn = text(arnGlob)

const number = (compare: (actual: number, wanted: number) => boolean) => parsed(parseNumber, compare)
const date = (compare: (actual: number, wanted: number) => boolean) => parsed(parseDate, compare)
const numberEquals = number((actual, wanted) => actual === wanted)
const dateEquals = date((actual, wanted) => actual === wanted)
const address = parsed(parseBlock, isInBlock)

/** All but Null, by the names that a policy may write before IfExists and behind a set operator. */
const operators: ReadonlyMap<string, Operator> = new Map([
  ['StringEquals', equals],
  ['StringNotEquals', not(equals)],
  ['StringEqualsIgnoreCase', equalsIgnoreCase],
  ['StringNotEqualsIgnoreCase', not(equalsIgnoreCase)],
  ['StringLike', like],
  ['StringNotLike', not(like)],
  ['NumericEquals', numberEquals],
  ['NumericNotEquals', not(numberEquals)],
  ['NumericLessThan', number((actual, wanted) => actual < wanted)],
  ['NumericLessThanEquals', number((actual, wanted) => actual <= wanted)],
  ['NumericGreaterThan', number((actual, wanted) => actual > wanted)],
  ['NumericGreaterThanEquals', number((actual, wanted) => actual >= wanted)],
  ['DateEquals', dateEquals],
  ['DateNotEquals', not(dateEquals)],
  ['DateLessThan', date((actual, wanted) => actual < wanted)],
  ['DateLessThanEquals', date((actual, wanted) => actual <= wanted)],
  ['DateGreaterThan', date((actual, wanted) => actual > wanted)],
  ['DateGreaterThanEquals', date((actual, wanted) => actual >= wanted)],
  ['Bool', parsed(parseBoolean, (actual, wanted) => actual === wanted)],
  ['BinaryEquals', { ...equals, takesVariables: false }],
  ['IpAddress', address],
  ['NotIpAddress', not(address)],
  ['ArnEquals', arn],
  ['ArnLike', arn],
  ['ArnNotEquals', not(arn)],
  ['ArnNotLike', not(arn)],
])

type Quantifier = 'ForAllValues:' | 'ForAnyValue:' | ''

const operatorForm = /^(ForAllValues:|ForAnyValue:)?(\w+?)(IfExists)?$/

/**
 * The conditions of a statement's Condition element, all of which have to hold. Null where it has no meaning: an unknown
 * operator, or a value that is no text, number or boolean. `onKey` is told every condition key that it asks for.
 */
export function compileConditions(
  block: unknown,
  hasVariables: boolean,
  onKey: (key: string) => void,
): readonly Condition[] | null {
  if (block === undefined) return []
  if (!isObject(block)) return null
  const conditions: Condition[] = []
  const noted = (key: string): Reader => {
    onKey(key)
    return readerOf(key)
  }
  for (const [name, keys] of Object.entries(block)) {
    const operation = operationNamed(name)
    if (operation === null || !isObject(keys)) return null
    for (const [key, values] of Object.entries(keys)) {
      const wanted = scalars(values)
      if (wanted === null) return null
      conditions.push(operation(noted(key), wanted, hasVariables ? noted : null))
    }
  }
  return conditions
}

type Compile = (read: Reader, wanted: readonly string[], variables: ((key: string) => Reader) | null) => Condition

/** Null for a name that no operator has. */
function operationNamed(name: string): Compile | null {
  const [, prefix = '', operatorName = '', ifExists] = operatorForm.exec(name) ?? []
  if (operatorName === 'Null') return ifExists === undefined ? nullCondition : null
  const operator = operators.get(operatorName)
  if (operator === undefined) return null
  const { isNegated } = operator
  const quantifier = prefix as Quantifier
  const whenAbsent =
    quantifier === 'ForAllValues:' || ifExists !== undefined || (isNegated && quantifier !== 'ForAnyValue:')
  const whenMany = many[quantifier](isNegated)
  return (read, wanted, variables) => {
    const tests = wanted.map((value) => compileValue(operator, value, variables))
    const holds = (given: string, asked: AskedAccess) => tests.some((test) => test(given, asked)) !== isNegated
    return (asked) => {
      const given = read(asked)
      if (given === null) return whenAbsent
      return typeof given === 'string' ? holds(given, asked) : whenMany(given, (value) => holds(value, asked))
    }
  }
}

type HoldsFor = (value: string) => boolean

/** Several values, without a set operator: a positive operator wants one that matches, a negated one that none does. */
const many: Readonly<
  Record<Quantifier, (isNegated: boolean) => (given: readonly string[], holds: HoldsFor) => boolean>
> = {
  'ForAllValues:': () => (given, holds) => given.every(holds),
  'ForAnyValue:': () => (given, holds) => given.some(holds),
  '': (isNegated) => (given, holds) => (isNegated ? given.every(holds) : given.some(holds)),
}

type TestAsked = (given: string, asked: AskedAccess) => boolean

/** What has no variable is compiled here and now, the rest when asked. */
function compileValue(operator: Operator, value: string, variables: ((key: string) => Reader) | null): TestAsked {
  const template = parseTemplate(value, operator.takesVariables ? variables : null)
  const constant = constantOf(template)
  if (constant !== null) return operator.compile(constant)
  return (given, asked) => {
    const filled = fill(template, asked)
    return filled !== null && operator.compile(filled)(given)
  }
}

function nullCondition(read: Reader, wanted: readonly string[]): Condition {
  const answers = wanted.map((value) => value.toLowerCase())
  return (asked) => answers.includes(String(isAbsent(read(asked))))
}

function isAbsent(values: Values): boolean {
  return values === null || (typeof values !== 'string' && values.length === 0)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Null for anything but text, numbers and booleans, alone or in a list. */
function scalars(values: unknown): readonly string[] | null {
  const list: readonly unknown[] = Array.isArray(values) ? values : [values]
  const isScalar = (value: unknown) =>
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  return list.every(isScalar) ? list.map(String) : null
}

function parseBoolean(value: string): boolean | null {
  const lower = value.toLowerCase()
  return lower === 'true' ? true : lower === 'false' ? false : null
}

function parseNumber(value: string): number | null {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : null
}

const isoForm = /^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/

/** ISO 8601 as the W3C profiles it, in UTC where no zone is named; or seconds since 1970. Milliseconds. */
function parseDate(value: string): number | null {
  if (/^\d{5,15}(\.\d+)?$|^0$/.test(value)) return Number(value) * 1000
  const upper = value.toUpperCase()
  const [whole, , , time, , , zone] = isoForm.exec(upper) ?? []
  if (whole === undefined) return null
  const at = Date.parse(time !== undefined && zone === undefined ? `${upper}Z` : upper)
  return Number.isNaN(at) ? null : at
}

/** An address with the length of the prefix that counts. Two groups of 16 bits are IPv4, eight are IPv6. */
interface Block {
  readonly groups: readonly number[]
  readonly prefix: number
}

function parseBlock(value: string): Block | null {
  const [, address = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(value) ?? []
  const groups = address.includes(':') ? parseV6(address) : parseV4(address)
  if (groups === null) return null
  const bits = groups.length * 16
  const prefix = length === undefined ? bits : Number(length)
  return prefix <= bits ? { groups, prefix } : null
}

function parseV4(address: string): readonly number[] | null {
  const bytes = address.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256))
  const [a = 256, b = 256, c = 256, d = 256, ...more] = bytes
  return more.length > 0 || Math.max(a, b, c, d) > 255 ? null : [a * 256 + b, c * 256 + d]
}

/** RFC 4291, section 2.2. */
function parseV6(address: string): readonly number[] | null {
  const halves = address.split('::')
  if (halves.length > 2) return null
  const [head, tail] = halves.map((half, at) => groupsOf(half, at === halves.length - 1))
  if (head === undefined || head === null || tail === null) return null
  if (tail === undefined) return head.length === 8 ? head : null
  const zeros = 8 - head.length - tail.length
  return zeros < 1 ? null : [...head, ...Array<number>(zeros).fill(0), ...tail]
}

function groupsOf(half: string, isLast: boolean): readonly number[] | null {
  if (half === '') return []
  const groups: number[] = []
  const parts = half.split(':')
  for (const [at, part] of parts.entries()) {
    const embedded = isLast && at === parts.length - 1 && part.includes('.') ? parseV4(part) : null
    if (embedded !== null) groups.push(...embedded)
    else if (/^[\da-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else return null
  }
  return groups
}

/** The block asked for has the whole of the given address or block in it. */
function isInBlock(given: Block, wanted: Block): boolean {
  if (given.groups.length !== wanted.groups.length || given.prefix < wanted.prefix) return false
  return wanted.groups.every((group, at) => {
    const ignored = Math.min(Math.max((at + 1) * 16 - wanted.prefix, 0), 16)
    return group >>> ignored === (given.groups[at] ?? 0) >>> ignored
  })
}
