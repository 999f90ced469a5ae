import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, it } from 'vitest'

const project = join(import.meta.dirname, '../..')

/** As somebody's Worker would have it. */
async function bundled(entry: string) {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(project, entry)],
    bundle: true,
    format: 'esm',
    minify: true,
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    metafile: true,
    write: false,
    absWorkingDir: project,
    logLevel: 'silent',
  })
  const text = outputFiles[0]?.text ?? ''
  return { text, inputs: Object.keys(metafile.inputs), gzippedBytes: gzipSync(text).length }
}

it('is at most 8 KB gzipped, of the SDK and aws4fetch alone, for any platform', async () => {
  const { text, inputs, gzippedBytes } = await bundled('src/sdk/index.ts')
  expect(inputs.filter((file) => !/^(src\/sdk\/|node_modules\/aws4fetch\/)/.test(file))).toEqual([])
  expect(text).not.toMatch(/\bnode:|\brequire\(|\bprocess\b|\bBuffer\b|cloudflare:/)
  expect(gzippedBytes).toBeGreaterThan(1_000)
  expect(gzippedBytes).toBeLessThanOrEqual(8 * 1024)
  console.info(`edge-kms/sdk: ${gzippedBytes} bytes gzipped`)
})
