import { auditTrailClass } from '../audit/audit-trail.ts'
import { type Deployment, deploymentOf } from '../deployment.ts'
import { serveAdmin } from '../http/admin.ts'
import { wireOf, wires } from '../http/serve.ts'
import type { Authenticate } from '../http/sigv4.ts'
import { keyObjectClass } from '../key/key-object.ts'
import { refuse } from '../model/errors.ts'
import { parseRootCredentials, type RootCredential, rootPrincipal } from '../model/settings.ts'
import {
  auditTrailParts,
  createKmsEntrypoint,
  createWorker,
  keyObjectParts,
  type Seams,
  servicesOf,
} from '../worker.ts'
import { isSettling, localClock, moveClock, settleAll, settlePauses } from './in-worker/clock.ts'
import type { LocalEnv } from './in-worker/env.ts'
import { faultPoint, serveFaults, withFaults } from './in-worker/faults.ts'
import { plant } from './in-worker/plant.ts'
import { countedBatch, countQueues, pendingMessages } from './in-worker/queues.ts'
import { migrate } from './migrate.ts'

export const KeyObject = keyObjectClass<LocalEnv>((env) => keyObjectParts(withFaults(env)))
export const AuditTrail = auditTrailClass<LocalEnv>((env) => auditTrailParts(withFaults(env)))

const authenticateOf = ({ authenticate }: Deployment, env: LocalEnv) =>
  env.LOCAL_AUTH === 'off' ? trustAnyone : authenticate

const seams: Seams = {
  clock: (env) => localClock(env as LocalEnv),
  authenticate: (deployment, env) => authenticateOf(deployment, env as LocalEnv),
  // Nothing rewrites it here, and what says otherwise is made up.
  acceptEncoding: () => null,
  sourceIp: () => '127.0.0.1',
  fetch: (url, init) => fetch(url, init),
  settlePauses,
}

const worker = createWorker(seams)

/** As deployed, and waited for by a clean stop. */
export class Kms extends createKmsEntrypoint(seams) {
  override async invoke(...asked: Parameters<InstanceType<ReturnType<typeof createKmsEntrypoint>>['invoke']>) {
    countQueues(withFaults(this.env as LocalEnv))
    answering++
    try {
      if (!isPrepared) await prepared(this.env as LocalEnv, this.ctx)
      return await super.invoke(...asked)
    } finally {
      answering--
    }
  }
}

let preparing: Promise<void> | undefined
let isPrepared = false

/** Before the first request: what nobody else has brought to the database. Throws a sentence. */
function prepared(env: LocalEnv, ctx: ExecutionContext): Promise<void> {
  preparing ??= prepare(env, ctx).finally(() => {
    preparing = undefined
  })
  return preparing
}

async function prepare(env: LocalEnv, ctx: ExecutionContext): Promise<void> {
  const { LOCAL_MIGRATIONS, LOCAL_SEED } = env
  if (LOCAL_MIGRATIONS !== undefined) await migrate(env.DB, JSON.parse(LOCAL_MIGRATIONS))
  if (LOCAL_SEED !== undefined) await plantSeed(LOCAL_SEED, env, ctx)
  isPrepared = true
}

async function plantSeed(seed: string, env: LocalEnv, ctx: ExecutionContext): Promise<void> {
  const deployment = await deploymentOf(env)
  if (typeof deployment === 'string') throw new Error(deployment)
  const [root] = parseRootCredentials(env.ROOT_CREDENTIALS) as ReadonlyMap<string, RootCredential>
  const call = {
    requestId: crypto.randomUUID(),
    principal: (root as [string, RootCredential])[1].principal,
    accessKeyId: null,
    region: 'us-east-1',
    ...localClock(env),
    sourceIp: null,
    userAgent: null,
    isSecure: true,
    viaService: null,
  }
  await plant(JSON.parse(seed), call, servicesOf(deployment, env, ctx, seams))
}

let isStopping = false
/** Requests that are being answered: their records are still to come. */
let answering = 0

export default {
  async fetch(request, env, ctx) {
    countQueues(withFaults(env))
    const { headers, url, method } = request
    const local = /^[^/]*\/\/[^/]*\/local\/(\w+)$/.exec(url)?.[1]
    if (local === 'faults' && env.LOCAL_FAULTS !== '' && headers.get('x-local-faults') === env.LOCAL_FAULTS) {
      return serveFaults(request, (event) => worker.scheduled?.(event, env, ctx))
    }
    if (local !== undefined && headers.get('x-local-control') === env.LOCAL_CONTROL) {
      return serveOrder(local, env, ctx)
    }
    const refusal = isStopping ? stopping() : env.LOCAL_LOOPBACK_ONLY ? strangerRefusal(request) : null
    if (refusal !== null) {
      return wireOf(headers.get('authorization'), headers).refuse(refusal, null, crypto.randomUUID())
    }
    answering++
    try {
      if (!isPrepared) await prepared(env, ctx)
      const isClock = local === 'clock' && method === 'POST'
      const answer = isClock ? serveClock(request, env, ctx) : (worker.fetch?.(request, env, ctx) as Promise<Response>)
      return await answered(answer)
    } finally {
      answering--
    }
  },
  async queue(batch, env, ctx) {
    countQueues(withFaults(env))
    await worker.queue?.(countedBatch(batch), env, ctx)
  },
  async scheduled(event, env, ctx) {
    countQueues(withFaults(env))
    if (!isSettling()) await worker.scheduled?.(event, env, ctx)
  },
} satisfies ExportedHandler<LocalEnv>

