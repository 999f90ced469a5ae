import { database } from './catalog/database.ts'
import { hasFaultyKeys, keyStanding, publishKeys, reportRolledBack } from './catalog/keys.ts'
import { type Deployment, deploymentOf, type Env, prove, provenRoots } from './deployment.ts'
import { createApp, type Doors } from './http/app.ts'
import type { Authenticate } from './http/sigv4.ts'
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
}

/** What a key's object works with: the index in D1, and the root keys. */
export function keyObjectParts(env: Env): KeyObjectParts {
  const db = database(env.DB)
  return {
    index: {
      standing: (region, keyId) => keyStanding(db, region, keyId),
      publish: (entries) => publishKeys(db, entries),
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
  const services = { ...deployment, namespace: env.KEYS, waitUntil }
  return {
    door: {
      authenticate: seams.authenticate(deployment, env),
      acceptEncoding: seams.acceptEncoding,
      clock: () => seams.clock(env),
      invoke: (operation, input, call) => invoke(operation, input, call, services),
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
}

export default createWorker(edgeSeams)
