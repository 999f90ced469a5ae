import { createExecutionContext, evictDurableObject, waitOnExecutionContext } from 'cloudflare:test'
import { AwsClient } from 'aws4fetch'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { accessKeysNotUnder, resealAccessKeys } from '../../src/catalog/access-keys.ts'
import { database } from '../../src/catalog/database.ts'
import { RootKeys } from '../../src/crypto/root-keys.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { dayMs, tokenLifeMs } from '../../src/model/limits.ts'
import worker, { faults, meanwhile, sealing } from '../support/test-worker.ts'
import { callBy, createKey, env, indexRow, newGrant, region, request } from '../support/workerd.ts'
import { newAccount } from './iam-door.ts'

const first = env.ROOT_KEYS as string
const second = '2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8='
const withBoth = { ...env, AUDIT: 'off', ROOT_KEYS: `${first} ${second}` }
const withNew = { ...env, AUDIT: 'off', ROOT_KEYS: second }
const root = { accessKeyId: 'ROOTONE', secretAccessKey: 'secret-one' }

beforeAll(async () => {
  sealing.roots = (await RootKeys.parse(withBoth.ROOT_KEYS)) as RootKeys
})

afterEach(() => {
  Object.assign(faults, { indexIsDown: false })
  meanwhile.grantsAreRead = null
  vi.restoreAllMocks()
})

interface Options {
  readonly by?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly service?: string
  readonly overEnv?: typeof env
  readonly unsigned?: boolean
}

/** What an operator is answered. */
// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
async function ask(job: string, body: unknown, options: Options = {}): Promise<{ status: number; body: any }> {
  const { by = root, service = 'kms', overEnv = withBoth, unsigned = false } = options
  const url = `http://kms.test/admin/${job}`
  const init = { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }
  const signing = unsigned ? new Request(url, init) : await new AwsClient({ ...by, service, region }).sign(url, init)
  signing.headers.set('host', 'kms.test')
  const ctx = createExecutionContext()
  const response = await worker.fetch?.(signing as never, overEnv, ctx)
  await waitOnExecutionContext(ctx)
  return { status: response?.status ?? 0, body: await response?.json() }
}

/** As `ask`, of what has to succeed. */
async function run(job: string, body: object) {
  const answer = await ask(job, body)
  expect(answer.body).not.toHaveProperty('__type')
  expect(answer.status).toBe(200)
  return answer.body
}

const idOf = (keyId: string) => env.KEYS.idFromName(`${region}/${keyId}`).toString()

/** A key under the old root key, and the id of its object. */
async function oldKey() {
  const { roots } = sealing
  sealing.roots = null
  const made = await createKey()
  sealing.roots = roots
  return { ...made, id: idOf(made.keyId) }
}

/** A user's access key under the old root key. */
async function oldAccessKey() {
  const door = newAccount()
  await door.ok('CreateUser', { UserName: 'web' })
  const { AccessKey } = await door.ok('CreateAccessKey', { UserName: 'web' })
  return { accessKeyId: AccessKey.AccessKeyId as string, secretAccessKey: AccessKey.SecretAccessKey as string }
}

