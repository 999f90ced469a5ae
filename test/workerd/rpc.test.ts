import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { encryptedBucket } from '../../src/adapters/r2.ts'
import type { BindingAnswer, BindingCall, KmsBinding } from '../../src/model/kms-binding.ts'
import { createKms } from '../../src/sdk/index.ts'
import { createKmsEntrypoint, edgeSeams } from '../../src/worker.ts'
import { account, createKey, env, region } from '../support/workerd.ts'

const Kms = createKmsEntrypoint(edgeSeams)
const Plaintext = new TextEncoder().encode('hello')
const arn = (name: string, of = account) => `arn:aws:iam::${of}:role/${name}`
const trust = (statement: object = {}) => ({
  Effect: 'Allow',
  Principal: { Service: 'workers.edge-kms' },
  Action: 'sts:AssumeRole',
  ...statement,
})

let made = 0

/** A role that D1 knows. */
async function role(trusting: object, policy: object | null, { of = account, path = '/' } = {}) {
  const name = `role-${++made}`
  const id = `AROA${crypto.randomUUID().replaceAll('-', '').slice(0, 17).toUpperCase()}`
  const document = JSON.stringify({ Version: '2012-10-17', Statement: trusting })
  await env.DB.prepare(
    `insert into roles (id, account, name, name_key, path, created_at, description, trust_policy, trust_principal_ids, max_session_seconds)
     values (?, ?, ?, ?, ?, 0, '', ?, '{}', 3600)`,
  )
    .bind(id, of, name, name, path, document)
    .run()
  if (policy !== null) await allowing(id, policy)
  return { id, name, arn: `arn:aws:iam::${of}:role${path}${name}` }
}

async function allowing(id: string, statement: object) {
  await env.DB.prepare('insert into inline_policies (owner_id, name, document) values (?, ?, ?)')
    .bind(id, 'test', JSON.stringify({ Version: '2012-10-17', Statement: statement }))
    .run()
}

const everything = { Effect: 'Allow', Action: 'kms:*', Resource: '*' }

/** One call through the binding, as an isolate of its own. */
async function invoke(
  props: unknown,
  operation: string,
  input: unknown = {},
  { overEnv = { ...env }, ...call }: { overEnv?: typeof env } & Record<string, unknown> = {},
): Promise<BindingAnswer> {
  const ctx = Object.assign(createExecutionContext(), { props })
  const answer = await new Kms(ctx as never, overEnv).invoke(operation, input, { region, ...call } as BindingCall)
  await waitOnExecutionContext(ctx)
  return answer
}

const denied = { refused: 'AccessDeniedException', isRetryable: false }
let app: Awaited<ReturnType<typeof role>>
let KeyId: string

beforeAll(async () => {
  app = await role(trust(), everything)
  ;({ keyId: KeyId } = await createKey())
})

