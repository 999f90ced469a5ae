import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { beforeAll, expect, it } from 'vitest'
import { localKmsWorker, startLocalKms } from '../../src/local/index.ts'
import { createKms } from '../../src/sdk/index.ts'
import { appFolder } from '../support/app-folder.ts'
import { awsCliEnv, awsCliSkipped, awsCliVersion } from '../support/aws-cli.ts'
import { blocks } from '../support/docs.ts'
import { project, startKms, temporaryState } from '../support/server.ts'

/** The pages for people who write apps: every block of theirs is run, against the package as it is published. */

const run = promisify(execFile)
let folder: string
let installed: string

beforeAll(async () => {
  folder = await appFolder()
  installed = join(folder, 'node_modules/edge-kms')
})

const seed = () => JSON.parse(blocks('testing.md', 'json')[0] as string)

it('README.md', async () => {
  const [code = ''] = blocks('../README.md', 'ts')
  const app = { KeyId: '11111111-2222-4333-8444-555555555555', Aliases: ['alias/app'] }
  const kms = await startLocalKms({ seed: { Keys: [app] } })
  const cwd = join(folder, 'readme')
  mkdirSync(cwd)
  writeFileSync(
    join(cwd, 'app.ts'),
    `${code.replace('http://127.0.0.1:8787', kms.endpoint)}\nconsole.log(String(Buffer.from(Plaintext)))`,
  )
  writeFileSync(join(cwd, 'secret.txt'), 'a secret')
  try {
    const { stdout } = await run(process.execPath, ['app.ts'], { cwd })
    expect(stdout).toBe('4111 1111 1111 1111\n')
    const env = { ...process.env, AWS_ENDPOINT_URL_KMS: kms.endpoint }
    const cli = join(installed, 'dist/package/cli.js')
    const opened = await run(process.execPath, [cli, 'decrypt', 'secret.txt.enc', '--output', '-'], { cwd, env })
    expect(opened.stdout).toBe('a secret')
  } finally {
    await kms.stop()
  }
})

it('sdk.md, over HTTP', async () => {
  const { endpoint } = await startKms(['--state', 'memory'])
  const [first = '', second = ''] = blocks('sdk.md', 'ts')
  writeFileSync(join(folder, 'http.ts'), first.replace('http://127.0.0.1:8787', endpoint))
  const { stdout } = await run(process.execPath, [join(folder, 'http.ts')])
  const [opened, refused] = stdout.split('\n')
  expect(opened).toBe('4111 1111 1111 1111')
  expect(refused).toMatch(/^InvalidCiphertextException false true Pass the ciphertext whole/)
  writeFileSync(join(folder, 'identity.ts'), second)
  await run(process.execPath, [join(folder, 'identity.ts')])
})

it('sdk.md, over a service binding', async () => {
  const worker = blocks('sdk.md', 'ts')[2] as string
  const [trust = ''] = blocks('sdk.md', 'json')
  const [toml = ''] = blocks('sdk.md', 'toml')
  const props = { role: /role = "([^"]+)"/.exec(toml)?.[1], app: /app = "([^"]+)"/.exec(toml)?.[1] }
  const bundled = await build({
    stdin: { contents: worker, loader: 'ts', resolveDir: folder },
    bundle: true,
    format: 'esm',
    write: false,
    conditions: ['workerd', 'worker', 'browser'],
  })
  const trusting = seed()
  trusting.Roles[0].AssumeRolePolicyDocument = JSON.parse(trust)
  const app = {
    name: 'app',
    modules: [{ type: 'ESModule', path: 'app.js', contents: bundled.outputFiles[0]?.text ?? '' }],
    compatibilityDate: '2026-11-02',
    serviceBindings: { KMS: { name: 'edge-kms', entrypoint: 'Kms', props } },
  }
  const workers = [app, await localKmsWorker({ seed: trusting })]
  const options = { cf: false, telemetry: { enabled: false }, enableDevRegistry: false, workers }
  const mf = new Miniflare(convertV4MiniflareOptions(options as never))
  try {
    const response = await mf.dispatchFetch('http://app.test/', { method: 'POST', body: 'hello' })
    expect(response.status).toBe(200)
    expect((await response.arrayBuffer()).byteLength).toBe(98 + 5 + 16)
  } finally {
    await mf.dispose()
  }
})

