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
const toml = readFileSync(join(project, 'wrangler.toml'), 'utf8')
const named = (setting: string) => [
  ...new Set([...toml.matchAll(new RegExp(`^(?:${setting}) = "(.*)"$`, 'gm'))].map(([, name = '']) => name)),
]
const queueNames = named('queue|dead_letter_queue').sort()
const [bucketName = ''] = named('bucket_name')
const migrationNames = readdirSync(join(project, 'migrations')).filter((name) => name.endsWith('.sql'))
const lastClassTag = named('tag').at(-1)
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
  const sentences = stdout.split('\n').filter((line) => /^\d+\. /.test(line))
  expect(
    sentences
      .slice(1, 1 + queueNames.length)
      .map((line) => line.split(' ')[4])
      .sort(),
  ).toEqual(queueNames)
  expect(sentences.map((line) => line.replace(/^\d+\. /, ''))).toEqual([
    'Create the D1 database edge-kms if it is missing.',
    ...queueNames.map(() => expect.stringMatching(/^Create the queue [a-z-]+ if it is missing\.$/)),
    `Create the R2 bucket ${bucketName} if it is missing.`,
    expect.stringMatching(/^Apply the migrations /),
    expect.stringMatching(/^Stop unless /),
    expect.stringMatching(/^Deploy the Worker, with /),
  ])
  const [, raw, gzipped] =
    /^The bundle has ([\d.]+) KiB, gzipped ([\d.]+) KiB\. Nothing was deployed\.$/m.exec(stdout) ?? []
  expect(readFileSync(bundle, 'utf8')).not.toMatch(/LOCAL_(CLOCK_OFFSET_MS|AUTH|LOOPBACK_ONLY)/)
  expect(Number(raw)).toBeCloseTo(statSync(bundle).size / 1024, 1)
  expect(Number(gzipped)).toBeGreaterThan(10)
  expect(Number(gzipped)).toBeLessThanOrEqual(300)
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
const versionId = '22222222-2222-2222-2222-222222222222'

interface Script {
  readonly bindings: { readonly name: string; readonly type: string; readonly text?: string }[]
  readonly migrations?: { readonly new_tag: string }
}

interface Consumer {
  readonly dead_letter_queue?: string
  readonly script_name: string
  readonly settings: Record<string, number>
}

/** An answer of Cloudflare's that is not what was asked for. */
class Refusal extends Error {
  readonly code: number
  readonly status: number

  constructor(status: number, code: number, message: string) {
    super(message)
    this.code = code
    this.status = status
  }
}

/**
 * As much of Cloudflare's API as wrangler asks here. workerd has none of it, and what counts is what wrangler sends, in
 * which order. Codes and messages of refusals are Cloudflare's, as people who met them quote them.
 */