describe('a bound Worker', () => {
  it('encrypts and decrypts as a session of its role', async () => {
    const encrypted = await invoke({ role: app.arn, app: 'shop' }, 'Encrypt', { KeyId, Plaintext })
    const { CiphertextBlob } = (encrypted as { output: { CiphertextBlob: Uint8Array } }).output
    expect(await invoke({ role: app.arn, app: 'shop' }, 'Decrypt', { CiphertextBlob })).toMatchObject({
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      output: { Plaintext, KeyId: expect.stringContaining(KeyId) },
    })
  })

  it('makes changes, which its key records as its own', async () => {
    const props = { role: app.arn, app: 'shop' }
    const { output } = (await invoke(props, 'CreateKey', {})) as { output: { KeyMetadata: { KeyId: string } } }
    expect(await invoke(props, 'DisableKey', { KeyId: output.KeyMetadata.KeyId })).toMatchObject({ output: undefined })
    const { results } = await env.DB.prepare("select * from events where name = 'DisableKey'").all()
    expect(JSON.stringify(results)).toContain(`assumed-role/${app.name}/shop`)
  })

  it('may what its role may, and nothing else', async () => {
    const { arn } = await role(trust(), { Effect: 'Allow', Action: 'kms:Encrypt', Resource: '*' })
    expect(await invoke({ role: arn }, 'Encrypt', { KeyId, Plaintext })).toHaveProperty('output')
    expect(await invoke({ role: arn }, 'GenerateDataKey', { KeyId, NumberOfBytes: 16 })).toMatchObject({
      ...denied,
      message: expect.stringMatching(
        /^User: arn:aws:sts::.*:assumed-role\/role-\d+\/workers is not authorized to perform/,
      ),
    })
  })

  it('is refused what it has wrong, by name', async () => {
    const props = { role: app.arn }
    expect(await invoke(props, 'Nothing')).toMatchObject({ refused: 'UnknownOperationException' })
    expect(await invoke(props, 'constructor')).toMatchObject({ refused: 'UnknownOperationException' })
    expect(await invoke(props, 'Encrypt', { KeyId })).toMatchObject({ refused: 'ValidationException' })
    expect(await invoke(props, 'Encrypt', 'text')).toMatchObject({ refused: 'SerializationException' })
    expect(await invoke(props, 'Encrypt', { KeyId, Plaintext: () => 1 })).toMatchObject({
      refused: 'SerializationException',
    })
    const circle: Record<string, unknown> = { KeyId }
    circle.EncryptionContext = circle
    expect(await invoke(props, 'Encrypt', circle)).toMatchObject({ refused: 'SerializationException' })
    expect(await invoke(props, 'ListKeys', {}, { region: 'moon-1' })).toMatchObject({ refused: 'ValidationException' })
    expect(await invoke(props, 'ListKeys', {}, { region: undefined })).toMatchObject({ refused: 'ValidationException' })
    expect(await invoke(props, undefined as never)).toMatchObject({ refused: 'UnknownOperationException' })
  })

  it('gets bytes that bring nothing else along', async () => {
    const answer = await invoke({ role: app.arn }, 'GenerateDataKey', { KeyId, NumberOfBytes: 16 })
    const { Plaintext, CiphertextBlob } = (answer as { output: Record<string, Uint8Array> }).output
    for (const bytes of [Plaintext, CiphertextBlob]) expect(bytes?.buffer.byteLength).toBe(bytes?.length)
  })

  it('is served by the SDK', async () => {
    const ctx = Object.assign(createExecutionContext(), { props: { role: app.arn } })
    const kms = createKms({ binding: new Kms(ctx as never, env), region })
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext, EncryptionContext: { a: 'b' } })
    expect(await kms.decrypt({ CiphertextBlob, EncryptionContext: { a: 'b' } })).toMatchObject({ Plaintext })
    await expect(kms.decrypt({ CiphertextBlob })).rejects.toMatchObject({ name: 'InvalidCiphertextException' })
    await waitOnExecutionContext(ctx)
  })
})

