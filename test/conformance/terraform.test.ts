import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { openKms } from '../support/conformance.ts'
import { temporaryState } from '../support/server.ts'

/**
 * A key and an alias by Terraform: made, found unchanged, changed, destroyed. It is skipped, and says so, where there is
 * no `terraform` or where its AWS provider is not to be had. TF_PLUGIN_DIR is where that lies unpacked, without a network.
 */

const run = promisify(execFile)
const folder = temporaryState()

function configuration(endpoint: string, region: string, description: string): string {
  return `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.100" }
  }
}
provider "aws" {
  region                      = "${region}"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints { kms = "${endpoint}" }
}
resource "aws_kms_key" "app" {
  description             = "${description}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  tags                    = { Name = "app", env = "" }
}
resource "aws_kms_alias" "app" {
  name          = "alias/terraform-app"
  target_key_id = aws_kms_key.app.key_id
}
output "key_id" { value = aws_kms_key.app.key_id }
`
}

const kms = await openKms()
const { accessKeyId, secretAccessKey } = kms.caller
const env = {
  ...process.env,
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  CHECKPOINT_DISABLE: '1',
  TF_IN_AUTOMATION: '1',
}

function terraform(...args: readonly string[]) {
  return run('terraform', args as string[], { cwd: folder, env })
}

function configure(description: string): void {
  writeFileSync(join(folder, 'main.tf'), configuration(kms.endpoint, kms.region, description))
}

configure('first')
const { TF_PLUGIN_DIR } = process.env
const plugins = TF_PLUGIN_DIR === undefined ? [] : [`-plugin-dir=${TF_PLUGIN_DIR}`]
const why = await terraform('init', '-input=false', '-no-color', ...plugins).then(
  () => null,
  (failure: NodeJS.ErrnoException & { stderr?: string }) =>
    failure.code === 'ENOENT' ? 'there is no `terraform` here' : 'it does not find its AWS provider',
)

it.skipIf(why !== null)(`terraform${why === null ? '' : `: skipped, as ${why}`}`, async () => {
  const now = ['-input=false', '-no-color']
  const made = await terraform('apply', '-auto-approve', ...now)
  expect(made.stdout).toContain('Resources: 2 added, 0 changed, 0 destroyed.')
  const [, KeyId = ''] = /key_id = "(.*)"/.exec(made.stdout) ?? []
  const metadata = async () => (await kms.ask('DescribeKey', { KeyId })).json.KeyMetadata
  expect(await metadata()).toMatchObject({ Description: 'first', KeyState: 'Enabled' })
  const rotation = await kms.ask('GetKeyRotationStatus', { KeyId })
  expect(rotation.json).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 365 })

  // It fails where there is anything to change.
  await terraform('plan', '-detailed-exitcode', ...now)

  configure('second')
  const changed = await terraform('apply', '-auto-approve', ...now)
  expect(changed.stdout).toContain('Resources: 0 added, 1 changed, 0 destroyed.')
  expect(await metadata()).toMatchObject({ Description: 'second', KeyState: 'Enabled' })

  await terraform('destroy', '-auto-approve', ...now)
  expect(await metadata()).toMatchObject({ KeyState: 'PendingDeletion' })
  expect((await kms.ask('ListAliases', { KeyId })).json.Aliases).toEqual([])
})
