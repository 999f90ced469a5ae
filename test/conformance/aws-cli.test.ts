import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { awsCli, awsCliSkipped, awsCliVersion } from '../support/aws-cli.ts'
import { newAlias, openKms } from '../support/conformance.ts'
import { temporaryState } from '../support/server.ts'

/** The walk of the README with the `aws` command. It is skipped, and says so, where there is no `aws`. */

it.skipIf(awsCliVersion === null)(`aws-cli${awsCliSkipped}`, async () => {
  const kms = await openKms()
  const folder = temporaryState()
  const run = awsCli(kms, folder)
  const aws = (...args: readonly string[]) => run(['kms', ...args])

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
