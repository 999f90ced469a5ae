import { join } from 'node:path'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

const root = join(import.meta.dirname, '..')
process.env.WRANGLER_SEND_METRICS = 'false'
process.env.WRANGLER_LOG = 'error'

export default defineConfig({
  root,
  test: {
    projects: [
      // Plain functions, in Node.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      // In workerd, with the real Durable Objects and D1: cryptography, objects, index, pipeline.
      {
        plugins: [
          cloudflareTest(async () => ({
            main: join(root, 'test/support/test-worker.ts'),
            wrangler: { configPath: join(root, 'wrangler.toml') },
            miniflare: {
              // For the adapters, which are other people's.
              r2Buckets: ['DOCUMENTS'],
              kvNamespaces: ['VALUES'],
              bindings: {
                ROOT_KEYS: '1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
                ROOT_CREDENTIALS: '111122223333:ROOTONE:secret-one 444455556666:ROOTTWO:secret-two',
                // Else every request would be waited for until its record is sent; what tests it says so.
                AUDIT: 'off',
                TEST_MIGRATIONS: await readD1Migrations(join(root, 'migrations')),
                SLOW: process.env.SLOW ?? '',
              },
            },
          })),
        ],
        test: { name: 'workerd', include: ['test/workerd/**/*.test.ts'], testTimeout: 30_000 },
      },
      // Real clients against a real server, each file with its own.
      {
        test: {
          name: 'server',
          include: ['test/conformance/**/*.test.ts', 'test/local/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
    ],
  },
})
