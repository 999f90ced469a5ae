import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import {
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  NotFoundException,
} from '@aws-sdk/client-kms'
import { beforeAll, expect, it } from 'vitest'
import { freePort } from '../../src/local/ports.ts'
import { isAlive, type ProcessMark } from '../../src/local/processes.ts'
import { failedStart, isServed, kmsClient, openIndex, project, startKms, temporaryState } from '../support/server.ts'

/** A state that a server has made and left, with one key in it. */
let made: string
let ciphertext: Uint8Array
let madeRootKeys: string
let madeProcesses: ProcessMark[]

beforeAll(async () => {
  made = temporaryState()
  const kms = await startKms(['--state', made])
  const client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const sealed = await client.send(new EncryptCommand({ KeyId: KeyMetadata?.KeyId, Plaintext: Buffer.from('kept') }))
  ciphertext = sealed.CiphertextBlob ?? new Uint8Array()
  madeProcesses = childrenOf(made)
  expect(await kms.stop()).toBe(0)
  expect(await isServed(kms.endpoint)).toBe(false)
  madeRootKeys = readFileSync(join(made, 'root-keys'), 'utf8')
})

/** The processes that the server of this state has noted as its own. */
function childrenOf(state: string): ProcessMark[] {
  return JSON.parse(readFileSync(join(state, 'lock.json'), 'utf8')).workerds
}

function copyOfState(): string {
  const copy = temporaryState()
  cpSync(made, copy, { recursive: true })
  return copy
}

/** Whoever runs it is told in words, and the state is free for the next start. */
async function expectSentence(args: readonly string[], sentence: RegExp, env: NodeJS.ProcessEnv = {}) {
  const { code, stdout, stderr } = await failedStart(args, { env })
  expect(stderr).toMatch(sentence)
  expect(stderr).not.toMatch(/^ +at |Error:/m)
  expect(stdout).not.toContain('Endpoint')
  expect(code).toBe(1)
  return stderr
}

it('leaves a state that only its owner reads and nobody holds', () => {
  expect(statSync(join(made, 'root-keys')).mode & 0o777).toBe(0o600)
  expect(madeRootKeys).toMatch(/^1:[A-Za-z0-9+/]{43}=\n$/)
  expect(existsSync(join(made, 'lock.json'))).toBe(false)
})

it('leaves no process', async () => {
  expect(madeProcesses).not.toEqual([])
  await expect.poll(() => madeProcesses.filter(isAlive), { timeout: 10_000 }).toEqual([])
})

it('still decrypts after a restart', async () => {
  const kms = await startKms(['--state', copyOfState()])
  const { Plaintext } = await kmsClient(kms.endpoint).send(new DecryptCommand({ CiphertextBlob: ciphertext }))
  expect(Buffer.from(Plaintext ?? []).toString()).toBe('kept')
  expect(await kms.stop()).toBe(0)
})

it('is started from any folder, where it keeps its state', async () => {
  const cwd = temporaryState()
  const kms = await startKms([], { cwd })
  expect(readdirSync(join(cwd, '.edge-kms'))).toContain('root-keys')
  expect(await kms.stop()).toBe(0)
})

it('says that the port is taken', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const state = temporaryState()
  await expectSentence(['--port', `${port}`, '--state', state], new RegExp(`^Port ${port} on 127.0.0.1 is taken\\.`))
  expect(existsSync(join(state, 'lock.json'))).toBe(false)
  other.close()
})

it('keeps nothing with --state memory', async () => {
  const env = { TMPDIR: temporaryState() }
  const memoryFolders = () => readdirSync(env.TMPDIR).filter((name) => name.startsWith('edge-kms-memory-'))
  const killed = await startKms(['--state', 'memory'], { env })
  const { KeyMetadata } = await kmsClient(killed.endpoint).send(new CreateKeyCommand({}))
  await killed.killTree()
  const abandoned = memoryFolders()
  expect(abandoned).toHaveLength(1)
  const kms = await startKms(['--state', 'memory'], { env })
  expect(memoryFolders()).toHaveLength(1)
  expect(memoryFolders()).not.toEqual(abandoned)
  const describing = kmsClient(kms.endpoint).send(new DescribeKeyCommand({ KeyId: KeyMetadata?.KeyId }))
  await expect(describing).rejects.toThrow(NotFoundException)
  expect(await kms.stop()).toBe(0)
  expect(memoryFolders()).toEqual([])
})

it('refuses a state of a newer version', async () => {
  const state = copyOfState()
  writeFileSync(join(state, 'state.json'), JSON.stringify({ version: 2, clockOffsetMs: 0 }))
  await expectSentence(['--state', state], /was written by a newer edge-kms \(state version 2, .*\)\. Update edge-kms/)
  expect(existsSync(join(state, 'lock.json'))).toBe(false)
})

