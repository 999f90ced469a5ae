import { type AuditTrailParts, auditTrailClass } from './audit/audit-trail.ts'
import { recorded } from './audit/recorded.ts'
import { getAuditHead } from './audit/trail-object.ts'
import { database } from './catalog/database.ts'
import { deadLetterCount } from './catalog/dead-letters.ts'
import { recordChanges } from './catalog/events.ts'
import { hasFaultyKeys, keyStanding, publish, reportRolledBack } from './catalog/keys.ts'
import { listGrantsOfKey } from './catalog/retirable-grants.ts'
import { type Deployment, deploymentOf, type Env, prove, provenRoots } from './deployment.ts'
import { createApp, type Doors } from './http/app.ts'
import { forPages } from './http/cors.ts'
import type { Authenticate } from './http/sigv4.ts'
import { boundCaller } from './iam/bound-caller.ts'
import { invokeQuery, isQueryService } from './iam/invoke.ts'
import type { Fetch } from './iam/issuers.ts'
import { type ArchiveParts, archive, archiveCalls } from './jobs/archive.ts'
import { consume } from './jobs/consume.ts'
import type { JobParts } from './jobs/operator-job.ts'
import { operatorJobs } from './jobs/operator-jobs.ts'
import { retain } from './jobs/retain.ts'
import { runAll } from './jobs/run-all.ts'
import { type ScheduleParts, schedule } from './jobs/schedule.ts'
import { keyObject } from './key/directory.ts'
import type { KeyObjectParts } from './key/key-core.ts'
import { keyObjectClass } from './key/key-object.ts'
import type { AuditEvent } from './model/audit-event.ts'
import { isRefusal } from './model/errors.ts'
import { after, type NowOrLater } from './model/now-or-later.ts'
import type { RootedObject } from './model/root-use.ts'
import { parseSettings } from './model/settings.ts'
import { invoke } from './operations/invoke.ts'
import { throughService } from './operations/through-service.ts'
import { kmsEntrypointClass, type RpcDoor } from './rpc/kms-entrypoint.ts'

/** Where another composition may differ: the local server and the tests. */
export interface Seams {
  clock(env: Env): { wallTime: number; time: number }
  authenticate(deployment: Deployment, env: Env): Authenticate
  /** Accept-Encoding as the client sent and may have signed it; null: it is the one that arrived. */
  acceptEncoding(request: Request): string | null
  /** Null: not known. */
  sourceIp(request: Request): string | null
  /** Asks an issuer of web tokens. */
  readonly fetch: Fetch
  /** How many times as long as a group of keys took, a sweep pauses after it. */
  readonly settlePauses: number
}

/** What a key's object works with: the index in D1, the root keys, and the same key's objects in other Regions. */
export function keyObjectParts(env: Env): KeyObjectParts {
  const db = database(env.DB)
  return {
    index: {
      standing: (region, keyId) => keyStanding(db, region, keyId),
      publish: (entries) => publish(db, entries),
      retirableGrants: (region, keyId, after, limit) => listGrantsOfKey(db, { region, keyId }, after, limit),
      reportRolledBack: (region, keyId) => reportRolledBack(db, region, keyId),
    },
    sealingRoots: () => provenRoots(env),
    peer: (region, keyId) => keyObject(env.KEYS, region, keyId),
    async sendEvents(events) {
      await env.EVENTS_QUEUE.sendBatch(events.map((body) => ({ body, contentType: 'json' })))
    },
  }
}

/** What a trail's object works with: the bucket, and the root keys. */
export function auditTrailParts(env: Env): AuditTrailParts {
  return { archive: env.ARCHIVE, sealingRoots: () => provenRoots(env) }
}

export const KeyObject = keyObjectClass<Env>(keyObjectParts)
export type KeyObject = InstanceType<typeof KeyObject>
export const AuditTrail = auditTrailClass<Env>(auditTrailParts)
export type AuditTrail = InstanceType<typeof AuditTrail>

export function createWorker(seams: Seams): ExportedHandler<Env> {
  const fetch = createApp<Env>((env, ctx) => open(env, ctx, (made) => doors(made, env, ctx, seams)))
  return {
    fetch: forPages(fetch),
    async scheduled(_event, env) {
      const clock = seams.clock(env)
      const settings = parseSettings(env)
      if (typeof settings === 'string') throw new Error(settings)
      await runAll({
        sweep: () => schedule(scheduleParts(env), clock),
        archive: () => archive(archiveParts(env), clock.time),
        retention: () => retain(database(env.DB), clock, settings.auditRowsMax),
      })
    },
    async queue(batch, env) {
      await consume(batch, {
        ...scheduleParts(env),
        namespace: env.KEYS,
        clock: () => seams.clock(env),
        settlePauses: seams.settlePauses,
        archiveCalls: (batches) => archiveCalls(archiveParts(env), batches, seams.clock(env).time),
      })
    },
  }
}

/** The entrypoint for bound Workers, where composed in this way. */
export function createKmsEntrypoint(seams: Seams) {
  return kmsEntrypointClass<Env>((env, ctx) => open(env, ctx, (made) => rpcDoor(made, env, ctx, seams)))
}

/** What is opened over this isolate's deployment. */
function open<Opened>(
  env: Env,
  ctx: ExecutionContext,
  over: (made: Deployment) => Opened,
): NowOrLater<Opened | string> {
  const deployment = deploymentOf(env)
  // The request that began it may end before those that joined it.
  if (deployment instanceof Promise) ctx.waitUntil(deployment.catch(() => {}))
  return after(deployment, (made) => {
    if (typeof made === 'string') return made
    if (!made.isProven && Date.now() >= made.provenNextAt) ctx.waitUntil(prove(env, made))
    return over(made)
  })
}

