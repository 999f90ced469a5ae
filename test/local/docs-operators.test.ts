import { execFile } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DecryptCommand } from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { unstable_readConfig as readConfig } from 'wrangler'
import type { TrailHead } from '../../src/audit/digest.ts'
import { stateSource } from '../../src/verify/local-state.ts'
import { mirrored } from '../support/archive.ts'
import { awsCliEnv } from '../support/aws-cli.ts'
import { blocks } from '../support/docs.ts'
import { kmsClient, openIndex, project, startKms, temporaryState } from '../support/server.ts'

/*
 * The README, and the pages for whoever runs a deployment: every block is run as it stands, but for what needs a Cloudflare
 * account. `npm ci && npm start` and `npm ci && npm test` are start.test.ts and .ci/run, `npx edge-kms dev` is
 * package.test.ts, and the record of events.md is key-events.test.ts.
 */

const run = promisify(execFile)
const account = '000000000000'
const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_DEFAULT_REGION: 'us-east-1' }
/** What a page calls that a machine may not have. */
const tools = ['aws', 'curl', 'jq', 'openssl', 'xxd', 'zcat']
const missing: string[] = []
for (const tool of tools) await run('which', [tool]).catch(() => missing.push(tool))
const lacks = (...needed: string[]) => needed.filter((tool) => missing.includes(tool))
const skipped = (...needed: string[]) =>
  lacks(...needed).length === 0 ? '' : `: skipped, as there is no \`${lacks(...needed).join('`, `')}\` here`

