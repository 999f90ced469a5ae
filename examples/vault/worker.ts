import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { blindIndex, encryptedTable } from 'edge-kms/drizzle'
import { createEnvelope, EnvelopeError } from 'edge-kms/envelope'
import { encryptedBucket } from 'edge-kms/r2'
import { createKms, KmsError } from 'edge-kms/sdk'
import { Hono } from 'hono'
import { cards } from './cards.ts'

/*
 * Card numbers in D1 and documents in R2, encrypted under keys that this Worker uses and never has. It does not ask who
 * its callers are: it is for other Workers of yours, by a service binding, and has no address of its own.
 */

const kms = createKms({ binding: env.KMS })
const envelope = createEnvelope({
  kms,
  keys: [env.DATA_KEY],
  // One data key for many cards. A document has one of its own.
  cache: { secondsMax: 300, messagesMax: 1_000, bytesMax: 1_000_000, entriesMax: 10 },
})

const database = drizzle(env.DB)
const sealing = encryptedTable(cards, { envelope, columns: ['number'], bind: ['id', 'owner'] })
const indexOf = blindIndex({ kms, keyId: env.INDEX_KEY, name: 'cards.number' })
const documents = encryptedBucket(env.DOCUMENTS, { name: 'documents', envelope })

const app = new Hono()

app.post('/cards', async ({ req, json }) => {
  const { owner, number } = cardOf(await req.text())
  if (owner === null || number === null) return json({ error: 'an owner, and a number of 12 to 19 digits' }, 400)
  const id = crypto.randomUUID()
  const rows = await sealing.seal([{ id, owner, number, numberIndex: await indexOf(number) }])
  await database.insert(cards).values(rows)
  return json({ id }, 201)
})

app.get('/cards/:id', async ({ req, json }) => {
  const id = req.param('id')
  const [card] = await sealing.open(await database.select().from(cards).where(eq(cards.id, id)))
  if (card === undefined) return json({ error: 'no such card' }, 404)
  const { owner, number } = card
  return json({ id, owner, number })
})

// A number is in the body, since addresses are logged.
app.post('/cards/search', async ({ req, json }) => {
  const { number } = cardOf(await req.text())
  if (number === null) return json({ error: 'a number of 12 to 19 digits' }, 400)
  const found = await database
    .select({ id: cards.id, owner: cards.owner })
    .from(cards)
    .where(eq(cards.numberIndex, await indexOf(number)))
  return json(found)
})

app.put('/documents/:key', async ({ req, body }) => {
  const contentType = req.header('content-type') ?? 'application/octet-stream'
  await documents.put(req.param('key'), req.raw.body ?? '', { httpMetadata: { contentType } })
  return body(null, 204)
})

app.get('/documents/:key', async ({ req, json, body }) => {
  const document = await documents.get(req.param('key'))
  if (document === null) return json({ error: 'no such document' }, 404)
  return body(document.body, 200, { 'content-type': document.object.httpMetadata?.contentType ?? '' })
})

app.onError((failure, { json }) => {
  console.error(failure)
  const isKnown = failure instanceof KmsError || failure instanceof EnvelopeError
  const isBusy = failure instanceof KmsError && failure.retryable
  return json({ error: isKnown ? failure.name : 'internal' }, isBusy ? 503 : 500)
})

export default app

/** A number has one form, by which it is found again. Null: there is none. */
function cardOf(text: string): { owner: string | null; number: string | null } {
  const { owner, number } = membersOf(text)
  const digits = String(number).replace(/[ -]/g, '')
  return {
    owner: typeof owner === 'string' ? owner : null,
    number: typeof number === 'string' && /^\d{12,19}$/.test(digits) ? digits : null,
  }
}

function membersOf(text: string): Record<string, unknown> {
  try {
    return { ...JSON.parse(text) }
  } catch {
    return {}
  }
}
