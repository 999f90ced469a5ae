import { authorizeByIdentity, authorizeKey } from '../access/decide.ts'
import { denialOf } from '../access/denial-text.ts'
import type { AccessRequest, Verdict } from '../access/request.ts'
import { requestOf } from '../access/request-of.ts'
import { parseHeader } from '../crypto/ciphertext.ts'
import { keyObject, type OpenKey } from '../key/directory.ts'
import type { Key, KeyCall } from '../key/key.ts'
import { type Asked, keyNotFound, keyRequest, otherAccountsDenial, policyOf, withoutBlobs } from '../key/key-access.ts'
import { recordAt } from '../key/lifecycle.ts'
import { keyArn, parseKeyName } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { after, type NowOrLater } from '../model/now-or-later.ts'
import { aliasesAsked } from './alias-directory.ts'
import { grantedVerdict, grantIdsIn } from './grant-tokens.ts'
import { isMadeOnFirstUse, managedKey } from './managed-keys.ts'
import type { Finder, Serving } from './operation.ts'

/** What a name stands for. It says nothing about whether the key is there. */
interface Meant {
  /** Null: a ciphertext does not say. */
  readonly account: string | null
  readonly keyId: string
}

type Input = Readonly<Record<string, unknown>>

/** A key in this isolate, for cryptography: named by id, ARN, alias or alias ARN, and authorised here. */
export function keyNamed<const Name extends string>(member: Name): Finder<{ readonly [M in Name]: string }, OpenKey> {
  return (input, call, services, action) =>
    after(keyMeant(input[member], 'orAlias', call, services, action), (meant) =>
      isRefusal(meant) ? meant : openKey(meant, input[member], input, call, services, action),
    )
}

/** Which names a member takes: keys' only; aliases too; keys' only, being what an alias is to point at. */
type NamesTaken = 'keysOnly' | 'orAlias' | 'noAliases'

/** A key's own object, which authorises every call by itself, and the call to make there. */
export interface KeyHandle {
  readonly object: Key
  readonly call: KeyCall
  readonly keyId: string
}

/** A key's own object, for what asks or changes the truth about the key. */
export function keyObjectNamed<const Name extends string>(
  member: Name,
  names: NamesTaken = 'keysOnly',
): Finder<{ readonly [M in Name]: string }, KeyHandle> {
  return async (input, call, services, action) => {
    const name = input[member]
    const meant = await keyMeant(name, names, call, services, action)
    return isRefusal(meant) ? meant : keyHandle(meant, name, input, call, services)
  }
}

/** The object of a key that was found in another way; `keyNamed` is the name given, if any. */
export async function keyHandle(
  { account, keyId }: Meant,
  keyNamed: string | null,
  input: Input,
  call: Call,
  services: Serving,
): Promise<KeyHandle | Refusal> {
  const principal = await services.callers.fresh(call)
  if (isRefusal(principal)) return principal
  const keyAccount = account ?? principal.account
  const grantIds = await grantIdsIn(input, { ...call, principal }, keyId, services)
  if (isRefusal(grantIds)) return grantIds
  const aliases = await aliasesAsked(principal, { account: keyAccount, region: call.region, keyId }, services.database)
  const parameters = withoutBlobs(input)
  services.counters.objectCalls++
  const ARN = keyArn(call.region, keyAccount, keyId)
  services.record.about({ accountId: keyAccount, type: 'AWS::KMS::Key', ARN })
  return {
    keyId,
    object: keyObject(services.namespace, call.region, keyId),
    call: { ...call, principal, keyAccount, keyNamed, parameters, aliases, grantIds, event: services.record.draft() },
  }
}

export interface Decryptable {
  readonly key: OpenKey
  readonly versionId: string | null
}

interface CiphertextMembers<Blob extends string, Name extends string, Algorithm extends string> {
  readonly blob: Blob
  readonly key: Name
  readonly algorithm: Algorithm
}
type CiphertextInput<Blob extends string, Text extends string> = {
  readonly [M in Blob]?: Uint8Array<ArrayBuffer>
} & { readonly [M in Text]?: string } & DryRunInput

interface DryRunInput {
  readonly DryRun?: boolean
  readonly DryRunModifiers?: readonly string[]
}

/** A dry run that asks about permissions alone: the ciphertext is not looked at, and need not be there. */
export function isCiphertextIgnored({ DryRun, DryRunModifiers = [] }: DryRunInput): boolean {
  return DryRun === true && DryRunModifiers.includes('IGNORE_CIPHERTEXT')
}

