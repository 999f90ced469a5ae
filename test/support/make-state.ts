import { globSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  CreateAliasCommand,
  CreateKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  KMSClient,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { startServer } from '../../src/local/server.ts'

/*
 * Makes a frozen state, once for each version of what is stored: node test/support/make-state.ts test/fixtures/state-vN
 * 20 keys of three versions each, an alias for every other one, and a manifest of what has to open for ever.
 */
const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node test/support/make-state.ts FOLDER')
const server = await startServer({
  host: '127.0.0.1',
  port: 0,
  state: folder,
  region: 'us-east-1',
  clock: null,
  auth: 'on',
  seed: null,
})
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
const kms = new KMSClient({ endpoint: server.endpoint, region: 'us-east-1', credentials })
const keys = []
for (let number = 0; number < 20; number++) {
  const Tags = [{ TagKey: 'number', TagValue: String(number) }]
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ Description: `key ${number}`, Tags }))
  const KeyId = KeyMetadata?.KeyId ?? ''
  const ciphertexts = []
  for (let version = 0; version < 3; version++) {
    if (version > 0) await kms.send(new RotateKeyOnDemandCommand({ KeyId }))
    const plaintext = `key ${number}, version ${version}`
    const EncryptionContext = version === 2 ? { number: String(number) } : undefined
    const { CiphertextBlob } = await kms.send(
      new EncryptCommand({ KeyId, Plaintext: Buffer.from(plaintext), ...(EncryptionContext && { EncryptionContext }) }),
    )
    ciphertexts.push({
      plaintext,
      context: EncryptionContext ?? null,
      blob: Buffer.from(CiphertextBlob ?? []).toString('base64'),
    })
  }
  const alias = number % 2 === 0 ? `alias/number-${number}` : null
  if (alias !== null) await kms.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: KeyId }))
  if (number % 5 === 0) await kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 180 }))
  keys.push({ keyId: KeyId, description: `key ${number}`, alias, isRotating: number % 5 === 0, ciphertexts })
}
await server.stop()
for (const file of globSync('**/*.sqlite', { cwd: folder })) {
  const database = new DatabaseSync(join(folder, file))
  database.exec('pragma wal_checkpoint(truncate)')
  database.close()
}
for (const file of globSync(['**/*.sqlite-*', 'worker.js*'], { cwd: folder }))
  rmSync(join(folder, file), { force: true })
writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify({ keys }, null, 2)}\n`)
