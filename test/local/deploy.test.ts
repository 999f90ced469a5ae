import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, expect, it } from 'vitest'

const project = join(import.meta.dirname, '../..')
const rootKey = Buffer.alloc(32, 1).toString('base64')
const secrets = { ROOT_KEYS: `1:${rootKey}`, ROOT_CREDENTIALS: '111122223333:AKIDMINE:s3cret$HOME"quoted' }
const cleanUp: (() => void)[] = []

afterEach(() => {
  for (const step of cleanUp.splice(0)) step()
})

/** `npm run deploy`, with a home and a temporary folder of its own and no Cloudflare account but the one given. */
function startDeploy(args: readonly string[], env: NodeJS.ProcessEnv) {
  const home = mkdtempSync(join(tmpdir(), 'edge-kms-test-'))
  cleanUp.push(() => rmSync(home, { recursive: true, force: true }))
  const child = spawn(process.execPath, ['src/deploy/main.ts', ...args], {
    cwd: project,
    env: { PATH: process.env.PATH, HOME: home, TMPDIR: home, ...env },
  })
  const done = Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]).then(([stdout, stderr, code]) => {
    for (const secret of [rootKey, 's3cret']) expect(stdout + stderr).not.toContain(secret)
    expect(secretsFiles()).toEqual([])
    return { stdout, stderr, code }
  })
  /** Files that wait for `wrangler deploy`. */
  const secretsFiles = () => {
    const folders = readdirSync(home).filter((name) => name.startsWith('edge-kms-deploy-'))
    return folders.map((name) => join(home, name, 'secrets.json'))
  }
  return { child, done, secretsFiles }
}

const deploy = (args: readonly string[], env: NodeJS.ProcessEnv) => startDeploy(args, env).done

it('explains itself', async () => {
  const { stdout, code } = await deploy(['--help'], {})
  expect(stdout).toMatch(/--dry-run .*\n.*--help/)
  expect(code).toBe(0)
})

it('refuses an option that it does not know', async () => {
  const { stdout, stderr, code } = await deploy(['--drry-run'], secrets)
  expect(stderr).toMatch(/^Unknown option '--drry-run'\nnpm run deploy/)
  expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
})

it('plans without an account, and builds a Worker with nothing of the local server in it', async () => {
  const bundle = join(project, 'dist/deploy/worker.js')
  rmSync(bundle, { force: true })
  // A lookup would fail here, and be seen.
  const { stdout, stderr, code } = await deploy(['--dry-run'], {
    ...secrets,
    CLOUDFLARE_API_BASE_URL: 'http://[::1]:1',
  })
  expect(stderr).toBe('')
  expect(stdout).toMatch(
    /^1\. Create the D1 database edge-kms if it is missing\.\n2\. Apply the migrations .*\n3\. Stop unless .*\n4\. Deploy the Worker, with /,
  )
  const [, raw, gzipped] =
    /^The bundle has ([\d.]+) KiB, gzipped ([\d.]+) KiB\. Nothing was deployed\.$/m.exec(stdout) ?? []
  expect(readFileSync(bundle, 'utf8')).not.toMatch(/LOCAL_(CLOCK_OFFSET_MS|AUTH|LOOPBACK_ONLY)/)
  expect(Number(raw)).toBeCloseTo(statSync(bundle).size / 1024, 1)
  expect(Number(gzipped)).toBeGreaterThan(10)
  expect(Number(gzipped)).toBeLessThanOrEqual(150)
  expect(code).toBe(0)
})

it.each([
  [{ ROOT_KEYS: '1:short' }, /^ROOT_KEYS is malformed: entry 1 /],
  [{ ROOT_KEYS: `1:${Buffer.alloc(32).toString('base64')}` }, /^Entry 1 of ROOT_KEYS is the example /],
  [{ ROOT_CREDENTIALS: '000000000000:test:test' }, /^ROOT_CREDENTIALS has an example /],
])('stops with a sentence, case %#', async (change, sentence) => {
  for (const args of [[], ['--dry-run']]) {
    const { stdout, stderr, code } = await deploy(args, { ...secrets, ...change })
    expect(stderr).toMatch(sentence)
    expect(stderr.trim()).not.toContain('\n')
    expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
  }
})

it('says that nobody is logged in', async () => {
  const { stdout, stderr, code } = await deploy([], secrets)
  expect(stderr).toMatch(/CLOUDFLARE_API_TOKEN.*`wrangler d1 list` failed/s)
  expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
})

const account = '/accounts/0123'
const databaseId = '11111111-1111-1111-1111-111111111111'

interface Script {
  readonly bindings: { readonly name: string; readonly type: string; readonly text?: string }[]
}

/**
 * As much of Cloudflare's API as wrangler asks here. workerd has none of it, and what counts is what wrangler sends, in
 * which order.
 */
