import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { AdminClient } from '../../src/admin/client.ts'
import { objectsAtCloudflare, objectsInFolder } from '../../src/admin/objects.ts'
import { parseOptions } from '../../src/admin/options.ts'
import { walk } from '../../src/admin/walk.ts'
import { admin } from '../support/admin.ts'
import { temporaryState } from '../support/server.ts'

const cleanUp: (() => void)[] = []

afterEach(() => {
  for (const step of cleanUp.splice(0)) step()
  vi.restoreAllMocks()
})

const idOf = (number: number) => number.toString(16).padStart(64, '0')

describe('the command line', () => {
  it.each<[string, string[], NodeJS.ProcessEnv, RegExp]>([
    ['root:rotate', ['--sate', 'x'], {}, /^Unknown option '--sate'.*\nnpm run root:rotate/],
    ['root:rotate', ['--endpoint', 'nowhere'], {}, /^--endpoint takes a URL, not nowhere\.$/m],
    [
      'root:rotate',
      ['--endpoint', 'https://kms.test'],
      {},
      /^AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set\./,
    ],
    ['root:rotate', ['--state', '/nonexistent'], {}, /^\/nonexistent is not the state folder of a local server\./],
    [
      'root:rotate',
      ['--endpoint', 'https://kms.test'],
      { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
      /^CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID are not set/,
    ],
    ['root:destroy', [], {}, /^npm run root:rotate/],
  ])('%s %j says what is wrong', async (name, args, env, sentence) => {
    const { stdout, stderr, code } = await admin(name, args, env)
    expect(stderr).toMatch(sentence)
    expect(stderr).not.toMatch(/^ +at |Error:/m)
    expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
  })

  it('needs nothing for the local server', () => {
    expect(parseOptions([], {})).toMatchObject({
      endpoint: 'http://127.0.0.1:8787',
      state: '.edge-kms',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
  })

  it('enumerates at Cloudflare what is not on this machine', () => {
    const credentials = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }
    const env = { ...credentials, AWS_ENDPOINT_URL_KMS: 'https://kms.example.com/' }
    expect(parseOptions([], env)).toMatchObject({ endpoint: 'https://kms.example.com', state: null })
    expect(parseOptions(['--state', 'there'], env)).toMatchObject({ state: 'there' })
  })
})

describe('objects', () => {
  it('are the files of a state folder', async () => {
    const state = temporaryState()
    const folder = join(state, 'storage/do/edge-kms-KeyObject')
    mkdirSync(folder, { recursive: true })
    const names = [`${idOf(2)}.sqlite`, `${idOf(1)}.sqlite`, `${idOf(1)}.sqlite-wal`, 'metadata.sqlite', 'x.sqlite']
    for (const name of names) writeFileSync(join(folder, name), '')
    expect(await objectsInFolder(state)('KeyObject')).toEqual([idOf(1), idOf(2)])
    expect(await objectsInFolder(state)('AuditTrail')).toEqual([])
  })

  it('are what Cloudflare lists, page by page', async () => {
    const asked: string[] = []
    const cloud = await cloudflare((url) => {
      asked.push(url.pathname + url.search)
      if (!url.pathname.endsWith('/objects')) {
        const page = Number(url.searchParams.get('page'))
        const namespace = { id: 'ns', script: 'edge-kms', class: 'KeyObject' }
        return {
          result: page === 2 ? [namespace] : [{ ...namespace, id: 'other', script: 'mine' }],
          result_info: { page, total_pages: 2 },
        }
      }
      const cursor = url.searchParams.get('cursor')
      if (cursor === null) return { result: [{ id: idOf(3), hasStoredData: true }], result_info: { cursor: 'b/=' } }
      if (cursor === 'b/=') return { result: [{ id: idOf(1) }], result_info: { cursors: { after: 'c' } } }
      return { result: [{ id: idOf(2) }], result_info: { cursor: '' } }
    })
    expect(await objectsAtCloudflare(cloud)('KeyObject')).toEqual([idOf(1), idOf(2), idOf(3)])
    expect(asked).toHaveLength(5)
    expect(asked[0]).toBe('/accounts/0123/workers/durable_objects/namespaces?page=1&per_page=100')
    expect(asked[2]).toBe('/accounts/0123/workers/durable_objects/namespaces/ns/objects?limit=1000')
    await expect(objectsAtCloudflare(cloud)('Door')).rejects.toThrow('no namespace Door of a Worker edge-kms')
  })

  it('are not guessed where Cloudflare refuses', async () => {
    const cloud = await cloudflare(() => ({
      success: false,
      errors: [{ message: 'Authentication error' }],
      result: null,
    }))
    await expect(objectsAtCloudflare(cloud)('KeyObject')).rejects.toThrow(
      'Cloudflare does not list the objects: Authentication error. The token needs Workers Scripts Read.',
    )
  })
})

describe('a walk', () => {
  const ids = Array.from({ length: 1_000 }, (_, number) => idOf(number))

  /** A deployment that remembers one walk's place. */
  function remembering() {
    const place = { reached: null as string | null, secondsAgo: 0 }
    const run = async (_job: string, { reached, isDone }: { reached?: string; isDone?: boolean }) => {
      const before = { ...place }
      if (isDone) place.reached = null
      else if (reached !== undefined) place.reached = reached
      return before
    }
    return { place, admin: { run } as unknown as AdminClient }
  }

  const walked = (client: AdminClient, visit: (page: readonly string[]) => void, isAnew = false) =>
    walk(client, {
      name: 'w',
      label: 'walked',
      ids,
      isAnew,
      pageMs: 0,
      visit: async (page) => {
        visit(page)
        return []
      },
    })

  it('goes on where it was cut short, and to its end', async () => {
    vi.spyOn(console, 'log').mockImplementation(() => {})
    const { place, admin: client } = remembering()
    const seen: string[] = []
    const until = (count: number) => (page: readonly string[]) => {
      if (seen.length >= count) throw new Error('killed')
      seen.push(...page)
    }
    await expect(walked(client, until(600))).rejects.toThrow('killed')
    expect(place.reached).toBe(ids[511])
    await walked(client, until(10_000))
    expect(new Set(seen)).toEqual(new Set(ids))
    expect(seen.length).toBeLessThan(1_000 + 256)
    expect(place.reached).toBeNull()
  })

  it('begins anew where it is told to, or where the place is old', async () => {
    vi.spyOn(console, 'log').mockImplementation(() => {})
    for (const [secondsAgo, isAnew, expected] of [
      [0, false, 488],
      [0, true, 1_000],
      [100_000, false, 1_000],
    ] as const) {
      const { place, admin: client } = remembering()
      Object.assign(place, { reached: ids[511], secondsAgo })
      let seen = 0
      const count = (page: readonly string[]) => {
        seen += page.length
      }
      await walked(client, count, isAnew)
      expect(seen).toBe(expected)
    }
  })
})

/** As much of Cloudflare's API as is asked here; the environment that points at it. */
async function cloudflare(answer: (url: URL) => object): Promise<NodeJS.ProcessEnv> {
  const server = createServer((request: IncomingMessage, response) => {
    expect(request.headers.authorization).toBe('Bearer token')
    const body = answer(new URL(request.url ?? '', 'http://cloud.test'))
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ success: true, ...body }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp.push(() => void server.close().closeAllConnections())
  return {
    CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    CLOUDFLARE_API_TOKEN: 'token',
    CLOUDFLARE_ACCOUNT_ID: '0123',
  }
}