describe('a binding that is not let in', () => {
  it.each([
    ['nothing', undefined, 'name no role'],
    ['no props', {}, 'name no role'],
    ['root', { role: `arn:aws:iam::${account}:root` }, 'ARN of an IAM role alone'],
    ['an account', { role: account }, 'ARN of an IAM role alone'],
    ['a user', { role: `arn:aws:iam::${account}:user/web` }, 'ARN of an IAM role alone'],
    ['a session', { role: `arn:aws:sts::${account}:assumed-role/web/x` }, 'ARN of an IAM role alone'],
    ['a service', { role: 'workers.edge-kms' }, 'ARN of an IAM role alone'],
    ['several', { role: [arn('web')] }, 'ARN of an IAM role alone'],
    ['another account', { role: arn('web', '999999999999') }, 'is not one of this deployment'],
    ['a role that is not there', { role: arn('nobody') }, 'not authorized to perform: sts:AssumeRole'],
    ['a bad app', { role: arn('web'), app: 'a b' }, 'another app than'],
    ['more than a role', { role: arn('web'), viaService: 's3' }, 'have viaService'],
    ['a principal', { role: arn('web'), principal: { kind: 'root' } }, 'have principal'],
  ])('by %s', async (_, props, sentence) => {
    expect(await invoke(props, 'ListKeys')).toMatchObject({ ...denied, message: expect.stringContaining(sentence) })
  })

  it.each([
    ['trusts a user', trust({ Principal: { AWS: `arn:aws:iam::${account}:root` } })],
    ['trusts everybody', trust({ Principal: '*' })],
    ['trusts another service', trust({ Principal: { Service: 's3.amazonaws.com' } })],
    ['trusts nobody', []],
    ['trusts for something else', trust({ Action: 'sts:TagSession' })],
    ['trusts and denies', [trust(), trust({ Effect: 'Deny' })]],
    ['trusts another app', trust({ Condition: { StringEquals: { 'sts:RoleSessionName': 'other' } } })],
    ['trusts an address', trust({ Condition: { IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } } })],
  ])('by a role that %s', async (_, trusting) => {
    const { arn } = await role(trusting, everything)
    const refusal = { ...denied, message: expect.stringContaining('sts:AssumeRole') }
    expect(await invoke({ role: arn, app: 'shop' }, 'ListKeys')).toMatchObject(refusal)
    expect(await invoke({ role: arn, app: 'shop' }, 'ListKeys', {}, { via: 's3' })).toMatchObject(refusal)
  })

  it('but by its app’s name, where the role says so', async () => {
    const { arn } = await role(trust({ Condition: { StringEquals: { 'sts:RoleSessionName': 'shop' } } }), everything)
    expect(await invoke({ role: arn, app: 'shop' }, 'ListKeys')).toHaveProperty('output')
    expect(await invoke({ role: arn }, 'ListKeys')).toMatchObject(denied)
  })

  it('by a role of that name on another path', async () => {
    const { name } = await role(trust(), everything, { path: '/apps/' })
    expect(await invoke({ role: arn(name) }, 'ListKeys')).toMatchObject(denied)
    expect(await invoke({ role: arn(`apps/${name}`) }, 'ListKeys')).toHaveProperty('output')
  })

  it('where the door is closed', async () => {
    const answer = await invoke({ role: app.arn }, 'ListKeys', {}, { overEnv: { ...env, RPC: 'off' } })
    expect(answer).toMatchObject({ ...denied, message: expect.stringContaining('RPC=off') })
  })

  it('where the deployment is misconfigured', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const answer = await invoke({ role: app.arn }, 'ListKeys', {}, { overEnv: { ...env, ROOT_KEYS: '' } })
    expect(answer).toMatchObject({ refused: 'KMSInternalException', message: expect.stringContaining('ROOT_KEYS') })
  })

  it('is on record in the account of its role', async () => {
    const { arn } = await role([], everything)
    const sent: string[] = []
    const overEnv = { ...env, AUDIT: 'strict', AUDIT_QUEUE: { send: async (text: string) => void sent.push(text) } }
    await invoke({ role: arn, app: 'shop' }, 'ListKeys', {}, { overEnv: overEnv as never })
    const told = sent.join()
    for (const word of ['AssumeRole', arn, 'shop', 'workers.edge-kms', 'AccessDenied']) expect(told).toContain(word)
    sent.length = 0
    await invoke({ role: app.arn, app: 'shop' }, 'ListKeys', {}, { overEnv: overEnv as never })
    expect(sent.join()).toContain(`assumed-role/${app.name}/shop`)
  })
})