async function fakeCloudflare() {
  const databases: { uuid: string; name: string }[] = []
  const scripts: Script[] = []
  const checkValues: { version: number; checkValue: string }[] = []
  const changes: string[] = []
  const migrations: { name: string }[] = []
  let upload = async () => {}
  const names = { uuid: databaseId, name: 'edge-kms' }

  function query(sql: string) {
    const [, migration] = /insert into "?d1_migrations.*values\s*\('([^']+)'/is.exec(sql) ?? []
    if (migration !== undefined) {
      changes.push(`migrate ${migration}`)
      migrations.push({ name: migration })
    }
    return sql.includes('from root_keys') ? checkValues : sql.startsWith('SELECT') ? migrations : []
  }

  async function answer({ method, url = '' }: IncomingMessage, body: string): Promise<unknown> {
    const path = url.replace(/\?.*/, '').replace(account, '')
    const isDeployed = scripts.length > 0
    switch (`${method} ${path}`) {
      case 'GET /d1/database':
        return databases
      case 'POST /d1/database':
        changes.push(`create ${JSON.parse(body).name}`)
        databases.push(names)
        return names
      case 'GET /d1/database/edge-kms':
      case `GET /d1/database/${databaseId}`:
        return databases[0]
      case `POST /d1/database/${databaseId}/query`:
        return [{ results: query(JSON.parse(body).sql), success: true, meta: { duration: 1 } }]
      case 'GET /workers/scripts/edge-kms/secrets':
        return isDeployed ? Object.keys(secrets).map((name) => ({ name, type: 'secret_text' })) : undefined
      case 'GET /workers/services/edge-kms':
        return isDeployed ? { default_environment: { environment: 'production', script: { tag: 't' } } } : undefined
      case 'GET /workers/scripts/edge-kms/settings':
        return scripts.at(-1)
      case 'GET /workers/scripts/edge-kms/deployments':
        return { deployments: [] }
      case 'GET /workers/scripts':
        return isDeployed ? [{ id: 'edge-kms', migration_tag: 'v1' }] : []
      case 'PUT /workers/scripts/edge-kms': {
        await upload()
        const [, metadata = ''] = /name="metadata"\r\n\r\n(.*)\r\n/.exec(body) ?? []
        changes.push('upload')
        scripts.push(JSON.parse(metadata))
        return { id: 'edge-kms', deployment_id: '2'.repeat(32), startup_time_ms: 5 }
      }
      case 'GET /workers/workers/edge-kms':
        return { id: 'edge-kms', subdomain: { enabled: true, previews_enabled: true } }
      case 'GET /workers/subdomain':
        return { subdomain: 'mine' }
      case 'POST /workers/scripts/edge-kms/subdomain':
        return { enabled: true }
      case 'PUT /workers/scripts/edge-kms/schedules':
        return {}
    }
    throw new Error(`wrangler asked for ${method} ${path}`)
  }

  const server = createServer(async (request, response) => {
    const notFound = { code: request.url?.includes('/workers/') ? 10007 : 7404, message: 'not found' }
    const [error, result] = await answer(request, await text(request)).then(
      (found) => [found === undefined ? notFound : null, found],
      (failure) => [{ code: 1, message: `${failure}` }, null],
    )
    response.writeHead(error === null ? 200 : 404, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify({ success: error === null, errors: error === null ? [] : [error], messages: [], result }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp.push(() => void server.close().closeAllConnections())
  return {
    env: {
      CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      CLOUDFLARE_API_TOKEN: 'token',
      CLOUDFLARE_ACCOUNT_ID: account.replace('/accounts/', ''),
    },
    scripts,
    checkValues,
    /** What was changed since the last time it was asked. */
    changes: () => changes.splice(0),
    /** Runs while wrangler waits for the answer to its upload. */
    onUpload(wait: () => Promise<void>) {
      upload = wait
    },
  }
}

it('creates, migrates and only then deploys, and does no more than is needed the second time', async () => {
  const cloud = await fakeCloudflare()
  const env = { ...cloud.env, ...secrets }
  const first = startDeploy([], env)
  let modes: number[] = []
  cloud.onUpload(async () => {
    modes = first.secretsFiles().map((file) => statSync(file).mode & 0o777)
  })
  expect(await first.done).toMatchObject({ code: 0, stderr: '' })
  expect(modes).toEqual([0o600])
  expect(cloud.changes()).toEqual(['create edge-kms', 'migrate 0000_start.sql', 'upload'])
  const bindings = cloud.scripts[0]?.bindings ?? []
  for (const [name, text] of Object.entries(secrets))
    expect(bindings).toContainEqual({ name, type: 'secret_text', text })
  expect(bindings).toContainEqual({ name: 'DB', type: 'd1', id: databaseId })

  expect(await deploy([], env)).toMatchObject({ code: 0 })
  expect(cloud.changes()).toEqual(['upload'])
  expect(await deploy([], cloud.env)).toMatchObject({ code: 0 })
  expect(cloud.changes()).toEqual(['upload'])
  const kept = cloud.scripts[2]?.bindings ?? []
  for (const name of Object.keys(secrets)) expect(kept).toContainEqual({ name, type: 'inherit' })
})

it('stops before the upload when the root keys are not those of the deployment', async () => {
  const cloud = await fakeCloudflare()
  cloud.checkValues.push({ version: 1, checkValue: '0011223344556677' })
  const { stderr, code } = await deploy([], { ...cloud.env, ...secrets })
  expect(stderr).toMatch(/^ROOT_KEYS has another version 1, which/)
  expect(code).toBe(1)
  expect(cloud.changes()).not.toContain('upload')
})

it('changes nothing while a secret is missing', async () => {
  const cloud = await fakeCloudflare()
  const { stderr, code } = await deploy([], { ...cloud.env, ROOT_KEYS: secrets.ROOT_KEYS })
  expect(stderr).toMatch(/^ROOT_CREDENTIALS is set neither in the environment nor on the Worker\. Set it: /)
  expect(code).toBe(1)
  expect(cloud.changes()).toEqual([])
})

it('removes the file with the secrets when it is interrupted', async () => {
  const cloud = await fakeCloudflare()
  const { child, done, secretsFiles } = startDeploy([], { ...cloud.env, ...secrets })
  cloud.onUpload(async () => {
    expect(secretsFiles().map(existsSync)).toEqual([true])
    child.kill()
    await done
  })
  const { stderr, code } = await done
  expect(stderr).toMatch(/`wrangler deploy` failed, and nothing after it was done/)
  expect(code).toBe(1)
})
