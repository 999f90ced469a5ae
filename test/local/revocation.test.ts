import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Caller, type Kms, kmsAt, rootPolicy, signedBy } from '../support/conformance.ts'
import { allow, assume, done, newName, newRole, newUser, policyOf, type User } from '../support/principals.ts'
import { startTwoIsolates, type TwoIsolates } from '../support/two-isolates.ts'

/** What is taken away stops working: through the isolate that took it at once, through another one within the seconds. */

const root: Caller = { account: '111122223333', accessKeyId: 'ROOTONE', secretAccessKey: 'secret-one' }
const variables = {
  ROOT_KEYS: `1:${Buffer.alloc(32, 7).toString('base64')}`,
  ROOT_CREDENTIALS: `${root.account}:${root.accessKeyId}:${root.secretAccessKey}`,
}

interface Taking {
  readonly what: string
  /** Gives a new user something, in a way of its own: who has it, what only they may, and how it is taken away. */
  given(kms: Kms, keyId: string): Promise<Given>
}

interface Given {
  readonly by: Caller
  readonly take: () => Promise<unknown>
}

const onUser = ({ name }: User) => ({ UserName: name })
const mayEncrypt = [allow('kms:Encrypt')]

async function newPolicy(kms: Kms, document: string): Promise<string> {
  const input = { PolicyName: newName(), PolicyDocument: document }
  const { Policy } = await done(kms.query('iam', 'CreatePolicy', input))
  return (Policy as { Arn: string }).Arn
}

const takings: readonly Taking[] = [
  {
    what: 'a deleted access key',
    async given(kms) {
      const by = await newUser(kms, mayEncrypt)
      const input = { ...onUser(by), AccessKeyId: by.accessKeyId }
      return { by, take: () => done(kms.query('iam', 'DeleteAccessKey', input)) }
    },
  },
  {
    what: 'an access key made inactive',
    async given(kms) {
      const by = await newUser(kms, mayEncrypt)
      const input = { ...onUser(by), AccessKeyId: by.accessKeyId, Status: 'Inactive' }
      return { by, take: () => done(kms.query('iam', 'UpdateAccessKey', input)) }
    },
  },
  {
    what: 'a deleted policy of a user',
    async given(kms) {
      const by = await newUser(kms, mayEncrypt)
      return { by, take: () => done(kms.query('iam', 'DeleteUserPolicy', { ...onUser(by), PolicyName: 'test' })) }
    },
  },
  {
    what: 'a detached policy',
    async given(kms) {
      const by = await newUser(kms)
      const input = { ...onUser(by), PolicyArn: await newPolicy(kms, policyOf(...mayEncrypt)) }
      await done(kms.query('iam', 'AttachUserPolicy', input))
      return { by, take: () => done(kms.query('iam', 'DetachUserPolicy', input)) }
    },
  },
  {
    what: 'another default version of a policy',
    async given(kms) {
      const by = await newUser(kms)
      const PolicyArn = await newPolicy(kms, policyOf(...mayEncrypt))
      await done(kms.query('iam', 'AttachUserPolicy', { ...onUser(by), PolicyArn }))
      const input = { PolicyArn, PolicyDocument: policyOf(allow('kms:ListKeys')), SetAsDefault: true }
      return { by, take: () => done(kms.query('iam', 'CreatePolicyVersion', input)) }
    },
  },
  {
    what: 'a group that is left',
    async given(kms) {
      const by = await newUser(kms)
      const GroupName = newName()
      await done(kms.query('iam', 'CreateGroup', { GroupName }))
      const policy = { GroupName, PolicyName: 'test', PolicyDocument: policyOf(...mayEncrypt) }
      await done(kms.query('iam', 'PutGroupPolicy', policy))
      await done(kms.query('iam', 'AddUserToGroup', { GroupName, ...onUser(by) }))
      return { by, take: () => done(kms.query('iam', 'RemoveUserFromGroup', { GroupName, ...onUser(by) })) }
    },
  },
  {
    what: 'a permissions boundary that is put',
    async given(kms) {
      const by = await newUser(kms, mayEncrypt)
      const input = { ...onUser(by), PermissionsBoundary: await newPolicy(kms, policyOf(allow('kms:ListKeys'))) }
      return { by, take: () => done(kms.query('iam', 'PutUserPermissionsBoundary', input)) }
    },
  },
  {
    what: 'a deleted policy of a session’s role',
    async given(kms) {
      const user = await newUser(kms)
      const role = await newRole(kms, { Principal: { AWS: user.arn } }, mayEncrypt)
      const by = await assume(kms, user, role.arn)
      const input = { RoleName: role.name, PolicyName: 'test' }
      return { by, take: () => done(kms.query('iam', 'DeleteRolePolicy', input)) }
    },
  },
  {
    what: 'a changed key policy',
    async given(kms, KeyId) {
      const by = await newUser(kms)
      const { Statement } = JSON.parse(rootPolicy(root.account)) as { Statement: object[] }
      const named = { ...allow('kms:Encrypt'), Principal: { AWS: by.arn } }
      const put = (Policy: string) => kms.ask('PutKeyPolicy', { KeyId, Policy })
      expect((await put(policyOf(...Statement, named))).status).toBe(200)
      return { by, take: () => put(rootPolicy(root.account)) }
    },
  },
  {
    what: 'a revoked grant',
    async given(kms, KeyId) {
      const by = await newUser(kms)
      const grant = { KeyId, GranteePrincipal: by.arn, Operations: ['Encrypt'] }
      const { GrantId } = (await kms.ask('CreateGrant', grant)).json
      return { by, take: () => kms.ask('RevokeGrant', { KeyId, GrantId }) }
    },
  },
  {
    what: 'a disabled key',
    async given(kms, KeyId) {
      return { by: await newUser(kms, mayEncrypt), take: () => kms.ask('DisableKey', { KeyId }) }
    },
  },
]

describe.each([
  { seconds: 0, laterMs: 0 },
  { seconds: 1, laterMs: 1_000 },
])('with KEY_SNAPSHOT_SECONDS=$seconds', ({ seconds, laterMs }) => {
  let isolates: TwoIsolates
  let kms: readonly [Kms, Kms]
  beforeAll(async () => {
    isolates = await startTwoIsolates({ ...variables, KEY_SNAPSHOT_SECONDS: String(seconds) })
    const [first, second] = isolates.endpoints.map((endpoint) => kmsAt(endpoint, root, null, () => ''))
    kms = [first as Kms, second as Kms]
  })
  afterAll(() => isolates.stop())

  it.concurrent.each(takings)('$what', async ({ given }) => {
    const [here, there] = kms
    const { KeyMetadata } = (await here.ask('CreateKey', {})).json as { KeyMetadata: { KeyId: string } }
    const KeyId = KeyMetadata.KeyId
    const { by, take } = await given(here, KeyId)
    const isServed = async (at: Kms) =>
      (await at.ask('Encrypt', { KeyId, Plaintext: 'YQ==' }, signedBy(by))).status === 200
    // Both know, and the other one has just been asked.
    expect(await isServed(there)).toBe(true)
    expect(await isServed(here)).toBe(true)
    expect(await isServed(there)).toBe(true)
    await take()
    const takenAt = Date.now()
    expect(await isServed(here)).toBe(false)
    if (laterMs === 0) {
      expect(await isServed(there)).toBe(false)
      return
    }
    // What it has just read it may use for that long.
    while (Date.now() - takenAt < laterMs) {
      await isServed(there)
      await sleep(50)
    }
    expect(await isServed(there)).toBe(false)
  })
})
