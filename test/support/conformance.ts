import { randomUUID } from 'node:crypto'
import { type KMSClient, KMSServiceException } from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import { type QueryInput, type QueryService, queryDraft, readXml, type Xml } from './query.ts'
import { type SdkKind, type SdkMembers, sdkOutput } from './sdk.ts'
import { kmsClient, startKms } from './server.ts'
import { type Answer, type Draft, send } from './sign.ts'

export interface Caller {
  readonly account: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of a session. */
  readonly sessionToken?: string
}

/** The KMS under test: the one at KMS_ENDPOINT, or a local server with nothing in it. */
export interface Kms {
  readonly endpoint: string
  readonly region: string
  readonly caller: Caller
  /** The root of another account; null: not known at KMS_ENDPOINT. */
  readonly stranger: Caller | null
  client(options?: { readonly region?: string; readonly by?: Caller }): KMSClient
  /** A signed request as it goes over the wire. */
  send(draft: Draft): Promise<Answer>
  /** What the server has printed so far; empty at KMS_ENDPOINT. */
  output(): string
  /** As `send`, for an operation and its input. */
  ask(operation: string, input: unknown, draft?: Draft): Promise<Answer>
  /** An action of IAM or STS, by somebody else than the caller where one is named. */
  query(service: QueryService, action: string, input?: QueryInput, by?: Caller, draft?: Draft): Promise<QueryAnswer>
}

/** The answer to a form. */
export interface QueryAnswer {
  readonly status: number
  /** What is in `<…Result>`; empty where the answer has none. */
  readonly result: { readonly [name: string]: Xml }
  /** `Code: message`; null: it is done. */
  readonly refusal: string | null
}

const region = process.env.AWS_REGION ?? 'us-east-1'

export async function openKms(): Promise<Kms> {
  const { KMS_ENDPOINT, KMS_ACCOUNT, AWS_ACCESS_KEY_ID = 'test', AWS_SECRET_ACCESS_KEY = 'test' } = process.env
  if (KMS_ENDPOINT !== undefined) {
    const account = KMS_ACCOUNT ?? '000000000000'
    const caller = { account, accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY }
    return kmsAt(KMS_ENDPOINT, caller, null, () => '')
  }
  const caller = { account: '111122223333', accessKeyId: 'FIRSTKEY', secretAccessKey: 'hidden-secret-of-the-first' }
  const stranger = { account: '444455556666', accessKeyId: 'SECONDKEY', secretAccessKey: 'hidden-secret-of-the-second' }
  const credentials = [caller, stranger].map((by) => `${by.account}:${by.accessKeyId}:${by.secretAccessKey}`)
  const server = await startKms(['--state', 'memory'], { env: { ROOT_CREDENTIALS: credentials.join(' ') } })
  return kmsAt(server.endpoint, caller, stranger, server.output)
}

export function kmsAt(endpoint: string, caller: Caller, stranger: Caller | null, output: () => string): Kms {
  const { accessKeyId, secretAccessKey } = caller
  const sendHere: Kms['send'] = (draft) => send(endpoint, { accessKeyId, secretAccessKey, region, ...draft })
  return {
    endpoint,
    region,
    caller,
    stranger,
    client: (options = {}) =>
      kmsClient(endpoint, { region: options.region ?? region, credentials: options.by ?? caller }),
    send: sendHere,
    output,
    ask: (operation, input, draft = {}) => sendHere({ ...draft, operation, body: JSON.stringify(input) }),
    query: async (service, action, input = {}, by = caller, draft = {}) =>
      queryAnswer(action, await sendHere(queryDraft(service, action, input, { ...signedBy(by), ...draft }))),
  }
}

/** To be signed with these credentials, and with their session token if they have one. */
export function signedBy({ accessKeyId, secretAccessKey, sessionToken }: Caller): Draft {
  const headers = sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }
  return { accessKeyId, secretAccessKey, headers }
}