describe('the door', () => {
  it.each<[string, string, unknown, Options, number, RegExp]>([
    ['nothing signed', 'scan', {}, { unsigned: true }, 403, /^Missing Authentication Token$/],
    ['a wrong secret', 'scan', {}, { by: { ...root, secretAccessKey: 'x' } }, 403, /^The request signature we calc/],
    ['another service', 'scan', {}, { service: 'iam' }, 403, /correct service: 'kms'/],
    ['an unknown job', 'destroy', {}, {}, 404, /^There is no job destroy\.$/],
    ['an inherited name', 'constructor', {}, {}, 404, /^There is no job constructor\.$/],
    ['no JSON', 'scan', '{', {}, 400, /^The request is not JSON in UTF-8\.$/],
    ['no object', 'scan', [], {}, 400, /cannot be converted to Structure/],
    ['nothing in it', 'scan', {}, {}, 400, /'class' failed .* not be null; .*'ids' failed .* not be null/],
    ['an id that is none', 'scan', { class: 'KeyObject', ids: ['..'] }, {}, 400, /regular expression pattern/],
    ['too many', 'scan', { class: 'KeyObject', ids: Array(33).fill('0'.repeat(64)) }, {}, 400, /equal to 32/],
    ['no such class', 'rewrap', { class: 'Door', ids: [] }, {}, 400, /^There is no class Door of objects, only KeyObj/],
    ['another cursor', 'progress', { walk: '../retain' }, {}, 400, /regular expression pattern/],
    ['too much', 'scan', ' '.repeat(500_000), {}, 413, /^The request is too large\.$/],
  ])('refuses %s with a sentence', async (_, job, body, options, status, sentence) => {
    const answer = await ask(job, body, options)
    expect(answer.status).toBe(status)
    expect(answer.body.message).toMatch(sentence)
  })

  it('refuses whoever is not a root', async () => {
    const by = await oldAccessKey()
    expect(await ask('root-keys', {}, { by })).toMatchObject({
      status: 403,
      body: { __type: 'AccessDeniedException', message: expect.stringMatching(/^Only a root of this deployment/) },
    })
  })

  it('says what is wrong with the deployment itself', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const answer = await ask('root-keys', {}, { overEnv: { ...env, ROOT_KEYS: '' } })
    expect(answer).toMatchObject({ status: 500, body: { message: expect.stringMatching(/^ROOT_KEYS is not set/) } })
  })

  it('serves no other method', async () => {
    const ctx = createExecutionContext()
    const response = await worker.fetch?.(new Request('http://kms.test/admin/scan') as never, env, ctx)
    expect(response?.status).toBe(404)
  })
})

describe('re-wrapping', () => {
  it('goes through a page, past an object that fails and one that keeps nothing', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const [one, two, bad] = [await oldKey(), await oldKey(), await oldKey()]
    await env.DB.prepare('update keys set revision = 99 where key_id = ?').bind(bad.keyId).run()
    await evictDurableObject(bad.stub)
    const never = idOf('never')
    const foreign = 'f'.repeat(64)
    const ids = [one.id, foreign, bad.id, never, two.id]
    const answer = await run('rewrap', { class: 'KeyObject', ids })
    expect(answer).toMatchObject({ rewrapped: 2, more: [], empty: 1 })
    expect(answer.failed.map(({ id }: { id: string }) => id).sort()).toEqual([bad.id, foreign].sort())
    expect(await run('rewrap', { class: 'KeyObject', ids: [one.id, two.id] })).toMatchObject({ rewrapped: 0 })
    const scan = await run('scan', { class: 'KeyObject', ids })
    expect(scan.objects.map(({ rootVersions }: { rootVersions: number[] }) => rootVersions)).toEqual([[2], [2]])
    expect(scan.empty).toEqual([never])
    expect(scan.failed).toHaveLength(2)
    await env.DB.prepare('delete from keys where key_id = ?').bind(bad.keyId).run()
  })

  it('asks again for what one step has not come to the end of', async () => {
    const { roots } = sealing
    sealing.roots = null
    const { key, keyId } = await createKey()
    for (let at = 0; at < 25; at++) expect(isRefusal(await key.rotateOnDemand(callBy()))).toBe(false)
    sealing.roots = roots
    const page = { class: 'KeyObject', ids: [idOf(keyId)] }
    expect(await run('rewrap', page)).toMatchObject({ rewrapped: 1, more: [idOf(keyId)] })
    expect(await run('rewrap', page)).toMatchObject({ rewrapped: 1, more: [] })
  })

  it('leaves an access key that was sealed anew meanwhile', async () => {
    const { accessKeyId } = await oldAccessKey()
    const db = database(env.DB)
    const [before] = (await accessKeysNotUnder(db, 2, '', 1_000)).filter((row) => row.accessKeyId === accessKeyId)
    if (before === undefined) throw new Error('it is not listed')
    const changed = { before: { ...before, sealed: 'earlier' }, after: { rootVersion: 2, sealed: 'later' } }
    expect(await resealAccessKeys(db, [changed])).toBe(0)
    expect(await accessKeysNotUnder(db, 2, '', 1_000)).toContainEqual(before)
  })

  it('seals access keys anew, and says which do not open', async () => {
    const by = await oldAccessKey()
    const row = () => env.DB.prepare('select * from access_keys where access_key_id = ?').bind(by.accessKeyId).first()
    const before = await row()
    expect(before?.root_version).toBe(1)
    // Of a user that is gone, and one that is damaged.
    const insert = env.DB.prepare(
      `insert into access_keys (access_key_id, user_id, is_active, created_at, root_version, sealed) values (?, ?, 1, 0, 1, '')`,
    )
    await env.DB.batch([insert.bind('AKIAORPHAN', 'AIDAGONE'), insert.bind('AKIBDAMAGED', before?.user_id as string)])
    const answer = await run('rewrap-access-keys', {})
    expect(answer).toMatchObject({
      next: null,
      failed: [
        { id: 'AKIAORPHAN', reason: 'its user is gone' },
        { id: 'AKIBDAMAGED', reason: 'it does not open under root key version 1' },
      ],
    })
    expect(answer.rewrapped).toBeGreaterThan(0)
    await env.DB.prepare(`delete from access_keys where sealed = ''`).run()
    expect((await row())?.root_version).toBe(2)
    expect((await row())?.sealed).not.toBe(before?.sealed)
    expect(await ask('root-keys', {}, { by, overEnv: withNew })).toMatchObject({
      body: { __type: 'AccessDeniedException' },
    })
    expect(await run('rewrap-access-keys', {})).toMatchObject({ rewrapped: 0, failed: [], next: null })
  })
})

