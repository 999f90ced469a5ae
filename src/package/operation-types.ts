import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const project = join(import.meta.dirname, '../..')
const source = join(project, 'src')

/**
 * The text of src/sdk/operations.ts: the types of all operations that are served, spelled out by the compiler from the
 * table, so that whoever uses the SDK needs none of the Worker's sources or types.
 */
export function operationTypes(): string {
  const [signatures = ''] = inferred(
    `import type { Signatures } from '${source}/operations/signatures.ts'`,
    'Signatures',
  )
  const words = wordsOf([...new Set(signatures.match(named) ?? [])])
  const types = signatures.replace(named, (name) => words.get(name) ?? name)
  const text = `/** What each operation takes and answers. Made by \`npm run sdk:types\` from the table of operations. */
export type Operations = ${types}`
  return run('biome', ['format', '--stdin-file-path=src/sdk/operations.ts'], text)
}

/** Where the compiler names a union of words by its file. */
const named = /import\("[^"]+"\)\.\w+/g

/** The words of each, which the compiler writes out as the members of an object. */
function wordsOf(names: readonly string[]): ReadonlyMap<string, string> {
  const objects = inferred('', ...names.map((name) => `Record<${name.replace('"../../', `"${project}/`)}, 0>`))
  const words = objects.map((object) =>
    object
      .match(/\w+(?=: 0)/g)
      ?.map((word) => `'${word}'`)
      .join(' | '),
  )
  return new Map(names.map((name, at) => [name, `(${words[at]})`]))
}

/** Types as the compiler infers them, in full. What is declared it would emit by its name. */
function inferred(imports: string, ...types: readonly string[]): readonly string[] {
  const folder = mkdtempSync(join(project, 'node_modules/.operation-types-'))
  try {
    const probe = `${imports}
declare function spelled<Of>(): { [Name in keyof Of]: Of[Name] }
${types.map((type, at) => `export const probe${at} = spelled<${type}>()`).join('\n')}
`
    writeFileSync(join(folder, 'probe.ts'), probe)
    const compilerOptions = {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      noErrorTruncation: true,
      rootDir: project,
      outDir: join(folder, 'out'),
    }
    const declarations = join(source, '**/*.d.ts')
    const config = {
      extends: join(project, 'tsconfig.json'),
      compilerOptions,
      files: ['probe.ts'],
      include: [declarations],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    run('tsc', ['-p', folder])
    const emitted = readFileSync(join(folder, 'out', folder.slice(project.length), 'probe.d.ts'), 'utf8')
    return emitted.split(/export declare const probe\d+:/).slice(1)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function run(command: string, args: readonly string[], input = ''): string {
  const bin = join(project, 'node_modules/.bin', command)
  return execFileSync(bin, args, { cwd: project, encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'inherit'] })
}

if (import.meta.main) writeFileSync(join(source, 'sdk/operations.ts'), operationTypes())
