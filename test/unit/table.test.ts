import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exceptions } from '../../src/model/errors.ts'
import type { Member } from '../../src/model/shapes.ts'
import { isOperationName, type OperationName, operations } from '../../src/operations/index.ts'
import type { Operation } from '../../src/operations/operation.ts'
import { exported, type SdkKind, type SdkMember, type SdkMembers, sdkInput, sdkOperationNames } from '../support/sdk.ts'

/** The table against the AWS SDK's schemas, and against AWS's model where a copy of it lies at KMS_MODEL. */

const served = Object.entries(operations).filter((entry): entry is [OperationName, Operation] => entry[1] !== null)

type Type = Member<unknown>['type']

/** What a value of the wrong JSON type is told that it cannot be: the member's own kind. */
function kindHere(type: Type): SdkKind {
  return said(decoded(type, true).serialization ?? decoded(type, 'text').serialization)
}

function said(serialization: string | null): SdkKind {
  return (serialization ?? '').replace(/^.* cannot be converted to /, '') as SdkKind
}

function decoded({ decode }: Type, raw: unknown) {
  const faults = { constraints: [] as string[], serialization: null as string | null }
  decode(raw, 'at', faults)
  return faults
}

function membersHere(members: Readonly<Record<string, Member<unknown>>>, expected: SdkMembers): SdkMembers {
  const rows = Object.entries(members).map(([name, { type, isRequired }]): [string, SdkMember] => {
    const nested = expected[name]?.members ?? {}
    const ofStructure = type.members === undefined ? null : membersHere(type.members, nested)
    return [name, { isRequired, kind: kindHere(type), members: ofStructure ?? membersOfElements(type, nested) }]
  })
  return Object.fromEntries(rows)
}

/** A list does not tell what it is a list of, so that it is asked what it misses. Null: it holds no structures. */
function membersOfElements(type: Type, expected: SdkMembers): SdkMembers | null {
  const names = Object.keys(expected)
  if (names.length === 0) return null
  const missed = decoded(type, [{}]).constraints.join()
  const rows = names.map((name): [string, SdkMember] => {
    const isRequired = missed.includes(`'at.1.member.${name.charAt(0).toLowerCase()}${name.slice(1)}'`)
    const kind = said(decoded(type, [{ [name]: true }]).serialization)
    return [name, { isRequired, kind, members: null }]
  })
  return Object.fromEntries(rows)
}

it('has exactly the operations of the SDK', () => {
  expect(Object.keys(operations)).toEqual(sdkOperationNames)
  expect(sdkOperationNames).toHaveLength(56)
})

it.each(['constructor', 'toString', '__proto__', 'encrypt', 'Encrypt ', ''])(
  'does not take %j for an operation',
  (name) => {
    expect(isOperationName(name)).toBe(false)
  },
)

describe.each(served)('%s', (name, row) => {
  it('takes the members of the SDK', () => {
    const expected = sdkInput(name)
    expect(membersHere(row.input.members, expected)).toEqual(expected)
  })

  it('takes the words of the SDK', () => {
    const types = Object.values(row.input.members).flatMap(({ type }) => [
      type,
      ...Object.values(type.members ?? {}).map((member) => member.type),
    ])
    for (const type of types) {
      const set = /enum value set: \[(.*)\]/.exec(decoded(type, '\0').constraints.join())?.[1]
      if (set === undefined) continue
      expect(set.split(', ').sort(), type.name).toEqual(Object.values(exported[type.name] ?? {}).sort())
    }
  })

  it('lists no error that the SDK does not', () => {
    const declarations = join(import.meta.dirname, '../../node_modules/@aws-sdk/client-kms/dist-types/commands')
    const text = readFileSync(join(declarations, `${name}Command.d.ts`), 'utf8')
    const thrown = [...text.matchAll(/@throws \{@link (\w+)\}/g)].map(([, error]) => error)
    expect(thrown.length).toBeGreaterThan(1)
    expect(row.errors.filter((error) => !thrown.includes(error))).toEqual([])
  })
})

