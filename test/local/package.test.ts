import { execFile, execFileSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { createKms } from '../../src/sdk/index.ts'
import { isServed, project, startKms, temporaryState } from '../support/server.ts'

const run = promisify(execFile)
/** An empty folder with the package installed as a stranger installs it. */
let folder: string
let installed: string

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string } | string>>
  readonly bin: Readonly<Record<string, string>>
}

beforeAll(async () => {
  folder = temporaryState()
  const packed = join(folder, 'packed')
  mkdirSync(packed)
  await run('npm', ['pack', '--pack-destination', packed], { cwd: project })
  const [tarball = ''] = globSync('*.tgz', { cwd: packed })
  writeFileSync(join(folder, 'package.json'), '{"name":"consumer","private":true,"type":"module"}')
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel', 'error']
  await run('npm', ['install', ...quiet, join(packed, tarball)], { cwd: folder })
  installed = join(folder, 'node_modules/edge-kms')
}, 120_000)

const manifest = () => JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest

describe('the package', () => {
  it('has what it names, and nothing that should not be there', () => {
    const { exports, bin } = manifest()
    const named = [...Object.values(exports).flatMap((entry) => Object.values(entry)), ...Object.values(bin)]
    for (const name of named.filter((name) => name.startsWith('./dist'))) {
      expect(existsSync(join(installed, name)), name).toBe(true)
    }
    expect(Object.keys(exports)).toEqual(expect.arrayContaining(['./sdk', './envelope', './local', './package.json']))
    const files = globSync('**/*.*', { cwd: installed, exclude: ['node_modules'] })
    const others = files.filter(
      (file) => !/^(dist\/package\/.*\.(js|json|d\.ts)|(README|CHANGELOG)\.md|package\.json)$/.test(file),
    )
    expect(others).toEqual([])
    expect(files.length).toBeGreaterThan(20)
    const texts = files.map((file) => readFileSync(join(installed, file), 'utf8'))
    for (const text of texts) expect(text).not.toContain(project)
  })

  it('brings two packages along', () => {
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    expect(Object.keys({ ...dependencies, ...optionalDependencies })).toEqual(['aws4fetch', 'miniflare'])
  })

  it('serves with npx edge-kms dev', async () => {
    const dev = ['edge-kms', 'dev', '--state', 'memory']
    const { endpoint, pid, stop } = await startKms(dev, { command: ['npx'], cwd: folder })
    const kms = createKms({ endpoint, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } })
    await kms.createAlias({ AliasName: 'alias/app', TargetKeyId: (await kms.createKey()).KeyMetadata.KeyId })
    writeFileSync(join(folder, 'secret.txt'), 'hello')
    const env = { ...process.env, AWS_ENDPOINT_URL_KMS: endpoint }
    const edgeKms = (...args: string[]) => run('npx', ['edge-kms', ...args], { cwd: folder, env })
    await edgeKms('encrypt', 'secret.txt', '--key', 'alias/app')
    expect((await edgeKms('decrypt', 'secret.txt.enc', '-o', '-')).stdout).toBe('hello')
    expect((await edgeKms('doctor', '--key', 'alias/app')).stdout).toContain('All is well.')
    // As a terminal ends it: npx passes nothing on.
    process.kill(-pid, 'SIGINT')
    await expect.poll(() => isServed(endpoint), { timeout: 10_000 }).toBe(false)
    await stop()
  })

  it('is used from Node by its names', async () => {
    writeFileSync(
      join(folder, 'app.js'),
      `import { createEnvelope } from 'edge-kms/envelope'
       import { startLocalKms } from 'edge-kms/local'
       import { createKms } from 'edge-kms/sdk'
       const local = await startLocalKms({ seed: { Keys: [{ KeyId: '11111111-2222-4333-8444-555555555555', Aliases: ['alias/app'] }] } })
       const envelope = createEnvelope({ kms: createKms(local), keys: ['alias/app'] })
       const message = await envelope.encrypt(new TextEncoder().encode('hello'), { encryptionContext: { tenant: 'a' } })
       const { plaintext } = await envelope.decrypt(message, { encryptionContext: { tenant: 'a' } })
       await local.advance('1d')
       await local.stop()
       console.log(new TextDecoder().decode(plaintext))`,
    )
    expect((await run(process.execPath, ['app.js'], { cwd: folder })).stdout).toContain('hello\n')
  })

  it.each([
    ['bundler', ['esnext', 'dom']],
    ['nodenext', ['esnext', 'dom']],
  ])('has types that resolve: %s', (moduleResolution, lib) => {
    writeFileSync(
      join(folder, 'consumer.ts'),
      `import { createEnvelope, type Envelope } from 'edge-kms/envelope'
       import { type LocalKms, startLocalKms } from 'edge-kms/local'
       import { createKms, type Kms, KmsError } from 'edge-kms/sdk'
       const kms: Kms = createKms({ endpoint: 'https://kms.example.com', credentials: async () => ({ accessKeyId: 'a', secretAccessKey: 'b' }) })
       export const envelope: Envelope = createEnvelope({ kms, keys: ['alias/app'] })
       export const local: Promise<LocalKms> = startLocalKms()
       export async function plaintext(CiphertextBlob: Uint8Array): Promise<Uint8Array> {
         try {
           return (await kms.decrypt({ CiphertextBlob, EncryptionContext: { tenant: 'a' } })).Plaintext
         } catch (failure) {
           if (failure instanceof KmsError) console.error(failure.name, failure.requestId, failure.remedy)
           throw failure
         }
       }
       // @ts-expect-error: there is no such member.
       await kms.encrypt({ KeyID: 'alias/app', Plaintext: new Uint8Array(1) })
       // @ts-expect-error: there is no such operation.
       await kms.encryptt({})
       export const { KeyMetadata } = await kms.createKey()
       export const at: Date = KeyMetadata.CreationDate`,
    )
    const compilerOptions = { strict: true, noEmit: true, target: 'esnext', lib, types: [], moduleResolution }
    const module = moduleResolution === 'nodenext' ? 'nodenext' : 'esnext'
    const config = { compilerOptions: { ...compilerOptions, module, skipLibCheck: false }, files: ['consumer.ts'] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(project, 'node_modules/.bin/tsc')
    const compiled = () => execFileSync(tsc, ['-p', folder], { encoding: 'utf8', cwd: folder })
    expect(told(compiled)).toBe('')
  })
})

/** What the compiler says. */
function told(compiled: () => string): string {
  try {
    return compiled()
  } catch (failure) {
    return (failure as { stdout: string }).stdout
  }
}
