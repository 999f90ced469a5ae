import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { newAlias, openKms } from '../support/conformance.ts'
import { temporaryState } from '../support/server.ts'

/** The walk of the README with the `aws` command. It is skipped, and says so, where there is no `aws`. */

const run = promisify(execFile)
const version = await run('aws', ['--version']).catch(() => null)

it.skipIf(version === null)(`aws-cli${version === null ? ': skipped, as there is no `aws` here' : ''}`, async () => {
  const kms = await openKms()
  const folder = temporaryState()
  const { accessKeyId, secretAccessKey } = kms.caller
  const credentials = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_PAGER: '' }
  const endpoint = ['--endpoint-url', kms.endpoint, '--region', kms.region, '--output', 'json']
  const aws = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
    const env = {
      ...process.env,
      ...credentials,
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    }
    const { stdout } = await run('aws', ['kms', ...args, ...endpoint], { env, cwd: folder })
    return stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>)
  }

  const { KeyMetadata } = (await aws('create-key', '--description', 'Schlüssel', '--tags', 'TagKey=a,TagValue=b')) as {
    KeyMetadata: { KeyId: string; Arn: string; Description: string }
  }
  expect(KeyMetadata.Description).toBe('Schlüssel')
  const alias = newAlias()
  expect(await aws('create-alias', '--alias-name', alias, '--target-key-id', KeyMetadata.KeyId)).toEqual({})

  const plaintext = randomBytes(4096)
  writeFileSync(join(folder, 'plain'), plaintext)
  const context = ['--encryption-context', '{"purpose":"test","Über":"ß"}']
  const { CiphertextBlob } = await aws('encrypt', '--key-id', alias, '--plaintext', 'fileb://plain', ...context)
  writeFileSync(join(folder, 'cipher'), Buffer.from(String(CiphertextBlob), 'base64'))

  expect(await aws('rotate-key-on-demand', '--key-id', KeyMetadata.KeyId)).toEqual({ KeyId: KeyMetadata.KeyId })
  const opened = await aws('decrypt', '--ciphertext-blob', 'fileb://cipher', ...context)
  expect(opened.KeyId).toBe(KeyMetadata.Arn)
  expect(Buffer.from(String(opened.Plaintext), 'base64')).toEqual(plaintext)

  await expect(aws('decrypt', '--ciphertext-blob', 'fileb://cipher')).rejects.toThrow('InvalidCiphertextException')
  // The CLI turns pages by itself.
  const { Aliases } = (await aws('list-aliases', '--page-size', '1')) as { Aliases: { AliasName: string }[] }
  expect(Aliases.map(({ AliasName }) => AliasName)).toContain(alias)
  await expect(aws('describe-key', '--key-id', 'alias/nothing')).rejects.toThrow(
    `An error occurred (NotFoundException) when calling the DescribeKey operation: Alias arn:aws:kms:${kms.region}:${kms.caller.account}:alias/nothing is not found.`,
  )
})
