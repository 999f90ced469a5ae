import { authorize, denied } from '../access/authorize.ts'
import { parseHeader } from '../crypto/ciphertext.ts'
import { keyObject, type OpenKey } from '../key/directory.ts'
import type { Key } from '../key/key.ts'
import { keyArn, parseKeyName } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { after, type NowOrLater } from '../model/now-or-later.ts'
import type { Finder, Services } from './operation.ts'

/** A key in this isolate, for cryptography: named by id, ARN, alias or alias ARN, and authorised here. */
export function keyNamed<const Name extends string>(member: Name): Finder<{ readonly [M in Name]: string }, OpenKey> {
  return (input, call, services, action) =>
    after(keyIdOf(input[member], 'orAlias', call, services, action), (keyId) =>
      isRefusal(keyId) ? keyId : openKey(keyId, call, services, action),
    )
}

/** Which names a member takes: keys' only; aliases too; keys' only, being what an alias is to point at. */
type NamesTaken = 'keysOnly' | 'orAlias' | 'noAliases'

/** A key's own object, which authorises every call by itself. */
export function keyObjectNamed<const Name extends string>(
  member: Name,
  names: NamesTaken = 'keysOnly',
): Finder<{ readonly [M in Name]: string }, Key> {
  return async (input, call, services, action) => {
    const keyId = await keyIdOf(input[member], names, call, services, action)
    return isRefusal(keyId) ? keyId : keyObject(services.namespace, call.region, keyId)
  }
}

/** As `keyObjectNamed`, where the key may be left out. */
export function optionalKeyObject<const Name extends string>(
  member: Name,
): Finder<{ readonly [M in Name]?: string }, { id: string; object: Key } | null> {
  return async (input, call, services, action) => {
    const name = input[member]
    if (name === undefined) return null
    const keyId = await keyIdOf(name, 'keysOnly', call, services, action)
    return isRefusal(keyId) ? keyId : { id: keyId, object: keyObject(services.namespace, call.region, keyId) }
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
 * a key that is not here or not the caller's. Where the ciphertext is ignored the named key is meant.
 */
export function keyOfCiphertext<const Blob extends string, const Name extends string, const Algorithm extends string>(
  members: CiphertextMembers<Blob, Name, Algorithm>,
): Finder<CiphertextInput<Blob, Name | Algorithm>, Decryptable> {
  return async (input, call, services, action) => {
    const given = input[members.blob] as Uint8Array<ArrayBuffer> | undefined
    const blob = isCiphertextIgnored(input) ? undefined : given
    const name = input[members.key] as string | undefined
    const algorithm = input[members.algorithm] as string | undefined
    const isSymmetric = algorithm === undefined || algorithm === 'SYMMETRIC_DEFAULT'
    if (name === undefined && (blob === undefined || !isSymmetric)) {
      return refuse('ValidationException', `${members.key} is required.`)
    }
    const keyId = name === undefined ? undefined : await keyIdOf(name, 'orAlias', call, services, action)
    // What an asymmetric algorithm made has no header, and is never read as if it had.
    const header = blob === undefined || !isSymmetric ? undefined : parseHeader(blob)
    if (header === null) return refuse('InvalidCiphertextException', null, 'the header is not one of ours')
    if (isRefusal(keyId)) return keyId.refused === 'AccessDeniedException' ? noSuchCiphertextKey(keyId.reason) : keyId
    if (header !== undefined && keyId !== undefined && keyId !== header.keyId) return incorrectKey()
    const key = await openKey(header?.keyId ?? (keyId as string), call, services, action)
    if (!isRefusal(key)) return { key, versionId: header?.versionId ?? null }
    const isHidden = key.refused === 'NotFoundException' || key.refused === 'AccessDeniedException'
    return isHidden && header !== undefined ? noSuchCiphertextKey(key.reason) : key
  }
}

/** Nothing in particular: the permission is on the account itself. */
export function wholeAccount(): Finder<unknown, null> {
  return () => null
}

function incorrectKey(): Refusal<'IncorrectKeyException'> {
  const text = 'The key ID in the request does not identify a CMK that can perform this operation.'
  return refuse('IncorrectKeyException', text)
}

/** One answer for a key that is not here and for one that is not the caller's, so that neither can be told. */
function noSuchCiphertextKey(reason: string): Refusal<'AccessDeniedException'> {
  const text =
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.'
  return refuse('AccessDeniedException', text, reason)
}

function openKey(keyId: string, call: Call, services: Services, action: string): NowOrLater<OpenKey | Refusal> {
  return after(services.keys.find(services.namespace, call, keyId, services.waitUntil), (key) => {
    if (isRefusal(key)) return key
    // The directory is shared by all accounts, and a bare id means the caller's own.
    if (key.record.account !== call.principal.account) return keyNotFound(call, keyId)
    return authorize(call, action, key.record) ?? key
  })
}

function keyNotFound({ region, principal }: Call, keyId: string): Refusal<'NotFoundException'> {
  return refuse('NotFoundException', `Key '${keyArn(region, principal.account, keyId)}' does not exist`)
}

/** The id that a name stands for in the caller's account and Region. It says nothing about whether the key is there. */
function keyIdOf(
  text: string,
  names: NamesTaken,
  call: Call,
  services: Services,
  action: string,
): NowOrLater<string | Refusal> {
  const name = parseKeyName(text)
  const isAlias = name?.form === 'alias' || name?.form === 'aliasArn'
  if (isAlias && names === 'noAliases') return refuse('ValidationException', 'Aliases must refer to keys. Not aliases')
  if (name === null || (isAlias && names === 'keysOnly')) {
    if (text.startsWith('arn:')) return refuse('InvalidArnException', `Invalid arn '${text}'`)
    return refuse('NotFoundException', `Invalid keyId '${text}'`)
  }
  const { account } = call.principal
  if (name.form === 'keyArn' || name.form === 'aliasArn') {
    if (name.region !== call.region) return refuse('NotFoundException', `Invalid arn ${name.region}`)
    if (name.account !== account) return denied(call.principal.arn, action, text)
  }
  if (name.form === 'key' || name.form === 'keyArn') return name.keyId
  const alias = { account, region: call.region, aliasName: name.aliasName }
  return services.aliases.find(services.database, alias, call.wallTime, services.waitUntil)
}