async function fakeCloudflare() {
  const databases: { uuid: string; name: string }[] = []
  const queues = new Map<string, Consumer | null>()
  const buckets: string[] = []
  const scripts: Script[] = []
  const checkValues: { version: number; checkValue: string; retiredAt: number | null }[] = []
  const changes: string[] = []
  const migrations: { name: string }[] = []
  const fate = {
    upload: async () => {},
    /** Called with what wrangler asks for. */
    refuse: (_request: string): Refusal | undefined => undefined,
    /** Where the account has so much that its first page lists nothing of ours. */
    hasMorePages: false,
  }
  const names = { uuid: databaseId, name: 'edge-kms' }
  let subdomain = { enabled: false, previews_enabled: false }
  const date = '2026-11-02T00:00:00Z'

  function query(sql: string) {
    const [, migration] = /insert into "?d1_migrations.*values\s*\('([^']+)'/is.exec(sql) ?? []
    if (migration !== undefined) {
      changes.push(`migrate ${migration}`)
      migrations.push({ name: migration })
    }
    if (sql.includes('from root_keys')) changes.push('compare')
    return sql.includes('from root_keys') ? checkValues : sql.startsWith('SELECT') ? migrations : []
  }

  function queueOf(name: string) {
    const consumer = queues.get(name)
    const consumers = consumer
      ? [{ consumer_id: `${name}-consumer`, type: 'worker', script: consumer.script_name }]
      : []
    return {
      queue_id: `${name}-id`,
      queue_name: name,
      created_on: date,
      modified_on: date,
      producers_total_count: 0,
      producers: [],
      consumers_total_count: consumers.length,
      consumers,
    }
  }

  function create(has: boolean, refusal: Refusal, change: string, add: () => unknown) {
    if (has) throw refusal
    changes.push(change)
    add()
    return {}
  }

  function consume(queueId: string, body: string) {
    const queue = queueId.replace(/-id$/, '')
    const consumer: Consumer = JSON.parse(body)
    if (!queues.has(queue)) throw new Refusal(404, 11000, `Queue '${queueId}' not found.`)
    changes.push(`consume ${queue}`)
    queues.set(queue, consumer)
    return {}
  }

  async function upload(body: string) {
    await fate.upload()
    const [, metadata = ''] = /name="metadata"\r\n\r\n(.*)\r\n/.exec(body) ?? []
    changes.push('upload')
    scripts.push(JSON.parse(metadata))
  }

  async function answer({ method, url = '' }: IncomingMessage, body: string): Promise<unknown> {
    const { pathname, searchParams } = new URL(url, 'http://cloudflare')
    const path = pathname.replace(account, '')
    const script = scripts.at(-1)
    const tag = scripts.findLast(({ migrations }) => migrations !== undefined)?.migrations?.new_tag
    const refusal = fate.refuse(`${method} ${path}`)
    if (refusal !== undefined) throw refusal
    const [, consumedId] = /^\/queues\/([^/]+)\/consumers/.exec(path) ?? []
    if (consumedId !== undefined && method === 'GET') return queueOf(consumedId.replace(/-id$/, '')).consumers
    if (consumedId !== undefined) return consume(consumedId, body)
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
      case 'GET /queues': {
        const wanted = searchParams.getAll('name')
        if (wanted.length === 0 && fate.hasMorePages) return [queueOf('another')]
        return [...queues.keys()].filter((name) => wanted.length === 0 || wanted.includes(name)).map(queueOf)
      }
      case 'POST /queues': {
        const { queue_name: name } = JSON.parse(body)
        const taken = `Queue name '${name}' is already taken. Please use a different name and try again.`
        return create(queues.has(name), new Refusal(409, 11009, taken), `create ${name}`, () => queues.set(name, null))
      }
      case 'GET /r2/buckets':
        return { buckets: fate.hasMorePages ? [] : buckets.map((name) => ({ name, creation_date: date })) }
      case `GET /r2/buckets/${bucketName}`:
        if (!buckets.includes(bucketName)) throw new Refusal(404, 10006, 'The specified bucket does not exist.')
        return { name: bucketName, creation_date: date }
      case 'POST /r2/buckets': {
        const { name } = JSON.parse(body)
        const taken = 'The bucket you tried to create already exists, and you own it.'
        return create(buckets.includes(name), new Refusal(409, 10004, taken), `create ${name}`, () =>
          buckets.push(name),
        )
      }
      case 'GET /workers/scripts/edge-kms/secrets':
        return script && Object.keys(secrets).map((name) => ({ name, type: 'secret_text' }))
      case 'GET /workers/services/edge-kms':
        return (
          script && { default_environment: { environment: 'production', script: { tag: 't', migration_tag: tag } } }
        )
      case 'GET /workers/scripts/edge-kms/settings':
        return script
      case 'GET /workers/scripts/edge-kms/deployments':
        return { deployments: [] }
      case 'PUT /workers/scripts/edge-kms':
        await upload(body)
        return { id: 'edge-kms', deployment_id: versionId.replaceAll('-', ''), startup_time_ms: 5 }
      // In its place where no class is new.
      case 'POST /workers/scripts/edge-kms/versions':
        await upload(body)
        return { id: versionId, resources: { script: { etag: 'etag' } }, startup_time_ms: 5 }
      case 'POST /workers/scripts/edge-kms/deployments':
        expect(JSON.parse(body).versions).toEqual([{ version_id: versionId, percentage: 100 }])
        changes.push('switch')
        return { id: versionId }
      case 'PATCH /workers/scripts/edge-kms/script-settings':
        return {}
      case 'GET /workers/workers/edge-kms':
        return { id: 'edge-kms', subdomain }
      case 'GET /workers/subdomain':
        return { subdomain: 'mine' }
      case 'POST /workers/scripts/edge-kms/subdomain':
        subdomain = { ...subdomain, ...JSON.parse(body) }
        return subdomain
      case 'PUT /workers/scripts/edge-kms/schedules':
        changes.push('schedule')
        return {}
    }
    throw new Refusal(400, 1, `wrangler asked for ${method} ${path}`)
  }

  const server = createServer(async (request, response) => {
    const notFound = new Refusal(404, request.url?.includes('/workers/') ? 10007 : 7404, 'not found')
    const { error, result } = await answer(request, await text(request)).then(
      (found) => ({ error: found === undefined ? notFound : null, result: found }),
      (failure) => ({ error: failure instanceof Refusal ? failure : new Refusal(500, 1, `${failure}`), result: null }),
    )
    response.writeHead(error?.status ?? 200, { 'content-type': 'application/json' })
    const errors = error === null ? [] : [{ code: error.code, message: error.message }]
    response.end(JSON.stringify({ success: error === null, errors, messages: [], result }))
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
    queues,
    checkValues,
    /** As a release of before there were queues left it. */
    deployFirstRelease() {
      databases.push(names)
      migrations.push({ name: migrationNames[0] ?? '' })
      scripts.push({ bindings: [], migrations: { new_tag: 'v1' } })
    },
    /** As a first deploy leaves it that stops before the upload. */
    createAll() {
      databases.push(names)
      for (const name of queueNames) queues.set(name, null)
      buckets.push(bucketName)
      migrations.push(...migrationNames.map((name) => ({ name })))
    },
    fate,
    /** What was changed since the last time it was asked, and when ROOT_KEYS were compared. */
    changes: () => changes.splice(0),
  }
}

