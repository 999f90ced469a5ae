import { database } from './catalog/database.ts'
import { hasFaultyKeys, keyStanding, publish, reportRolledBack } from './catalog/keys.ts'
import { type Deployment, deploymentOf, type Env, prove, provenRoots } from './deployment.ts'
import { createApp, type Doors } from './http/app.ts'
import type { Authenticate } from './http/sigv4.ts'
import { invokeQuery } from './iam/invoke.ts'
import type { Fetch } from './iam/issuers.ts'
import { sweep } from './jobs/sweep.ts'
import { type KeyObjectParts, keyObjectClass } from './key/key-object.ts'
import { after } from './model/now-or-later.ts'
import { invoke } from './operations/invoke.ts'

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
}

/** What a key's object works with: the index in D1, and the root keys. */
export function keyObjectParts(env: Env): KeyObjectParts {
  const db = database(env.DB)
  return {
    index: {
      standing: (region, keyId) => keyStanding(db, region, keyId),
      publish: (entries) => publish(db, entries),
      reportRolledBack: (region, keyId) => reportRolledBack(db, region, keyId),
    },
    sealingRoots: () => provenRoots(env),
  }
}

export const KeyObject = keyObjectClass<Env>(keyObjectParts)
export type KeyObject = InstanceType<typeof KeyObject>

export function createWorker(seams: Seams): ExportedHandler<Env> {
  const fetch = createApp<Env>((env, ctx) => {
    const deployment = deploymentOf(env)
    // The request that began it may end before those that joined it.
    if (deployment instanceof Promise) ctx.waitUntil(deployment.catch(() => {}))
    return after(deployment, (made) => (typeof made === 'string' ? made : doors(made, env, ctx, seams)))
  })
  return {
    fetch,
    async scheduled(_event, env) {
      const report = await sweep(database(env.DB), env.KEYS, seams.clock(env))
      console.log(JSON.stringify({ sweep: report }))
    },
  }
}

function doors(deployment: Deployment, env: Env, ctx: ExecutionContext, seams: Seams): Doors {
  const waitUntil = (promise: Promise<unknown>) => ctx.waitUntil(promise)
  if (!deployment.isProven && Date.now() >= deployment.provenNextAt) waitUntil(prove(env, deployment))
  const { credentials } = deployment
  const services = { ...deployment, callers: credentials, namespace: env.KEYS, fetch: seams.fetch, waitUntil }
  return {
    door: {
      authenticate: seams.authenticate(deployment, env),
      acceptEncoding: seams.acceptEncoding,
      sourceIp: seams.sourceIp,
      clock: () => seams.clock(env),
      waitUntil,
      invoke: (service, operation, input, call) =>
        service === 'iam' || service === 'sts'
          ? invokeQuery(service, operation, input, call, services)
          : invoke(operation, input, call, services),
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
}

export default createWorker(edgeSeams)
