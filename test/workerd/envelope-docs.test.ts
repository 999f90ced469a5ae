import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { expect, it } from 'vitest'
import page from '../../docs/envelope.md?raw'
import { blindIndex, encryptedTable, sealed } from '../../src/adapters/drizzle.ts'
import { encryptedNamespace } from '../../src/adapters/kv.ts'
import { encryptedBucket } from '../../src/adapters/r2.ts'
import { createEnvelope, decryptRange, rewrap, rsaKey } from '../../src/envelope/index.ts'
import { envelopeKms, macKms as macs } from '../support/envelope-kms.ts'
import { account, createKey, env, region } from '../support/workerd.ts'
import own from './envelope-docs.test.ts?raw'

const statements = (code: string) =>
  code
    .replace(/^import .*$/gm, '')
    .replace(/\s+/g, '')
    .replace(/,([)}\]])/g, '$1')

it('runs every snippet of the page', () => {
  const snippets = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => statements(code ?? ''))
  expect(snippets.length).toBeGreaterThan(12)
  for (const snippet of snippets) expect(statements(own)).toContain(snippet)
})

it('does what the page says', async () => {
  const kms = await envelopeKms()
  const inEurope = kms
  const kmsBinding = kms
  const bytes = crypto.getRandomValues(new Uint8Array(10_000))
  const [keyArn, otherKeyArn] = [arnOf(await createKey()), arnOf(await createKey())]

  const envelope = createEnvelope({ kms, keys: [keyArn] })
  const message = await envelope.encrypt(bytes, { encryptionContext: { tenant: 'blue' } })

  const { plaintext, encryptionContext } = await envelope.decrypt(message, { encryptionContext: { tenant: 'blue' } })

  expect(plaintext).toEqual(bytes)
  expect(encryptionContext).toEqual({ tenant: 'blue' })
  {
    const body = bodyOf(bytes)

    const encrypted = body.pipeThrough(envelope.encryptStream({ encryptionContext: { tenant: 'blue' } }))
    const decrypted = encrypted.pipeThrough(envelope.decryptStream({ encryptionContext: { tenant: 'blue' } }))

    expect(await bytesOf(decrypted)).toEqual(bytes)
  }

  const file = new Blob([await envelope.encrypt(new Uint8Array(2_000_000).fill(7))])

  const source = {
    byteLength: file.size,
    read: async (from: number, count: number) => file.slice(from, from + count).stream(),
  }
  const part = await decryptRange(source, { envelope, offset: 1_000_000, length: 500 })
  const partBytes = new Uint8Array(await new Response(part.stream).arrayBuffer())

  expect(partBytes).toEqual(new Uint8Array(500).fill(7))

  const both = createEnvelope({
    kms,
    keys: [
      keyArn,
      { keyId: 'arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab', kms: inEurope },
    ],
  })

  expect((await both.decrypt(message)).plaintext).toEqual(bytes)

  const rsaKeyArn = arnOf({ keyId: 'an-rsa-key' })
  const publicKey = await rsaPublicKey()

  const offline = createEnvelope({
    kms,
    keys: [rsaKey({ keyId: rsaKeyArn, encryptionAlgorithm: 'RSAES_OAEP_SHA_256', publicKey })],
  })

  const asked = kms.asked.length
  expect((await offline.encrypt(bytes))[0]).toBe(2)
  expect(kms.asked.length).toBe(asked)

  const writer = createEnvelope({ kms, keys: [keyArn], suite: 'signing' })
  const reader = createEnvelope({ kms, keys: [keyArn], requireSignature: true })

  expect((await reader.decrypt(await writer.encrypt(bytes))).plaintext).toEqual(bytes)
  await expect(reader.decrypt(message)).rejects.toMatchObject({ name: 'ForbiddenMessage' })

  const cached = createEnvelope({
    kms,
    keys: [keyArn],
    cache: { secondsMax: 300, messagesMax: 1_000, bytesMax: 100_000_000, entriesMax: 100 },
  })

  const moved = await rewrap(message, { from: envelope, to: [otherKeyArn] })

  expect((await createEnvelope({ kms, keys: [otherKeyArn] }).decrypt(moved)).plaintext).toEqual(bytes)
  await expect(envelope.decrypt(moved)).rejects.toMatchObject({ name: 'NoWrappingKey' })

  const body = bodyOf(bytes)

  const documents = encryptedBucket(env.DOCUMENTS, { name: 'documents', envelope })
  await documents.put('contract.pdf', body, { httpMetadata: { contentType: 'application/pdf' } })
  const contract = await documents.get('contract.pdf')
  const firstBytes = await documents.get('contract.pdf', { range: { offset: 0, length: 100 } })

  expect(await contract?.bytes()).toEqual(bytes)
  expect(await firstBytes?.bytes()).toEqual(bytes.slice(0, 100))

  const byDefault = encryptedBucket(env.DOCUMENTS, { name: 'documents', kms: kmsBinding })
  await byDefault.put('notes.txt', 'encrypted')

  expect(await (await byDefault.get('notes.txt'))?.text()).toBe('encrypted')

  const sessions = encryptedNamespace(env.VALUES, { name: 'sessions', envelope: cached })
  await sessions.put('a-session', JSON.stringify({ user: 'me' }), { expirationTtl: 3_600 })
  const session = await sessions.getJson<{ user: string }>('a-session')

  expect(session).toEqual({ user: 'me' })

  await env.DB.exec('create table cards (id text primary key, number blob not null, number_index text)')
  const database = drizzle(env.DB)

  const cards = sqliteTable('cards', {
    id: text('id').primaryKey(),
    number: sealed<string>('number').notNull(),
    numberIndex: text('number_index'),
  })
  const sealing = encryptedTable(cards, { envelope: cached, columns: ['number'], bind: ['id'] })
  await database.insert(cards).values(await sealing.seal([{ id: 'card-1', number: '4111 1111 1111 1111' }]))
  const [card] = await sealing.open(await database.select().from(cards))

  expect(card).toEqual({ id: 'card-1', number: '4111 1111 1111 1111', numberIndex: null })
  const hmacKeyArn = arnOf({ keyId: 'an-hmac-key' })

  const indexOf = blindIndex({ kms: macs, keyId: hmacKeyArn, name: 'cards.number' })
  const numberIndex = await indexOf('4111 1111 1111 1111')
  const found = await database.select().from(cards).where(eq(cards.numberIndex, numberIndex))

  expect(found).toEqual([])
})

const arnOf = ({ keyId }: { keyId: string }) => `arn:aws:kms:${region}:${account}:key/${keyId}`
const bodyOf = (bytes: Uint8Array<ArrayBuffer>) => new Blob([bytes]).stream()
const bytesOf = async (stream: ReadableStream<Uint8Array>) => new Uint8Array(await new Response(stream).arrayBuffer())

async function rsaPublicKey(): Promise<Uint8Array<ArrayBuffer>> {
  const publicExponent = new Uint8Array([1, 0, 1])
  const algorithm = { name: 'RSA-OAEP', modulusLength: 2_048, publicExponent, hash: 'SHA-256' }
  const pair = (await crypto.subtle.generateKey(algorithm, true, ['encrypt', 'decrypt'])) as CryptoKeyPair
  return new Uint8Array((await crypto.subtle.exportKey('spki', pair.publicKey)) as ArrayBuffer)
}