async function bash(
  script: string,
  { cwd = temporaryState(), env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
) {
  const all = { ...awsCliEnv, ...env }
  return (await run('bash', ['-euo', 'pipefail', '-c', script], { cwd, env: all })).stdout
}

/** A block of a page, with what its reader fills in. Every one of these has to be there. */
function filledIn(block: string | undefined, blanks: Readonly<Record<string, string>>): string {
  let text = block ?? ''
  for (const [blank, value] of Object.entries(blanks)) {
    expect(text).toContain(blank)
    text = text.replaceAll(blank, value)
  }
  return text
}

it.skipIf(lacks('aws', 'curl').length > 0)(`README.md, by the AWS CLI${skipped('aws', 'curl')}`, async () => {
  const { endpoint } = await startKms(['--state', 'memory'])
  const [, keys, users, , clock] = blocks('../README.md', 'sh')
  const script = filledIn([keys, users, clock].join('\n'), { 'http://127.0.0.1:8787': endpoint })
  const stdout = await bash(script)
  expect(stdout).toContain('correct horse battery staple\n')
  expect(stdout).toContain('"UserName": "web"')
  expect(stdout).toMatch(/\{"time":"20\d\d-/)
})

it('README.md, the plan of a deployment', { timeout: 120_000 }, async () => {
  const [exported, roots, plan, deploy] = (blocks('../README.md', 'sh')[5] ?? '').split('\n')
  expect(deploy).toMatch(/^npm run deploy {2,}#/)
  const stdout = await bash([exported, roots, plan].join('\n'), { cwd: project })
  expect(stdout).toContain('edge-kms-audit')
  expect(stdout).not.toContain('YOUR_SECRET')
})

it('deploy.md, a domain of its own', () => {
  const [domain = ''] = blocks('deploy.md', 'toml')
  const toml = readFileSync(join(project, 'wrangler.toml'), 'utf8')
  const config = join(temporaryState(), 'wrangler.toml')
  writeFileSync(config, filledIn(toml, { 'workers_dev = true': domain }))
  const { routes, workers_dev, name } = readConfig({ config })
  expect({ routes, workers_dev, name }).toEqual({
    routes: [{ pattern: 'kms.example.com', custom_domain: true }],
    workers_dev: false,
    name: 'edge-kms',
  })
})

it.skipIf(missing.length > 0)(`audit.md${skipped(...tools)}`, { timeout: 120_000 }, async () => {
  const state = temporaryState()
  const { endpoint } = await startKms(['--state', state])
  const env = { ...credentials, AWS_ENDPOINT_URL: endpoint, ENDPOINT: endpoint }
  const [lookups, signature, head, verify] = blocks('audit.md', 'sh')
  const made = await bash('aws kms create-key --query KeyMetadata.Arn --output text', { env })
  const KEY_ARN = made.trim()
  await bash(`aws kms encrypt --key-id ${KEY_ARN} --plaintext AA==`, { env })
  await expect
    .poll(() => bash(lookups as string, { env: { ...env, KEY_ARN } }), { timeout: 20_000, interval: 500 })
    .toMatch(/"EventName": "CreateKey".*"Operation": "Encrypt"/s)

  const clock = `curl -sf --aws-sigv4 aws:amz:us-east-1:kms --user test:test ${endpoint}/local/clock`
  expect(await bash(`${clock} -d '{"advance":"1h"}'`)).toContain('"archived"')
  const known = JSON.parse(await bash(filledIn(head, { '111122223333': account }), { env })) as TrailHead
  const source = stateSource(state)
  const objects = new Map<string, Buffer>()
  for (const name of await source.list()) objects.set(name, (await source.read(name)) as Buffer)
  const folder = mirrored(objects)
  const key = createPublicKey({ key: Buffer.from(known.publicKey, 'base64'), format: 'der', type: 'spki' })
  writeFileSync(join(folder, 'key.pem'), key.export({ type: 'spki', format: 'pem' }))
  const digest = { 'AWSLogs/…/…_20261123T211400Z.json.gz': known.object ?? '' }
  expect(await bash(filledIn(signature, digest), { cwd: folder })).toBe('Verified OK\n')

  const [byKey, byEndpoint, ofState, ofBucket] = (verify ?? '').split('\n')
  // Against a stand-in for R2: audit-verify.test.ts.
  expect(ofBucket).toContain('--bucket')
  const lines = [
    filledIn(byKey, { DIR: folder, 'key.pem': join(folder, 'key.pem'), '12:9bb6…': `${known.number}:${known.hash}` }),
    filledIn(byEndpoint, { DIR: folder, 'https://edge-kms.…': endpoint }),
    filledIn(ofState, { '.edge-kms': state, 'http://127.0.0.1:8787': endpoint }),
  ]
  for (const line of lines) {
    expect(await bash(line, { cwd: project, env })).toContain('Everything is as it was written.')
  }
})

it.skipIf(lacks('curl').length > 0)(`operations.md and rebuild.md${skipped('curl')}`, async () => {
  const state = temporaryState()
  const kms = await startKms(['--state', state])
  const env = { ...credentials, AWS_ENDPOINT_URL_KMS: kms.endpoint }
  const here = { 'http://127.0.0.1:8787': kms.endpoint }
  const [health, letters, clock] = blocks('operations.md', 'sh')
  expect(await bash(filledIn(health, here))).toMatch(/^\{"ready":true.*# TYPE/s)
  const moved = await bash(filledIn(clock, here))
  expect(moved).toMatch(/^\{"time":".*\{"time":"2028-06-01T00:00:00/s)

  const line = JSON.parse(blocks('operations.md', 'json')[0] as string)
  const client = kmsClient(kms.endpoint)
  await expect(client.send(new DecryptCommand({ CiphertextBlob: Buffer.alloc(200) }))).rejects.toThrow()
  const printed = () =>
    kms
      .output()
      .split('\n')
      .find((text) => text.includes('"operation":"Decrypt"'))
  await expect.poll(printed).toBeDefined()
  const { snapshotAgeMs: _, ...always } = line
  expect(Object.keys(JSON.parse(printed() as string))).toEqual(Object.keys(always))

  const index = openIndex(state)
  const letter = index.prepare('insert into dead_letters values (?, ?, ?, ?, ?)')
  for (const id of ['first', 'second', 'third']) letter.run(id, 'edge-kms-audit', 1, '"rubbish"', 'it has no version')
  const waiting = () =>
    index
      .prepare('select message_id as id from dead_letters')
      .all()
      .map(({ id }) => String(id))
  const [list = '', replayAll = '', replaySome = '', drop = ''] = (letters ?? '').split('\n')
  const operator = { cwd: project, env }
  expect(await bash(list, operator)).toContain('3 shown, 3 there now.')
  expect(await bash(filledIn(replaySome, { 'ID ID': 'first second' }), operator)).toContain('2 put back')
  // What cannot be read comes back under the id of its new message.
  await expect.poll(() => waiting().length, { timeout: 20_000 }).toBe(3)
  expect(waiting()).not.toContain('first')
  expect(await bash(replayAll, operator)).toContain('3 put back')
  await expect.poll(() => waiting().length, { timeout: 20_000 }).toBe(3)
  expect(await bash(filledIn(drop, { ' ID ': ` ${waiting()[0]} ` }), operator)).toContain('1 dropped')
  index.close()

  const [rebuild = ''] = blocks('rebuild.md', 'sh')
  expect(await bash(`${rebuild.trim()} -- --state ${state}`, operator)).toContain('The index has all 0 keys')
})