it.each(['', '{}'])('refuses a state whose state.json is %j', async (text) => {
  const state = copyOfState()
  writeFileSync(join(state, 'state.json'), text)
  await expectSentence(
    ['--state', state],
    /state\.json is damaged: put back what it was, or choose another --state\.$/m,
  )
  expect(existsSync(join(state, 'lock.json'))).toBe(false)
})

it('refuses a state that is a file', async () => {
  const file = join(copyOfState(), 'state.json')
  await expectSentence(['--state', file], /state\.json cannot be used as the --state folder: /)
})

it('refuses a database with a migration that it does not know', async () => {
  const state = copyOfState()
  const database = openIndex(state)
  database.exec(`insert into d1_migrations (name) values ('0099_later.sql')`)
  database.close()
  await expectSentence(
    ['--state', state],
    /was written by a newer edge-kms \(migration 0099_later\.sql\)\. Update edge-kms/,
  )
  expect(existsSync(join(state, 'lock.json'))).toBe(false)
})

it('leaves a state to the server that has it', async () => {
  const state = temporaryState()
  const kms = await startKms(['--state', state])
  await expectSentence(['--state', state], new RegExp(`^Another edge-kms \\(process ${kms.pid}\\) is using `))
  const { KeyMetadata } = await kmsClient(kms.endpoint).send(new CreateKeyCommand({}))
  expect(KeyMetadata?.KeyState).toBe('Enabled')
  expect(await kms.stop()).toBe(0)
})

it('ends the workerd that a killed server has left behind', async () => {
  const state = temporaryState()
  const args = ['--state', state, '--port', `${await freePort('127.0.0.1', 0)}`]
  const killed = await startKms(args)
  const { KeyMetadata } = await kmsClient(killed.endpoint).send(new CreateKeyCommand({}))
  process.kill(killed.pid, 'SIGKILL')
  expect((await fetch(`${killed.endpoint}/health/live`)).ok).toBe(true)
  const orphans = childrenOf(state)
  expect(orphans.some(isAlive)).toBe(true)
  const kms = await startKms(args)
  expect(orphans.some(isAlive)).toBe(false)
  expect(kms.endpoint).toBe(killed.endpoint)
  const described = await kmsClient(kms.endpoint).send(new DescribeKeyCommand({ KeyId: KeyMetadata?.KeyId }))
  expect(described.KeyMetadata?.KeyState).toBe('Enabled')
  expect(await kms.stop()).toBe(0)
})

it('makes no new root key for old storage', async () => {
  const state = copyOfState()
  const file = join(state, 'root-keys')
  rmSync(file)
  await expectSentence(['--state', state], /^The root key of this state is missing: put .*root-keys back/)
  expect(existsSync(file)).toBe(false)
})

it('names the root key that is not the one it was', async () => {
  const state = copyOfState()
  const other = `1:${Buffer.alloc(32, 7).toString('base64')}`
  writeFileSync(join(state, 'root-keys'), other)
  const stderr = await expectSentence(['--state', state], /^Root key version 1 in ROOT_KEYS is not the one /m)
  expect(stderr).not.toContain(other.slice(2, 20))
})

it('does not repeat a malformed root key', async () => {
  const state = copyOfState()
  const cut = madeRootKeys.trim().slice(0, -4)
  writeFileSync(join(state, 'root-keys'), cut)
  const { code, stdout, stderr } = await failedStart(['--state', state])
  expect(code).toBe(1)
  expect(stderr).toMatch(/ROOT_KEYS/)
  expect(stderr).not.toMatch(/^ +at /m)
  expect(stdout + stderr).not.toContain(cut.slice(2, 20))
})

it.each([
  [['--port', 'x'], /^--port takes a number from 0 to 65535, not x\.$/m],
  [['--auth', 'maybe'], /^--auth takes "on" or "off", not maybe\.$/m],
  [['--clock', 'nonsense'], /^--clock takes a date such as .*, not nonsense\.$/m],
  [['--region', 'moon'], /^--region takes an AWS Region, not moon\.$/m],
  [['--surprise'], /^Unknown option '--surprise'/],
])('does not start with %j', async (args, sentence) => {
  await expectSentence(args, sentence)
})

it('explains itself', async () => {
  const { code, stdout, stderr } = await failedStart(['--help'])
  expect(stdout).toMatch(/--port N .*--state DIR .*--clock TIME .*--auth off/s)
  expect(stderr).toBe('')
  expect(code).toBe(0)
})

it('is started and stopped by npm', async () => {
  const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}` }
  const state = temporaryState()
  const npm = await startKms(['--state', state], { env, cwd: project, command: ['npm', 'start', '--'] })
  expect((await fetch(`${npm.endpoint}/health/ready`)).ok).toBe(true)
  const processes = childrenOf(state)
  await npm.stop()
  await expect.poll(() => processes.filter(isAlive), { timeout: 10_000 }).toEqual([])
  expect(await isServed(npm.endpoint)).toBe(false)
  expect(existsSync(join(state, 'lock.json'))).toBe(false)
})
