import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { buildWorker } from '../../src/local/build.ts'
import { project, temporaryState } from '../support/server.ts'

const gzippedBytesMax = 300 * 1024
const localOnly = [
  'LOCAL_',
  'trustAnyone',
  'loopback',
  '"000000000000"',
  'strangerRefusal',
  'moveClock',
  'x-local-control',
  'plantKey',
  'A seed has Keys',
  'faultPoint',
  'killAt',
]

async function bundleOf(entry: string): Promise<string> {
  const outfile = join(temporaryState(), 'worker.js')
  await buildWorker(join(project, entry), outfile)
  return readFileSync(outfile, 'utf8')
}

it('deploys nothing that is for a laptop', async () => {
  const local = await bundleOf('src/local/worker.ts')
  expect(localOnly.filter((word) => local.toLowerCase().includes(word.toLowerCase()))).toEqual(localOnly)
  const deployed = await bundleOf('src/worker.ts')
  expect(localOnly.filter((word) => deployed.toLowerCase().includes(word.toLowerCase()))).toEqual([])
})

it('deploys at most 300 KB, gzipped', async () => {
  const gzipped = gzipSync(await bundleOf('src/worker.ts')).length
  expect(gzipped).toBeGreaterThan(10_000)
  expect(gzipped).toBeLessThanOrEqual(gzippedBytesMax)
})
