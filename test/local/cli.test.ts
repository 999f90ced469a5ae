import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, it } from 'vitest'
import { createKms, type Kms } from '../../src/sdk/index.ts'
import { project, startKms, temporaryState } from '../support/server.ts'

let endpoint: string
let kms: Kms
let folder: string

beforeAll(async () => {
  ;({ endpoint } = await startKms(['--state', 'memory']))
  kms = createKms({ endpoint, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } })
  for (const AliasName of ['alias/a', 'alias/b', 'alias/off']) {
    const { KeyMetadata } = await kms.createKey()
    await kms.createAlias({ AliasName, TargetKeyId: KeyMetadata.KeyId })
    if (AliasName === 'alias/off') await kms.disableKey({ KeyId: KeyMetadata.KeyId })
  }
  folder = temporaryState()
})

interface Options {
  readonly input?: string | Buffer
  readonly env?: NodeJS.ProcessEnv
}

async function run(args: readonly string[], { input, env = {} }: Options = {}) {
  const command = [join(project, 'src/cli/main.ts'), ...args]
  const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...rest } = process.env
  const child = spawn(process.execPath, command, {
    cwd: folder,
    env: { ...rest, AWS_ENDPOINT_URL_KMS: endpoint, ...env },
  })
  child.stdin.on('error', () => {}).end(input)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: code as number, stdout, stderr }
}

const file = (name: string, content: string | Buffer = 'hello\n') => {
  writeFileSync(join(folder, name), content)
  return name
}
const read = (name: string) => readFileSync(join(folder, name))
const leftovers = () => readdirSync(folder).filter((name) => name.endsWith('.partial'))

describe('edge-kms', () => {
  it('helps', async () => {
    const all = await run(['--help'])
    expect(all.code).toBe(0)
    for (const name of ['dev', 'encrypt', 'decrypt', 'rewrap', 'doctor']) {
      expect(all.stdout).toContain(`  ${name} `)
      const { code, stdout } = await run([name, '--help'])
      expect(code).toBe(0)
      expect(stdout).toMatch(new RegExp(`^edge-kms ${name} `))
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(125)
    }
  })

  it.each([
    [[], 'edge-kms COMMAND'],
    [['constructor'], 'There is no command constructor'],
    [['encrypt', 'x'], 'encrypt needs a --key'],
    [['encrypt', '--key', 'alias/a'], 'encrypt takes one FILE'],
    [['encrypt', 'x', '--key', 'alias/a', '--context', 'tenant'], '--context takes NAME=VALUE, not tenant'],
    [['encrypt', 'x', '--key', 'alias/a', '--nothing'], "Unknown option '--nothing'"],
    [['decrypt', 'x', '--endpoint', 'kms'], '--endpoint takes a URL'],
    [['decrypt', 'x', '--endpoint', 'https://kms.example.com'], 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not'],
    [['rewrap', 'x'], 'rewrap needs a key --to'],
    [['doctor', 'x'], 'doctor takes no FILE'],
  ])('%j makes no sense', async (args, sentence) => {
    const { code, stdout, stderr } = await run(args)
    expect({ code, printed: stdout + stderr }).toEqual({ code: 2, printed: expect.stringContaining(sentence) })
  })
})

describe('files', () => {
  it('are encrypted, rewrapped and decrypted, as streams', async () => {
    const content = Buffer.alloc(3_000_000, 'stream ')
    const name = file('big.bin', content)
    const context = ['--context', 'tenant=a', '--context', 'kind=document']
    expect(await run(['encrypt', name, '--key', 'alias/a', ...context])).toEqual({
      code: 0,
      stdout: 'big.bin.enc\n',
      stderr: '',
    })
    expect(read('big.bin.enc').includes('stream stream')).toBe(false)
    const before = read('big.bin.enc')
    expect(await run(['rewrap', 'big.bin.enc', '--to', 'alias/b', '--json'])).toMatchObject({ code: 0 })
    // The frames are left alone.
    expect(read('big.bin.enc').subarray(-1_000)).toEqual(before.subarray(-1_000))
    expect(read('big.bin.enc').equals(before)).toBe(false)
    const opened = await run(['decrypt', 'big.bin.enc', '-o', 'opened', '--context', 'tenant=a', '--json'])
    expect(opened.code).toBe(0)
    expect(JSON.parse(opened.stdout)).toEqual({ output: 'opened', bytes: before.length })
    expect(read('opened').equals(content)).toBe(true)
    expect(leftovers()).toEqual([])
  })

  it('go through pipes', async () => {
    const sealed = await run(['encrypt', '-', '--key', 'alias/a', '-o', 'piped.enc'], { input: 'hello' })
    expect(sealed.code).toBe(0)
    const opened = await run(['decrypt', '-', '--key', 'alias/a'], { input: read('piped.enc') })
    expect(opened).toEqual({ code: 0, stdout: 'hello', stderr: '' })
  })

  it('are signed where that is asked for', async () => {
    expect((await run(['encrypt', file('signed'), '--key', 'alias/a', '--signed'])).code).toBe(0)
    const { code, stderr } = await run(['rewrap', 'signed.enc', '--to', 'alias/b'])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('signed') })
    expect((await run(['decrypt', 'signed.enc', '--force'])).code).toBe(0)
    expect(read('signed').toString()).toBe('hello\n')
  })

  it('are opened by any of several keys', async () => {
    await run(['encrypt', file('shared'), '--key', 'alias/off', '--key', 'alias/a'])
    expect(existsSync(join(folder, 'shared.enc'))).toBe(false)
    await run(['encrypt', 'shared', '--key', 'alias/a', '--key', 'alias/b'])
    for (const key of ['alias/a', 'alias/b']) {
      expect((await run(['decrypt', 'shared.enc', '--key', key, '--output', '-'])).stdout).toBe('hello\n')
    }
  })
})