describe('the index', () => {
  it('is restored from keys: rows, and the grants that somebody may retire', async () => {
    const made = []
    for (let at = 0; at < 5; at++) made.push(await oldKey())
    const [key] = made
    const retiring = { retiringPrincipal: 'arn:aws:iam::111122223333:root', retiringId: '111122223333' }
    for (let at = 0; at < 3; at++) {
      expect(isRefusal(await key?.key.createGrant(callBy(), newGrant(retiring), false))).toBe(false)
    }
    await key?.key.createGrant(callBy(), newGrant(), false)
    await key?.key.disable(callBy())
    const rows = await Promise.all(made.map(({ keyId }) => indexRow(keyId)))
    const grants = () =>
      env.DB.prepare('select * from retirable_grants where key_id = ? order by grant_id').bind(key?.keyId).all()
    const { results } = await grants()
    expect(results).toHaveLength(3)
    await env.DB.batch([env.DB.prepare('delete from keys'), env.DB.prepare('delete from retirable_grants')])
    const ids = made.map(({ id }) => id)
    expect(await run('republish', { ids: [...ids, idOf('never')] })).toEqual({
      told: 5,
      more: [],
      empty: 1,
      failed: [],
    })
    expect(await Promise.all(made.map(({ keyId }) => indexRow(keyId)))).toEqual(rows)
    expect((await grants()).results).toEqual(results)
    // Nothing that the index knows better is changed.
    await env.DB.prepare(`update keys set state = 'Later', revision = 50 where key_id = ?`).bind(key?.keyId).run()
    await run('republish', { ids })
    expect(await indexRow(key?.keyId ?? '')).toMatchObject({ state: 'Later', revision: 50 })
  })

  it('loses the grants that a key does not have, and none that is made meanwhile', async () => {
    const retiring = { retiringPrincipal: 'arn:aws:iam::111122223333:root', retiringId: '111122223333' }
    const [{ key, keyId, id }, other] = [await oldKey(), await oldKey()]
    for (const granted of [key, key, other.key]) {
      expect(isRefusal(await granted.createGrant(callBy(), newGrant(retiring), false))).toBe(false)
    }
    const rows = async (of: string) => {
      const { results } = await env.DB.prepare('select grant_id from retirable_grants where key_id = ?').bind(of).all()
      return results.map(({ grant_id }) => grant_id as string).sort()
    }
    const [ours, theirs] = [await rows(keyId), await rows(other.keyId)]
    // As a delivery that was lost would leave them, on more pages than one.
    const stale = env.DB.prepare(
      `insert into retirable_grants (region, key_id, grant_id, account, retiring_id, body) values (?, ?, ?, ?, ?, '{}')`,
    )
    const insert = (of: string) => stale.bind(region, of, newGrant().grantId, '111122223333', '111122223333')
    for (let at = 0; at < 450; at += 50) await env.DB.batch(Array.from({ length: 50 }, () => insert(keyId)))
    expect(await rows(keyId)).toHaveLength(452)
    // Ahead of every other, so that the page which is being read would have it.
    const made = { ...newGrant(retiring), grantId: '0'.repeat(64) }
    meanwhile.grantsAreRead = async () => {
      meanwhile.grantsAreRead = null
      await env.KEYS.getByName(`${region}/${keyId}`).createGrant(callBy(), made, false)
    }
    let pages = 0
    let more = [{ id, after: '' }]
    for (let next = more.shift(); next !== undefined; next = more.shift()) {
      const answer = await run('republish', { ids: [next.id], after: next.after })
      expect(answer).toMatchObject({ told: 1, failed: [] })
      more = answer.more
      pages++
    }
    expect(pages).toBe(3)
    expect(await rows(keyId)).toEqual([made.grantId, ...ours])
    expect(await rows(other.keyId)).toEqual(theirs)
  })

  it('says that it is away', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const { id } = await oldKey()
    faults.indexIsDown = true
    expect(await run('republish', { ids: [id] })).toMatchObject({ told: 0, failed: [{ id }] })
  })

  it('is listed with the ids of objects', async () => {
    const { keyId, id } = await oldKey()
    const { rows, next } = await run('index', {})
    expect(rows).toContainEqual({ id, name: `${region}/${keyId}`, isDeleted: false })
    expect(next).toBeNull()
    expect((await run('index', { after: `${region}/${keyId}` })).rows).not.toContainEqual(
      expect.objectContaining({ id }),
    )
  })
})