const createQueues = queueNames.map((name) => `create ${name}`)
const createBucket = `create ${bucketName}`
const migrate = migrationNames.map((name) => [`migrate ${name}`])
/** Consumers and schedules are set side by side. */
const triggers = [
  ...queueNames
    .filter((name) => toml.includes(`[[queues.consumers]]\nqueue = "${name}"`))
    .map((name) => `consume ${name}`),
  'schedule',
]

/** One after the other, each in any order within. */
function expectPhases(done: readonly string[], phases: readonly (readonly string[])[]): void {
  let at = 0
  for (const phase of phases) {
    expect(done.slice(at, at + phase.length).toSorted()).toEqual(phase.toSorted())
    at += phase.length
  }
  expect(done.slice(at)).toEqual([])
}

it('creates, migrates and only then deploys, and does no more than is needed the second time', async () => {
  const cloud = await fakeCloudflare()
  const env = { ...cloud.env, ...secrets }
  const first = startDeploy([], env)
  let modes: number[] = []
  cloud.fate.upload = async () => {
    modes = first.secretsFiles().map((file) => statSync(file).mode & 0o777)
  }
  expect(await first.done).toMatchObject({ code: 0, stderr: '' })
  expect(modes).toEqual([0o600])
  const before = [['create edge-kms'], createQueues, [createBucket], ...migrate]
  expectPhases(cloud.changes(), [...before, ['compare'], ['upload'], triggers])
  const { bindings, migrations } = cloud.scripts[0] ?? { bindings: [] }
  for (const [name, text] of Object.entries(secrets))
    expect(bindings).toContainEqual({ name, type: 'secret_text', text })
  expect(bindings).toContainEqual({ name: 'DB', type: 'd1', id: databaseId })
  expect(bindings).toContainEqual({ name: 'ARCHIVE', type: 'r2_bucket', bucket_name: bucketName })
  expect(migrations?.new_tag).toBe(lastClassTag)
  for (const [queue, consumer] of cloud.queues) {
    expect(consumer?.dead_letter_queue).toBe(queueNames.find((name) => name === `${queue}-dead`))
  }

  expect(await deploy([], env)).toMatchObject({ code: 0, stderr: '' })
  expectPhases(cloud.changes(), [['compare'], ['upload'], ['switch'], triggers])
}, 240_000)

