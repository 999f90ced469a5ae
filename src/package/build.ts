import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { buildWorker } from '../local/build.ts'
import { migrations, workerOptions } from '../local/parts.ts'

const project = join(import.meta.dirname, '../..')
const source = join(project, 'src')
/** dist/package, or the folder that is named. */
const out = resolve(process.argv[2] ?? join(project, 'dist/package'))

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>
}

/** The source of each entry, by its name in `exports`, whose `types` lie where the source does. */
const { exports } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as Manifest
const entries = Object.entries(exports).flatMap(([name, entry]): [string, string][] => {
  const [, path] = typeof entry === 'string' ? [] : (/^\.\/dist\/package\/types\/(.*)\.d\.ts$/.exec(entry.types) ?? [])
  return path === undefined ? [] : [[name.slice(2), join(source, `${path}.ts`)]]
})
/** For Workers, Node and browsers alike: all but one. */
const edgeEntries = entries.filter(([name]) => name !== 'local')

/** Compiles what `npm pack` takes: what package.json names in `exports` and `bin`, and what they need. */
async function buildPackage(): Promise<void> {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const common = { outdir: out, bundle: true, format: 'esm', splitting: true, packages: 'external' } as const
  await build({
    ...common,
    entryPoints: Object.fromEntries(edgeEntries),
    chunkNames: 'edge-[hash]',
    platform: 'neutral',
    target: 'es2022',
  })
  await build({
    ...common,
    entryPoints: { local: join(source, 'local/index.ts'), cli: join(source, 'cli/main.ts') },
    chunkNames: 'node-[hash]',
    platform: 'node',
    target: 'node22',
    plugins: [publishedParts],
  })
  const cli = join(out, 'cli.js')
  writeFileSync(cli, `#!/usr/bin/env node\n${readFileSync(cli, 'utf8')}`, { mode: 0o755 })
  await buildWorker(join(source, 'local/worker.ts'), join(out, 'worker.js'))
  // Its sources are not there to be mapped to.
  rmSync(join(out, 'worker.js.map'))
  const worker = readFileSync(join(out, 'worker.js'), 'utf8')
  writeFileSync(join(out, 'worker.js'), worker.replace(/^\/\/# sourceMappingURL=.*$/m, ''))
  writeFileSync(join(out, 'worker-options.json'), JSON.stringify(workerOptions()))
  writeFileSync(join(out, 'migrations.json'), JSON.stringify(migrations()))
  emitTypes()
}

/** What is published brings its Worker, its bindings and its migrations along. */
const publishedParts: Plugin = {
  name: 'published parts',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/parts\.ts$/ }, () => ({ path: join(source, 'package/parts.ts') }))
  },
}

/** Declarations of the entries and of what they name, in dist/package/types. */
function emitTypes(): void {
  const folder = mkdtempSync(join(project, 'node_modules/.package-types-'))
  try {
    const compilerOptions = {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: source,
      outDir: join(folder, 'out'),
      types: ['@cloudflare/workers-types', 'node'],
    }
    const files = entries.map(([, file]) => file)
    const config = { extends: join(project, 'tsconfig.json'), compilerOptions, files, include: [] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    execFileSync(join(project, 'node_modules/.bin/tsc'), ['-p', folder], { stdio: 'inherit' })
    for (const file of namedBy(join(folder, 'out'), files)) {
      const target = join(out, 'types', file)
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, withJsNames(readFileSync(join(folder, 'out', file), 'utf8')))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const relativeName = /(from |import\()(['"])(\.[^'"]+)\.ts\2/g

/** The declarations that the entries' own lead to: the compiler emits all that it has read. */
function namedBy(folder: string, entries: readonly string[]): ReadonlySet<string> {
  const named = new Set<string>()
  const visit = (file: string) => {
    if (named.has(file)) return
    named.add(file)
    const text = readFileSync(join(folder, file), 'utf8')
    for (const [, , , name] of text.matchAll(relativeName)) visit(join(dirname(file), `${name}.d.ts`))
  }
  for (const entry of entries) visit(entry.slice(source.length + 1).replace(/\.ts$/, '.d.ts'))
  return named
}

function withJsNames(text: string): string {
  return text.replace(relativeName, '$1$2$3.js$2')
}

// Wrangler would otherwise miss the secrets, which are whoever's that starts a server.
Object.assign(process.env, { WRANGLER_LOG: 'none', WRANGLER_SEND_METRICS: 'false' })
await buildPackage()
const files = globSync('**/*.*', { cwd: out })
console.log(`${out} has ${files.length} files.`)
