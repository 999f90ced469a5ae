import { Hono } from 'hono'
import { refuse } from '../model/errors.ts'
import { after, type NowOrLater } from '../model/now-or-later.ts'
import { adminPath, type FindJob, serveAdmin, serveOperatorsRead } from './admin.ts'
import { type ReadAuditHead, serveAuditHead } from './audit-head.ts'
import { refusal } from './aws-json.ts'
import { type HealthDetail, prometheusText, type Readiness } from './health.ts'
import { type Door, rawTarget, serve, wireOf } from './serve.ts'

/** What the composition root gives the doors, for each request. */
export interface Doors {
  readonly door: Door
  readiness(): Promise<Readiness>
  /** For an operator. */
  detail(): Promise<HealthDetail>
  readonly findJob: FindJob
  readonly auditHead: ReadAuditHead
}

/** A string is the sentence that says what is wrong with this deployment's own configuration. */
export type OpenDoors<Env> = (env: Env, ctx: ExecutionContext) => NowOrLater<Doors | string>

type Fetch<Env> = (request: Request, env: Env, ctx: ExecutionContext) => NowOrLater<Response>

/** The Worker's door: `POST /` is a call of KMS, IAM or STS, and Hono routes the rest. */
export function createApp<Env extends object>(open: OpenDoors<Env>): Fetch<Env> {
  const app = new Hono<{ Bindings: Env }>()

  app.get('/health/live', (c) => c.json({ live: true }))

  app.get('/health/ready', async (c) => {
    const doors = await open(c.env, c.executionCtx as ExecutionContext)
    if (typeof doors === 'string') return c.json({ ready: false, rootKey: false }, 503)
    const readiness = await doors.readiness()
    const status = readiness.ready ? 200 : 503
    if (!c.req.raw.headers.has('authorization')) return c.json(readiness, status)
    return serveOperatorsRead(c.req.raw, doors.door, {
      operation: 'GetHealth',
      read: () => doors.detail(),
      respond: (detail) => c.json({ ...readiness, ...detail }, status),
    })
  })

  app.get('/metrics', async (c) => {
    const doors = await open(c.env, c.executionCtx as ExecutionContext)
    if (typeof doors === 'string') return misconfigured(doors, c.req.raw)
    return serveOperatorsRead(c.req.raw, doors.door, {
      operation: 'GetMetrics',
      read: () => doors.detail(),
      respond: async (detail) => c.text(prometheusText(detail, await doors.readiness())),
    })
  })

  app.get('/audit/head', async (c) => {
    const doors = await open(c.env, c.executionCtx as ExecutionContext)
    if (typeof doors === 'string') return misconfigured(doors, c.req.raw)
    return serveAuditHead(c.req.raw, doors.door, doors.auditHead)
  })

  app.post(`${adminPath}:job`, async (c) => {
    const doors = await open(c.env, c.executionCtx as ExecutionContext)
    if (typeof doors === 'string') return misconfigured(doors, c.req.raw)
    return serveAdmin(c.req.raw, doors.door, doors.findJob)
  })

  app.notFound(() => refusal(refuse('UnknownOperationException', null), crypto.randomUUID(), 404))

  return (request, env, ctx) => {
    // Ahead of the router, which would cost a twentieth of an Encrypt.
    const target = rawTarget(request.url)
    if (request.method !== 'POST' || target.path !== '/') return app.fetch(request, env, ctx)
    return after(open(env, ctx), (doors) =>
      typeof doors === 'string' ? misconfigured(doors, request) : serve(request, target, doors.door),
    )
  }
}

function misconfigured(sentence: string, { headers }: Request): Response {
  console.error(JSON.stringify({ misconfigured: sentence }))
  const wire = wireOf(headers.get('authorization'), headers)
  return wire.refuse(refuse('KMSInternalException', sentence), null, crypto.randomUUID())
}
