import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  type KMSClient,
  KMSServiceException,
  PutKeyPolicyCommand,
  paginateListAliases,
  paginateListKeys,
  RevokeGrantCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
} from '@aws-sdk/client-kms'
import { expect, it } from 'vitest'
import type { Faults } from '../../src/local/in-worker/fault-words.ts'
import { disagreements, type FaultyKms, indexRows, startFaultyKms, storedKeys } from '../support/faults.ts'
import { acknowledged, askIam, moveClock } from '../support/post.ts'
import { kmsClient, temporaryState } from '../support/server.ts'

const isSlow = Boolean(process.env.SLOW)
const outageMs = isSlow ? 60_000 : 2_000
/** What an object could not tell it tells after a minute at most. */
const agreedMs = isSlow ? 120_000 : 30_000
const root = 'arn:aws:iam::000000000000:root'
const queues = ['AUDIT_QUEUE', 'LIFECYCLE_QUEUE', 'EVENTS_QUEUE'] as const

const outages: readonly (readonly [string, Faults])[] = [
  ['D1 refuses every call', { refuse: ['DB'] }],
  ['every queue refuses every call', { refuse: queues }],
  ['D1 does everything and answers nothing', { lose: ['DB'] }],
  ['every queue takes everything and answers nothing', { lose: queues }],
  ['the archive refuses every call', { refuse: ['ARCHIVE'] }],
]

it.each(isSlow ? outages : outages.slice(0, 2))(
  'loses nothing while %s',
  { timeout: outageMs + agreedMs + 60_000 },
  async (title, faults) => {
    const state = temporaryState()
    const kms = await startFaultyKms(state)
    const load = await Load.prepare(kms)
    await kms.fail(faults)
    await load.run(outageMs)
    await kms.fail({})
    await expect.poll(() => disagreements(state), { timeout: agreedMs, interval: 500 }).toEqual([])

    const { changes, refusals, uses, unserved } = load
    console.log(
      `${title}, ${outageMs / 1000} s: ${changes.size} changes acknowledged, ${refusals.length} refused ` +
        `(${[...new Set(refusals)].join(', ') || 'none'}); ${uses.length} uses of warm keys, ${unserved.length} refused`,
    )
    expect(unserved).toEqual([])
    expect(uses.length).toBeGreaterThan(50)
    expect(changes.size).toBeGreaterThan(5)
    expect(new Set(refusals).difference(new Set(['DependencyTimeoutException', 'ServiceUnavailable']))).toEqual(
      new Set(),
    )
    const events = indexRows(state, `select body ->> '$.requestID' as id, name from events where name <> 'RotateKey'`)
    const recorded = new Map<unknown, unknown[]>()
    for (const { id, name } of events) recorded.set(id, [...(recorded.get(id) ?? []), name])
    for (const [id, name] of changes) expect([id, recorded.get(id)]).toEqual([id, [name]])

    const client = kmsClient(kms.endpoint)
    const listed: unknown[] = []
    for await (const { Keys = [] } of paginateListKeys({ client }, {})) listed.push(...Keys.map(({ KeyId }) => KeyId))
    expect(listed).toEqual(
      storedKeys(state)
        .map(({ key }) => key.key_id)
        .sort(),
    )
    const named = new Set<unknown>()
    for await (const { Aliases = [] } of paginateListAliases({ client }, {})) {
      for (const { AliasName } of Aliases) named.add(AliasName)
    }
    expect(load.aliases.filter((name) => !named.has(name))).toEqual([])

    expect(await kms.stop()).toBe(0)
    const rows = indexRows(state, `select value ->> 3 as id from event_batches, json_each(body, '$.events')`)
    const kept = new Map<unknown, number>()
    for (const { id } of rows) kept.set(id, (kept.get(id) ?? 0) + 1)
    expect(uses.filter((id) => kept.get(id) !== 1)).toEqual([])
  },
)

it('says that the clock has moved, where what is due cannot be done', async () => {
  const state = temporaryState()
  const kms = await startFaultyKms(state)
  const client = kmsClient(kms.endpoint)
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  await client.send(new ScheduleKeyDeletionCommand({ KeyId: KeyMetadata?.KeyId, PendingWindowInDays: 7 }))
  await kms.fail({ refuse: ['DB'] })
  const moved = await moveClock(kms.endpoint, '8d')
  expect(moved.status).toBe(500)
  expect(JSON.parse(moved.text).message).toMatch(
    /^The clock is at \S+Z; what is due is left to the next sweep: Error: DB refuses every call$/,
  )
  await kms.fail({})
  expect(JSON.parse((await acknowledged(moveClock(kms.endpoint, '1s'))).text)).toMatchObject({ deleted: 1 })
  expect(disagreements(state)).toEqual([])
  expect(await kms.stop()).toBe(0)
})

/** Changes of every kind, and crypto calls on warm keys by root and by a user. */
class Load {
  /** Acknowledged: the names of the events by the ids of the requests. */
  readonly changes = new Map<string, string>()
  readonly aliases: string[] = []
  readonly refusals: string[] = []
  /** Request ids of crypto calls that were served. */
  readonly uses: string[] = []
  readonly unserved: unknown[] = []
  readonly #endpoint: string
  readonly #client: KMSClient
  readonly #users: KMSClient
  readonly #warm: { readonly keyId: string; readonly blob: Uint8Array }[] = []
  #made = 0

  private constructor(endpoint: string, user: { accessKeyId: string; secretAccessKey: string }) {
    this.#endpoint = endpoint
    this.#client = kmsClient(endpoint)
    this.#users = kmsClient(endpoint, { credentials: user })
  }

