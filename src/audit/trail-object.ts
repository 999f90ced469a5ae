import { authorizeByIdentity } from '../access/decide.ts'
import { denialOf } from '../access/denial-text.ts'
import { requestOf } from '../access/request-of.ts'
import type { Call } from '../model/call.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { locationHint } from '../model/regions.ts'
import type { RootedObject } from '../model/root-use.ts'
import type { Batch } from './archive.ts'
import type { TrailHead, TrailName } from './digest.ts'

/** The archive of one account in one Region: the only writer of its chain. Its methods answer, and throw for bugs alone. */
export interface TrailObject extends RootedObject {
  /** Null: the batch is in the archive, and the next digest names it. Refused where the archive does not take it: try again. */
  deliver(trail: TrailName, batch: Batch, time: number): Promise<Refusal | null>
  /** Makes digests of all that is in the archive and in no digest. `made`: how many; null: there is no such trail. */
  close(time: number): Promise<{ readonly made: number; readonly head: TrailHead } | Refusal | null>
  /** Null: there is no such trail. */
  head(): Promise<TrailHead | null>
}

/** The namespace of trails' objects, as much of it as is needed to call one. */
export interface TrailNamespace {
  getByName(name: string, options?: { locationHint?: DurableObjectLocationHint }): TrailObject
}

export function trailObject(namespace: TrailNamespace, { account, region }: TrailName): TrailObject {
  const hint = locationHint(region)
  return namespace.getByName(`${account}/${region}`, hint === null ? {} : { locationHint: hint })
}

export function trailHead(namespace: TrailNamespace, account: string, region: string): Promise<TrailHead | null> {
  return trailObject(namespace, { account, region }).head()
}

/** For the account's root, and for whom a policy of that account allows `edge-kms:GetAuditHead`. */
export async function getAuditHead(
  call: Call,
  { account, region }: TrailName,
  namespace: TrailNamespace,
): Promise<TrailHead | Refusal> {
  const asked = { action: 'edge-kms:GetAuditHead', resource: '*', resourceAccount: account, parameters: {}, region }
  const request = requestOf(call, asked)
  const denial = denialOf(request, authorizeByIdentity(request))
  if (denial !== null) return denial
  const head = await trailHead(namespace, account, region)
  return head ?? refuse('NotFoundException', `Nothing is archived of account ${account} in ${region} yet.`)
}
