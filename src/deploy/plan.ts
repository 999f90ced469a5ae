import { hkdfSync } from 'node:crypto'
import { Stop } from '../local/options.ts'
import { lengthPrefixed, utf8 } from '../model/bytes.ts'
import { parseRootCredentials, parseRootKeys } from '../model/settings.ts'

const secretNames = ['ROOT_KEYS', 'ROOT_CREDENTIALS'] as const
const howToSet = {
  ROOT_KEYS: `export ROOT_KEYS="1:$(head -c 32 /dev/urandom | base64)", and keep a copy: without it every key is lost`,
  ROOT_CREDENTIALS: 'export ROOT_CREDENTIALS="ACCOUNT:ACCESS_KEY_ID:SECRET_ACCESS_KEY", the account being 12 digits',
}

export type Secrets = Partial<Record<(typeof secretNames)[number], string>>

/** What wrangler.toml names: wrangler finds each by its name, so that no id is kept anywhere. */
export interface Names {
  readonly database: string
  /** Dead-letter queues, too. */
  readonly queues: readonly string[]
  readonly buckets: readonly string[]
}

export interface Facts {
  readonly names: Names
  /** What the environment has. An empty string is nothing. */
  readonly secrets: Secrets
  /** Null: Cloudflare was not asked. */
  readonly cloud: Cloud | null
}

/** What is there. Of queues and buckets wrangler lists one page: there may be more. */
export interface Cloud {
  readonly databases: readonly string[]
  readonly queues: readonly string[]
  readonly buckets: readonly string[]
  readonly secretNames: readonly string[]
}

/** One call of wrangler. */
export interface Step {
  readonly sentence: string
  readonly args: readonly string[]
  /** What Cloudflare says where it was done before. */
  readonly already?: RegExp
  /** What its `--secrets-file` is to hold. */
  readonly secretsFile?: Secrets
  /** Reads what wrangler printed, and throws `Stop` where the deploy must not go on. */
  readonly check?: (output: string) => void
}

/** The steps of a deploy, each harmless when repeated. Throws `Stop` with a sentence, which never repeats a value. */
export function plan({ names, secrets, cloud }: Facts): Step[] {
  const given = secretNames.filter((name) => isSet(secrets[name]))
  const missing = secretNames.find((name) => !given.includes(name) && cloud?.secretNames.includes(name) === false)
  if (missing !== undefined) {
    throw new Stop(`${missing} is set neither in the environment nor on the Worker. Set it: ${howToSet[missing]}.`)
  }
  const rootKeys = isSet(secrets.ROOT_KEYS) ? readRootKeys(secrets.ROOT_KEYS) : null
  if (isSet(secrets.ROOT_CREDENTIALS)) refuseWeakCredentials(secrets.ROOT_CREDENTIALS)

  const { database } = names
  const steps = creations(names, cloud)
  steps.push({
    sentence: 'Apply the migrations that the database does not have yet.',
    args: ['d1', 'migrations', 'apply', database, '--remote'],
  })
  if (rootKeys !== null) {
    const query = 'select version, check_value as checkValue, retired_at as retiredAt from root_keys'
    steps.push({
      sentence: 'Stop unless ROOT_KEYS has what the keys of this deployment are sealed with.',
      args: ['d1', 'execute', database, '--remote', '--json', '--command', query],
      check: (output) => refuseForeignRootKeys(rootKeys, output),
    })
  }
  const otherwise = cloud === null ? 'as the Worker must have it already' : 'as the Worker has it'
  const sources = secretNames.map((name) => `${name} ${given.includes(name) ? 'from the environment' : otherwise}`)
  steps.push({
    sentence: `Deploy the Worker, with ${sources.join(' and ')}.`,
    args: ['deploy'],
    ...(given.length > 0 && { secretsFile: Object.fromEntries(given.map((name) => [name, secrets[name]])) }),
  })
  return steps
}

