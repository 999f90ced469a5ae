import { describe, expect, it } from 'vitest'
import { openKms, refusalIn, uses } from '../support/conformance.ts'
import { type SdkKind, type SdkMember, sdkInput } from '../support/sdk.ts'

/** Values of the wrong JSON type, for every member of every operation. */

const kms = await openKms()

const wrongValues: Readonly<Record<SdkKind, readonly unknown[]>> = {
  Blob: [true, 1, [], {}],
  Boolean: ['true', 1, [], {}],
  Integer: ['1', true, 1.5, [], {}],
  List: ['a', true, 1, {}],
  Map: ['a', true, 1, []],
  String: [true, 1, 1.5, [], {}],
  Structure: ['a', true, 1, []],
  Timestamp: [],
}

/** The member itself, its elements, and the members of its elements. */
function wrongly({ kind, members }: SdkMember): readonly unknown[] {
  const nested = Object.entries(members ?? {}).flatMap(([name, member]) =>
    wrongly(member).map((value) => ({ [name]: value })),
  )
  if (kind === 'Map') return [...wrongValues.Map, { a: 1 }, { a: {} }, { a: [], b: 'c' }]
  if (kind === 'Structure') return [...wrongValues.Structure, ...nested]
  if (kind !== 'List') return wrongValues[kind]
  return [...wrongValues.List, [1], [['a']], ...nested.map((value) => [value])]
}

describe.each(Object.keys(uses))('%s', (operation) => {
  const rows = Object.entries(sdkInput(operation)).map(([name, member]) => ({ name, wrong: wrongly(member) }))

  it.each(rows)('$name', async ({ name, wrong }) => {
    for (const value of wrong) {
      const refused = refusalIn(await kms.ask(operation, { [name]: value }))
      expect(refused, JSON.stringify(value)).toMatch(
        /^SerializationException: (START_(ARRAY|OBJECT)|(NUMBER|DECIMAL|TRUE|FALSE|STRING)_VALUE) cannot be converted to \w+$/,
      )
    }
  })
})