  static async prepare({ endpoint }: FaultyKms): Promise<Load> {
    const UserName = 'crypto'
    await acknowledged(askIam(endpoint, 'CreateUser', { UserName }))
    const Statement = { Effect: 'Allow', Action: 'kms:*', Resource: '*' }
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
    await acknowledged(askIam(endpoint, 'PutUserPolicy', { UserName, PolicyName: 'all', PolicyDocument }))
    const { text } = await acknowledged(askIam(endpoint, 'CreateAccessKey', { UserName }))
    const member = (name: string) => new RegExp(`<${name}>([^<]+)<`).exec(text)?.[1] ?? ''
    const load = new Load(endpoint, {
      accessKeyId: member('AccessKeyId'),
      secretAccessKey: member('SecretAccessKey'),
    })
    for (const at of [0, 1]) {
      const keyId = await load.#newKey()
      await load.#client.send(new CreateAliasCommand({ AliasName: `alias/warm-${at}`, TargetKeyId: keyId }))
      const { CiphertextBlob: blob = new Uint8Array() } = await load.#client.send(
        new EncryptCommand({ KeyId: `alias/warm-${at}`, Plaintext: Buffer.from('x') }),
      )
      load.#warm.push({ keyId, blob })
    }
    await load.#use(0)
    load.changes.clear()
    load.uses.length = 0
    return load
  }

  async run(forMs: number): Promise<void> {
    const end = Date.now() + forMs
    const until = async (work: (at: number) => Promise<void>) => {
      for (let at = 0; Date.now() < end; at++) await work(at)
    }
    const using = until(async (at) => {
      await this.#use(at)
      await sleep(10)
    })
    await Promise.all([using, until(() => this.#changeAll()), until(() => this.#changeAll())])
  }

  /** By key id and by alias, by root and by a user. */
  async #use(at: number): Promise<void> {
    const { keyId, blob } = this.#warm[at % this.#warm.length] as { keyId: string; blob: Uint8Array }
    const Plaintext = Buffer.from(String(at))
    const AliasName = `alias/warm-${at % this.#warm.length}`
    const calls = [this.#client, this.#users].flatMap((client) => [
      client.send(new EncryptCommand({ KeyId: keyId, Plaintext })),
      client.send(new EncryptCommand({ KeyId: AliasName, Plaintext })),
      client.send(new DecryptCommand({ CiphertextBlob: blob })),
    ])
    for (const result of await Promise.allSettled(calls)) {
      if (result.status === 'fulfilled') this.uses.push(result.value.$metadata.requestId ?? '')
      else this.unserved.push(result.reason)
    }
  }

  /** One of each. What one needs of another is there, or it is left out. */
  async #changeAll(): Promise<void> {
    const word = randomUUID()
    const isRevoked = ++this.#made % 2 === 0
    const KeyId = await this.#newKey()
    if (KeyId === '') return
    const send = (command: unknown) => this.#client.send(command as TagResourceCommand)
    await this.#change('TagResource', () =>
      send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: word, TagValue: '' }] })),
    )
    const Statement = { Sid: word, Effect: 'Allow', Principal: { AWS: root }, Action: 'kms:*', Resource: '*' }
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await this.#change('PutKeyPolicy', () => send(new PutKeyPolicyCommand({ KeyId, Policy })))
    await this.#change('EnableKeyRotation', () => send(new EnableKeyRotationCommand({ KeyId })))
    await this.#change('RotateKeyOnDemand', () => send(new RotateKeyOnDemandCommand({ KeyId })))
    const grants = new CreateGrantCommand({
      KeyId,
      GranteePrincipal: root,
      RetiringPrincipal: root,
      Operations: ['Encrypt'],
    })
    const granted = await this.#change('CreateGrant', () => this.#client.send(grants))
    const { GrantId } = granted ?? {}
    if (GrantId !== undefined && isRevoked) {
      await this.#change('RevokeGrant', () => send(new RevokeGrantCommand({ KeyId, GrantId })))
    }
    const AliasName = `alias/${word}`
    const named = await this.#change('CreateAlias', () =>
      send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyId })),
    )
    if (named !== null) this.aliases.push(AliasName)
    await this.#changeIam('CreateUser', { UserName: word })
    await this.#change('ScheduleKeyDeletion', () => send(new ScheduleKeyDeletionCommand({ KeyId })))
  }

  /** Empty: it was not made. */
  async #newKey(): Promise<string> {
    const created = await this.#change('CreateKey', () => this.#client.send(new CreateKeyCommand({})))
    return created?.KeyMetadata?.KeyId ?? ''
  }

  /** Null: refused, by an exception of KMS. */
  async #change<Answer extends { readonly $metadata: { readonly requestId?: string | undefined } }>(
    name: string,
    make: () => Promise<Answer>,
  ): Promise<Answer | null> {
    try {
      const answer = await make()
      this.changes.set(answer.$metadata.requestId ?? '', name)
      return answer
    } catch (failure) {
      if (!(failure instanceof KMSServiceException)) throw failure
      this.refusals.push(failure.name)
      return null
    }
  }

  async #changeIam(name: string, input: Readonly<Record<string, string>>): Promise<void> {
    const { status, requestId, text } = await askIam(this.#endpoint, name, input)
    if (status === 200) this.changes.set(requestId, name)
    else this.refusals.push(/<Code>([^<]+)</.exec(text)?.[1] ?? text)
  }
}
