import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const source = join(import.meta.dirname, '../../src')

/** Arrows only point down: a folder may import its own files and those of lower floors, but no neighbour's. */
const floors: Record<string, number> = {
  model: 0,
  crypto: 1,
  access: 1,
  key: 2,
  catalog: 2,
  audit: 2,
  operations: 3,
  iam: 3,
  http: 4,
  rpc: 4,
  jobs: 4,
  '.': 5,
  local: 6,
  deploy: 6,
  admin: 6,
  verify: 6,
  sdk: 6,
  package: 6,
  cli: 8,
  envelope: 6,
  adapters: 7,
}

/** Who may know more, or less, than the floors say. */
const exceptions: Record<string, readonly string[]> = {
  // The door is handed what it needs by the composition root.
  http: ['model'],
  rpc: ['model'],
  // A sweep finds its work in the index and hands it to the keys.
  jobs: ['audit', 'catalog', 'crypto', 'key', 'model'],
  // local/worker.ts wraps the Worker; the rest is the Node side, which imports nothing of it.
  local: [],
  'local/worker.ts': ['.', 'audit', 'http', 'key', 'model'],
  'local/in-worker/clock.ts': ['catalog', 'jobs', 'model'],
  'local/in-worker/env.ts': ['.'],
  // Makes what a seed has, by the operations and, where these draw ids, below them.
  'local/in-worker/plant.ts': ['access', 'catalog', 'crypto', 'iam', 'key', 'model', 'operations'],
  'local/in-worker/queues.ts': ['.'],
  // Asks the Worker's own rules whether the secrets are well-formed.
  deploy: ['model', 'local'],
  // Asks the Worker over HTTP.
  admin: ['local'],
  // Its types of operations are made from the table.
  sdk: ['model'],
  cli: ['envelope', 'local', 'sdk'],
  // Compiles what is published.
  package: ['local'],
  // Reads what the archive has by the names and shapes that the trail writes.
  verify: ['admin', 'audit', 'local', 'model'],
  // Runs in other people's bundles: nothing of the server, and of ours only words and randomness.
  envelope: ['crypto', 'model'],
  adapters: ['envelope', 'model'],
}

const files = globSync('**/*.ts', { cwd: source }).filter((file) => !file.endsWith('drizzle.config.ts'))

interface Import {
  readonly from: string
  readonly to: string
  readonly isTypeOnly: boolean
}

const imports = files.flatMap((from): Import[] => {
  const text = readFileSync(join(source, from), 'utf8')
  return [...text.matchAll(/^(import|export) (type )?[^'"]*?from ['"](\.[^'"]+)['"]/gm)].map(([, , isType, path]) => ({
    from,
    to: relative(source, join(source, dirname(from), path ?? '')),
    isTypeOnly: isType !== undefined,
  }))
})

const folderOf = (file: string) => dirname(file).split('/')[0] ?? '.'

it('finds the imports', () => {
  expect(imports.length).toBeGreaterThan(100)
  expect(imports).toContainEqual({ from: 'key/directory.ts', to: 'crypto/seal.ts', isTypeOnly: false })
})

describe('arrows point down', () => {
  it.each(files)('from %s', (file) => {
    const folder = folderOf(file)
    for (const { to } of imports.filter(({ from }) => from === file)) {
      const target = folderOf(to)
      if (target === folder) continue
      const allowed = exceptions[file] ?? exceptions[folder]
      if (allowed !== undefined) expect(allowed, `${file} imports ${to}`).toContain(target)
      else expect(floors[folder], `${file} imports ${to}`).toBeGreaterThan(floors[target] ?? Number.NaN)
    }
  })
})

it('goes round in no circle', () => {
  const reaches = (file: string, goal: string, seen: Set<string>): boolean =>
    imports.some(({ from, to, isTypeOnly }) => {
      if (from !== file || isTypeOnly || seen.has(to)) return false
      seen.add(to)
      return to === goal || reaches(to, goal, seen)
    })
  for (const file of files) expect(reaches(file, file, new Set()), file).toBe(false)
})

describe('what stays pure', () => {
  const pure = files.filter((file) => /^(model|access|crypto)\//.test(file) || file === 'key/lifecycle.ts')

  it.each(pure)('%s sees no environment, request, clock or storage', (file) => {
    const text = readFileSync(join(source, file), 'utf8')
    expect(text).not.toMatch(
      /\bDate\.now\(|new Date\(\)|\bRequest\b|\bResponse\b|\bDurableObject|\bD1Database|cloudflare:/,
    )
  })

  it('draws random bytes in crypto/ alone', () => {
    const drawers = files.filter((file) =>
      /getRandomValues|randomBytes\(|Math\.random/.test(readFileSync(join(source, file), 'utf8')),
    )
    const outside = drawers.filter((file) => !file.startsWith('crypto/'))
    // Data keys and GenerateRandom hand out what crypto/random.ts draws, envelopes use it; local servers make their root
    // keys; what the SDK draws is how long it waits.
    expect(outside.sort()).toEqual([
      'envelope/data-keys.ts',
      'envelope/rewrap.ts',
      'envelope/seal.ts',
      'local/index.ts',
      'local/state.ts',
      'operations/generate-data-key.ts',
      'operations/generate-random.ts',
      'sdk/retry.ts',
    ])
  })
})

it('loads what is rarely used by import() alone', () => {
  const text = (file: string) => readFileSync(join(source, file), 'utf8')
  const nobles = files.filter((file) => /from '@noble\//.test(text(file)))
  expect(nobles.sort()).toEqual(['crypto/noble-ciphers.ts', 'crypto/noble-curves.ts', 'crypto/noble-lattices.ts'])
  expect(imports.filter(({ to, isTypeOnly }) => nobles.includes(to) && !isTypeOnly)).toEqual([])
  for (const name of nobles.map((file) => `import('./${basename(file)}')`)) {
    expect(files.filter((file) => text(file).includes(name)).length, name).toBeGreaterThan(0)
  }
})

it('has no folder for leftovers', () => {
  for (const file of files) expect(file).not.toMatch(/(^|\/)(utils?|helpers?|common)(\/|\.ts)/)
})
