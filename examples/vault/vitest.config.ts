import { join } from 'node:path'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { localKmsWorker } from 'edge-kms/local'
import { defineConfig } from 'vitest/config'
import seed from './seed.json' with { type: 'json' }

const folder = import.meta.dirname

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      wrangler: { configPath: join(folder, 'wrangler.toml') },
      miniflare: {
        bindings: { MIGRATIONS: await readD1Migrations(join(folder, 'migrations')) },
        workers: [await localKmsWorker({ seed })],
      },
    })),
  ],
})
