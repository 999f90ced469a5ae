import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { Stop } from '../local/options.ts'
import { type Facts, plan, type Secrets } from './plan.ts'

const project = join(import.meta.dirname, '../..')
const cli = fileURLToPath(import.meta.resolve('wrangler'))
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const usage = `npm run deploy -- [options]
  --dry-run       prints the plan and builds the Worker; asks Cloudflare nothing
  --help          this text

It takes ROOT_KEYS and ROOT_CREDENTIALS from the environment, where they are not on the Worker already (.dev.vars.example
explains them), and the account from \`npx wrangler login\` or CLOUDFLARE_API_TOKEN. See docs/deploy.md.`

try {
  const options = readOptions()
  if (options.help) console.log(usage)
  else if (options['dry-run']) await dryRun()
  else await deploy()
} catch (failure) {
  if (!(failure instanceof Stop)) throw failure
  console.error(failure.message)
  process.exitCode = 1
}

function readOptions() {
  try {
    const options = { 'dry-run': { type: 'boolean' }, help: { type: 'boolean' } } as const
    return parseArgs({ options }).values
  } catch (failure) {
    throw new Stop(`${(failure as Error).message.split('\n')[0]}\n${usage}`)
  }
}

async function dryRun(): Promise<void> {
  const steps = plan({ secrets: environmentSecrets(), cloud: null })
  console.log(steps.map(({ sentence }, at) => `${at + 1}. ${sentence}`).join('\n'))
  await wrangler(['deploy', '--dry-run', '--outdir', 'dist/deploy'], { capture: true })
  const bundle = readFileSync(join(project, 'dist/deploy/worker.js'))
  const [raw, gzipped] = [bundle, gzipSync(bundle)].map(({ length }) => `${(length / 1024).toFixed(1)} KiB`)
  console.log(`The bundle has ${raw}, gzipped ${gzipped}. Nothing was deployed.`)
}

async function deploy(): Promise<void> {
  const secrets = environmentSecrets()
  // What is wrong with the environment is said before anything is asked.
  plan({ secrets, cloud: null })
  const steps = plan({ secrets, cloud: await askCloudflare() })
  for (const [at, { sentence, args, secretsFile, check }] of steps.entries()) {
    console.log(`${at + 1}. ${sentence}`)
    if (secretsFile !== undefined) await withSecretsFile(secretsFile, (flags) => wrangler([...args, ...flags]))
    else if (check !== undefined) check(await wrangler(args, { capture: true }))
    else await wrangler(args)
  }
}

function environmentSecrets(): Secrets {
  const { ROOT_KEYS = '', ROOT_CREDENTIALS = '' } = process.env
  return { ROOT_KEYS, ROOT_CREDENTIALS }
}

async function askCloudflare(): Promise<Facts['cloud']> {
  const databases = await wrangler(['d1', 'list', '--json'], { capture: true })
  const secrets = await wrangler(['secret', 'list', '--format', 'json'], {
    capture: true,
    // Before the first deploy.
    expected: /Worker "[^"]*" not found/,
  })
  return { databases: namesIn(databases), secretNames: namesIn(secrets === '' ? '[]' : secrets) }
}

function namesIn(json: string): string[] {
  return (JSON.parse(json) as { name: string }[]).map(({ name }) => name)
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
  readonly capture?: boolean
  /** A failure that is an answer, too. */
  readonly expected?: RegExp
}

/**
 * What wrangler printed where that is captured; empty where it failed as expected. It gets no terminal, because the
 * deploy would go on after a "no" to its question about migrations, and not through its `bin`, which exits with 0 when
 * it is killed.
 */
async function wrangler(args: readonly string[], { capture = false, expected }: Running = {}): Promise<string> {
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
  const command = `wrangler ${args.join(' ').split(' -')[0]}`
  throw new Stop(
    `${printed}${complaint}\`${command}\` failed, and nothing after it was done. The deploy can be run again.`,
  )
}
