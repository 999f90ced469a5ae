import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { awsCliEnv } from '../support/aws-cli.ts'
import { openKms } from '../support/conformance.ts'

/** A walk with boto3. It is skipped, and says so, where there is none. */

const run = promisify(execFile)
const hasBoto3 = await run('python3', ['-c', 'import boto3']).then(
  () => true,
  () => false,
)

it.skipIf(!hasBoto3)(`boto3${hasBoto3 ? '' : ': skipped, as there is no boto3 here'}`, async () => {
  const { endpoint, region, caller } = await openKms()
  const args = [endpoint, region, caller.accessKeyId, caller.secretAccessKey]
  const { stdout } = await run('python3', [join(import.meta.dirname, 'boto3_walk.py'), ...args], { env: awsCliEnv })
  expect(stdout.trim().split('\n')).toEqual([
    'symmetric',
    'RSA_2048',
    'ECC_NIST_P384',
    'ECC_SECG_P256K1',
    'ECC_NIST_EDWARDS25519',
    'ML_DSA_65',
    'digest',
    'mac',
    'agreement',
    'RSA encryption',
    'import',
    'two Regions',
  ])
})
