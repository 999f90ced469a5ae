import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Caller } from './conformance.ts'

const run = promisify(execFile)

/** Null: there is no `aws` here. */
export const awsCliVersion: string | null = await run('aws', ['--version']).then(
  ({ stdout, stderr }) => stdout || stderr,
  () => null,
)

/** For the name of a test: that it is skipped, and why. */
export const awsCliSkipped = awsCliVersion === null ? ': skipped, as there is no `aws` here' : ''

/** Nothing of the machine's own configuration. */
export const awsCliEnv: NodeJS.ProcessEnv = {
  ...process.env,
  AWS_PAGER: '',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_MAX_ATTEMPTS: '1',
}

export type AwsCli = (args: readonly string[], by?: Caller) => Promise<Record<string, unknown>>

/** The `aws` command, run in a folder: what it prints. Throws what it says of a failure. */
export function awsCli({ endpoint, region, caller }: AwsCliTarget, cwd: string): AwsCli {
  return async (args, by = caller) => {
    const { accessKeyId, secretAccessKey, sessionToken = '' } = by
    const env = {
      ...awsCliEnv,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      ...(sessionToken === '' ? {} : { AWS_SESSION_TOKEN: sessionToken }),
    }
    const common = ['--endpoint-url', endpoint, '--region', region, '--output', 'json']
    const { stdout } = await run('aws', [...args, ...common], { env, cwd })
    return stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>)
  }
}

interface AwsCliTarget {
  readonly endpoint: string
  readonly region: string
  readonly caller: Caller
}