/**
 * The key that made a ciphertext. In this order: a header that cannot be read, a named key that is not the header's,
 * a key that is not here or not for the caller. Where the ciphertext is ignored the named key is meant.
 */
export function keyOfCiphertext<const Blob extends string, const Name extends string, const Algorithm extends string>(
  members: CiphertextMembers<Blob, Name, Algorithm>,
): Finder<CiphertextInput<Blob, Name | Algorithm>, Decryptable> {
  return async (input, call, services, action) => {
    const given = input[members.blob] as Uint8Array<ArrayBuffer> | undefined
    const blob = isCiphertextIgnored(input) ? undefined : given
    const name = input[members.key] as string | undefined
    const algorithm = input[members.algorithm] as string | undefined
    const meant = name === undefined ? undefined : await keyMeant(name, 'orAlias', call, services, action)
    if (blob === undefined && name === undefined) {
      const missing = isCiphertextIgnored(input) ? members.key : members.blob
      return refuse('ValidationException', `${missing} is required.`)
    }
    const isSymmetric = algorithm === undefined || algorithm === 'SYMMETRIC_DEFAULT'
    if (!isSymmetric && name === undefined) {
      return refuse('ValidationException', `${members.key} is required with ${members.algorithm} ${algorithm}.`)
    }
    const header = blob === undefined || !isSymmetric ? undefined : parseHeader(blob)
    if (header === null) return refuse('InvalidCiphertextException', null, 'the header is not one of ours')
    if (isRefusal(meant)) return meant.refused === 'AccessDeniedException' ? noSuchCiphertextKey(meant.reason) : meant
    if (header !== undefined && meant !== undefined && meant.keyId !== header.keyId) return incorrectKey()
    const place: Meant = meant ?? { account: null, keyId: header?.keyId as string }
    const key = await openKey(place, name ?? null, input as Input, call, services, action)
    if (!isRefusal(key)) return { key, versionId: header?.versionId ?? null }
    const isHidden = key.refused === 'NotFoundException' || key.refused === 'AccessDeniedException'
    return isHidden && header !== undefined ? noSuchCiphertextKey(key.reason) : key
  }
}

/** Nothing in particular: the permission is on the account itself, by policies of the caller. */
export function wholeAccount(): Finder<unknown, null> {
  return (input, call, _services, action) => accountDenial(input as Input, call, action)
}

/** As `wholeAccount`, for a change: the caller as the index knows it now. */
export function wholeAccountNow(): Finder<unknown, Call> {
  return async (input, call, { callers }, action) => {
    const principal = await callers.fresh(call)
    if (isRefusal(principal)) return principal
    const current = { ...call, principal }
    return accountDenial(input as Input, current, action) ?? current
  }
}

/** The account, and a key of it that a list may be narrowed to; null: none was named. */
export function accountAndKey<const Name extends string>(
  member: Name,
): Finder<{ readonly [M in Name]?: string }, { readonly keyId: string } | null> {
  return async (input, call, services, action) => {
    const denial = accountDenial(input as Input, call, action)
    const name = input[member] as string | undefined
    if (denial !== null || name === undefined) return denial
    const meant = await keyMeant(name, 'keysOnly', call, services, action)
    if (isRefusal(meant)) return meant
    const key = await findKey(meant, call, services, action)
    return isRefusal(key) ? key : { keyId: meant.keyId }
  }
}

function accountDenial(input: Input, call: Call, action: string): Refusal<'AccessDeniedException'> | null {
  const resourceAccount = call.principal.account
  const request = requestOf(call, { action, resource: '*', resourceAccount, parameters: input })
  return denialOf(request, authorizeByIdentity(request))
}

function incorrectKey(): Refusal<'IncorrectKeyException'> {
  const text = 'The key ID in the request does not identify a CMK that can perform this operation.'
  return refuse('IncorrectKeyException', text)
}

/** One answer for a key that is not here and for one that is not for the caller, so that neither can be told. */
function noSuchCiphertextKey(reason: string): Refusal<'AccessDeniedException'> {
  const text =
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.'
  return refuse('AccessDeniedException', text, reason)
}

