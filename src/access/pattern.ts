import type { Reader } from './condition-keys.ts'
import type { AskedAccess } from './request.ts'

/** `*` of a pattern: any text, also none and also colons. */
const any = 0
/** `?` of a pattern: one character. */
const one = 1

/** What a policy's text asks for: literal text and wildcards, told apart, so that `${*}` stays a star. */
export type Pattern = readonly (string | typeof any | typeof one)[]

export type Test = (text: string) => boolean

interface Variable {
  readonly read: Reader
  readonly otherwise: string | null
}

/** A policy's text before its variables are filled in. */
export type Template = readonly (Pattern[number] | Variable)[]

const variableOrWildcard = /\$\{([^}]*)\}|[*?]/g
const variableForm = /^\s*([^,]*?)\s*(?:,\s*'([^']*)'\s*)?$/

/** `readerOf` null: the policy's version knows no variables, and `${` is text. */
export function parseTemplate(text: string, readerOf: ((key: string) => Reader) | null): Template {
  const pieces: Template[number][] = []
  let from = 0
  for (const { 0: found, 1: variable, index } of text.matchAll(variableOrWildcard)) {
    if (variable !== undefined && readerOf === null) {
      // The braces are text, and what stands between them may have wildcards.
      pieces.push(text.slice(from, index), ...wildcardsOf(found))
    } else {
      pieces.push(text.slice(from, index), variable === undefined ? wildcard(found) : filling(variable, readerOf))
    }
    from = index + found.length
  }
  pieces.push(text.slice(from))
  return pieces.filter((piece) => piece !== '')
}

function wildcardsOf(text: string): Pattern {
  return text.split(/([*?])/).map((part) => (part === '*' || part === '?' ? wildcard(part) : part))
}

function wildcard(character: string): typeof any | typeof one {
  return character === '*' ? any : one
}

function filling(variable: string, readerOf: ((key: string) => Reader) | null): Variable | string {
  if (variable === '*' || variable === '?' || variable === '$') return variable
  const [, key = '', otherwise = null] = variableForm.exec(variable) ?? []
  return { read: key === '' || readerOf === null ? () => null : readerOf(key), otherwise }
}

/** Null where a variable is left. */
export function constantOf(template: Template): Pattern | null {
  return template.every((piece) => typeof piece !== 'object') ? (template as Pattern) : null
}

/** Null where a variable has no value, or several: it then matches nothing. */
export function fill(template: Template, asked: AskedAccess): Pattern | null {
  const pattern: Pattern[number][] = []
  for (const piece of template) {
    if (typeof piece !== 'object') {
      pattern.push(piece)
      continue
    }
    const value = piece.read(asked) ?? piece.otherwise
    if (typeof value !== 'string') return null
    pattern.push(value)
  }
  return pattern
}

/** The pattern's text, its wildcards being nothing but characters. */
export function literalOf(pattern: Pattern): string {
  return pattern.map((piece) => (piece === any ? '*' : piece === one ? '?' : piece)).join('')
}

/** Tests the whole text against the pattern, case-sensitively and without a regular expression, which could be made to hang. */
export function glob(pattern: Pattern): Test {
  const [first, second] = pattern
  if (pattern.every((piece) => typeof piece === 'string')) {
    const literal = pattern.join('')
    return (text) => text === literal
  }
  if (pattern.length === 1 && first === any) return () => true
  if (pattern.length === 2 && typeof first === 'string' && second === any) return (text) => text.startsWith(first)
  const units = unitsOf(pattern)
  return (text) => matches(units, text)
}

const anyUnit = -1
const oneUnit = -2

/** UTF-16 code units, with wildcards below zero. */
function unitsOf(pattern: Pattern): readonly number[] {
  const units: number[] = []
  for (const piece of pattern) {
    if (piece === any) units.push(anyUnit)
    else if (piece === one) units.push(oneUnit)
    else for (let at = 0; at < piece.length; at++) units.push(piece.charCodeAt(at))
  }
  return units
}

/** Only the last star met is ever tried again, so the time is at most pattern times text. */
function matches(units: readonly number[], text: string): boolean {
  let at = 0
  let read = 0
  let star = -1
  let resumeAt = 0
  while (read < text.length) {
    const wanted = units[at]
    if (wanted === anyUnit) {
      star = at++
      resumeAt = read
    } else if (wanted === oneUnit || wanted === text.charCodeAt(read)) {
      at++
      read++
    } else if (star === -1) {
      return false
    } else {
      at = star + 1
      read = ++resumeAt
    }
  }
  while (units[at] === anyUnit) at++
  return at === units.length
}

const arnFields = 6

/**
 * Tests an ARN field by field, so that a wildcard does not reach over a colon of the first five. A pattern with fewer
 * fields, such as `*`, is tested against the whole.
 */
export function arnGlob(pattern: Pattern): Test {
  const fields = fieldsOf(pattern).map(glob)
  if (fields.length < arnFields) return glob(pattern)
  return (text) => {
    let from = 0
    for (const [at, field] of fields.entries()) {
      const isLast = at === arnFields - 1
      const end = isLast ? text.length : text.indexOf(':', from)
      if (end === -1 || !field(text.slice(from, end))) return false
      from = end + 1
    }
    return true
  }
}

/** The first five colons divide; what follows them is the resource, with its own colons. */
function fieldsOf(pattern: Pattern): readonly Pattern[] {
  const fields: Pattern[number][][] = [[]]
  for (const piece of pattern) {
    let rest = piece
    while (typeof rest === 'string' && fields.length < arnFields && rest.includes(':')) {
      const colon = rest.indexOf(':')
      fields.at(-1)?.push(rest.slice(0, colon))
      fields.push([])
      rest = rest.slice(colon + 1)
    }
    if (rest !== '') fields.at(-1)?.push(rest)
  }
  return fields
}

/**
 * Tests a Resource element. IAM lets a star at the end of a field reach beyond it, so the whole ARN is tested at once, and
 * adds a star for every field that an incomplete ARN lacks.
 */
export function resourceGlob(pattern: Pattern): Test {
  const fields = fieldsOf(pattern)
  const missing = fields[0]?.join() === 'arn' ? arnFields - fields.length : 0
  return glob([...pattern, ...Array.from({ length: missing }, () => [':', any] as const).flat()])
}
