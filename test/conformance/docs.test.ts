import { describe, expect, it } from 'vitest'
import { awsCliSkipped, awsCliVersion } from '../support/aws-cli.ts'
import { runPage } from '../support/docs.ts'
import { send } from '../support/sign.ts'

/** Every command of the pages that are to be followed with the AWS CLI. */

describe.skipIf(awsCliVersion === null)(`the pages${awsCliSkipped}`, () => {
  it('docs/access.md', async () => {
    const { endpoint, stdout, stderr } = await runPage('docs/access.md')
    // The user may not decrypt, and the role may.
    expect(stderr.match(/An error occurred \((\w+)\)/g)).toEqual(['An error occurred (AccessDeniedException)'])
    expect(stdout).toContain('refused\n')
    expect(stdout).toContain(Buffer.from('hello\n').toString('base64'))
    expect((await send(endpoint, { operation: 'ListKeys' })).json.Keys).toHaveLength(1)
  })

  it('docs/asymmetric.md', async () => {
    const { stdout } = await runPage('docs/asymmetric.md')
    expect(stdout).toContain('Verified OK\n')
    expect(stdout).toContain('Signature Verified Successfully\n')
    expect(stdout).toContain('Meet me at the usual place.\n')
    expect(stdout).toMatch(/not as Alice wrote it\n$/)
  })

  it('docs/import.md', async () => {
    const { endpoint, stdout, stderr } = await runPage('docs/import.md')
    expect(stderr.match(/An error occurred \((\w+)\)/g)).toEqual(['An error occurred (KMSInvalidStateException)'])
    // Before it was taken away, after it came back, and after the rotation.
    expect(stdout.match(/^hello$/gm)).toHaveLength(3)
    expect(stdout).toContain('"PendingImport"\nstopped\n')
    expect(stdout).toContain('"KeyMaterialDescription": "the second: 2026-11"')
    expect(stdout).toContain('Verified OK\n')
    expect((await send(endpoint, { operation: 'ListKeys' })).json.Keys).toHaveLength(2)
  })
})
