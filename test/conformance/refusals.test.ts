import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { operations } from '../../src/operations/index.ts'
import { newKey, openKms, refusalIn, signedBy, type TestKey, uses } from '../support/conformance.ts'
import { newUser } from '../support/principals.ts'

/*
 * Every operation, refused to a caller who may do nothing, and for each reason that its row lists: here, in the file whose
 * subject that reason is, or nowhere, where nothing can bring it about.
 */

const kms = await openKms()
const nobody = await newUser(kms)
const keys = new Map<string, Promise<TestKey>>()

type Input = Readonly<Record<string, unknown>>
type MakeInput = (key: TestKey) => Input

const wrapping = { WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' }
const material = {
  ImportToken: 'AAAA',
  EncryptedKeyMaterial: 'AAAA',
  ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
}
/** For the operations that `uses` leaves out. */
const imports: Readonly<Record<string, MakeInput>> = {
  DeleteImportedKeyMaterial: ({ id }) => ({ KeyId: id }),
  GetParametersForImport: ({ id }) => ({ KeyId: id, ...wrapping }),
  ImportKeyMaterial: ({ id }) => ({ KeyId: id, ...material }),
}

async function inputOf(operation: string, change: Input = {}): Promise<Input> {
  const use = uses[operation]
  const kind = use?.kind ?? 'encryption'
  if (!keys.has(kind)) keys.set(kind, newKey(kms, kind))
  const key = await (keys.get(kind) as Promise<TestKey>)
  return { ...(use?.input ?? (imports[operation] as MakeInput))(key), ...change }
}

const served = Object.entries(operations).flatMap(([name, row]) => (row === null ? [] : [{ name, ...row }]))

describe('a caller who may do nothing', () => {
  it.each(served)('$name', async ({ name }) => {
    const refusal = refusalIn(await kms.ask(name, await inputOf(name), signedBy(nobody)))
    expect(refusal).toMatch(/^AccessDeniedException: /)
  })
})

const malformedArn = 'arn:aws:kms:us-east-1:111122223333:key'

/** By the reason, for every operation that lists it: what its input has to say. Null: this one needs a row of its own. */
const ofAny: Readonly<Record<string, (operation: string) => Input | null>> = {
  NotFoundException: (operation) => naming(operation, randomUUID()),
  InvalidArnException: (operation) => naming(operation, malformedArn),
  InvalidMarkerException: () => ({ Marker: 'garbage' }),
  DryRunOperationException: () => ({ DryRun: true }),
  InvalidGrantTokenException: () => ({ GrantTokens: ['garbage'] }),
}

function naming(operation: string, name: string): Input | null {
  const [member] = uses[operation]?.names ?? (imports[operation] && ['KeyId']) ?? []
  return member === undefined ? null : { [member]: name }
}

const sm2 = { KeyPairSpec: 'SM2' }
const noStore = { CustomKeyStoreId: 'cks-1234567890abcdef0' }
const isNotThere = 'alias/is-not-there'
const nobodyAtAll = `arn:aws:iam::${kms.caller.account}:user/is-not-there`

/** The rest, one by one. */
const rows: readonly (readonly [operation: string, reason: string, change: Input])[] = [
  ['CreateKey', 'UnsupportedOperationException', { KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' }],
  ['CreateKey', 'CustomKeyStoreNotFoundException', { Origin: 'AWS_CLOUDHSM', ...noStore }],
  // The name of another key would be an IncorrectKeyException.
  ['Decrypt', 'NotFoundException', { KeyId: isNotThere }],
  ['DeleteAlias', 'NotFoundException', { AliasName: isNotThere }],
  ['DescribeCustomKeyStores', 'CustomKeyStoreNotFoundException', noStore],
  ['GenerateDataKeyPair', 'UnsupportedOperationException', sm2],
  ['GenerateDataKeyPairWithoutPlaintext', 'UnsupportedOperationException', sm2],
  ['GenerateRandom', 'CustomKeyStoreNotFoundException', noStore],
  ['ListGrants', 'InvalidGrantIdException', { GrantId: 'garbage' }],
  ['ListRetirableGrants', 'InvalidArnException', { RetiringPrincipal: nobodyAtAll }],
  ['RetireGrant', 'InvalidGrantIdException', { GrantId: 'garbage' }],
  ['RevokeGrant', 'InvalidGrantIdException', { GrantId: 'garbage' }],
]

const cases = [
  ...served.flatMap(({ name, errors }) =>
    errors.flatMap((reason) => {
      const change = ofAny[reason]?.(name)
      return change && !rows.some(([operation, why]) => operation === name && why === reason)
        ? [{ operation: name, reason, change }]
        : []
    }),
  ),
  ...rows.map(([operation, reason, change]) => ({ operation, reason, change })),
]

it.each(cases)('$operation: $reason', async ({ operation, reason, change }) => {
  expect(refusalIn(await kms.ask(operation, await inputOf(operation, change)))).toMatch(new RegExp(`^${reason}: `))
})

/** Where the other reasons are: of every operation that lists them, but for those that are `unreachable`. */
const elsewhere: Readonly<Record<string, readonly string[]>> = {
  AlreadyExistsException: ['aliases', 'multi-region'],
  DisabledException: ['states'],
  ExpiredImportTokenException: ['../local/import-clock'],
  IncorrectKeyException: ['crypto'],
  IncorrectKeyMaterialException: ['import'],
  InvalidCiphertextException: ['asymmetric', 'crypto', 'import'],
  InvalidImportTokenException: ['import'],
  InvalidKeyUsageException: ['asymmetric'],
  KMSInvalidMacException: ['asymmetric'],
  KMSInvalidSignatureException: ['asymmetric'],
  KMSInvalidStateException: ['states', 'import'],
  LimitExceededException: ['aliases', 'keys', 'multi-region', 'policy', 'rotation', '../workerd/grants'],
  MalformedPolicyDocumentException: ['keys', 'multi-region', 'policy'],
  TagException: ['keys', 'multi-region', 'tags'],
  UnsupportedOperationException: ['asymmetric', 'crypto', 'import', 'multi-region'],
}

/** What AWS names and nothing brings about here: why, the reason, and of which operations. */
const unreachable: readonly (readonly [why: string, reason: string, operations: string])[] = [
  [
    'it is allowed in every state (states.test.ts, import.test.ts)',
    'KMSInvalidStateException',
    `DeleteAlias DeleteImportedKeyMaterial GetKeyPolicy GetKeyRotationStatus ListGrants ListKeyPolicies ListKeyRotations
     PutKeyPolicy RetireGrant RevokeGrant`,
  ],
  ['an enabled key counts like any other', 'LimitExceededException', 'EnableKey'],
  ['the fifty-first tag is a TagException', 'LimitExceededException', 'TagResource'],
  ['a tag that a key cannot have is not on it', 'TagException', 'UntagResource'],
  ['a policy is of any key', 'UnsupportedOperationException', 'PutKeyPolicy'],
  ['such a name breaks the pattern of the member: a ValidationException', 'InvalidAliasNameException', 'CreateAlias'],
  ['no member is an ARN', 'InvalidArnException', 'CreateKey'],
  ['whoever is not there is an InvalidArnException', 'NotFoundException', 'ListRetirableGrants'],
  ['a rotation is done when it is answered', 'ConflictException', 'RotateKeyOnDemand'],
]

describe('each reason that a row lists', () => {
  const listed = served.flatMap(({ name, errors }) => errors.map((reason) => `${reason} of ${name}`))
  const tried = new Set(cases.map(({ operation, reason }) => `${reason} of ${operation}`))
  const outOfReach = unreachable.flatMap(([, reason, names]) =>
    names.split(/\s+/).map((operation) => `${reason} of ${operation}`),
  )
  const others = listed.filter((one) => !tried.has(one) && !outOfReach.includes(one))

  it('is here, in another file, or out of reach', () => {
    expect(others.filter((one) => elsewhere[reasonOf(one)] === undefined)).toEqual([])
    expect(outOfReach.filter((one) => tried.has(one) || !listed.includes(one))).toEqual([])
  })

  it.each(Object.entries(elsewhere))('%s', (reason, files) => {
    const texts = files.map((file) => readFileSync(join(import.meta.dirname, `${file}.test.ts`), 'utf8'))
    const name = reason.replace(/Exception$/, '')
    expect(files.filter((_, at) => !texts[at]?.includes(name))).toEqual([])
    const operations = others.filter((one) => reasonOf(one) === reason).map((one) => one.split(' of ')[1] ?? '')
    expect(operations).not.toEqual([])
    expect(operations.filter((name) => !texts.some((text) => text.includes(name)))).toEqual([])
  })

  function reasonOf(one: string): string {
    return one.split(' of ')[0] ?? ''
  }
})
