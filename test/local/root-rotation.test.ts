import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  type KMSClient,
  paginateListKeys,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { freePort } from '../../src/local/ports.ts'
import { admin, startAdmin } from '../support/admin.ts'
import { kmsClient, openIndex, startKms, temporaryState } from '../support/server.ts'

const isSlow = Boolean(process.env.SLOW)
const rotatedKeys = isSlow ? 10_000 : 60
const rebuiltKeys = isSlow ? 1_000 : 40
const kills = 3
const atOnce = 16

interface Sealed {
  readonly keyId: string
  readonly plaintext: string
  readonly blob: Uint8Array
}

it(`rotates ${rotatedKeys} keys under load, through ${kills} kills`, {
  timeout: isSlow ? 3_600_000 : 300_000,
}, async () => {
  const state = temporaryState()
  const port = String(await freePort('127.0.0.1', 0))
  const start = () => startKms(['--state', state, '--port', port])
  let kms = await start()
  const client = kmsClient(kms.endpoint)
  const sealed = await makeKeys(client, rotatedKeys)
  const args = ['--endpoint', kms.endpoint, '--state', state]
  const only = await admin('root:rotate', args)
  expect(only.stderr).toMatch(/^Root key version 1 is the only one in use\. Add "2:\$\(head /)
  expect(await kms.stop()).toBe(0)

  appendFileSync(join(state, 'root-keys'), `2:${Buffer.alloc(32, 2).toString('base64')}\n`)
  kms = await start()
  const load = startLoad(client, sealed)
  const retireAtOnce = await admin('root:retire', ['1', ...args, '--force'])
  expect(retireAtOnce.stderr).toMatch(/^Root key version 1 stays: (\d+) objects and 0 access keys still need it/)
  let rotating = startAdmin('root:rotate', args)
  for (let kill = 0; kill < kills; kill++) {
    await sleep(isSlow ? 20_000 : 300 + 200 * kill)
    // Of the command, too.
    if (kill === 1) {
      rotating.child.kill('SIGKILL')
      await rotating.done
    }
    await kms.killTree()
    if (kill === 1) rotating = startAdmin('root:rotate', args)
    kms = await start()
  }
  const rotation = await rotating.done
  expect(rotation.code, rotation.stderr).toBe(0)
  // A place is noted every 256 objects.
  if (isSlow) expect(rotation.stdout).toMatch(/^Going on behind the \d+ that an earlier run has done/m)
  expect(rotation.stdout).toMatch(
    /^Everything is sealed under root key version 2: all \d+ objects were asked, and say so\.$/m,
  )
  expect(rotation.stdout).toMatch(/^Version 1 may be retired from 20\S+ on: npm run root:retire -- 1$/m)
  const { answers, failures } = await load.stop()
  expect(failures).toEqual([])
  expect(answers).toBeGreaterThan(rotatedKeys)

  const early = await admin('root:retire', ['1', ...args])
  expect(early.stderr).toMatch(/^Root key version 1 stays until 20/)
  const index = openIndex(state)
  index.exec('update root_keys set superseded_at = superseded_at - 31 * 86400000 where version = 1')
  index.close()
  const retired = await admin('root:retire', ['1', ...args])
  expect(retired.code, retired.stderr).toBe(0)
  expect(retired.stdout).toMatch(/^Root key version 1 is retired: /m)
  expect(await kms.stop()).toBe(0)

  const file = join(state, 'root-keys')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^1:.*\n/, ''))
  kms = await start()
  await inParallel(sealed, async ({ plaintext, blob }) => {
    expect(await decrypted(client, blob)).toBe(plaintext)
  })
  expect(await kms.stop()).toBe(0)
})

