import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { operations } from '../../src/operations/index.ts'
import { operationTypes } from '../../src/package/operation-types.ts'

it('are those of the table; if not: npm run sdk:types', { timeout: 60_000 }, () => {
  const kept = readFileSync(join(import.meta.dirname, '../../src/sdk/operations.ts'), 'utf8')
  const served = Object.entries(operations).flatMap(([name, row]) => (row === null ? [] : [name]))
  expect([...kept.matchAll(/^ {2}readonly (\w+): \{$/gm)].map(([, name]) => name)).toEqual(served)
  expect(operationTypes()).toBe(kept)
})