/** The key in this isolate, if this caller may do this with it: by policies, or else by a grant. */
function openKey(
  meant: Meant,
  keyNamed: string | null,
  input: Input,
  call: Call,
  services: Serving,
  action: string,
): NowOrLater<OpenKey | Refusal> {
  return after(findKey(meant, call, services, action), (key) => {
    if (isRefusal(key)) return key
    return after(asked(keyNamed, input, key, call, services), (asked) => {
      const request = keyRequest(call, asked, action, key.record)
      const verdict = authorizeKey(request, { policy: policyOf(key.record), grants: [] })
      if (input.GrantTokens === undefined && !verdict.mayBeGranted) return decided(request, verdict, key, services)
      return after(grantedVerdict(verdict, request, key, input, call, services), (granted) =>
        isRefusal(granted) ? granted : decided(request, granted, key, services),
      )
    })
  })
}

function decided(request: AccessRequest, verdict: Verdict, key: OpenKey, { record }: Serving): OpenKey | Refusal {
  const { account, currentMaterialId } = key.record
  record.touched(account, request.resource, verdict.reason, currentMaterialId ?? undefined)
  return denialOf(request, verdict) ?? key
}

/** A key that is where its name says; not whether the caller may do anything with it. */
function findKey(
  { account, keyId }: Meant,
  call: Call,
  services: Serving,
  action: string,
): NowOrLater<OpenKey | Refusal> {
  const absent = () =>
    keyNotFound(call, { region: call.region, account: account ?? call.principal.account, keyId }, action)
  return after(services.keys.find(services.namespace, call, keyId, services.waitUntil), (key) => {
    if (isRefusal(key)) return key.refused === 'NotFoundException' ? absent() : key
    // The directory is shared by all accounts.
    if (account !== null && key.record.account !== account) return absent()
    const record = recordAt(key.record, call.time)
    return record === key.record ? key : { ...key, record }
  })
}

function asked(
  keyNamed: string | null,
  input: Input,
  { record }: OpenKey,
  call: Call,
  services: Serving,
): NowOrLater<Asked> {
  const { aliases, database, waitUntil } = services
  const finding = aliases.asked(database, call.principal, record, call.wallTime, waitUntil)
  return after(finding, (aliases) =>
    after(isReEncryptedInPlace(input, call, services), (isSameKey) => ({
      keyNamed,
      parameters: input,
      aliases,
      ...(isSameKey === undefined ? {} : { isSameKey }),
    })),
  )
}

/** For ReEncrypt: are source and destination one key? Undefined for everything else. */
function isReEncryptedInPlace(input: Input, call: Call, services: Serving): NowOrLater<boolean | undefined> {
  const { DestinationKeyId, CiphertextBlob, SourceKeyId } = input
  if (typeof DestinationKeyId !== 'string') return undefined
  const header = CiphertextBlob instanceof Uint8Array ? parseHeader(CiphertextBlob) : null
  const idOf = (name: string) => keyMeant(name, 'orAlias', call, services, 'kms:ReEncryptTo')
  const source = header ?? (typeof SourceKeyId === 'string' ? idOf(SourceKeyId) : null)
  return after(idOf(DestinationKeyId), (to) =>
    after(source, (from) => from !== null && !isRefusal(from) && !isRefusal(to) && from.keyId === to.keyId),
  )
}

/** What a name stands for in the Region that the caller addresses. */
function keyMeant(
  text: string,
  names: NamesTaken,
  call: Call,
  services: Serving,
  action: string,
): NowOrLater<Meant | Refusal> {
  const name = parseKeyName(text)
  const isAlias = name?.form === 'alias' || name?.form === 'aliasArn'
  if (isAlias && names === 'noAliases') return refuse('ValidationException', 'Aliases must refer to keys. Not aliases')
  if (name === null || (isAlias && names === 'keysOnly')) {
    if (text.startsWith('arn:')) return refuse('InvalidArnException', `Invalid arn '${text}'`)
    return refuse('NotFoundException', `Invalid keyId '${text}'`)
  }
  const own = call.principal.account
  const isArn = name.form === 'keyArn' || name.form === 'aliasArn'
  if (isArn && name.region !== call.region) return refuse('NotFoundException', `Invalid arn ${name.region}`)
  const account = isArn ? name.account : own
  if (name.form === 'key' || name.form === 'keyArn') return { account, keyId: name.keyId }
  const { aliasName } = name
  const alias = { account, region: call.region, aliasName }
  const looking = services.aliases.find(services.database, alias, call.wallTime, services.waitUntil)
  return after(looking, (keyId) => {
    if (!isRefusal(keyId)) return { account, keyId }
    if (account !== own) return otherAccountsDenial(call, action, text, account)
    return isMadeOnFirstUse(aliasName, call, action) ? managedKey(aliasName, call, services) : keyId
  })
}