it('goes on where an upgrade stopped', async () => {
  const cloud = await fakeCloudflare()
  cloud.deployFirstRelease()
  let asked = 0
  cloud.fate.refuse = (request) =>
    request === 'POST /queues' && ++asked === 3 ? new Refusal(500, 10001, 'An internal error occurred.') : undefined
  const early = await deploy([], cloud.env)
  expect(early.stderr).toMatch(
    /An internal error occurred\.(?:.|\n)*\nStep 3, `wrangler queues create [a-z-]+`, failed, and nothing after it was done\. The deploy can be run again\.\n$/,
  )
  expect(early.code).toBe(1)
  const created = cloud.changes()
  expect(created).toHaveLength(2)

  cloud.fate.refuse = (request) =>
    /^POST \/queues\/.*\/consumers$/.test(request) ? new Refusal(503, 10043, 'Unavailable.') : undefined
  const late = await deploy([], cloud.env)
  expect(late.stderr).toMatch(/Unavailable(?:.|\n)*\nStep 6, `wrangler deploy`, failed/)
  expect(late.code).toBe(1)
  const rest = createQueues.filter((change) => !created.includes(change))
  expectPhases(cloud.changes(), [rest, [createBucket], ...migrate.slice(1), ['upload'], ['schedule']])
  expect(cloud.scripts.at(-1)?.migrations).toMatchObject({ old_tag: 'v1', new_tag: lastClassTag })

  cloud.fate.refuse = () => undefined
  expect(await deploy([], cloud.env)).toMatchObject({ code: 0, stderr: '' })
  expectPhases(cloud.changes(), [['upload'], ['switch'], triggers])
  const kept = cloud.scripts.at(-1)?.bindings ?? []
  for (const name of Object.keys(secrets)) expect(kept).toContainEqual({ name, type: 'inherit' })
}, 240_000)

it('takes what is there but not listed for done', async () => {
  const cloud = await fakeCloudflare()
  cloud.createAll()
  cloud.fate.hasMorePages = true
  cloud.fate.refuse = (request) =>
    request.endsWith('/query') ? new Refusal(500, 7500, 'An internal error occurred.') : undefined
  const { stderr } = await deploy([], { ...cloud.env, ...secrets })
  expect(stderr).toMatch(
    new RegExp(`^Step ${createQueues.length + 2}, \`wrangler d1 migrations apply edge-kms\`, failed`, 'm'),
  )
  expect(cloud.changes()).toEqual([])
})

it.each([
  [
    new Refusal(403, 10042, 'Please enable R2 through the Cloudflare Dashboard.'),
    / \[code: 10042\](?:.|\n)*\nR2 has to be enabled on the account by hand, once: .* `wrangler r2 bucket list` failed/,
  ],
  [
    new Refusal(403, 10000, 'Authentication error'),
    / \[code: 10000\](?:.|\n)*\nThe token may lack a permission: .* `wrangler r2 bucket list` failed/,
  ],
])('changes nothing where R2 may not be used, case %#', async (refusal, sentence) => {
  const cloud = await fakeCloudflare()
  cloud.fate.refuse = (request) => (request.includes('/r2/') ? refusal : undefined)
  const { stderr, code } = await deploy([], { ...cloud.env, ...secrets })
  expect(stderr).toMatch(sentence)
  expect(code).toBe(1)
  expect(cloud.changes()).toEqual([])
})

it('stops before the upload when the root keys are not those of the deployment', async () => {
  const cloud = await fakeCloudflare()
  cloud.createAll()
  cloud.checkValues.push({ version: 1, checkValue: '0011223344556677', retiredAt: null })
  const { stderr, code } = await deploy([], { ...cloud.env, ...secrets })
  expect(stderr).toMatch(/^ROOT_KEYS has another version 1, which/)
  expect(code).toBe(1)
  expect(cloud.changes()).toEqual(['compare'])
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
  cloud.createAll()
  const { child, done, secretsFiles } = startDeploy([], { ...cloud.env, ...secrets })
  cloud.fate.upload = async () => {
    expect(secretsFiles().map(existsSync)).toEqual([true])
    child.kill()
    await done
  }
  const { stderr, code } = await done
  expect(stderr).toMatch(/Step \d+, `wrangler deploy`, failed, and nothing after it was done/)
  expect(code).toBe(1)
})
