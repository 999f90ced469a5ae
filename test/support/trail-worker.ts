import { type BatchRecord, batchOf } from '../../src/audit/archive.ts'
import { auditTrailClass } from '../../src/audit/audit-trail.ts'
import type { TrailName } from '../../src/audit/digest.ts'
import { type TrailNamespace, trailObject } from '../../src/audit/trail-object.ts'
import { RootKeys } from '../../src/crypto/root-keys.ts'

interface TrailEnv {
  readonly ARCHIVE: R2Bucket
  readonly AUDIT_TRAIL: DurableObjectNamespace
  readonly ROOT_KEYS: string
}

/** What a test in Node asks of a trail. */
export type TrailCommand = TrailName & {
  readonly time: number
  /** One log file; none: the trail is closed. */
  readonly records?: readonly BatchRecord[]
}

export const AuditTrail = auditTrailClass<TrailEnv>((env) => ({
  archive: env.ARCHIVE,
  sealingRoots: async () => (await RootKeys.parse(env.ROOT_KEYS)) as RootKeys,
}))

/** A trail alone, for the tests of what reads its archive. */
export default {
  async fetch(request, env) {
    const { account, region, time, records } = (await request.json()) as TrailCommand
    const trail = trailObject(env.AUDIT_TRAIL as unknown as TrailNamespace, { account, region })
    if (records === undefined) return Response.json(await trail.close(time))
    return Response.json(await trail.deliver({ account, region }, await batchOf(records), time))
  },
} satisfies ExportedHandler<TrailEnv>