/** What the Worker's bindings and consumers need before it is uploaded. */
function creations({ database, queues, buckets }: Names, cloud: Cloud | null): Step[] {
  const create = (kind: string, name: string) => ({
    sentence: `Create the ${kind} ${name}${cloud === null ? ' if it is missing' : ''}.`,
  })
  const isMissing = (kind: 'queues' | 'buckets') => (name: string) => !cloud?.[kind].includes(name)
  return [
    ...(cloud?.databases.includes(database)
      ? []
      : [{ ...create('D1 database', database), args: ['d1', 'create', database] }]),
    ...queues.filter(isMissing('queues')).map((name) => ({
      ...create('queue', name),
      args: ['queues', 'create', name],
      already: /\[code: 11009\]/,
    })),
    ...buckets.filter(isMissing('buckets')).map((name) => ({
      ...create('R2 bucket', name),
      args: ['r2', 'bucket', 'create', name],
      // The first is what R2 answers, the second what its documentation has.
      already: /\[code: (10004|10073)\]/,
    })),
  ]
}

/** What to do about a failure of wrangler, where more can be said than Cloudflare does; else nothing. */
export function adviceOn(args: readonly string[], complaint: string): string {
  if (args[0] === 'r2' && complaint.includes('[code: 10042]')) {
    return 'R2 has to be enabled on the account by hand, once: open R2 in the dashboard and subscribe (docs/deploy.md).'
  }
  if (complaint.includes('[code: 10000]')) return 'The token may lack a permission: docs/deploy.md has those it needs.'
  return ''
}

function isSet(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== ''
}

/** By version. By the Worker's own rules, but for the example, which it cannot tell from another key. */
function readRootKeys(text: string): ReadonlyMap<number, Buffer> {
  const keys = parseRootKeys(text, decodeBase64)
  if (typeof keys === 'string') throw new Stop(keys)
  for (const [at, bytes] of [...keys.values()].entries()) {
    if (bytes.some((byte) => byte !== 0)) continue
    throw new Stop(`Entry ${at + 1} of ROOT_KEYS is the example of .dev.vars.example. Set it: ${howToSet.ROOT_KEYS}.`)
  }
  return keys
}

/** Strict, as the Worker's is: null for what does not come back as it was. */
function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

function refuseWeakCredentials(text: string): void {
  const credentials = parseRootCredentials(text)
  if (typeof credentials === 'string') throw new Stop(credentials)
  for (const [accessKeyId, { secretAccessKey }] of credentials) {
    if (accessKeyId === 'AKIDEXAMPLE' || secretAccessKey.startsWith('replace-me') || secretAccessKey === 'test') {
      throw new Stop(
        `ROOT_CREDENTIALS has an example that anybody can read here. Set it: ${howToSet.ROOT_CREDENTIALS}.`,
      )
    }
  }
}

/**
 * Reads the check values that src/catalog/root-keys.ts keeps in D1. Stricter than the Worker: a version that is left out
 * here is overwritten on the Worker, and with it goes what it sealed.
 */
function refuseForeignRootKeys(rootKeys: ReadonlyMap<number, Buffer>, output: string): void {
  const [answer] = JSON.parse(output) as [{ results: StoredRootKey[] }]
  const current = Math.max(...rootKeys.keys())
  for (const { version, checkValue, retiredAt } of answer.results) {
    const rootKey = rootKeys.get(version)
    // Nothing needs a retired one, and its number is not used again.
    if (retiredAt !== null && rootKey === undefined) continue
    if (retiredAt !== null && version === current) {
      throw new Stop(
        `Version ${version} of ROOT_KEYS was retired and seals nothing any more. Add the one that is in use.`,
      )
    }
    if (rootKey !== undefined && checkValueOf(rootKey) === checkValue) continue
    throw new Stop(
      `ROOT_KEYS ${rootKey === undefined ? 'lacks' : 'has another'} version ${version}, which this deployment's keys may be sealed with. Set it to the value it had, or unset ROOT_KEYS: what is on the Worker stays.`,
    )
  }
}

interface StoredRootKey {
  readonly version: number
  readonly checkValue: string
  /** Null: it may have to open something. */
  readonly retiredAt: number | null
}

function checkValueOf(rootKey: Buffer): string {
  const info = lengthPrefixed([utf8('edge-kms/root-check')])
  return Buffer.from(hkdfSync('sha512', rootKey, '', info, 8)).toString('hex')
}