it('knows no exception of KMS that the SDK does not', () => {
  const notModelled = [
    'AccessDeniedException',
    'ExpiredTokenException',
    'IncompleteSignatureException',
    'InvalidSignatureException',
    'MissingAuthenticationTokenException',
    'NotAuthorizedException',
    'RequestEntityTooLargeException',
    'SerializationException',
    'ThrottlingException',
    'UnknownOperationException',
    'UnrecognizedClientException',
    'ValidationException',
  ]
  // IAM's and STS's go by their codes.
  const ofCloudTrail = /^Invalid(EventCategory|LookupAttributes|MaxResults|NextToken|TimeRange)Exception$/
  const ofKms = Object.keys(exceptions).filter((name) => name.endsWith('Exception') && !ofCloudTrail.test(name))
  expect(ofKms.filter((name) => exported[name] === undefined)).toEqual(notModelled)
})

interface Constraints {
  readonly min?: number
  readonly max?: number
  readonly pattern?: string
  readonly enum?: readonly string[]
  readonly member?: Constraints
}
type Model = Readonly<
  Record<string, { readonly input: Readonly<Record<string, { readonly constraints: Constraints }>> }>
>

/** AWS's model, where it lies beside the project. */
const modelPath = process.env.KMS_MODEL ?? join(import.meta.dirname, '../../../shared/kms/model.json')
const model = existsSync(modelPath) ? (JSON.parse(readFileSync(modelPath, 'utf8')) as Model) : null

/** Where the service is tighter than its model. */
const tighter: Readonly<Record<string, Constraints>> = {
  'ListAliases.Limit': { min: 1, max: 100 },
  'ListGrants.Limit': { min: 1, max: 100 },
  'ListResourceTags.Limit': { min: 1, max: 50 },
  'ListRetirableGrants.Limit': { min: 1, max: 100 },
  'ScheduleKeyDeletion.PendingWindowInDays': { min: 7, max: 30 },
}

describe.skipIf(model === null)(`constraints (skipped where there is no model at KMS_MODEL, ${modelPath})`, () => {
  const rows = served.flatMap(([name, row]) =>
    Object.entries(row.input.members).map(([member, { type }]) => ({
      name: `${name}.${member}`,
      type,
      kind: sdkInput(name)[member]?.kind,
      of: tighter[`${name}.${member}`] ?? model?.[name]?.input[member]?.constraints ?? {},
    })),
  )

  it.each(rows)('$name', ({ type, kind, of }) => {
    for (const probe of probes(kind ?? '', of)) {
      const told = decoded(type, probe).constraints.map((text) => text.slice(text.indexOf('Member must ') + 12))
      expect(told, JSON.stringify(probe).slice(0, 60)).toEqual(broken(kind ?? '', of, probe))
    }
  })
})

/** Values at the bounds and one past them, and characters that a pattern may refuse. */
function probes(kind: string, { min, max, enum: words }: Constraints): readonly unknown[] {
  const bounds = [min, max].filter((bound) => bound !== undefined)
  const sizes = [0, ...bounds.flatMap((bound) => [bound - 1, bound, bound + 1])].filter((size) => size >= 0)
  if (kind === 'Integer') return sizes
  if (kind === 'List') return sizes.map((size) => Array(size).fill(words?.[0] ?? 'token'))
  // Blobs are read by a method that Node 24 lacks: their bounds are rows of test/conformance/crypto.test.ts.
  if (kind !== 'String') return []
  const letters = sizes.map((size) => 'a'.repeat(size))
  return [...letters, ...['a b', 'a\u0000', 'a\u0100', 'aé', 'a:/_-', 'a.b', 'a\n', '-'], ...(words ?? [])]
}

/** What AWS's model says is wrong with the probe, in the order in which AWS tells it. */
function broken(kind: string, { min, max, pattern, enum: words }: Constraints, probe: unknown): string[] {
  const size = kind === 'Integer' ? Number(probe) : (probe as { length: number }).length
  const what = kind === 'Integer' ? 'value' : 'length'
  const isMatched = pattern === undefined || new RegExp(`^(?:${pattern})$`).test(String(probe))
  const isWord = kind !== 'String' || words === undefined || words.includes(String(probe))
  return [
    ...(isMatched ? [] : [`satisfy regular expression pattern: ${pattern}`]),
    ...(isWord ? [] : [`satisfy enum value set: [${words?.join(', ')}]`]),
    ...(size > (max ?? size) ? [`have ${what} less than or equal to ${max}`] : []),
    ...(size < (min ?? size) ? [`have ${what} greater than or equal to ${min}`] : []),
  ]
}
