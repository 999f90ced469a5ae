import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { readArgs, Stop } from '../local/options.ts'
import { adviceOn, type Cloud, type Names, plan, type Secrets } from './plan.ts'

const project = join(import.meta.dirname, '../..')
const cli = fileURLToPath(import.meta.resolve('wrangler'))
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const usage = `npm run deploy -- [options]
  --dry-run       prints the plan and builds the Worker; asks Cloudflare nothing
  --help          this text

It takes ROOT_KEYS and ROOT_CREDENTIALS from the environment, where they are not on the Worker already (.dev.vars.example
explains them), and the account from \`npx wrangler login\` or CLOUDFLARE_API_TOKEN. See docs/deploy.md.`

try {
  const taken = { 'dry-run': { type: 'boolean' }, help: { type: 'boolean' } } as const
  const { values: options } = readArgs({ options: taken }, usage)
  if (options.help) console.log(usage)
  else if (options['dry-run']) await dryRun()
  else await deploy()
} catch (failure) {
  if (!(failure instanceof Stop)) throw failure
  console.error(failure.message)
  process.exitCode = 1
}

async function dryRun(): Promise<void> {
  const steps = plan({ names: await readNames(), secrets: environmentSecrets(), cloud: null })
  console.log(steps.map(({ sentence }, at) => `${at + 1}. ${sentence}`).join('\n'))
  await wrangler(['deploy', '--dry-run', '--outdir', 'dist/deploy'], { capture: true })
  const bundle = readFileSync(join(project, 'dist/deploy/worker.js'))
  const [raw, gzipped] = [bundle, gzipSync(bundle)].map(({ length }) => `${(length / 1024).toFixed(1)} KiB`)
  console.log(`The bundle has ${raw}, gzipped ${gzipped}. Nothing was deployed.`)
}

async function deploy(): Promise<void> {
  const [names, secrets] = [await readNames(), environmentSecrets()]
  // What is wrong with the environment is said before anything is asked.
  plan({ names, secrets, cloud: null })
  const steps = plan({ names, secrets, cloud: await askCloudflare() })
  for (const [at, { sentence, args, already, secretsFile, check }] of steps.entries()) {
    const step = at + 1
    console.log(`${step}. ${sentence}`)
    if (secretsFile !== undefined)
      await withSecretsFile(secretsFile, (flags) => wrangler([...args, ...flags], { step }))
    else if (check !== undefined) check(await wrangler(args, { step, capture: true }))
    // Not shown: what it prints advises to edit wrangler.toml.
    else if (already !== undefined) await wrangler(args, { step, capture: true, expected: already })
    else await wrangler(args, { step })
  }
}

/** As much of wrangler.toml as is created. */
interface Config {
  readonly d1_databases: readonly { readonly database_name: string }[]
  readonly r2_buckets: readonly { readonly bucket_name: string }[]
  readonly queues: {
    readonly producers?: readonly Queue[]
    readonly consumers?: readonly Queue[]
  }
}

interface Queue {
  readonly queue: string
  readonly dead_letter_queue?: string
}

async function readNames(): Promise<Names> {
  // Only here, because it takes a second.
  const { unstable_readConfig } = await import('wrangler')
  const read: Config = unstable_readConfig({ config: join(project, 'wrangler.toml') }, { hideWarnings: true })
  const [database] = read.d1_databases
  if (database === undefined) throw new Stop('wrangler.toml names no D1 database.')
  const { producers = [], consumers = [] } = read.queues
  const queues = [...producers, ...consumers].flatMap(({ queue, dead_letter_queue = queue }) => [
    queue,
    dead_letter_queue,
  ])
  return {
    database: database.database_name,
    queues: [...new Set(queues)],
    buckets: read.r2_buckets.map(({ bucket_name }) => bucket_name),
  }
}

function environmentSecrets(): Secrets {
  const { ROOT_KEYS = '', ROOT_CREDENTIALS = '' } = process.env
  return { ROOT_KEYS, ROOT_CREDENTIALS }
}

async function askCloudflare(): Promise<Cloud> {
  const capture = true
  const databases = await wrangler(['d1', 'list', '--json'], { capture })
  // Before the first deploy.
  const expected = /Worker "[^"]*" not found/
  const secrets = await wrangler(['secret', 'list', '--format', 'json'], { capture, expected })
  const queues = await wrangler(['queues', 'list'], { capture })
  const buckets = await wrangler(['r2', 'bucket', 'list'], { capture })
  return {
    databases: namesIn(databases),
    queues: wordsIn(queues),
    buckets: wordsIn(buckets),
    secretNames: namesIn(secrets === '' ? '[]' : secrets),
  }
}

function namesIn(json: string): string[] {
  return (JSON.parse(json) as { name: string }[]).map(({ name }) => name)
}

/** Of a list that wrangler prints for people only. A name that is missed here is found to be there by its creation. */
function wordsIn(table: string): string[] {
  return table.split(/[\s│:]+/)
}

async function withSecretsFile(secrets: Secrets, use: (flags: string[]) => Promise<unknown>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-kms-deploy-'))
  try {
    const file = join(folder, 'secrets.json')
    writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 })
    await use(['--secrets-file', file])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Running {
  /** Its number in the plan. */
  readonly step?: number
  readonly capture?: boolean
  /** A failure that is an answer, too. */
  readonly expected?: RegExp
}

/**
 * What wrangler printed where that is captured; empty where it failed as expected. It gets no terminal, because the
 * deploy would go on after a "no" to its question about migrations, and not through its `bin`, which exits with 0 when
 * it is killed.
 */
async function wrangler(args: readonly string[], { step, capture = false, expected }: Running = {}): Promise<string> {
  const { ROOT_KEYS: _, ROOT_CREDENTIALS: __, ...env } = process.env
  const output = capture ? 'pipe' : 'inherit'
  const child = spawn(process.execPath, ['--no-warnings', cli, ...args], {
    cwd: project,
    env: { ...env, WRANGLER_SEND_METRICS: 'false' },
    stdio: ['ignore', output, output],
  })
  let isInterrupted = false
  const interrupt = () => {
    isInterrupted = child.kill()
  }
  for (const signal of signals) process.on(signal, interrupt)
  const [code, printed, complaint] = await Promise.all([
    new Promise((resolve) => child.once('close', resolve)),
    child.stdout === null ? '' : text(child.stdout),
    child.stderr === null ? '' : text(child.stderr),
  ])
  for (const signal of signals) process.off(signal, interrupt)
  if (code === 0 && !isInterrupted) return printed
  if (expected?.test(complaint)) return ''
  const command = `\`wrangler ${args.join(' ').split(' -')[0]}\``
  const what = step === undefined ? command : `Step ${step}, ${command},`
  const sentences = [adviceOn(args, complaint), `${what} failed, and nothing after it was done.`]
  throw new Stop(`${printed}${complaint}${sentences.join(' ').trim()} The deploy can be run again.`)
}
