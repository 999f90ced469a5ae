import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const program = join(import.meta.dirname, '../support/stream-gigabyte.ts')
const bytes = process.env.SLOW ? 2 ** 30 : 2 ** 27

it(`streams ${bytes / 2 ** 20} MB in less than 64 MB`, { timeout: 600_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--max-old-space-size=64', program, String(bytes)])
  const { received, above } = JSON.parse(stdout) as { received: number; above: number }
  expect(received).toBe(bytes)
  expect(above).toBeLessThan(64 * 2 ** 20)
})
