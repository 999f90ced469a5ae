import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { blindIndex, encryptedTable, sealed } from '../../src/adapters/drizzle.ts'
import { encryptedNamespace } from '../../src/adapters/kv.ts'
import { encryptedBucket } from '../../src/adapters/r2.ts'
import { createEnvelope, type Envelope, EnvelopeError } from '../../src/envelope/index.ts'
import { envelopeKms, macKms } from '../support/envelope-kms.ts'
import { createKey, env } from '../support/workerd.ts'

type Kms = Awaited<ReturnType<typeof envelopeKms>>

let kms: Kms
let keyId: string
let envelope: Envelope

beforeAll(async () => {
  kms = await envelopeKms()
  keyId = (await createKey()).keyId
  const cache = { secondsMax: 300, messagesMax: 1_000, bytesMax: 1e8, entriesMax: 10 }
  envelope = createEnvelope({ kms, keys: [keyId], cache })
})

async function failure(action: Promise<unknown>): Promise<EnvelopeError> {
  const thrown = await action.then(
    () => null,
    (caught: unknown) => caught,
  )
  expect(thrown).toBeInstanceOf(EnvelopeError)
  return thrown as EnvelopeError
}

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
  return bytes
}

/** In pieces; `failAfter` bytes it fails. */
function streamOf(bytes: Uint8Array, failAfter = Number.POSITIVE_INFINITY): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= failAfter) return controller.error(new Error('the client went away'))
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(at, at + 100_000))
      at += 100_000
    },
  })
}

describe('an encrypted bucket', () => {
  const bucket = () => encryptedBucket(env.DOCUMENTS, { name: 'documents', envelope })

  it.each([0, 1, 65_536, 300_000, 9_000_000])('gives back %i bytes, by stream', async (size) => {
    const content = randomBytes(size)
    const httpMetadata = { contentType: 'application/pdf' }
    await bucket().put(`of ${size}`, streamOf(content), { httpMetadata, customMetadata: { author: 'me' } })
    const found = await bucket().get(`of ${size}`)
    expect(found?.object.httpMetadata).toEqual(httpMetadata)
    expect(found?.object.customMetadata).toEqual({ author: 'me' })
    expect(await digest((await found?.bytes()) ?? new Uint8Array(1))).toBe(await digest(content))
    expect((await bucket().head(`of ${size}`))?.plaintextBytes).toBe(size)
    const stored = await env.DOCUMENTS.get(`of ${size}`)
    expect(new Uint8Array((await stored?.arrayBuffer()) ?? [])[0]).toBe(2)
  })

  it('takes text, bytes and blobs', async () => {
    for (const content of ['text', new TextEncoder().encode('text'), new Blob(['text'])]) {
      await bucket().put('text', content)
      expect(await (await bucket().get('text'))?.text()).toBe('text')
    }
  })

  it('gives any range, by the frames that have it', async () => {
    const content = randomBytes(300_000)
    await bucket().put('ranged', content)
    for (const [offset, length] of [
      [0, 1],
      [65_535, 2],
      [65_536, 65_536],
      [100_000, 150_000],
      [299_999, 1],
      [262_144, 100_000],
    ] as const) {
      const found = await bucket().get('ranged', { range: { offset, length } })
      expect(await found?.bytes()).toEqual(content.slice(offset, offset + length))
    }
    const beyond = bucket().get('ranged', { range: { offset: 300_000, length: 1 } })
    expect((await failure(beyond)).name).toBe('InvalidInput')
    const signing = createEnvelope({ kms, keys: [keyId], suite: 'signing' })
    const signed = encryptedBucket(env.DOCUMENTS, { name: 'documents', envelope: signing })
    await signed.put('signed', content)
    const refused = signed.get('signed', { range: { offset: 0, length: 1 } })
    expect((await failure(refused)).name).toBe('UnsupportedMessage')
    expect(await (await signed.get('signed'))?.bytes()).toEqual(content)
    expect((await signed.head('signed'))?.plaintextBytes).toBeNull()
  })

  it.each([50_000, 9_000_000, 20_000_000])(
    'leaves no object of an upload that fails after %i bytes',
    async (failAfter) => {
      const content = randomBytes(21_000_000)
      await expect(bucket().put('aborted', streamOf(content, failAfter))).rejects.toThrow('the client went away')
      expect(await env.DOCUMENTS.head('aborted')).toBeNull()
      await bucket().put('kept', 'what was there')
      await expect(bucket().put('kept', streamOf(content, failAfter))).rejects.toThrow('the client went away')
      expect(await (await bucket().get('kept'))?.text()).toBe('what was there')
    },
  )

  it('refuses an object of another key or bucket, one that was never encrypted, and one that ends too early', async () => {
    await bucket().put('one', randomBytes(200_000))
    const message = (await (await env.DOCUMENTS.get('one'))?.arrayBuffer()) as ArrayBuffer
    await env.DOCUMENTS.put('two', message)
    expect((await failure(bucket().get('two'))).name).toBe('WrongEncryptionContext')
    expect((await failure(bucket().get('two', { range: { offset: 0, length: 1 } }))).name).toBe(
      'WrongEncryptionContext',
    )
    const elsewhere = encryptedBucket(env.DOCUMENTS, { name: 'invoices', envelope })
    expect((await failure(elsewhere.get('one'))).name).toBe('WrongEncryptionContext')
    await env.DOCUMENTS.put('plain', 'never encrypted')
    expect((await failure(bucket().get('plain'))).name).toBe('NotAMessage')
    expect((await failure(bucket().head('plain'))).name).toBe('NotAMessage')
    await env.DOCUMENTS.put('one', message.slice(0, 150_000))
    const cut = await bucket().get('one')
    await expect(cut?.bytes()).rejects.toMatchObject({ name: 'TruncatedMessage' })
  })

  it('binds what the caller says', async () => {
    await bucket().put('bound', 'text', { encryptionContext: { tenant: 'one' } })
    expect(await (await bucket().get('bound', { encryptionContext: { tenant: 'one' } }))?.text()).toBe('text')
    const other = bucket().get('bound', { encryptionContext: { tenant: 'two' } })
    expect((await failure(other)).name).toBe('WrongEncryptionContext')
  })

  it('lists, deletes, and finds nothing', async () => {
    await bucket().put('listed/1', 'text')
    expect((await bucket().list({ prefix: 'listed/' })).objects.map(({ key }) => key)).toEqual(['listed/1'])
    await bucket().delete('listed/1')
    expect(await bucket().get('listed/1')).toBeNull()
    expect(await bucket().get('listed/1', { range: { offset: 0, length: 1 } })).toBeNull()
    expect(await bucket().head('listed/1')).toBeNull()
  })

  it('uses the AWS managed key where no other is named, which nobody uses in another way', async () => {
    const byDefault = encryptedBucket(env.DOCUMENTS, { name: 'documents', kms })
    await byDefault.put('default', 'text')
    expect(await (await byDefault.get('default'))?.text()).toBe('text')
    const { via: _, ...overHttp } = kms
    expect(() => encryptedBucket(env.DOCUMENTS, { name: 'documents', kms: overHttp as never })).toThrow('name a key')
    const direct = createEnvelope({ kms, keys: ['alias/aws/s3'] })
    const message = new Uint8Array((await (await env.DOCUMENTS.get('default'))?.arrayBuffer()) ?? new ArrayBuffer())
    expect((await failure(direct.decrypt(message))).message).toContain('AccessDenied')
  })
})

