import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Kms } from './conformance.ts'
import { temporaryState } from './server.ts'

const run = promisify(execFile)

export interface Terraform {
  /** Why nothing can be done with it here; null: it works. */
  readonly why: string | null
  configure(resources: string): void
  /** What it prints. Throws where it fails, and where a plan has something to change. */
  apply(env?: NodeJS.ProcessEnv): Promise<string>
  expectNoChanges(): Promise<void>
  destroy(): Promise<string>
}

/**
 * Terraform in a folder of its own, with an AWS provider that asks the KMS under test for everything. TF_PLUGIN_DIR is
 * where the provider lies unpacked, without a network.
 */
export async function openTerraform(kms: Kms): Promise<Terraform> {
  const folder = temporaryState()
  const { accessKeyId, secretAccessKey } = kms.caller
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    CHECKPOINT_DISABLE: '1',
    TF_IN_AUTOMATION: '1',
  }
  const terraform = async (args: readonly string[], more: NodeJS.ProcessEnv = {}) => {
    const options = { cwd: folder, env: { ...env, ...more }, maxBuffer: 100_000_000 }
    return (await run('terraform', [...args, '-input=false', '-no-color'], options)).stdout
  }
  const configure = (resources: string) => writeFileSync(join(folder, 'main.tf'), provider(kms) + resources)
  configure('')
  const { TF_PLUGIN_DIR } = process.env
  const plugins = TF_PLUGIN_DIR === undefined ? [] : [`-plugin-dir=${TF_PLUGIN_DIR}`]
  const why = await terraform(['init', ...plugins]).then(
    () => null,
    (failure: NodeJS.ErrnoException) =>
      failure.code === 'ENOENT' ? 'there is no `terraform` here' : 'it does not find its AWS provider',
  )
  return {
    why,
    configure,
    apply: (more) => terraform(['apply', '-auto-approve'], more),
    expectNoChanges: async () => void (await terraform(['plan', '-detailed-exitcode'])),
    destroy: () => terraform(['destroy', '-auto-approve']),
  }
}

function provider({ endpoint, region }: Kms): string {
  return `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.100" }
  }
}
provider "aws" {
  region                  = "${region}"
  skip_metadata_api_check = true
  endpoints {
    iam = "${endpoint}"
    kms = "${endpoint}"
    sts = "${endpoint}"
  }
}
`
}