describe('on behalf of S3', () => {
  const object = 'arn:aws:s3:::documents/a/b.pdf'
  const EncryptionContext = { 'aws:s3:arn': object }
  const dataKey = { KeyId: 'alias/aws/s3', NumberOfBytes: 32, EncryptionContext }
  const via = { via: 's3' }
  const ofBucket = (action: string, resource = 'arn:aws:s3:::documents/*') => ({
    Effect: 'Allow',
    Action: action,
    Resource: resource,
  })

  it('a role that may read and write the object uses the AWS managed key', async () => {
    const { arn } = await role(trust(), [ofBucket('s3:PutObject'), ofBucket('s3:GetObject')])
    const made = (await invoke({ role: arn }, 'GenerateDataKey', dataKey, via)) as {
      output: Record<string, Uint8Array>
    }
    expect(made.output.Plaintext).toHaveLength(32)
    const { CiphertextBlob, KeyId } = made.output
    for (const named of [undefined, KeyId, 'alias/aws/s3']) {
      const input = { CiphertextBlob, EncryptionContext, KeyId: named }
      expect(await invoke({ role: arn }, 'Decrypt', input, via)).toMatchObject({
        output: { Plaintext: made.output.Plaintext },
      })
    }
    // By itself it may do nothing with it, and neither may one who may everything.
    for (const by of [arn, app.arn]) {
      expect(await invoke({ role: by }, 'Decrypt', { CiphertextBlob, EncryptionContext })).toMatchObject(denied)
      expect(await invoke({ role: by }, 'GenerateDataKey', dataKey)).toMatchObject(denied)
    }
  })

  it.each([
    ['a role that S3 would refuse', everything, 'GenerateDataKey', dataKey],
    ['a role that may only read', ofBucket('s3:GetObject'), 'GenerateDataKey', dataKey],
    ['another object', ofBucket('s3:*', 'arn:aws:s3:::other/*'), 'GenerateDataKey', dataKey],
    ['no object', ofBucket('s3:*', '*'), 'GenerateDataKey', { ...dataKey, EncryptionContext: { a: 'b' } }],
    ['no context', ofBucket('s3:*', '*'), 'GenerateDataKey', { KeyId: 'alias/aws/s3', NumberOfBytes: 32 }],
    [
      'a pattern of objects',
      ofBucket('s3:*', '*'),
      'GenerateDataKey',
      { ...dataKey, EncryptionContext: { 'aws:s3:arn': 'arn:aws:s3:::documents/*' } },
    ],
    [
      'another operation',
      [everything, ofBucket('s3:*', '*')],
      'Encrypt',
      { KeyId: 'alias/aws/s3', Plaintext, EncryptionContext },
    ],
    ['a change', [everything, ofBucket('s3:*', '*')], 'ScheduleKeyDeletion', { KeyId: 'alias/aws/s3' }],
  ] as const)('%s is refused', async (_, policy, operation, input) => {
    const { arn } = await role(trust(), policy as object)
    expect(await invoke({ role: arn }, operation, input, via)).toMatchObject(denied)
  })

  it('no other key is used', async () => {
    const { arn } = await role(trust(), [everything, ofBucket('s3:*', '*')])
    expect(await invoke({ role: arn }, 'GenerateDataKey', { ...dataKey, KeyId }, via)).toMatchObject(denied)
    const own = await invoke({ role: arn }, 'Encrypt', { KeyId, Plaintext, EncryptionContext })
    const { CiphertextBlob } = (own as { output: { CiphertextBlob: Uint8Array } }).output
    expect(await invoke({ role: arn }, 'Decrypt', { CiphertextBlob, EncryptionContext }, via)).toMatchObject({
      refused: 'IncorrectKeyException',
    })
  })

  it('encrypts a bucket by default, for whoever may read and write its objects', async () => {
    const bucketOf = (caller: string) => {
      const binding = { invoke: (...call: Parameters<KmsBinding['invoke']>) => bound(caller, call) }
      return encryptedBucket(env.DOCUMENTS, { name: 'documents', kms: createKms({ binding, region }) })
    }
    const bound = (caller: string, [operation, input, asked]: Parameters<KmsBinding['invoke']>) =>
      invoke({ role: caller, app: 'shop' }, operation, input, { ...asked })
    const writer = await role(trust(), [ofBucket('s3:PutObject'), ofBucket('s3:GetObject')])
    const stranger = await role(trust(), [everything, ofBucket('s3:*', 'arn:aws:s3:::other/*')])
    await bucketOf(writer.arn).put('by-default', 'text')
    expect(await (await bucketOf(writer.arn).get('by-default'))?.text()).toBe('text')
    await expect(bucketOf(stranger.arn).get('by-default')).rejects.toThrow('not authorized to perform: s3:GetObject')
    const put = bucketOf(stranger.arn).put('by-default', 'other')
    await expect(put).rejects.toThrow('not authorized to perform: s3:PutObject')
  })

  it.each(['ec2', 'constructor', '', 1, { s3: true }])('%j is no integration', async (other) => {
    const { arn } = await role(trust(), [everything, ofBucket('s3:*', '*')])
    expect(await invoke({ role: arn }, 'GenerateDataKey', dataKey, { via: other })).toMatchObject(denied)
  })
})
