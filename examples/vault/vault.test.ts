import { applyD1Migrations, env, SELF } from 'cloudflare:test'
import { beforeAll, describe, expect, it } from 'vitest'

const { MIGRATIONS } = env as unknown as { MIGRATIONS: Parameters<typeof applyD1Migrations>[1] }
beforeAll(() => applyD1Migrations(env.DB, MIGRATIONS))

const ask = (method: string, path: string, body?: BodyInit) =>
  SELF.fetch(`http://vault${path}`, { method, ...(body === undefined ? {} : { body }) })
const post = (path: string, body: object) => ask('POST', path, JSON.stringify(body))
const newCard = async (owner: string, number: string) =>
  (await (await post('/cards', { owner, number })).json<{ id: string }>()).id

describe('cards', () => {
  it('come back, and are nowhere to be read', async () => {
    const number = '4111111111111111'
    const id = await newCard('ada', number)
    expect(await (await ask('GET', `/cards/${id}`)).json()).toEqual({ id, owner: 'ada', number })
    const row = await env.DB.prepare('select *, hex(number) as cell from cards where id = ?').bind(id).first()
    expect(row?.cell).toMatch(/^020478/)
    expect(JSON.stringify(row)).not.toContain(number)
    expect(new TextDecoder('latin1').decode(new Uint8Array(row?.number as number[]))).not.toContain(number)
  })

  it('are found by their number, however it is written', async () => {
    const id = await newCard('grace', '5555 5555 5555 4444')
    await newCard('grace', '5105105105105100')
    const found = await post('/cards/search', { number: '5555-5555-5555-4444' })
    expect(await found.json()).toEqual([{ id, owner: 'grace' }])
    expect(await (await post('/cards/search', { number: '378282246310005' })).json()).toEqual([])
  })

  it('are added by many at once', async () => {
    const numbers = Array.from({ length: 20 }, (_, at) => `60111111111111${10 + at}`)
    const ids = await Promise.all(numbers.map((number) => newCard('many', number)))
    const opened = await Promise.all(
      ids.map(async (id) => (await ask('GET', `/cards/${id}`)).json<{ number: string }>()),
    )
    expect(opened.map(({ number }) => number)).toEqual(numbers)
  })

  it('are refused where cells were swapped between rows', async () => {
    const [one, other] = [await newCard('ada', '4000056655665556'), await newCard('mallory', '2223003122003222')]
    await env.DB.prepare('update cards set number = (select number from cards where id = ?) where id = ?')
      .bind(one, other)
      .run()
    const refused = await ask('GET', `/cards/${other}`)
    expect(refused.status).toBe(500)
    expect(await refused.json()).toEqual({ error: 'TamperedMessage' })
    await env.DB.prepare("update cards set owner = 'mallory' where id = ?").bind(one).run()
    expect(await (await ask('GET', `/cards/${one}`)).json()).toEqual({ error: 'TamperedMessage' })
  })

  it.each([{}, { owner: 'ada' }, { owner: 'ada', number: 'a secret' }, { owner: 1, number: '4111111111111111' }])(
    'are refused where they are none: %j',
    async (card) => {
      expect((await post('/cards', card)).status).toBe(400)
    },
  )

  it('are refused where the body is no JSON, and not found where they are not', async () => {
    expect((await ask('POST', '/cards', 'a card')).status).toBe(400)
    expect((await ask('POST', '/cards/search', 'null')).status).toBe(400)
    expect((await ask('GET', '/cards/none')).status).toBe(404)
  })
})

describe('documents', () => {
  it('come back, as they were', async () => {
    const document = new Uint8Array(300_000).map((_, at) => at % 251)
    expect((await ask('PUT', '/documents/contract.pdf', document)).status).toBe(204)
    expect(new Uint8Array(await (await ask('GET', '/documents/contract.pdf')).arrayBuffer())).toEqual(document)
    expect((await ask('GET', '/documents/none')).status).toBe(404)
  })

  it('are refused under another name', async () => {
    await ask('PUT', '/documents/one', 'of one')
    const message = await (await env.DOCUMENTS.get('one'))?.arrayBuffer()
    await env.DOCUMENTS.put('other', message ?? '')
    expect(await (await ask('GET', '/documents/other')).json()).toEqual({ error: 'WrongEncryptionContext' })
  })
})