it('testing.md, beside the tests and bound to the app', async () => {
  const [beside = '', config = '', bound = ''] = blocks('testing.md', 'ts')
  const vitest = (root: string) => {
    const { VITEST: _, VITEST_POOL_ID: __, VITEST_WORKER_ID: ___, NODE_ENV: ____, ...env } = process.env
    return run(join(project, 'node_modules/.bin/vitest'), ['run', '--root', root], { env, cwd: root })
  }
  const [first, second] = [join(folder, 'beside'), join(folder, 'bound')]
  for (const root of [first, second]) mkdirSync(root)
  writeFileSync(join(first, 'kms.test.ts'), beside)
  writeFileSync(join(first, 'vitest.config.ts'), 'export default {}')
  expect((await vitest(first)).stdout).toMatch(/Tests .*1 passed/)
  writeFileSync(join(second, 'vitest.config.ts'), config)
  writeFileSync(join(second, 'worker.test.ts'), bound)
  writeFileSync(join(second, 'worker.ts'), 'export default { fetch: () => new Response() }')
  writeFileSync(join(second, 'seed.json'), JSON.stringify(seed()))
  expect((await vitest(second)).stdout).toMatch(/Tests .*1 passed/)
})

it('testing.md, the seed as a file', async () => {
  const file = join(folder, 'seed.json')
  writeFileSync(file, JSON.stringify(seed()))
  const { endpoint } = await startKms(['--state', 'memory', '--seed', file])
  const credentials = { accessKeyId: 'AKIAAAAAAAAAAAAAAAAA', secretAccessKey: 'a-secret-of-the-seed' }
  const kms = createKms({ endpoint, credentials })
  expect(await kms.encrypt({ KeyId: 'alias/app', Plaintext: new Uint8Array(1) })).toHaveProperty('CiphertextBlob')
})

it('cli.md', async () => {
  const own = seed()
  own.Keys.push({ KeyId: '11111111-2222-4333-8444-666666666666', Aliases: ['alias/archive'] })
  const file = join(folder, 'cli-seed.json')
  writeFileSync(file, JSON.stringify(own))
  const { endpoint } = await startKms(['--state', 'memory', '--seed', file])
  const bin = temporaryState()
  // npx would ask the registry for what is not published yet.
  writeFileSync(
    join(bin, 'npx'),
    `#!/bin/sh\nshift\nexec "${process.execPath}" "${installed}/dist/package/cli.js" "$@"\n`,
  )
  chmodSync(join(bin, 'npx'), 0o755)
  const script = blocks('cli.md', 'sh').join('\n').replace('http://127.0.0.1:8787', endpoint)
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: temporaryState(), env })
  expect(stdout).toContain('All is well.')
  expect(stdout).toContain('document.txt\nopened.txt\n')
  expect(stdout).toContain('{"output":"again.txt","bytes":')
})

it.skipIf(awsCliVersion === null)(`from-localstack.md${awsCliSkipped}`, async () => {
  const file = join(folder, 'localstack-seed.json')
  const [own = ''] = blocks('from-localstack.md', 'json')
  writeFileSync(file, own)
  const { endpoint } = await startKms(['--state', 'memory', '--seed', file])
  const script = blocks('from-localstack.md', 'sh').join('\n').replace('http://127.0.0.1:8787', endpoint)
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: temporaryState(), env: awsCliEnv })
  const [first, second] = JSON.parse(own).Keys
  expect(stdout).toBe(`arn:aws:kms:us-east-1:000000000000:key/${first.KeyId}\n${first.Material}\n`)
  const kms = createKms({ endpoint, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } })
  expect((await kms.describeKey({ KeyId: second.KeyId })).KeyMetadata.KeySpec).toBe('ECC_NIST_P256')
})
