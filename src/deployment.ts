import { Trail } from './audit/trail.ts'
import { type Database, database } from './catalog/database.ts'
import { wrongRootKey } from './catalog/root-keys.ts'
import { RootKeys } from './crypto/root-keys.ts'
import { Health } from './http/health.ts'
import { type Authenticate, sigv4 } from './http/sigv4.ts'
import { CredentialDirectory } from './iam/credentials.ts'
import { Issuers } from './iam/issuers.ts'
import { KeyDirectory } from './key/directory.ts'
import { Counters } from './model/counters.ts'
import { causeOf } from './model/errors.ts'
import type { NowOrLater } from './model/now-or-later.ts'
import { isRegion } from './model/regions.ts'
import { parseRootCredentials, parseSettings } from './model/settings.ts'
import { AliasDirectory } from './operations/alias-directory.ts'
import type { AuditTrail, KeyObject } from './worker.ts'

/** The bindings and variables of wrangler.toml. */
export interface Env {
  readonly KEYS: DurableObjectNamespace<KeyObject>
  readonly AUDIT_TRAIL: DurableObjectNamespace<AuditTrail>
  readonly ARCHIVE: R2Bucket
  readonly DB: D1Database
  readonly AUDIT_QUEUE: Queue
  readonly LIFECYCLE_QUEUE: Queue
  readonly EVENTS_QUEUE: Queue
  readonly ROOT_KEYS?: string
  readonly ROOT_CREDENTIALS?: string
  readonly KEY_SNAPSHOT_SECONDS?: string
  readonly STALE_SECONDS?: string
  readonly REGIONS?: string
  readonly AUDIT?: string
  readonly AUDIT_ROWS_MAX?: string
  readonly CORS_ORIGINS?: string
  readonly RPC?: string
}

/** What an isolate keeps from one request to the next. */
export interface Deployment {
  readonly roots: RootKeys
  readonly keys: KeyDirectory
  readonly aliases: AliasDirectory
  readonly credentials: CredentialDirectory
  readonly issuers: Issuers
  /** True where this deployment serves keys there. */
  isRegionServed(region: string): boolean
  readonly database: Database
  readonly trail: Trail
  readonly counters: Counters
  readonly health: Health
  readonly authenticate: Authenticate
  /** False: nothing is served over service bindings. */
  readonly isRpcOpen: boolean
  /** True once the root keys were compared with the deployment's check values. */
  isProven: boolean
  /** Wall time before which an unproven root is not looked at again. */
  provenNextAt: number
}

const deployments = new WeakMap<object, NowOrLater<Deployment | string>>()
const proofRetryMs = 1_000

/** This isolate's deployment, made once; a string says what is wrong with its configuration. Awaits nothing once made. */
export function deploymentOf(env: Env): NowOrLater<Deployment | string> {
  const known = deployments.get(env)
  if (known !== undefined) return known
  const assembling = assemble(env).catch((failure: unknown) => {
    deployments.delete(env)
    throw failure
  })
  deployments.set(env, assembling)
  return assembling
}

/** The root keys, proven to be those that this deployment's keys were sealed with. Throws while that is unproven. */
export async function provenRoots(env: Env): Promise<RootKeys> {
  const deployment = await deploymentOf(env)
  if (typeof deployment === 'string') throw new Error(deployment)
  const wrong = deployment.isProven ? null : await prove(env, deployment)
  if (wrong !== null) throw new Error(wrong)
  if (!deployment.isProven) throw new Error('the database does not answer')
  return deployment.roots
}

async function assemble(env: Env): Promise<Deployment | string> {
  const settings = parseSettings(env)
  if (typeof settings === 'string') return settings
  const rootCredentials = parseRootCredentials(env.ROOT_CREDENTIALS)
  if (typeof rootCredentials === 'string') return rootCredentials
  const roots = await RootKeys.parse(env.ROOT_KEYS)
  if (typeof roots === 'string') return roots
  const { keySnapshotSeconds, staleSeconds } = settings
  const db = database(env.DB)
  const credentials = new CredentialDirectory({
    roots,
    database: db,
    rootCredentials,
    keySnapshotSeconds,
    staleSeconds,
  })
  const counters = new Counters()
  const deployment: Deployment = {
    roots,
    counters,
    keys: new KeyDirectory(roots, keySnapshotSeconds, counters),
    aliases: new AliasDirectory(keySnapshotSeconds, staleSeconds),
    credentials,
    issuers: new Issuers(),
    isRegionServed: settings.isRegionServed,
    isRpcOpen: settings.isRpcOpen,
    database: db,
    trail: new Trail(settings.audit),
    health: new Health(),
    authenticate: sigv4({
      // IAM and STS are the same in every Region, and clients sign for the one that they like.
      services: new Map([
        ['kms', { isRegion: settings.isRegionServed }],
        ['iam', { isRegion }],
        ['sts', { isRegion }],
        ['cloudtrail', { isRegion: settings.isRegionServed }],
      ]),
      findCredential: (...asked) => credentials.find(...asked),
      noteUse: (...use) => credentials.noteUse(...use),
    }),
    isProven: false,
    provenNextAt: 0,
  }
  const wrong = await prove(env, deployment)
  if (wrong !== null) return wrong
  deployments.set(env, deployment)
  return deployment
}

/**
 * Compares the root keys with the check values in D1; a string names the one that is wrong, and from then on nothing is
 * served. While D1 does not answer, what is sealed can still be opened, so calls go on and only sealing waits.
 */
export async function prove(env: Env, deployment: Deployment): Promise<string | null> {
  deployment.provenNextAt = Date.now() + proofRetryMs
  try {
    const wrong = await wrongRootKey(deployment.database, deployment.roots, Date.now())
    if (wrong === null) deployment.isProven = true
    else deployments.set(env, wrong)
    return wrong
  } catch (failure) {
    console.warn(`The root keys cannot be proven yet: ${causeOf(failure)}`)
    return null
  }
}
