import { type Context, Hono } from 'hono'
import { refuse } from '../model/errors.ts'
import { after, type NowOrLater } from '../model/now-or-later.ts'
import { type Door, refusal, serve } from './aws-json.ts'
import type { Readiness } from './health.ts'

/** What the composition root gives the doors, for each request. */
export interface Doors {
  readonly door: Door
  readiness(): Promise<Readiness>
}

/** A string is the sentence that says what is wrong with this deployment's own configuration. */
export type OpenDoors<Env> = (env: Env, ctx: ExecutionContext) => NowOrLater<Doors | string>

export function createApp<Env extends object>(open: OpenDoors<Env>) {
  const app = new Hono<{ Bindings: Env }>()

  app.post('/', (c) =>
    after(openedDoors(c, open), (doors) =>
      typeof doors === 'string' ? misconfigured(doors) : serve(c.req.raw, doors.door),
    ),
  )

  app.get('/health/live', (c) => c.json({ live: true }))

  app.get('/health/ready', async (c) => {
    const doors = await openedDoors(c, open)
    if (typeof doors === 'string') return c.json({ ready: false, rootKey: false }, 503)
    const readiness = await doors.readiness()
    return c.json(readiness, readiness.ready ? 200 : 503)
  })

  app.notFound(() => refusal(refuse('UnknownOperationException', null), crypto.randomUUID(), 404))

  return app
}

function openedDoors<Env extends object>(c: Context<{ Bindings: Env }>, open: OpenDoors<Env>) {
  return open(c.env, c.executionCtx as ExecutionContext)
}

function misconfigured(sentence: string): Response {
  console.error(JSON.stringify({ misconfigured: sentence }))
  return refusal(refuse('KMSInternalException', sentence), crypto.randomUUID())
}
