import { fromBase64 } from './bytes.ts'
import { type Refusal, refuse } from './errors.ts'

/** What a request has wrong so far: values that break a constraint, and the first that has the wrong JSON type. */
interface Faults {
  readonly constraints: string[]
  serialization: string | null
}

/** A JSON value of one of KMS's types: how it is read, and which constraints it has to meet. */
export interface Type<Value> {
  /** The type's name in AWS's model, for the test that compares the two. */
  readonly name: string
  readonly members?: Readonly<Record<string, Member<unknown>>>
  decode(raw: unknown, at: string, faults: Faults): Value | undefined
}

export interface Member<Value, Required extends boolean = boolean> {
  readonly type: Type<Value>
  readonly isRequired: Required
}

type Members = Readonly<Record<string, Member<unknown>>>

type RequiredNames<Of extends Members> = {
  [Name in keyof Of]: Of[Name] extends Member<unknown, true> ? Name : never
}[keyof Of]
type ValueOf<Of> = Of extends Member<infer Value> ? Value : never

/** The object that a shape parses into. */
export type Parsed<Of extends Members> = { readonly [Name in RequiredNames<Of>]: ValueOf<Of[Name]> } & {
  readonly [Name in Exclude<keyof Of, RequiredNames<Of>>]?: ValueOf<Of[Name]>
}

export interface Shape<Input> {
  readonly members: Members
  /** Everything that is wrong is told in one message, as AWS does. Members that are not in the shape are ignored. */
  parse(raw: unknown): Input | Refusal<'SerializationException' | 'ValidationException'>
}

export function required<Value>(type: Type<Value>): Member<Value, true> {
  return { type, isRequired: true }
}

export function optional<Value>(type: Type<Value>): Member<Value, false> {
  return { type, isRequired: false }
}

export function shape<const Of extends Members>(members: Of): Shape<Parsed<Of>> {
  const type = structure('Input', members)
  return {
    members,
    parse(raw) {
      const faults: Faults = { constraints: [], serialization: null }
      const input = type.decode(raw, '', faults)
      if (faults.serialization !== null) return refuse('SerializationException', faults.serialization)
      if (faults.constraints.length > 0 || input === undefined) return invalid(faults.constraints)
      return input
    },
  }
}

function invalid(constraints: readonly string[]): Refusal<'ValidationException'> {
  const count = `${constraints.length} validation error${constraints.length === 1 ? '' : 's'} detected`
  return refuse('ValidationException', `${count}: ${constraints.join('; ')}`)
}

interface StringOptions {
  readonly min?: number
  readonly max?: number
  readonly pattern?: string
  readonly oneOf?: readonly string[]
}

export function string<const Options extends StringOptions>(
  name: string,
  options: Options = {} as Options,
): Type<Options extends { oneOf: readonly (infer Word)[] } ? Word : string> {
  const { min = 0, max = Number.POSITIVE_INFINITY, pattern, oneOf } = options
  const matches = pattern === undefined ? null : new RegExp(`^(?:${pattern})$`, 'u')
  const words = oneOf === undefined ? null : new Set(oneOf)
  return {
    name,
    decode(raw, at, faults) {
      if (typeof raw !== 'string') return mistyped(raw, 'String', faults)
      if (!raw.isWellFormed()) {
        faults.serialization ??= 'A string holds a lone surrogate and is not well-formed Unicode'
        return undefined
      }
      // In AWS's order: pattern, then the longer bound, then the shorter.
      if (matches !== null && !matches.test(raw)) {
        broken(faults, at, raw, `satisfy regular expression pattern: ${pattern}`)
      }
      if (words !== null && !words.has(raw)) {
        broken(faults, at, raw, `satisfy enum value set: [${[...words].join(', ')}]`)
      }
      if (raw.length > max) broken(faults, at, raw, `have length less than or equal to ${max}`)
      if (raw.length < min) broken(faults, at, raw, `have length greater than or equal to ${min}`)
      return raw as never
    },
  }
}

export function integer(name: string, { min, max }: { min: number; max: number }): Type<number> {
  return {
    name,
    decode(raw, at, faults) {
      if (typeof raw !== 'number') return mistyped(raw, 'Integer', faults)
      if (!Number.isInteger(raw)) {
        faults.serialization ??= 'DECIMAL_VALUE cannot be converted to Integer'
        return undefined
      }
      if (raw > max) broken(faults, at, raw, `have value less than or equal to ${max}`)
      if (raw < min) broken(faults, at, raw, `have value greater than or equal to ${min}`)
      return raw
    },
  }
}

/** Seconds since 1970 on the wire, with a fraction or without. */
export function timestamp(name: string): Type<Date> {
  return {
    name,
    decode(raw, _at, faults) {
      if (typeof raw !== 'number' || Math.abs(raw) > 8.64e12) return mistyped(raw, 'Timestamp', faults)
      return new Date(raw * 1000)
    },
  }
}

