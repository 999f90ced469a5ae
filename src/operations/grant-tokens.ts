import { authorizeKey } from '../access/decide.ts'
import type { AccessRequest, Grant, Verdict } from '../access/request.ts'
import { readGrantToken } from '../crypto/grant-token.ts'
import { byItself, keyObject, type OpenKey } from '../key/directory.ts'
import { type GrantSlice, keyCall } from '../key/key.ts'
import { policyOf, withoutBlobs } from '../key/key-access.ts'
import type { Call } from '../model/call.ts'
import { invalidGrantToken, isRefusal, type Refusal } from '../model/errors.ts'
import { after, type NowOrLater } from '../model/now-or-later.ts'
import type { Services } from './operation.ts'

type Input = Readonly<Record<string, unknown>>

/**
 * The verdict with the caller's grants. A token allows nothing by itself: it names a grant that the slice at hand may
 * be too old to have, and one that is no longer there is refused.
 */
export function grantedVerdict(
  verdict: Verdict,
  request: AccessRequest,
  key: OpenKey,
  input: Input,
  call: Call,
  services: Services,
): NowOrLater<Verdict | Refusal> {
  const decided = (slice: GrantSlice | Refusal): NowOrLater<Verdict | Refusal> => {
    if (isRefusal(slice) || !verdict.mayBeGranted) return isRefusal(slice) ? slice : verdict
    const grants = slice.isWhole ? slice.grants : grantsAllowing(request, key, call, services)
    const policy = policyOf(key.record)
    return after(grants, (grants) => (isRefusal(grants) ? grants : authorizeKey(request, { policy, grants })))
  }
  if (input.GrantTokens === undefined) return after(sliceOf(key, call, services), decided)
  return sliceWithTokens(key, input, call, services).then(decided)
}

/** The grants of this key that the request's tokens name; refused where a token is not one of ours. */
export async function grantIdsIn(
  { GrantTokens = [] }: Input & { readonly GrantTokens?: readonly string[] },
  call: Call,
  keyId: string,
  { roots }: Services,
): Promise<readonly string[] | Refusal<'InvalidGrantTokenException'>> {
  const grantIds: string[] = []
  for (const token of GrantTokens) {
    const named = await readGrantToken(roots, token, call.wallTime)
    if (named === null) return invalidGrantToken('it is not a token of ours')
    // One of the other key of a ReEncrypt, or so old that every isolate has long known the grant.
    if (named.keyId === keyId && named.region === call.region && !named.isExpired) grantIds.push(named.grantId)
  }
  return grantIds
}

async function sliceWithTokens(key: OpenKey, input: Input, call: Call, services: Services) {
  const grantIds = await grantIdsIn(input, call, key.record.keyId, services)
  if (isRefusal(grantIds)) return grantIds
  const held = await sliceOf(key, call, services)
  if (isRefusal(held) || hasAll(held, grantIds)) return held
  const read = await sliceOf(key, call, services, true)
  if (isRefusal(read) || hasAll(read, grantIds)) return read
  return invalidGrantToken('the grant is no longer there, or is not for this caller')
}

function hasAll({ grants, isWhole }: GrantSlice, grantIds: readonly string[]): boolean {
  return !isWhole || grantIds.every((grantId) => grants.some((grant) => grant.grantId === grantId))
}

function sliceOf(key: OpenKey, call: Call, { keys, namespace, waitUntil }: Services, isAnew = false) {
  return keys.grants(namespace, call, key, waitUntil, isAnew)
}

/** For a caller with more grants on one key than an isolate holds. */
async function grantsAllowing(
  { action, keyNamed, parameters, key }: AccessRequest,
  { record }: OpenKey,
  call: Call,
  { namespace }: Services,
): Promise<readonly Grant[] | Refusal> {
  const asker = keyCall(call, {
    keyAccount: record.account,
    keyNamed,
    parameters: withoutBlobs(parameters),
    aliases: key?.aliases ?? null,
  })
  return keyObject(namespace, record.region, record.keyId).grantsAllowing(byItself(call), asker, action)
}