/** Fails where the answer is neither what the action answers nor an error of AWS Query. */
export function queryAnswer(action: string, { status, requestId, contentType, text }: Answer): QueryAnswer {
  expect(contentType, text).toBe('text/xml')
  expect(requestId).toMatch(uuid)
  expect(status, text).toBeLessThan(500)
  const document = readXml(text.trimEnd()) as Readonly<Record<string, Record<string, Xml>>>
  if (status === 200) {
    expect(Object.keys(document)).toEqual([`${action}Response`])
    const { [`${action}Result`]: result, ResponseMetadata } = document[`${action}Response`] ?? {}
    expect(ResponseMetadata).toEqual({ RequestId: requestId })
    return { status, result: typeof result === 'object' ? (result as QueryAnswer['result']) : {}, refusal: null }
  }
  const { Error: error, RequestId } = document.ErrorResponse as { Error: Record<string, string>; RequestId: string }
  expect(RequestId).toBe(requestId)
  expect(error.Type).toBe('Sender')
  return { status, result: {}, refusal: `${error.Code}: ${error.Message ?? ''}` }
}

/** The exception that a client's call is refused with, as `Name: message`. Fails where the call succeeds. */
export async function refusalOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
  } catch (failure) {
    if (!(failure instanceof KMSServiceException)) throw failure
    expect(failure.$metadata.requestId).toMatch(uuid)
    return `${failure.name}: ${failure.message}`
  }
  throw new Error('It is not refused')
}

/** As `refusalOf`, of an answer on the wire. */
export function refusalIn({ status, requestId, json, text }: Answer): string {
  expect(requestId).toMatch(uuid)
  expect(status, text).toBe(400)
  expect(Object.keys(json).filter((name) => name !== '__type' && name !== 'message')).toEqual([])
  return `${json.__type}: ${json.message ?? ''}`
}

export const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** A success on the wire: the members that the SDK's schema has, of its kinds, and no others. */
export function expectOutput(operation: string, { status, requestId, contentType, text, json }: Answer): void {
  expect({ status, contentType }, text).toEqual({ status: 200, contentType: 'application/x-amz-json-1.1' })
  expect(requestId).toMatch(uuid)
  const members = sdkOutput(operation)
  if (members === null) expect(text).toBe('')
  else expectMembers(operation, json, members)
}

function expectMembers(at: string, value: Readonly<Record<string, unknown>>, members: SdkMembers): void {
  expect(Object.keys(value), at).toSatisfy((names: string[]) => names.every((name) => Object.hasOwn(members, name)))
  for (const [name, { isRequired, kind, members: nested }] of Object.entries(members)) {
    const given = value[name]
    const path = `${at}.${name}`
    if (given === undefined) expect(isRequired, path).toBe(false)
    else expect(isOfKind[kind](given), `${path} = ${JSON.stringify(given)}`).toBe(true)
    if (nested === null || given === undefined) continue
    for (const element of [given].flat()) expectMembers(path, element as Record<string, unknown>, nested)
  }
}

const isOfKind: Readonly<Record<SdkKind, (value: unknown) => boolean>> = {
  Blob: (value) =>
    typeof value === 'string' && value !== '' && Buffer.from(value, 'base64').toString('base64') === value,
  Boolean: (value) => typeof value === 'boolean',
  Integer: (value) => Number.isInteger(value),
  List: Array.isArray,
  Map: (value) => typeof value === 'object',
  String: (value) => typeof value === 'string',
  Structure: (value) => typeof value === 'object',
  // Seconds, and not milliseconds.
  Timestamp: (value) => typeof value === 'number' && value > 1e9 && value < 1e10,
}

/** An operation, its input, and the refusal as `Name: message`. */
export type RefusalRow = readonly [name: string, operation: string, input: unknown, refusal: string | RegExp]

export function itRefuses(kms: Kms, rows: readonly RefusalRow[]): void {
  it.each(rows)('%s: %s', async (_name, operation, input, refusal) => {
    const refused = refusalIn(await kms.ask(operation, input))
    if (typeof refusal === 'string') expect(refused).toBe(refusal)
    else expect(refused).toMatch(refusal)
  })
}

const hello = 'aGVsbG8='

