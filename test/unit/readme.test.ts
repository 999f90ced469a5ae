import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { usageOf } from '../../src/local/options.ts'
import { operations } from '../../src/operations/index.ts'

const project = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(project, file), 'utf8')
const readme = read('README.md')

it('has the operation table as it is', () => {
  const rows = [...readme.matchAll(/^\| [^|]+ \| ([\w ·]*) ?\| ([\w ·]*) ?\|$/gm)]
  const names = (column: number) =>
    rows.flatMap((row) => (row[column] ?? '').split('·').map((name) => name.trim())).filter(Boolean)
  const served = Object.entries(operations).flatMap(([name, row]) => (row === null ? [] : [name]))
  const unserved = Object.entries(operations).flatMap(([name, row]) => (row === null ? [name] : []))
  expect(
    names(1)
      .filter((name) => name !== 'served')
      .sort(),
  ).toEqual(served.sort())
  expect(
    names(2)
      .filter((name) => name !== 'not yet')
      .sort(),
  ).toEqual(unserved.sort())
  expect(readme).toContain(`${served.length} of KMS's 56`)
})

it('names options and scripts that exist', () => {
  for (const [, option] of readme.matchAll(/^\| `(--\w+)/gm)) expect(usageOf('npm start --')).toContain(option)
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  for (const [, script] of readme.matchAll(/npm run (\w+)/g)) expect(scripts).toHaveProperty(script as string)
  expect(read('.ci/run')).toContain('npm ci && npm test')
  expect(readme).toContain('npm ci && npm test')
})

const pages = readdirSync(join(project, 'docs')).filter((name) => name.endsWith('.md'))

it.each(['README.md', 'DESIGN.md', 'examples/vault/README.md', ...pages.map((page) => `docs/${page}`)])(
  '%s links to what exists',
  (file) => {
    for (const [, link] of read(file).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      expect(existsSync(join(project, file, '..', link as string)), link).toBe(true)
    }
  },
)

it('lists every dependency in DESIGN.md', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  const section = read('DESIGN.md').split('## 9. Dependencies')[1] ?? ''
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) expect(section).toContain(name)
})