export function boolean(name: string): Type<boolean> {
  return {
    name,
    decode: (raw, _at, faults) => (typeof raw === 'boolean' ? raw : mistyped(raw, 'Boolean', faults)),
  }
}

/** Base64 on the wire. Its value is never repeated in a message. */
export function blob(name: string, { min, max }: { min: number; max: number }): Type<Uint8Array<ArrayBuffer>> {
  return {
    name,
    decode(raw, at, faults) {
      if (typeof raw !== 'string') return mistyped(raw, 'Blob', faults)
      const bytes = fromBase64(raw)
      if (bytes === null) {
        faults.serialization ??=
          raw.length % 4 === 0
            ? 'Invalid Base64 in a blob'
            : `Base64 encoded length is expected a multiple of 4 bytes but found: ${raw.length}`
        return undefined
      }
      if (bytes.length > max) broken(faults, at, undefined, `have length less than or equal to ${max}`)
      if (bytes.length < min) broken(faults, at, undefined, `have length greater than or equal to ${min}`)
      return bytes
    },
  }
}

export function list<Value>(
  name: string,
  of: Type<Value>,
  { max = Number.POSITIVE_INFINITY }: { max?: number } = {},
): Type<readonly Value[]> {
  return {
    name,
    decode(raw, at, faults) {
      if (!Array.isArray(raw)) return mistyped(raw, 'List', faults)
      const values: Value[] = []
      for (const [index, element] of raw.entries()) {
        const value = decodeNested(of, element, `${at}.${index + 1}.member`, faults)
        if (value !== undefined) values.push(value)
      }
      // Only now are the elements known to be what can be shown.
      if (raw.length > max) broken(faults, at, `[${values.join(', ')}]`, `have length less than or equal to ${max}`)
      return values
    },
  }
}

/** Own members only, in the object that JSON.parse made: one named `__proto__` is a pair like any other. */
export function stringMap(name: string): Type<Readonly<Record<string, string>>> {
  const text = string('String')
  return {
    name,
    decode(raw, at, faults) {
      if (!isObject(raw)) return mistyped(raw, 'Map', faults)
      for (const key of Object.keys(raw)) {
        const value = raw[key]
        if (typeof value === 'string' && value.isWellFormed() && key.isWellFormed()) continue
        text.decode(key, at, faults)
        decodeNested(text, value, `${at}.${key}.member`, faults)
      }
      return raw as Record<string, string>
    },
  }
}

export function structure<const Of extends Members>(name: string, members: Of): Type<Parsed<Of>> {
  const rows = Object.entries(members).map(([member, { type, isRequired }]) => ({
    member,
    type,
    isRequired,
    wireName: member.charAt(0).toLowerCase() + member.slice(1),
  }))
  return {
    name,
    members,
    decode(raw, at, faults) {
      if (!isObject(raw)) return mistyped(raw, 'Structure', faults)
      const parsed: Record<string, unknown> = {}
      for (const { member, type, isRequired, wireName } of rows) {
        const value = Object.hasOwn(raw, member) ? raw[member] : undefined
        const path = at === '' ? wireName : `${at}.${wireName}`
        if (value !== undefined && value !== null) {
          const decoded = type.decode(value, path, faults)
          if (decoded !== undefined) parsed[member] = decoded
        } else if (isRequired) {
          broken(faults, path, null, 'not be null')
        }
      }
      return parsed as Parsed<Of>
    },
  }
}

function decodeNested<Value>(type: Type<Value>, raw: unknown, at: string, faults: Faults): Value | undefined {
  if (raw !== null) return type.decode(raw, at, faults)
  broken(faults, at, null, 'not be null')
  return undefined
}

function isObject(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw)
}

/** `value` undefined: it must not be repeated. */
function broken(faults: Faults, at: string, value: string | number | null | undefined, constraint: string): void {
  const shown = value === undefined ? '' : value === null ? ' null' : ` '${value}'`
  faults.constraints.push(`Value${shown} at '${at}' failed to satisfy constraint: Member must ${constraint}`)
}

function mistyped(raw: unknown, wanted: string, faults: Faults): undefined {
  faults.serialization ??= `${jsonKind(raw)} cannot be converted to ${wanted}`
  return undefined
}

function jsonKind(raw: unknown): string {
  if (raw === null) return 'NULL_VALUE'
  if (Array.isArray(raw)) return 'START_ARRAY'
  if (typeof raw === 'object') return 'START_OBJECT'
  if (typeof raw === 'number') return Number.isInteger(raw) ? 'NUMBER_VALUE' : 'DECIMAL_VALUE'
  if (typeof raw === 'boolean') return raw ? 'TRUE_VALUE' : 'FALSE_VALUE'
  return 'STRING_VALUE'
}