/** Kinds of keys: how one is made, what a grant on it may allow, and what it makes that another operation takes. */
const kinds = {
  encryption: {
    creation: {},
    grantable: 'Decrypt',
    makes: { operation: 'Encrypt', input: { Plaintext: hello }, blob: 'CiphertextBlob' },
  },
  signing: {
    creation: { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' },
    grantable: 'Sign',
    makes: {
      operation: 'Sign',
      input: { Message: hello, SigningAlgorithm: 'ECDSA_SHA_256' },
      blob: 'Signature',
    },
  },
  mac: {
    creation: { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' },
    grantable: 'GenerateMac',
    makes: { operation: 'GenerateMac', input: { Message: hello, MacAlgorithm: 'HMAC_SHA_256' }, blob: 'Mac' },
  },
  agreement: {
    creation: { KeySpec: 'ECC_NIST_P384', KeyUsage: 'KEY_AGREEMENT' },
    grantable: 'DeriveSharedSecret',
    makes: { operation: 'GetPublicKey', input: {}, blob: 'PublicKey' },
  },
  encapsulation: {
    creation: { KeySpec: 'ML_KEM_768', KeyUsage: 'ENCAPSULATE_DECAPSULATE' },
    grantable: 'Decapsulate',
    makes: {
      operation: 'Encapsulate',
      input: { EncapsulationAlgorithm: 'ML_KEM' },
      blob: 'SharedSecretCiphertextBlob',
    },
  },
  multiRegion: {
    creation: { MultiRegion: true },
    grantable: 'Decrypt',
    makes: { operation: 'Encrypt', input: { Plaintext: hello }, blob: 'CiphertextBlob' },
  },
  replicated: {
    creation: { MultiRegion: true },
    grantable: 'Decrypt',
    makes: { operation: 'ReplicateKey', input: { ReplicaRegion: 'eu-west-1' }, blob: 'ReplicaPolicy' },
  },
} as const

type Kind = keyof typeof kinds

/** An enabled key, with an alias, a tag, a grant to its account, and what it has made of `aGVsbG8=`. */
export interface TestKey {
  readonly id: string
  readonly arn: string
  readonly alias: string
  readonly grantId: string
  readonly blob: string
}

export async function newKey(kms: Kms, kind: Kind = 'encryption'): Promise<TestKey> {
  const { creation, grantable, makes } = kinds[kind]
  const { KeyMetadata } = (await kms.ask('CreateKey', { ...creation, Tags: [{ TagKey: 'a', TagValue: '1' }] })).json
  const { KeyId: id, Arn: arn } = KeyMetadata as { KeyId: string; Arn: string }
  const alias = newAlias()
  await kms.ask('CreateAlias', { AliasName: alias, TargetKeyId: id })
  const { GrantId } = (await kms.ask('CreateGrant', { KeyId: id, ...granting(arn, grantable) })).json
  const { [makes.blob]: blob } = (await kms.ask(makes.operation, { KeyId: id, ...makes.input })).json
  return { id, arn, alias, grantId: GrantId as string, blob: blob as string }
}

export function newAlias(): string {
  return `alias/test-${randomUUID()}`
}

interface Use {
  /** Of the key; not given: one that encrypts. */
  readonly kind?: Kind
  /** With which it succeeds on an enabled key, but for CancelKeyDeletion. */
  input(key: TestKey): Readonly<Record<string, unknown>>
  /** The members of its answer, which is empty where there are none. */
  readonly output: string
  /** The member that names a key, and whether an alias will do. */
  readonly names?: readonly [member: string, as: 'key' | 'keyOrAlias']
}

/** To the account of the key, which has all rights by its policy: nothing comes of it. */
function granting(keyArn: string, operation = 'Decrypt') {
  const root = rootArnOf(keyArn)
  return { GranteePrincipal: root, RetiringPrincipal: root, Operations: [operation] }
}

function rootArnOf(keyArn: string): string {
  return `arn:aws:iam::${keyArn.split(':')[4]}:root`
}

const onKey = ({ id }: TestKey) => ({ KeyId: id })
const onGrant = ({ id, grantId }: TestKey) => ({ KeyId: id, GrantId: grantId })
const keyOnly = ['KeyId', 'key'] as const
const keyOrAlias = ['KeyId', 'keyOrAlias'] as const
const metadata = 'KeyMetadata'
const next = 'Truncated'

/** Every operation that is served, but for imports: those need a key of another origin (`import.test.ts`). */
export const uses: Readonly<Record<string, Use>> = {
  CancelKeyDeletion: { input: onKey, output: 'KeyId', names: keyOnly },
  CreateAlias: {
    input: ({ id }) => ({ AliasName: newAlias(), TargetKeyId: id }),
    output: '',
    names: ['TargetKeyId', 'key'],
  },
  CreateGrant: {
    input: ({ id, arn }) => ({ KeyId: id, ...granting(arn) }),
    output: 'GrantToken GrantId',
    names: keyOnly,
  },
  CreateKey: { input: () => ({}), output: metadata },
  Decapsulate: {
    kind: 'encapsulation',
    input: ({ id, blob }) => ({ KeyId: id, SharedSecretCiphertextBlob: blob, EncapsulationAlgorithm: 'ML_KEM' }),
    output: 'KeyId SharedSecret EncapsulationAlgorithm',
    names: keyOrAlias,
  },
  Decrypt: {
    input: ({ id, blob }) => ({ CiphertextBlob: blob, KeyId: id }),
    output: 'KeyId Plaintext EncryptionAlgorithm KeyMaterialId',
    names: keyOrAlias,
  },
  DeleteAlias: { input: ({ alias }) => ({ AliasName: alias }), output: '' },
  DeriveSharedSecret: {
    kind: 'agreement',
    input: ({ id, blob }) => ({ KeyId: id, KeyAgreementAlgorithm: 'ECDH', PublicKey: blob }),
    output: 'KeyId SharedSecret KeyAgreementAlgorithm KeyOrigin',
    names: keyOrAlias,
  },
  DescribeCustomKeyStores: { input: () => ({}), output: `CustomKeyStores ${next}` },
  DescribeKey: { input: onKey, output: metadata, names: keyOrAlias },
  DisableKey: { input: onKey, output: '', names: keyOnly },
  DisableKeyRotation: { input: onKey, output: '', names: keyOnly },
  EnableKey: { input: onKey, output: '', names: keyOnly },
  EnableKeyRotation: { input: onKey, output: '', names: keyOnly },
  Encapsulate: {
    kind: 'encapsulation',
    input: ({ id }) => ({ KeyId: id, EncapsulationAlgorithm: 'ML_KEM' }),
    output: 'KeyId SharedSecret SharedSecretCiphertextBlob EncapsulationAlgorithm',
    names: keyOrAlias,
  },
  Encrypt: {
    input: ({ id }) => ({ KeyId: id, Plaintext: 'aGVsbG8=' }),
    output: 'CiphertextBlob KeyId EncryptionAlgorithm',
    names: keyOrAlias,
  },
  GenerateDataKey: {
    input: ({ id }) => ({ KeyId: id, KeySpec: 'AES_256' }),
    output: 'CiphertextBlob Plaintext KeyId KeyMaterialId',
    names: keyOrAlias,
  },
  GenerateDataKeyPair: {
    input: ({ id }) => ({ KeyId: id, KeyPairSpec: 'ECC_NIST_P256' }),
    output: 'PrivateKeyCiphertextBlob PrivateKeyPlaintext PublicKey KeyId KeyPairSpec KeyMaterialId',
    names: keyOrAlias,
  },
  GenerateDataKeyPairWithoutPlaintext: {
    input: ({ id }) => ({ KeyId: id, KeyPairSpec: 'ML_KEM_512' }),
    output: 'PrivateKeyCiphertextBlob PublicKey KeyId KeyPairSpec KeyMaterialId',
    names: keyOrAlias,
  },
  GenerateDataKeyWithoutPlaintext: {
    input: ({ id }) => ({ KeyId: id, NumberOfBytes: 24 }),
    output: 'CiphertextBlob KeyId KeyMaterialId',
    names: keyOrAlias,
  },
  GenerateMac: {
    kind: 'mac',
    input: ({ id }) => ({ KeyId: id, Message: hello, MacAlgorithm: 'HMAC_SHA_256' }),
    output: 'KeyId Mac MacAlgorithm',
    names: keyOrAlias,
  },
  GenerateRandom: { input: () => ({ NumberOfBytes: 16 }), output: 'Plaintext' },
  GetKeyLastUsage: { input: onKey, output: 'KeyId TrackingStartDate KeyCreationDate', names: keyOnly },
  GetKeyPolicy: { input: onKey, output: 'Policy PolicyName', names: keyOnly },
  GetKeyRotationStatus: { input: onKey, output: 'KeyId KeyRotationEnabled', names: keyOnly },
  GetPublicKey: {
    kind: 'signing',
    input: onKey,
    output: 'KeyId PublicKey CustomerMasterKeySpec KeySpec KeyUsage SigningAlgorithms',
    names: keyOrAlias,
  },
  ListAliases: { input: onKey, output: `Aliases ${next}`, names: keyOnly },
  ListGrants: { input: onKey, output: `Grants ${next}`, names: keyOnly },
  ListKeyPolicies: { input: onKey, output: `PolicyNames ${next}`, names: keyOnly },
  ListKeyRotations: {
    input: ({ id }) => ({ KeyId: id, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' }),
    output: `Rotations ${next}`,
    names: keyOnly,
  },
  ListKeys: { input: () => ({ Limit: 1000 }), output: `Keys ${next}` },
  ListResourceTags: { input: onKey, output: `Tags ${next}`, names: keyOnly },
  ListRetirableGrants: {
    input: ({ arn }) => ({ RetiringPrincipal: rootArnOf(arn) }),
    output: `Grants ${next}`,
  },
  PutKeyPolicy: {
    input: ({ id, arn }) => ({ KeyId: id, Policy: rootPolicy(arn.split(':')[4] ?? '') }),
    output: '',
    names: keyOnly,
  },
  ReEncrypt: {
    input: ({ id, blob }) => ({ CiphertextBlob: blob, DestinationKeyId: id }),
    output:
      'CiphertextBlob SourceKeyId KeyId SourceEncryptionAlgorithm DestinationEncryptionAlgorithm SourceKeyMaterialId DestinationKeyMaterialId',
    names: ['DestinationKeyId', 'keyOrAlias'],
  },
  ReplicateKey: {
    kind: 'multiRegion',
    input: ({ id }) => ({ KeyId: id, ReplicaRegion: 'eu-west-1' }),
    output: 'ReplicaKeyMetadata ReplicaPolicy ReplicaTags',
    names: keyOnly,
  },
  RetireGrant: { input: onGrant, output: '', names: keyOnly },
  RevokeGrant: { input: onGrant, output: '', names: keyOnly },
  RotateKeyOnDemand: { input: onKey, output: 'KeyId', names: keyOnly },
  ScheduleKeyDeletion: { input: onKey, output: 'KeyId DeletionDate KeyState PendingWindowInDays', names: keyOnly },
  Sign: {
    kind: 'signing',
    input: ({ id }) => ({ KeyId: id, Message: hello, SigningAlgorithm: 'ECDSA_SHA_256' }),
    output: 'KeyId Signature SigningAlgorithm',
    names: keyOrAlias,
  },
  TagResource: {
    input: ({ id }) => ({ KeyId: id, Tags: [{ TagKey: 'b', TagValue: '' }] }),
    output: '',
    names: keyOnly,
  },
  UntagResource: { input: ({ id }) => ({ KeyId: id, TagKeys: ['a'] }), output: '', names: keyOnly },
  UpdateAlias: {
    input: ({ id, alias }) => ({ AliasName: alias, TargetKeyId: id }),
    output: '',
    names: ['TargetKeyId', 'key'],
  },
  UpdatePrimaryRegion: {
    kind: 'replicated',
    input: ({ id }) => ({ KeyId: id, PrimaryRegion: 'eu-west-1' }),
    output: '',
    names: keyOnly,
  },
  UpdateKeyDescription: { input: ({ id }) => ({ KeyId: id, Description: 'd' }), output: '', names: keyOnly },
  Verify: {
    kind: 'signing',
    input: ({ id, blob }) => ({ KeyId: id, Message: hello, SigningAlgorithm: 'ECDSA_SHA_256', Signature: blob }),
    output: 'KeyId SignatureValid SigningAlgorithm',
    names: keyOrAlias,
  },
  VerifyMac: {
    kind: 'mac',
    input: ({ id, blob }) => ({ KeyId: id, Message: hello, MacAlgorithm: 'HMAC_SHA_256', Mac: blob }),
    output: 'KeyId MacValid MacAlgorithm',
    names: keyOrAlias,
  },
}

/** The default key policy, which is also what AWS writes where none is given. */
export function rootPolicy(account: string): string {
  const statement = {
    Sid: 'Enable IAM User Permissions',
    Effect: 'Allow',
    Principal: { AWS: `arn:aws:iam::${account}:root` },
    Action: 'kms:*',
    Resource: '*',
  }
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
}