/** For this server's own process. */
async function serveOrder(name: string, env: LocalEnv, ctx: ExecutionContext): Promise<Response> {
  if (name === 'drain') return Response.json(await drain(env))
  try {
    if (!isPrepared) await prepared(env, ctx)
  } catch (failure) {
    return Response.json({ message: (failure as Error).message }, { status: 409 })
  }
  return Response.json(name === 'sweep' ? await settleAll(env) : {})
}

/** What was done may be lost before anybody is told of it. */
async function answered(answer: Promise<Response>): Promise<Response> {
  const response = await answer
  await faultPoint('answer')
  return response
}

/** Signed as an operator's job is. */
async function serveClock(request: Request, env: LocalEnv, ctx: ExecutionContext): Promise<Response> {
  const deployment = await deploymentOf(env)
  if (typeof deployment === 'string') return Response.json({ message: deployment }, { status: 500 })
  const door = {
    authenticate: authenticateOf(deployment, env),
    acceptEncoding: () => null,
    sourceIp: () => '127.0.0.1',
    clock: () => localClock(env),
    waitUntil: (promise: Promise<unknown>) => ctx.waitUntil(promise),
    onUnauthenticated: () => {
      deployment.counters.unauthenticated++
    },
    // A clock that can be moved is no deployment's: no trail is told of it.
    recorded: <Answer>(_call: unknown, _asked: unknown, serve: () => Promise<Answer>) => serve(),
  }
  return serveAdmin(request, door, () => async (input) => {
    const moving = moveClock(input, env)
    // Others wait for it, whether or not the one who asked still does.
    ctx.waitUntil(moving.catch(() => {}))
    const answer = await moving
    // What this isolate remembers of keys is as old as a time that is over.
    deployment.keys.forgetAll()
    return answer
  })
}

const drainMs = 10_000

/** Before a stop: takes no more requests, and answers once nothing is left in memory that is not on disk. */
async function drain(env: LocalEnv): Promise<object> {
  isStopping = true
  const deployment = await deploymentOf(env)
  const send = (message: string) => env.AUDIT_QUEUE.send(message, { contentType: 'text' })
  for (const end = Date.now() + drainMs; Date.now() < end; await scheduler.wait(10)) {
    if (answering > 0) continue
    if (typeof deployment !== 'string') await deployment.trail.flush({ send })
    if (pendingMessages() === 0) break
  }
  const waiting = typeof deployment === 'string' ? 0 : deployment.trail.waiting
  return { pending: pendingMessages(), answering, waiting }
}

function stopping() {
  return refuse('DependencyTimeoutException', 'The server is stopping.')
}

/** Web pages and rebound host names reach local ports, too: only what a KMS client sends to this machine passes. */
function strangerRefusal(request: Request) {
  const { headers, method, url } = request
  if (!isLoopback(headers.get('host') ?? new URL(url).host)) {
    return refuse('AccessDeniedException', 'With default credentials only requests to a loopback Host are served.')
  }
  if (headers.has('origin')) {
    return refuse('AccessDeniedException', 'With default credentials requests from web pages are not served.')
  }
  const authorization = headers.get('authorization')
  // A form without it may be AssumeRoleWithWebIdentity: the door serves that alone unsigned, and reads the form to tell.
  const isForDoor = authorization === null && wireOf(authorization, headers) === wires.get('sts')
  if (method === 'POST' && !isForDoor && !/^AWS4-HMAC-SHA256 .*Credential=/.test(authorization ?? '')) {
    return refuse('MissingAuthenticationTokenException', 'Missing Authentication Token')
  }
  return null
}

function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)
}

/** `--auth off`: any credentials are the root of the account that the access key id spells, else of account 0. */
const trustAnyone: Authenticate = async ({ authorization }) => {
  if (authorization === null) return refuse('MissingAuthenticationTokenException', 'Missing Authentication Token')
  const [, accessKeyId, region, service] =
    /Credential=([^/,\s]+)\/[^/,\s]*\/([^/,\s]+)\/([^/,\s]+)/.exec(authorization) ?? []
  if (accessKeyId === undefined || region === undefined || service === undefined || !wires.has(service)) {
    return refuse('IncompleteSignatureException', "Authorization header requires 'Credential' parameter.")
  }
  const account = /^\d{12}$/.test(accessKeyId) ? accessKeyId : '000000000000'
  return { principal: rootPrincipal(account), accessKeyId, region, service }
}
