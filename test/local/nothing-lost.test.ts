import { randomUUID } from 'node:crypto'
import {
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  DisableKeyRotationCommand,
  EnableKeyRotationCommand,
  PutKeyPolicyCommand,
  RevokeGrantCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import {
  archivedEventIds,
  disagreements,
  type FaultyKms,
  indexRows,
  quiet,
  recordsOf,
  startFaultyKms,
  storedKeys,
} from '../support/faults.ts'
import { acknowledged, askIam, moveClock } from '../support/post.ts'
import { kmsClient, temporaryState } from '../support/server.ts'

const isSlow = Boolean(process.env.SLOW)
const account = '000000000000'
const root = `arn:aws:iam::${account}:root`

/** What a change is about: a word of its own in it, a key that was made for it, a grant on that. */
interface About {
  readonly word: string
  readonly keyId: string
  readonly grantId: string
}

interface Change {
  /** Its record. */
  readonly event: string
  /** What is in its record, and in no other of that name. */
  readonly by: 'word' | 'keyId'
  /** What has to be there first. */
  prepare?(kms: FaultyKms, about: About): Promise<unknown>
  /** Resolves where it is acknowledged, rejects where nobody knows what became of it. */
  make(kms: FaultyKms, about: About, killAt: number | null): Promise<unknown>
  /** What the truth has of it. */
  isThere(state: string, about: About): boolean
  /** So that the next clock moves nothing of this one. */
  clear?(kms: FaultyKms, about: About): Promise<unknown>
}

const send = <Input>(kms: FaultyKms, command: Input) => kmsClient(kms.endpoint).send(command as never)
const stored = (state: string, { keyId }: About) => storedKeys(state).find(({ key }) => key.key_id === keyId)
const has = (state: string, sql: string, ...given: string[]) => indexRows(state, sql, ...given).length > 0

function policyOf(word: string): string {
  const Statement = [{ Sid: word, Effect: 'Allow', Principal: { AWS: root }, Action: 'kms:*', Resource: '*' }]
  return JSON.stringify({ Version: '2012-10-17', Statement })
}

const iam = ({ endpoint }: FaultyKms, action: string, input: Readonly<Record<string, string>>) =>
  acknowledged(askIam(endpoint, action, input))
const advance = ({ endpoint }: FaultyKms, distance: string) => acknowledged(moveClock(endpoint, distance))

/** The time comes, and the sweep that belongs to it reaches no key: cron has them. */
async function letFallDue(kms: FaultyKms, distance: string) {
  await kms.fail({ refuse: ['KEYS'] })
  await advance(kms, distance)
}

const schedule = (kms: FaultyKms, { keyId }: About) =>
  send(kms, new ScheduleKeyDeletionCommand({ KeyId: keyId, PendingWindowInDays: 7 }))
const enableRotation = (kms: FaultyKms, { keyId }: About) =>
  send(kms, new EnableKeyRotationCommand({ KeyId: keyId, RotationPeriodInDays: 90 }))
const disableRotation = (kms: FaultyKms, { keyId }: About) => send(kms, new DisableKeyRotationCommand({ KeyId: keyId }))
const createAlias = (kms: FaultyKms, { word, keyId }: About) =>
  send(kms, new CreateAliasCommand({ AliasName: `alias/${word}`, TargetKeyId: keyId }))
const grant = {
  GranteePrincipal: root,
  RetiringPrincipal: root,
  Operations: ['Encrypt', 'Decrypt'] as ('Encrypt' | 'Decrypt')[],
}
const isDeleted = (state: string, about: About) => stored(state, about) === undefined
const isRotated = (state: string, about: About) => stored(state, about)?.materials === 2
const cron = (kms: FaultyKms, _: About, killAt: number | null) => kms.fail({ killAt, isCron: true })

const changes: Readonly<Record<string, Change>> = {
  CreateKey: {
    event: 'CreateKey',
    by: 'word',
    make: (kms, { word }) => send(kms, new CreateKeyCommand({ Description: word })),
    isThere: (state, { word }) => storedKeys(state).some(({ key }) => key.description === word),
  },
  CreateAlias: {
    event: 'CreateAlias',
    by: 'word',
    make: createAlias,
    isThere: (state, { word }) => has(state, 'select 1 from aliases where alias_name = ?', `alias/${word}`),
  },
  DeleteAlias: {
    event: 'DeleteAlias',
    by: 'word',
    prepare: createAlias,
    make: (kms, { word }) => send(kms, new DeleteAliasCommand({ AliasName: `alias/${word}` })),
    isThere: (state, { word }) => !has(state, 'select 1 from aliases where alias_name = ?', `alias/${word}`),
  },
  PutKeyPolicy: {
    event: 'PutKeyPolicy',
    by: 'word',
    make: (kms, { keyId, word }) => send(kms, new PutKeyPolicyCommand({ KeyId: keyId, Policy: policyOf(word) })),
    isThere: (state, about) => String(stored(state, about)?.key.policy).includes(about.word),
  },
  EnableKeyRotation: {
    event: 'EnableKeyRotation',
    by: 'keyId',
    make: enableRotation,
    isThere: (state, about) => stored(state, about)?.key.rotation_period_days === 90,
    clear: disableRotation,
  },
  'RotateKey, by the clock': {
    event: 'RotateKey',
    by: 'keyId',
    prepare: enableRotation,
    make: (kms) => advance(kms, '91d'),
    isThere: isRotated,
    clear: disableRotation,
  },
  'RotateKey, by cron': {
    event: 'RotateKey',
    by: 'keyId',
    async prepare(kms, about) {
      await enableRotation(kms, about)
      await letFallDue(kms, '91d')
    },
    make: cron,
    isThere: isRotated,
    clear: disableRotation,
  },
  RotateKeyOnDemand: {
    event: 'RotateKeyOnDemand',
    by: 'keyId',
    make: (kms, { keyId }) => send(kms, new RotateKeyOnDemandCommand({ KeyId: keyId })),
    isThere: isRotated,
  },
  ScheduleKeyDeletion: {
    event: 'ScheduleKeyDeletion',
    by: 'keyId',
    make: schedule,
    isThere: (state, about) => stored(state, about)?.key.state === 'PendingDeletion',
  },
  'DeleteKey, by the clock': {
    event: 'DeleteKey',
    by: 'keyId',
    prepare: schedule,
    make: (kms) => advance(kms, '8d'),
    isThere: isDeleted,
  },
  'DeleteKey, by cron': {
    event: 'DeleteKey',
    by: 'keyId',
    async prepare(kms, about) {
      await createAlias(kms, about)
      await schedule(kms, about)
      await letFallDue(kms, '8d')
    },
    make: cron,
    isThere: isDeleted,
  },
  CreateGrant: {
    event: 'CreateGrant',
    by: 'word',
    make: (kms, { keyId, word }) => send(kms, new CreateGrantCommand({ KeyId: keyId, Name: word, ...grant })),
    isThere: (state, about) => stored(state, about)?.grants.some(({ name }) => name === about.word) === true,
  },
  RevokeGrant: {
    event: 'RevokeGrant',
    by: 'keyId',
    async prepare(kms, about) {
      const { GrantId } = await kmsClient(kms.endpoint).send(new CreateGrantCommand({ KeyId: about.keyId, ...grant }))
      Object.assign(about, { grantId: GrantId })
    },
    make: (kms, { keyId, grantId }) => send(kms, new RevokeGrantCommand({ KeyId: keyId, GrantId: grantId })),
    isThere: (state, about) => stored(state, about)?.grants.length === 0,
  },
  TagResource: {
    event: 'TagResource',
    by: 'word',
    make: (kms, { keyId, word }) =>
      send(kms, new TagResourceCommand({ KeyId: keyId, Tags: [{ TagKey: word, TagValue: '' }] })),
    isThere: (state, about) => stored(state, about)?.tags.some(({ tag_key }) => tag_key === about.word) === true,
  },
  CreateUser: {
    event: 'CreateUser',
    by: 'word',
    make: (kms, { word }) => iam(kms, 'CreateUser', { UserName: word }),
    isThere: (state, { word }) => has(state, 'select 1 from users where name = ?', word),
  },
  CreateAccessKey: {
    event: 'CreateAccessKey',
    by: 'word',
    prepare: (kms, { word }) => iam(kms, 'CreateUser', { UserName: word }),
    make: (kms, { word }) => iam(kms, 'CreateAccessKey', { UserName: word }),
    isThere: (state, { word }) =>
      has(state, 'select 1 from access_keys join users on users.id = user_id where name = ?', word),
  },
}

/** Only changes are recorded, so that what is counted are the points of the change. */
const env = { AUDIT: 'off' }
const agreedMs = 30_000

interface Cut {
  readonly name: string
  /** The point at which the server is killed. */
  readonly at: number
  readonly isAcknowledged: boolean
  readonly isThere: boolean
}

/** Changes on one state folder, each of which may cut the server off. */
class Campaign {
  readonly #state = temporaryState()
  #kms: FaultyKms | null = null

  /** Null: the change has no such point, and was made. */
  async cut(name: string, at: number): Promise<Cut | null> {
    const change = changes[name] as Change
    const kms = await this.#server()
    const { KeyMetadata } = await kmsClient(kms.endpoint).send(new CreateKeyCommand({}))
    const about = { word: randomUUID(), keyId: KeyMetadata?.KeyId ?? '', grantId: '' }
    await change.prepare?.(kms, about)
    await quiet(kms)
    await kms.fail({ killAt: at })
    const failure = await change.make(kms, about, at).then(
      () => null,
      (thrown: Error) => thrown,
    )
    // What is done after the answer is cut off, too.
    const isKilled = (await quiet(kms)) === null
    if (isKilled) {
      await kms.killTree()
      this.#kms = null
      await this.#server()
    } else {
      if (failure !== null) throw failure
      await kms.fail({})
    }
    await expect.poll(() => disagreements(this.#state), { timeout: agreedMs, interval: 200 }).toEqual([])
    const isThere = change.isThere(this.#state, about)
    const records = recordsOf(this.#state, change.event, about[change.by])
    expect({ name, at, records }).toEqual({ name, at, records: isThere ? 1 : 0 })
    if (failure === null && !(isKilled && change.make === cron))
      expect({ name, at, isThere }).toMatchObject({ isThere: true })
    await change.clear?.(await this.#server(), about)
    return isKilled ? { name, at, isAcknowledged: failure === null, isThere } : null
  }

  /** The archive has every record exactly once, and the server stops as it should. */
  async end(): Promise<void> {
    const kms = await this.#server()
    await kms.fail({ isCron: true })
    const recorded = indexRows(this.#state, 'select event_id from events order by 1').map(({ event_id }) => event_id)
    expect((await archivedEventIds(this.#state)).sort()).toEqual(recorded)
    expect(await kms.stop()).toBe(0)
  }

  async #server(): Promise<FaultyKms> {
    this.#kms ??= await startFaultyKms(this.#state, env)
    return this.#kms
  }
}

describe('a server that is killed at any point of a change', () => {
  const limit = { timeout: 1_800_000 }

  it.runIf(isSlow).each(Object.keys(changes))('keeps %s whole, or not at all', limit, async (name) => {
    const campaign = new Campaign()
    const cuts: Cut[] = []
    for (let at = 0; ; at++) {
      const cut = await campaign.cut(name, at)
      if (cut === null) break
      cuts.push(cut)
    }
    await campaign.end()
    const count = (is: (cut: Cut) => boolean) => cuts.filter(is).length
    console.log(
      `${name}: ${cuts.length} kills, ${count(({ isAcknowledged }) => isAcknowledged)} behind the answer, ` +
        `after ${count(({ isThere }) => isThere)} of them the change was there, and its record`,
    )
    expect(cuts.length).toBeGreaterThanOrEqual(3)
  })

  it('keeps some of all, at some points', limit, async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
    console.log(`SEED=${seed}`)
    const names = Object.keys(changes)
    const campaign = new Campaign()
    let kills = 0
    for (let at = 0; at < 6; at++) {
      const mixed = Math.imul(seed + at, 2_654_435_761) >>> 0
      // The first points of each are those of the change itself.
      if ((await campaign.cut(names[mixed % names.length] ?? '', (mixed >>> 8) % 6)) !== null) kills++
    }
    await campaign.end()
    expect(kills).toBeGreaterThan(0)
  })
})
