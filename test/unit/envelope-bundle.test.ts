import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, it } from 'vitest'

const source = join(import.meta.dirname, '../../src')

interface Row {
  readonly what: string
  readonly gzippedMax: number
  readonly external?: string[]
}

/** What an app imports, and how much that may add to its bundle. */
const rows: Row[] = [
  { what: "{ createEnvelope } from './envelope/index.ts'", gzippedMax: 8_192 },
  { what: "* from './envelope/index.ts'", gzippedMax: 10_240 },
  { what: "* from './sdk/index.ts'; export { createEnvelope } from './envelope/index.ts'", gzippedMax: 16_384 },
  { what: "* from './adapters/r2.ts'", gzippedMax: 10_240 },
  { what: "* from './adapters/kv.ts'", gzippedMax: 10_240 },
  { what: "* from './adapters/drizzle.ts'", gzippedMax: 10_240, external: ['drizzle-orm', 'drizzle-orm/*'] },
]

async function bundle({ what, external = [] }: Row) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export ${what}`, resolveDir: source, loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    external,
  })
  const imports = Object.values(metafile.inputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  const [file] = outputFiles
  return { code: file?.text ?? '', gzipped: gzipSync(file?.contents ?? '').length, imports }
}

it.each(rows)('$what is small, and needs nothing of Node', async (row) => {
  const { code, gzipped, imports } = await bundle(row)
  expect(imports.length).toBeGreaterThan(5)
  for (const path of imports) expect(path).not.toMatch(/^node:|^cloudflare:/)
  expect(code).not.toMatch(/\b(Buffer|process|require)\b\s*[.(]/)
  // Newer than Node 24 and some browsers.
  expect(code).not.toMatch(/\.(toHex|fromHex|toBase64|fromBase64)\(/)
  expect(gzipped).toBeGreaterThan(500)
  expect(gzipped).toBeLessThanOrEqual(row.gzippedMax)
  console.info(`${row.what}: ${gzipped} bytes gzipped`)
})
