import { AwsClient } from 'aws4fetch'
import { type Kms, KmsError } from '../sdk/index.ts'
import { kmsOf, type Target } from './target.ts'

export interface Finding {
  readonly check: string
  readonly isOk: boolean
  readonly detail: string
  /** What to do; null: nothing. */
  readonly remedy: string | null
}

type Check = () => Promise<Finding[]>

/** Asks one thing after the other, and ends where nothing further can be told. */
export async function examine(target: Target, keys: readonly string[]): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const kms = kmsOf(target)
  const checks: Check[] = [
    () => endpoint(target),
    () => health(target),
    () => caller(target, kms),
    ...keys.map((key) => () => use(key, kms)),
  ]
  for (const check of checks) {
    const found = await check()
    findings.push(...found)
    if (found.some(({ isOk }) => !isOk)) break
  }
  return findings
}

async function endpoint({ endpoint }: Target): Promise<Finding[]> {
  try {
    const response = await fetch(`${endpoint}/health/live`)
    const isOurs = response.ok && (await response.text()).includes('"live":true')
    if (isOurs) return [ok('endpoint', `edge-kms answers at ${endpoint}`)]
    return [ok('endpoint', `${endpoint} answers, and is no edge-kms: AWS KMS, or another`)]
  } catch (failure) {
    const reason = ((failure as Error).cause as Error | undefined)?.message || (failure as Error).message
    const remedy = /\/\/(127\.|localhost|\[::1\])/.test(endpoint)
      ? 'Start it: npx edge-kms dev. Or name another --endpoint.'
      : 'Check the URL (--endpoint, AWS_ENDPOINT_URL_KMS), that it is deployed, and the network.'
    return [wrong('endpoint', `${endpoint} does not answer: ${reason}`, remedy)]
  }
}

/** What a flag of health that is not as it should be is about, and what to do. */
const flags = [
  [
    'rootKey',
    true,
    'root key',
    'The root keys cannot be told to be this deployment’s: set ROOT_KEYS to what it was first deployed with (docs/deploy.md).',
  ],
  ['database', true, 'database', 'D1 does not answer: is it bound and migrated (npm run deploy)? Else wait.'],
  ['objects', true, 'objects', 'Durable Objects do not answer: look at the Worker’s logs, and Cloudflare’s status.'],
  ['rolledBack', false, 'restores', 'A key is older than the index says: docs/restore.md tells what to do.'],
] as const

async function health({ endpoint }: Target): Promise<Finding[]> {
  const response = await fetch(`${endpoint}/health/ready`).catch(() => null)
  const readiness = (await response?.json().catch(() => null)) as Readonly<Record<string, unknown>> | null | undefined
  if (typeof readiness?.ready !== 'boolean') return []
  return flags.flatMap(([flag, wanted, check, remedy]) => {
    if (!(flag in readiness)) return []
    return readiness[flag] === wanted ? [ok(check, 'as it should be')] : [wrong(check, `${flag}: ${!wanted}`, remedy)]
  })
}

/** Who signs: the clock, the secret and the session are found out on the way. */
async function caller({ endpoint, region, credentials }: Target, kms: Kms): Promise<Finding[]> {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  try {
    await kms.listKeys({ Limit: 1 })
  } catch (failure) {
    if (!(failure instanceof KmsError)) throw failure
    if (failure.remedy?.includes('clock')) return [wrong('clock', failure.message, failure.remedy)]
    if (failure.name !== 'AccessDeniedException') return [failed('credentials', failure)]
  }
  const session = sessionToken === undefined ? {} : { sessionToken }
  const sts = new AwsClient({ accessKeyId, secretAccessKey, ...session, service: 'sts', region, retries: 0 })
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const body = 'Action=GetCallerIdentity&Version=2011-06-15'
  const response = await sts.fetch(endpoint, { method: 'POST', headers, body }).catch(() => null)
  const [, arn] = /<Arn>([^<]+)<\/Arn>/.exec((await response?.text()) ?? '') ?? []
  return [ok('clock', 'within five minutes of the server’s'), ok('credentials', arn ?? `${accessKeyId} is known`)]
}

/** Dry runs: nothing is encrypted, and nothing is on the key's bill but the asking. */
async function use(KeyId: string, kms: Kms): Promise<Finding[]> {
  const dryRun = { KeyId, DryRun: true }
  const asks: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['DescribeKey', () => kms.describeKey({ KeyId })],
    ['GenerateDataKey', () => kms.generateDataKey({ ...dryRun, NumberOfBytes: 32 })],
    ['Encrypt', () => kms.encrypt({ ...dryRun, Plaintext: new Uint8Array(1) })],
    ['Decrypt', () => kms.decrypt({ ...dryRun, DryRunModifiers: ['IGNORE_CIPHERTEXT'] })],
  ]
  const findings: Finding[] = []
  for (const [operation, ask] of asks) {
    const check = `${KeyId} ${operation}`
    try {
      await ask()
      findings.push(ok(check, 'allowed'))
    } catch (failure) {
      if (!(failure instanceof KmsError)) throw failure
      const isAllowed = failure.name === 'DryRunOperationException'
      findings.push(isAllowed ? ok(check, 'allowed') : failed(check, failure))
      if (failure.name === 'NotFoundException') break
    }
  }
  return findings
}

function ok(check: string, detail: string): Finding {
  return { check, isOk: true, detail, remedy: null }
}

function wrong(check: string, detail: string, remedy: string | null): Finding {
  return { check, isOk: false, detail, remedy }
}

function failed(check: string, { name, message, remedy }: KmsError): Finding {
  return wrong(check, message === name ? name : `${name}: ${message}`, remedy)
}

/** For people. */
export function report(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.flatMap(({ check, isOk, detail, remedy }) => [
    `${isOk ? '✓' : '✗'} ${check.padEnd(width)}  ${detail}`,
    ...(remedy === null ? [] : [`  ${' '.repeat(width)}  → ${remedy}`]),
  ])
  const isWell = findings.every(({ isOk }) => isOk)
  return [...lines, isWell ? 'All is well.' : 'The first ✗ is what to look at.'].join('\n')
}