describe('what goes wrong is told with what to do, and nothing is half-written', () => {
  beforeAll(async () => {
    await run(['encrypt', file('whole', Buffer.alloc(500_000, 1)), '--key', 'alias/a'])
    file('cut.enc', read('whole.enc'))
    truncateSync(join(folder, 'cut.enc'), 300_000)
    const tampered = read('whole.enc')
    tampered[tampered.length - 50] = (tampered[tampered.length - 50] ?? 0) ^ 1
    file('tampered.enc', tampered)
    file('text.enc', 'this was never encrypted')
  })

  it.each([
    [
      'a stream that ends in mid-frame',
      ['decrypt', 'cut.enc'],
      /ends before the end of its frame.*fetch it again/s,
      'cut',
    ],
    ['a frame that was changed', ['decrypt', 'tampered.enc'], /./, 'tampered'],
    ['another format', ['decrypt', 'text.enc'], /./, 'text'],
    ['another context', ['decrypt', 'whole.enc', '-o', 'x', '--context', 'tenant=b'], /context/i, 'x'],
    [
      'a key that is disabled',
      ['encrypt', 'whole', '--key', 'alias/off', '-o', 'x'],
      /DisabledException.*EnableKey/s,
      'x',
    ],
    ['no such key', ['encrypt', 'whole', '--key', 'alias/no', '-o', 'x'], /NotFoundException.*Check the id/s, 'x'],
    ['no such file', ['encrypt', 'nothing', '--key', 'alias/a'], /nothing is not there/, 'nothing.enc'],
    ['a folder', ['encrypt', '.', '--key', 'alias/a', '-o', 'x'], /is a folder/, 'x'],
  ])('%s', async (_, args, told, absent) => {
    const { code, stdout, stderr } = await run(args)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(told)
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(existsSync(join(folder, absent))).toBe(false)
    expect(leftovers()).toEqual([])
    const json = JSON.parse((await run([...args, '--json'])).stderr)
    expect(json.error).toMatchObject({ name: expect.any(String), message: expect.any(String) })
  })

  it('what is there stays', async () => {
    file('whole.enc', read('whole.enc'))
    const { code, stderr } = await run(['encrypt', 'whole', '--key', 'alias/a'])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('is there already') })
    expect((await run(['encrypt', 'whole', '--key', 'alias/a', '--force'])).code).toBe(0)
    const before = read('tampered.enc')
    expect((await run(['rewrap', 'text.enc', '--to', 'alias/b'])).code).toBe(1)
    expect(read('tampered.enc').equals(before)).toBe(true)
    expect(read('text.enc').toString()).toBe('this was never encrypted')
  })

  it('a wrong endpoint, and wrong credentials', async () => {
    const nowhere = { AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:9' }
    const unanswered = await run(['encrypt', 'whole', '--key', 'alias/a', '-o', 'x'], { env: nowhere })
    expect(unanswered).toMatchObject({ code: 1, stderr: expect.stringMatching(/does not answer.*Check the endpoint/s) })
    const unknown = { AWS_ACCESS_KEY_ID: 'AKIAAAAAAAAAAAAAAAAA', AWS_SECRET_ACCESS_KEY: 'x' }
    const refused = await run(['encrypt', 'whole', '--key', 'alias/a', '-o', 'x'], { env: unknown })
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/UnrecognizedClientException.*access key/s),
    })
    expect(existsSync(join(folder, 'x'))).toBe(false)
  })
})

describe('doctor', () => {
  it('finds all well', async () => {
    const { code, stdout } = await run(['doctor', '--key', 'alias/a'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('All is well.') })
    for (const check of ['endpoint', 'root key', 'clock', 'arn:aws:iam::000000000000:root', 'alias/a Decrypt']) {
      expect(stdout).toContain(check)
    }
    const { stdout: json } = await run(['doctor', '--json'])
    expect(JSON.parse(json)).toContainEqual({ check: 'database', isOk: true, detail: 'as it should be', remedy: null })
  })

  it.each([
    ['nothing there', [], { AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:9' }, 'endpoint', 'npx edge-kms dev'],
    ['an unknown access key', [], { AWS_ACCESS_KEY_ID: 'AKIAAAAAAAAAAAAAAAAA' }, 'credentials', 'access key'],
    ['a wrong secret', [], { AWS_SECRET_ACCESS_KEY: 'no' }, 'credentials', 'secret access key'],
    ['a key that is off', ['--key', 'alias/off'], {}, 'alias/off GenerateDataKey', 'EnableKey'],
    ['no such key', ['--key', 'alias/no'], {}, 'alias/no DescribeKey', 'Check the id'],
  ])('finds %s', async (_, args, env, check, remedy) => {
    const { code, stdout } = await run(['doctor', '--json', ...args], { env })
    expect(code).toBe(1)
    const findings = JSON.parse(stdout) as { check: string; isOk: boolean; remedy: string | null }[]
    const first = findings.find(({ isOk }) => !isOk)
    expect(first).toMatchObject({ check, remedy: expect.stringContaining(remedy) })
  })
})
