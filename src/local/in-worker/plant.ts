import { defaultKeyPolicy } from '../../access/key-policy.ts'
import { createAccessKey } from '../../catalog/access-keys.ts'
import { sealAccessKey } from '../../crypto/secret.ts'
import { invokeQuery } from '../../iam/invoke.ts'
import type { IamServices } from '../../iam/operation.ts'
import { keyObject } from '../../key/directory.ts'
import { keyCall, type NewKey } from '../../key/key.ts'
import { fromBase64, toBase64 } from '../../model/bytes.ts'
import type { Call } from '../../model/call.ts'
import { isRefusal } from '../../model/errors.ts'
import { isKeySpec, type KeyUsage, keySpecRow } from '../../model/key-specs.ts'
import { invoke } from '../../operations/invoke.ts'
import { boundPolicy } from '../../operations/key-policy.ts'
import type { Services } from '../../operations/operation.ts'
import { type Document, type Seed, type SeedKey, type SeedRole, type SeedUser, seedFault } from '../seed.ts'

type Parts = Services & IamServices
type Input = Readonly<Record<string, unknown>>

const madeBy = 'seed'
const keyIdForm = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/

/**
 * Makes what a seed has and the state lacks, as the root that calls. Throws a sentence. What is there already stays as it
 * is, so a server may start with the same seed again.
 */
export async function plant(seed: Seed, call: Call, parts: Parts): Promise<void> {
  const fault = seedFault(seed)
  if (fault !== null) throw new Error(fault)
  for (const user of seed.Users ?? []) await plantUser(user, call, parts)
  for (const role of seed.Roles ?? []) await plantRole(role, call, parts)
  // Behind those whom their policies may name.
  for (const key of seed.Keys ?? []) await plantKey(key, call, parts)
}

async function plantUser(
  { UserName, AccessKeyId, SecretAccessKey, Policies = {} }: SeedUser,
  call: Call,
  parts: Parts,
) {
  const answer = await iam('CreateUser', { UserName }, call, parts)
  if (answer === null) return
  for (const [PolicyName, document] of Object.entries(Policies)) {
    await iam('PutUserPolicy', { UserName, PolicyName, PolicyDocument: textOf(document) }, call, parts)
  }
  if (AccessKeyId === undefined && SecretAccessKey === undefined) return
  if (!/^AKIA[A-Z2-7]{16}$/.test(AccessKeyId ?? '') || !SecretAccessKey) {
    throw new Error(`User ${UserName}: AccessKeyId is AKIA and 16 of A-Z and 2-7, and there is a SecretAccessKey.`)
  }
  const accessKey = { accessKeyId: AccessKeyId as string, secretAccessKey: SecretAccessKey }
  const { database, roots } = parts
  const sealed = await sealAccessKey(roots, call.principal.account, accessKey)
  const { UserId: userId } = answer.User as { UserId: string }
  await createAccessKey(database, { accessKeyId: accessKey.accessKeyId, userId, createdAt: call.time, ...sealed })
}

async function plantRole({ RoleName, AssumeRolePolicyDocument, Policies = {} }: SeedRole, call: Call, parts: Parts) {
  const trust = textOf(AssumeRolePolicyDocument)
  const answer = await iam('CreateRole', { RoleName, AssumeRolePolicyDocument: trust }, call, parts)
  if (answer === null) return
  for (const [PolicyName, document] of Object.entries(Policies)) {
    await iam('PutRolePolicy', { RoleName, PolicyName, PolicyDocument: textOf(document) }, call, parts)
  }
}

async function plantKey(key: SeedKey, by: Call, parts: Parts) {
  const { KeyId, Region: region = 'us-east-1', Aliases = [], Tags = {}, Material } = key
  const call = { ...by, region }
  const { account } = call.principal
  const say = (sentence: string): never => {
    throw new Error(`Key ${KeyId}: ${sentence}`)
  }
  if (!keyIdForm.test(KeyId)) say('KeyId is a UUID, or mrk- and 32 hex digits.')
  const policy = await boundPolicy(
    key.Policy === undefined ? defaultKeyPolicy(account) : textOf(key.Policy),
    parts.database,
  )
  if (isRefusal(policy)) return say(policy.reason)
  const made: NewKey = {
    ...kindOf(key, say),
    ...policy,
    keyId: KeyId,
    origin: Material === undefined ? 'AWS_KMS' : 'EXTERNAL',
    isMultiRegion: KeyId.startsWith('mrk-'),
    manager: 'CUSTOMER',
    description: key.Description ?? '',
    tags: Object.entries(Tags).map(([tagKey, tagValue]) => ({ tagKey, tagValue })),
    rotationPeriodDays: null,
    createdBy: madeBy,
    isLockoutChecked: false,
  }
  const snapshot = await keyObject(parts.namespace, region, KeyId).create(keyCall(call, { keyAccount: account }), made)
  if (isRefusal(snapshot)) return say(snapshot.reason)
  const ask = async (operation: string, input: Input) => {
    const answer = await invoke(operation, input, call, parts)
    if (isRefusal(answer) && answer.refused !== 'AlreadyExistsException') say(`${operation}: ${answer.reason}`)
    return (answer ?? {}) as Input
  }
  if (Material !== undefined && snapshot.record.state === 'PendingImport') {
    const bytes = fromBase64(Material) ?? say('Material is no base64.')
    await importMaterial(KeyId, bytes, ask)
  }
  for (const AliasName of Aliases) await ask('CreateAlias', { AliasName, TargetKeyId: KeyId })
}

function kindOf({ KeySpec = 'SYMMETRIC_DEFAULT', KeyUsage }: SeedKey, say: (sentence: string) => never) {
  if (!isKeySpec(KeySpec)) return say(`there is no KeySpec ${KeySpec}.`)
  const { usages } = keySpecRow(KeySpec)
  const usage = (KeyUsage ?? usages[0]) as KeyUsage
  return usages.includes(usage)
    ? { spec: KeySpec, usage }
    : say(`KeyUsage ${KeyUsage} is not one of ${usages.join(', ')}.`)
}

/** As anybody imports material: wrapped for the key's own parameters. */
async function importMaterial(
  KeyId: string,
  material: Uint8Array<ArrayBuffer>,
  ask: (operation: string, input: Input) => Promise<Input>,
) {
  const parameters = { KeyId, WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' }
  const { PublicKey, ImportToken } = (await ask('GetParametersForImport', parameters)) as Record<string, Uint8Array>
  const oaep = { name: 'RSA-OAEP', hash: 'SHA-256' }
  const wrapping = await crypto.subtle.importKey('spki', PublicKey as BufferSource, oaep, false, ['encrypt'])
  const wrapped = new Uint8Array(await crypto.subtle.encrypt(oaep, wrapping, material))
  await ask('ImportKeyMaterial', {
    KeyId,
    ImportToken: toBase64(ImportToken as Uint8Array),
    EncryptedKeyMaterial: toBase64(wrapped),
    ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
  })
}

/** Null: it is there already. Throws where it is refused. */
async function iam(action: string, input: Input, call: Call, parts: Parts): Promise<Input | null> {
  const answer = await invokeQuery('iam', action, input, call, parts)
  if (!isRefusal(answer)) return answer ?? {}
  if (answer.refused === 'EntityAlreadyExists') return null
  throw new Error(`${action} ${input.UserName ?? input.RoleName}: ${answer.reason}`)
}

function textOf(document: Document): string {
  return typeof document === 'string' ? document : JSON.stringify(document)
}
