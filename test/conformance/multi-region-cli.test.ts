import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { awsCliEnv, awsCliSkipped, awsCliVersion } from '../support/aws-cli.ts'
import { project, startKms, temporaryState } from '../support/server.ts'
import { send } from '../support/sign.ts'

/** A key in several Regions by the `aws` command. It is skipped, and says so, where there is no `aws`. */

describe.skipIf(awsCliVersion === null)(`aws-cli${awsCliSkipped}`, () => {
  it('runs every command of docs/multi-region.md', async () => {
    const page = readFileSync(join(project, 'docs/multi-region.md'), 'utf8')
    const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block)
    expect(blocks.length).toBeGreaterThan(5)
    const { endpoint } = await startKms(['--state', 'memory'])
    const script = blocks.join('\n').replaceAll('http://127.0.0.1:8787', endpoint)
    expect(script).toContain(endpoint)
    const { stdout, stderr } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      env: awsCliEnv,
      cwd: temporaryState(),
    })
    // There is no key in the third Region, the user may replicate into Europe only, and one Region lacks what is rotated to.
    const refusals = stderr.match(/An error occurred \(\w+\) when calling the \w+/g)
    expect(refusals).toEqual([
      'An error occurred (AccessDeniedException) when calling the Decrypt',
      'An error occurred (AccessDeniedException) when calling the ReplicateKey',
      'An error occurred (KMSInvalidStateException) when calling the RotateKeyOnDemand',
    ])
    expect(stdout.match(/^hello$/gm)).toHaveLength(4)
    expect(stdout).toContain('no key there\n')
    expect(stdout).toContain('not there\n')
    expect(stdout).toContain('"PendingImport"\n')
    expect(stdout).toContain('not yet\n')
    expect(stdout).toContain('[\n    "NON_CURRENT",\n    "CURRENT"\n]\n')
    expect(stdout).toContain('"PendingReplicaDeletion",\n')
    for (const [region, keys] of Object.entries({
      'us-east-1': 2,
      'eu-west-1': 2,
      'eu-central-1': 1,
      'us-west-2': 0,
    })) {
      const { json } = await send(endpoint, { operation: 'ListKeys', region })
      expect(json.Keys, region).toHaveLength(keys)
    }
  })
})