describe('an encrypted namespace', () => {
  const namespace = () => encryptedNamespace(env.VALUES, { name: 'sessions', envelope })

  it('gives back text, bytes and JSON, by one data key', async () => {
    await namespace().put('text', 'grüße', { metadata: { kept: true } })
    await namespace().put('bytes', new Uint8Array([1, 2, 3]))
    await namespace().put('json', JSON.stringify({ a: [1] }))
    expect(await namespace().get('text')).toBe('grüße')
    expect(await namespace().getBytes('bytes')).toEqual(new Uint8Array([1, 2, 3]))
    expect(await namespace().getJson('json')).toEqual({ a: [1] })
    const { keys } = await namespace().list({ prefix: 't' })
    expect(keys).toEqual([expect.objectContaining({ name: 'text', metadata: { kept: true } })])
    const before = kms.asked.length
    for (let at = 0; at < 20; at++) await namespace().put(`many ${at}`, 'value')
    expect(kms.asked.length).toBe(before)
    await namespace().delete('text')
    expect(await namespace().get('text')).toBeNull()
  })

  it('refuses a value of another key or namespace, one that was never encrypted, and one that was changed', async () => {
    await namespace().put('one', 'value')
    const message = new Uint8Array((await env.VALUES.get('one', 'arrayBuffer')) as ArrayBuffer)
    await env.VALUES.put('two', message)
    expect((await failure(namespace().get('two'))).name).toBe('TamperedMessage')
    const elsewhere = encryptedNamespace(env.VALUES, { name: 'other', envelope })
    expect((await failure(elsewhere.get('one'))).name).toBe('WrongEncryptionContext')
    await env.VALUES.put('plain', 'never encrypted')
    const refused = await failure(namespace().get('plain'))
    expect(refused.name).toBe('NotAMessage')
    expect(refused.message).toContain('never encrypted')
    message[message.length - 1] = (message.at(-1) ?? 0) ^ 1
    await env.VALUES.put('one', message)
    expect((await failure(namespace().get('one'))).name).toBe('TamperedMessage')
  })
})

