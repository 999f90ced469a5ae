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
  const folder = mkdtempSync(join(project, 'node_modules/.operation-types-'))
  try {
    // What is inferred is emitted in full; an alias would be emitted as its name.
    const probe = `import type { Signatures } from '${source}/operations/signatures.ts'
declare function spelled<Of>(): { [Name in keyof Of]: Of[Name] }
export const signatures = spelled<Signatures>()
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
    const config = { extends: join(project, 'tsconfig.json'), compilerOptions, files: ['probe.ts'], include: [] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    run('tsc', ['-p', folder])
    const emitted = readFileSync(join(folder, 'out', folder.slice(project.length), 'probe.d.ts'), 'utf8')
    const types = emitted.replace('export declare const signatures:', 'export type Operations =')
    const text = `/** What each operation takes and answers. Made by \`npm run sdk:types\` from the table of operations. */\n${withoutImports(types)}`
    return run('biome', ['format', '--stdin-file-path=src/sdk/operations.ts'], text)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Where the compiler names a union of words by its file, the words themselves. */
function withoutImports(types: string): string {
  return types.replace(/import\("[^"]*\/src\/([^"]+)"\)\.(\w+)/g, (whole, file: string, name: string) => {
    const [, words] =
      new RegExp(`export type ${name} =\\s*((?:\\|?\\s*'\\w+'\\s*)+)`).exec(readFileSync(join(source, file), 'utf8')) ??
      []
    if (words === undefined) throw new Error(`${whole} is no union of words, and cannot be spelled out`)
    return `(${words.trim()})`
  })
}

function run(command: string, args: readonly string[], input = ''): string {
  const bin = join(project, 'node_modules/.bin', command)
  return execFileSync(bin, args, { cwd: project, encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'inherit'] })
}

if (import.meta.main) writeFileSync(join(source, 'sdk/operations.ts'), operationTypes())