it('remembers how far a walk has come', async () => {
  const reached = 'a'.repeat(64)
  expect(await run('progress', { walk: 'w' })).toEqual({ reached: null })
  await run('progress', { walk: 'w', reached })
  expect(await run('progress', { walk: 'w' })).toEqual({ reached, secondsAgo: expect.any(Number) })
  await run('progress', { walk: 'w', isDone: true })
  expect(await run('progress', { walk: 'w' })).toEqual({ reached: null })
})

describe('retiring a version of the root key', () => {
  const clear = { objects: 3, dependents: 0, unanswered: 0, unindexed: 0, objectless: 0 }
  const retire = (change: object = {}) => ask('retire', { version: 1, survey: clear, ...change })
  const superseded = (daysAgo: number) =>
    env.DB.prepare('update root_keys set superseded_at = ? where version = 1')
      .bind(Date.now() - daysAgo * dayMs)
      .run()
  const row = () => env.DB.prepare('select * from root_keys where version = 1').first()

  it.each<[string, object, RegExp]>([
    ['the current one', { version: 2 }, /^Root key version 2 seals what is made now\. Add a higher one/],
    ['one that never was', { version: 7 }, /^This deployment never used root key version 7, only 1, 2\.$/],
    ['no number', { version: 'one' }, /cannot be converted to Integer/],
    [
      'one that objects need',
      { survey: { ...clear, dependents: 3 } },
      /^Root key version 1 stays: 3 objects and 0 acc/,
    ],
    ['while objects do not answer', { survey: { ...clear, unanswered: 1 } }, /stays: 1 object did not answer\./],
    [
      'while a row is missing',
      { survey: { ...clear, unindexed: 2 } },
      /stays: 2 existing keys had no row in the index\./,
    ],
    [
      'while an object is missing',
      { survey: { ...clear, objectless: 1 } },
      /stays: 1 key of the index had no object\./,
    ],
  ])('is refused: %s', async (_, change, sentence) => {
    await superseded(40)
    for (const isForced of [false, true]) {
      const { status, body } = await retire({ ...change, isForced })
      expect(body.message).toMatch(sentence)
      expect([400, 404, 409]).toContain(status)
    }
    expect((await row())?.retired_at).toBeNull()
  })

  it('is refused while an access key needs it', async () => {
    await superseded(40)
    await oldAccessKey()
    expect((await retire()).body.message).toMatch(/^Root key version 1 stays: 0 objects and 1 access key still need it/)
    expect((await retire({ isForced: true })).status).toBe(409)
    await run('rewrap-access-keys', {})
  })

  it('is refused while tokens that were made under it may be valid, and says which', async () => {
    await superseded(2)
    const early = await retire()
    expect(early.status).toBe(409)
    expect(early.body.message).toMatch(
      /^Root key version 1 stays until 20.*these are refused: grant tokens \([^)]*\)\.$/,
    )
    expect(early.body.message).not.toMatch(/session|marker/)
    await superseded(0)
    expect((await retire()).body.message).toMatch(/grant tokens .*, roles' sessions .*, markers of lists/)
    expect(Math.max(...Object.values(tokenLifeMs))).toBe(30 * dayMs)
    await superseded(31)
    // Without a survey it is only said that nothing speaks against it.
    expect(await ask('retire', { version: 1 })).toMatchObject({ status: 200, body: { retiredAt: null } })
    expect((await row())?.retired_at).toBeNull()
  })

  it('is not asked for any more, seals nothing, and its number is kept', async () => {
    vi.spyOn(console, 'log').mockImplementation(() => {})
    vi.spyOn(console, 'error').mockImplementation(() => {})
    await superseded(1)
    expect(await retire({ isForced: true })).toMatchObject({
      status: 200,
      body: {
        breaks: [/^grant tokens/, /^import tokens/, /^markers/].map((kind) => expect.stringMatching(kind)),
      },
    })
    const retired = await row()
    expect(retired?.retired_at).not.toBeNull()
    expect((await retire({ isForced: true })).status).toBe(200)
    expect((await row())?.retired_at).toBe(retired?.retired_at)
    const listKeys = (ROOT_KEYS: string) => request('ListKeys', {}, { ...env, AUDIT: 'off', ROOT_KEYS })
    expect((await listKeys(second)).status).toBe(200)
    // Still there, until the operator takes it out.
    expect((await listKeys(`${first} ${second}`)).status).toBe(200)
    expect((await listKeys(first)).body.message).toMatch(/^Root key version 1 was retired and seals nothing any more/)
    const another = second.replace('2:', '1:')
    expect((await listKeys(`${another} ${second}`)).body.message).toMatch(
      /^Root key version 1 in ROOT_KEYS is not the one/,
    )
    expect((await listKeys(`${first} 3:${second.slice(2)}`)).body.message).toMatch(
      /sealed with root key version 2, and/,
    )
    await env.DB.prepare('update root_keys set retired_at = null').run()
  })
})

it('notes when a version stops sealing, and that it seals again after a deploy was taken back', async () => {
  const rows = async () => {
    const { results } = await env.DB.prepare('select version, superseded_at from root_keys order by version').all()
    return results.map(({ superseded_at }) => superseded_at !== null)
  }
  const start = (ROOT_KEYS: string) => request('ListKeys', {}, { ...env, AUDIT: 'off', ROOT_KEYS })
  await start(`${first} ${second}`)
  expect(await rows()).toEqual([true, false])
  await start(first)
  expect(await rows()).toEqual([false, false])
  await start(`${first} ${second}`)
  expect(await rows()).toEqual([true, false])
})
