import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { awsCliEnv, awsCliSkipped, awsCliVersion } from '../support/aws-cli.ts'
import { project, startKms, temporaryState } from '../support/server.ts'
import { send } from '../support/sign.ts'

/** Bringing one's own key with `aws` and OpenSSL. It is skipped, and says so, where there is no `aws`. */

describe.skipIf(awsCliVersion === null)(`aws-cli${awsCliSkipped}`, () => {
  it('runs every command of docs/import.md', async () => {
    const page = readFileSync(join(project, 'docs/import.md'), 'utf8')
    const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block)
    expect(blocks.length).toBeGreaterThan(8)
    const { endpoint } = await startKms(['--state', 'memory'])
    const script = blocks.join('\n').replaceAll('http://127.0.0.1:8787', endpoint)
    expect(script).toContain(endpoint)
    const { stdout, stderr } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      env: awsCliEnv,
      cwd: temporaryState(),
    })
    expect(stderr.match(/An error occurred \((\w+)\)/g)).toEqual(['An error occurred (KMSInvalidStateException)'])
    // Before it was taken away, after it came back, and after the rotation.
    expect(stdout.match(/^hello$/gm)).toHaveLength(3)
    expect(stdout).toContain('"PendingImport"\nstopped\n')
    expect(stdout).toContain('"KeyMaterialDescription": "the second: 2026-11"')
    expect(stdout).toContain('Verified OK\n')
    const { json } = await send(endpoint, { operation: 'ListKeys' })
    expect(json.Keys).toHaveLength(2)
  })
})