const cards = sqliteTable('cards', {
  id: integer('id').primaryKey(),
  owner: text('owner').notNull(),
  number: sealed<string>('number').notNull(),
  numberIndex: text('number_index'),
  limits: sealed<{ daily: number }>('limits'),
})

describe('an encrypted table', () => {
  const database = drizzle(env.DB)
  const table = () => encryptedTable(cards, { envelope, columns: ['number', 'limits'], bind: ['id'] })

  beforeAll(async () => {
    await env.DB.exec(
      'create table cards (id integer primary key, owner text not null, number blob not null, number_index text, limits blob)',
    )
  })

  it('gives back rows, by one data key', async () => {
    const rows = Array.from({ length: 20 }, (_, id) => ({
      id,
      owner: 'me',
      number: `4111 ${id}`,
      limits: { daily: id },
    }))
    const before = kms.asked.length
    await database
      .insert(cards)
      .values(await table().seal(rows))
      .run()
    expect(kms.asked.length - before).toBe(1)
    const opened = await table().open(await database.select().from(cards).orderBy(cards.id))
    expect(opened).toEqual(rows.map((row) => ({ ...row, numberIndex: null })))
    const [some] = await table().open(
      await database.select({ id: cards.id, number: cards.number }).from(cards).limit(1),
    )
    expect(some).toEqual({ id: 0, number: '4111 0' })
    const raw = await env.DB.prepare('select hex(number) as number from cards where id = 1').first<{ number: string }>()
    expect(raw?.number).toMatch(/^020478/)
  })

  it('updates a cell, and keeps null', async () => {
    const [changed] = await table().seal([{ id: 3, number: '5555', limits: null }])
    if (changed === undefined) throw new Error('there is none')
    await database.update(cards).set(changed).where(eq(cards.id, 3))
    const [row] = await table().open(await database.select().from(cards).where(eq(cards.id, 3)))
    expect(row).toMatchObject({ number: '5555', limits: null })
  })

  it('detects cells that are swapped between rows or columns', async () => {
    await env.DB.exec('update cards set number = (select number from cards where id = 5) where id = 6')
    const moved = table().open(await database.select().from(cards).where(eq(cards.id, 6)))
    expect((await failure(moved)).name).toBe('TamperedMessage')
    await env.DB.exec('update cards set limits = number where id = 7')
    const across = table().open(await database.select().from(cards).where(eq(cards.id, 7)))
    expect((await failure(across)).name).toBe('TamperedMessage')
    await env.DB.exec("update cards set number = cast('4111 8' as blob) where id = 8")
    const plain = table().open(await database.select().from(cards).where(eq(cards.id, 8)))
    expect((await failure(plain)).name).toBe('NotAMessage')
  })

  it('says what a row lacks', async () => {
    expect((await failure(table().seal([{ owner: 'me', number: '4111' }]))).message).toContain('id')
  })

  it('does not compile with plain values, or for columns that are none', () => {
    const plainly = () => {
      // @ts-expect-error a string is no sealed cell
      database.insert(cards).values({ id: 1, owner: 'me', number: '4111' })
      // @ts-expect-error nor are bytes
      database.insert(cards).values({ id: 1, owner: 'me', number: new Uint8Array(1) })
      // @ts-expect-error a number is not what the column seals
      table().seal([{ id: 1, number: 4111 }])
      // @ts-expect-error there is no such column
      encryptedTable(cards, { envelope, columns: ['nothing'], bind: ['id'] })
    }
    expect(plainly).toBeTypeOf('function')
  })

  it('is searched by a blind index', async () => {
    const indexed = blindIndex({ kms: macKms, keyId: 'an-hmac-key', name: 'cards.number' })
    const numberIndex = await indexed('4111 9')
    expect(numberIndex).toMatch(/^[0-9a-f]{32}$/)
    await database.update(cards).set({ numberIndex }).where(eq(cards.id, 9))
    const found = await database
      .select()
      .from(cards)
      .where(eq(cards.numberIndex, await indexed('4111 9')))
    expect(await table().open(found)).toEqual([expect.objectContaining({ id: 9, number: '4111 9' })])
    expect(await indexed('4111 8')).not.toBe(numberIndex)
    expect(await blindIndex({ kms: macKms, keyId: 'an-hmac-key', name: 'cards.owner' })('4111 9')).not.toBe(numberIndex)
    expect(() => blindIndex({ kms: macKms, keyId: 'an-hmac-key', name: 'cards.number', bytes: 3 })).toThrow('4 to 32')
  })
})

async function digest(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toHex()
}