/** What calls work with: the deployment, and one request's hold on the platform. */
export function servicesOf(deployment: Deployment, env: Env, ctx: ExecutionContext, seams: Seams) {
  return {
    ...deployment,
    callers: deployment.credentials,
    namespace: env.KEYS,
    fetch: seams.fetch,
    sendAudit: (message: string) => env.AUDIT_QUEUE.send(message, { contentType: 'text' }),
    snapshotAge: (arn: string, wallTime: number) => deployment.keys.ageOf(arn, wallTime),
    recordChanges: (events: readonly AuditEvent[]) => recordChanges(deployment.database, events),
    waitUntil: (promise: Promise<unknown>) => ctx.waitUntil(promise),
  }
}

function rpcDoor(deployment: Deployment, env: Env, ctx: ExecutionContext, seams: Seams): RpcDoor {
  const { isRpcOpen, isRegionServed, credentials } = deployment
  const services = servicesOf(deployment, env, ctx, seams)
  const { waitUntil } = services
  return {
    isOpen: isRpcOpen,
    isRegionServed,
    clock: () => seams.clock(env),
    async caller(props, call) {
      const role = (arn: string) => credentials.boundRole(arn, call.wallTime, waitUntil)
      const caller = await boundCaller(props, call, { ...services, role })
      if (!isRefusal(caller)) {
        const use = { accessKeyId: '', principal: caller, service: 'kms', region: call.region }
        credentials.noteUse(use, call.wallTime, waitUntil)
      }
      return caller
    },
    async invoke(operation, input, call, via) {
      if (via === null) return invoke(operation, input, call, services)
      const through = await throughService(via, operation, input as Readonly<Record<string, unknown>>, call)
      if (!isRefusal(through)) return invoke(operation, through.input, through.call, services)
      const asked = { service: 'kms', operation, isReadOnly: true, parameters: null }
      return recorded(call, asked, 'queue', services, async () => through)
    },
  }
}

function doors(deployment: Deployment, env: Env, ctx: ExecutionContext, seams: Seams): Doors {
  const services = servicesOf(deployment, env, ctx, seams)
  const { waitUntil } = services
  return {
    findJob: (name) => {
      const job = operatorJobs.get(name)
      return job === undefined ? null : (input, call) => job(input, call, jobParts(deployment, env))
    },
    door: {
      authenticate: seams.authenticate(deployment, env),
      acceptEncoding: seams.acceptEncoding,
      sourceIp: seams.sourceIp,
      clock: () => seams.clock(env),
      waitUntil,
      onUnauthenticated: () => {
        deployment.counters.unauthenticated++
      },
      invoke: (service, operation, input, call) =>
        isQueryService(service)
          ? invokeQuery(service, operation, input, call, services)
          : invoke(operation, input, call, services),
      recorded: (call, asked, serve) => recorded(call, { service: 'edge-kms', ...asked }, 'queue', services, serve),
    },
    auditHead: (call, trail) => getAuditHead(call, trail, env.AUDIT_TRAIL),
    async detail() {
      const { trail, counters, keys } = deployment
      const { outboxDepth } = keys
      return {
        isolate: { ...counters, outboxDepth, auditWaiting: trail.waiting, auditDropped: trail.dropped },
        deadLetters: await deadLetterCount(deployment.database),
      }
    },
    readiness: () =>
      deployment.health.readiness(
        {
          hasFaultyKeys: () => hasFaultyKeys(deployment.database),
          // One fixed object: a prober learns nothing of any key, and leaves no trace in one.
          pingObject: () => env.KEYS.getByName('health').ping(),
          isRootKeyProven: () => deployment.isProven,
        },
        Date.now(),
      ),
  }
}

function archiveParts(env: Env): ArchiveParts {
  return { database: database(env.DB), trails: env.AUDIT_TRAIL }
}

function scheduleParts(env: Env): ScheduleParts {
  return {
    database: database(env.DB),
    sendLifecycle: (message) => env.LIFECYCLE_QUEUE.send(message, { contentType: 'json' }),
  }
}

/** What an operator's jobs work with. */
function jobParts({ database }: Deployment, env: Env): JobParts {
  const keyById = (id: string) => env.KEYS.get(env.KEYS.idFromString(id))
  return {
    database,
    sealingRoots: () => provenRoots(env),
    rooted: new Map<string, (id: string) => RootedObject>([
      ['KeyObject', keyById],
      ['AuditTrail', (id) => env.AUDIT_TRAIL.get(env.AUDIT_TRAIL.idFromString(id))],
    ]),
    keyById,
    keyObjectId: (region, keyId) => env.KEYS.idFromName(`${region}/${keyId}`).toString(),
    sendTo: (queue, body) => {
      const binding = { 'edge-kms-audit': env.AUDIT_QUEUE, 'edge-kms-lifecycle': env.LIFECYCLE_QUEUE }[queue]
      if (binding === undefined) throw new Error(`There is no queue ${queue}`)
      return binding.send(body, { contentType: typeof body === 'string' ? 'text' : 'json' })
    },
  }
}

/** What holds at Cloudflare's edge. */
export const edgeSeams: Seams = {
  clock() {
    const now = Date.now()
    return { wallTime: now, time: now }
  },
  authenticate: ({ authenticate }) => authenticate,
  // The edge rewrites the header on the way to the Worker.
  acceptEncoding: ({ cf }) => (typeof cf?.clientAcceptEncoding === 'string' ? cf.clientAcceptEncoding : null),
  sourceIp: ({ headers }) => headers.get('cf-connecting-ip'),
  fetch: (url, init) => fetch(url, init),
  // Objects have threads of their own.
  settlePauses: 0,
}

export const Kms = createKmsEntrypoint(edgeSeams)
export type Kms = InstanceType<typeof Kms>

export default createWorker(edgeSeams)