it(`restores a tenth of ${rebuiltKeys} index rows, and retires nothing before`, { timeout: 600_000 }, async () => {
  const state = temporaryState()
  let kms = await startKms(['--state', state])
  const keyIds = (await makeKeys(kmsClient(kms.endpoint), rebuiltKeys)).map(({ keyId }) => keyId)
  expect(await kms.stop()).toBe(0)
  appendFileSync(join(state, 'root-keys'), `2:${Buffer.alloc(32, 2).toString('base64')}\n`)
  kms = await startKms(['--state', state])
  const client = kmsClient(kms.endpoint)
  const args = ['--endpoint', kms.endpoint, '--state', state]
  const rotation = await admin('root:rotate', args)
  expect(rotation.code, rotation.stderr).toBe(0)
  const lost = keyIds.slice(0, rebuiltKeys / 10)
  const change = (statement: string, ...rows: (readonly string[])[]) => {
    const index = openIndex(state)
    const prepared = index.prepare(statement)
    for (const row of rows) prepared.run(...row)
    index.close()
  }
  change('delete from keys where key_id = ?', ...lost.map((keyId) => [keyId]))
  expect(await listed(client)).toEqual(new Set(keyIds).difference(new Set(lost)))
  const refused = await admin('root:retire', ['1', ...args, '--force'])
  expect(refused.stderr).toMatch(
    new RegExp(
      `^Root key version 1 stays: ${lost.length} existing keys had no row in the index\\. Run index:rebuild\\.$`,
      'm',
    ),
  )
  expect(refused.code).toBe(1)

  // And a row that no object stands behind.
  const nobody = crypto.randomUUID()
  change(
    `insert into keys (region, key_id, account, revision, state, created_at) values ('us-east-1', ?, '000000000000', 1, 'Enabled', 0)`,
    [nobody],
  )
  change('delete from keys where key_id = ?', ...lost.map((keyId) => [keyId]))
  const rebuilt = await admin('index:rebuild', args)
  expect(rebuilt.code, rebuilt.stderr).toBe(0)
  expect(rebuilt.stdout).toMatch(`The index has all ${rebuiltKeys} keys that were asked; ${lost.length} rows are new.`)
  expect(rebuilt.stdout).toMatch(`1 rows of the index name keys whose objects were not found:\n  us-east-1/${nobody}\n`)
  expect(await listed(client)).toEqual(new Set([...keyIds, nobody]))
  const still = await admin('root:retire', ['1', ...args, '--force'])
  expect(still.stderr).toMatch(/^Root key version 1 stays: 1 key of the index had no object\./m)
  change('delete from keys where key_id = ?', [nobody])
  const retired = await admin('root:retire', ['1', ...args, '--force'])
  expect(retired.code, retired.stderr).toBe(0)
  expect(await kms.stop()).toBe(0)
})

/** Keys with a ciphertext each, every fifth of them of two versions. */
async function makeKeys(client: KMSClient, count: number): Promise<Sealed[]> {
  const sealed: Sealed[] = []
  await inParallel(Array.from({ length: count }), async () => {
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
    const keyId = KeyMetadata?.KeyId ?? ''
    const plaintext = `secret of ${keyId}`
    const { CiphertextBlob = new Uint8Array() } = await client.send(
      new EncryptCommand({ KeyId: keyId, Plaintext: Buffer.from(plaintext) }),
    )
    sealed.push({ keyId, plaintext, blob: CiphertextBlob })
    if (sealed.length % 5 === 0) await client.send(new RotateKeyOnDemandCommand({ KeyId: keyId }))
  })
  return sealed
}

/** Encrypts and decrypts until it is stopped. A call that a killed server has not answered is made again. */
function startLoad(client: KMSClient, sealed: readonly Sealed[]) {
  let isStopping = false
  let answers = 0
  const failures: unknown[] = []
  const answered = async <Answer>(ask: () => Promise<Answer>): Promise<Answer> => {
    for (;;) {
      try {
        return await ask()
      } catch (failure) {
        if ((failure as { $response?: unknown }).$response !== undefined) throw failure
        await sleep(50)
      }
    }
  }
  const work = async (worker: number) => {
    for (let at = worker; !isStopping; at += 7) {
      const { keyId, plaintext, blob } = sealed[at % sealed.length] as Sealed
      try {
        const opened = await answered(() => decrypted(client, blob))
        if (opened !== plaintext) failures.push(`${keyId} opened to ${opened}`)
        await answered(() => client.send(new EncryptCommand({ KeyId: keyId, Plaintext: Buffer.from('load') })))
        answers += 2
      } catch (failure) {
        failures.push(failure)
      }
    }
  }
  const workers = [0, 1, 2, 3].map(work)
  return {
    async stop() {
      isStopping = true
      await Promise.all(workers)
      return { answers, failures }
    },
  }
}

async function decrypted(client: KMSClient, CiphertextBlob: Uint8Array): Promise<string> {
  const { Plaintext = new Uint8Array() } = await client.send(new DecryptCommand({ CiphertextBlob }))
  return Buffer.from(Plaintext).toString()
}

async function listed(client: KMSClient): Promise<Set<string>> {
  const keyIds = new Set<string>()
  for await (const { Keys = [] } of paginateListKeys({ client }, {})) {
    for (const { KeyId = '' } of Keys) keyIds.add(KeyId)
  }
  return keyIds
}

async function inParallel<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const waiting = [...items]
  const next = async () => {
    while (waiting.length > 0) await work(waiting.shift() as Item)
  }
  await Promise.all(Array.from({ length: atOnce }, next))
}
