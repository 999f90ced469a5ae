import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archiveBucket, type TrailHead, trailOf } from '../../src/audit/digest.ts'
import { bucketSource } from '../../src/verify/bucket.ts'
import { publicKey } from '../../src/verify/options.ts'
import type { Source } from '../../src/verify/source.ts'
import { byTrail, type Pin, verifyTrail } from '../../src/verify/trail.ts'
import { mirrored, type Objects, TestArchive } from '../support/archive.ts'
import { project } from '../support/server.ts'
import frozen from '../vectors/audit-archive-v1.json' with { type: 'json' }

const [account, region] = ['111122223333', 'us-east-1']
const start = Date.parse('2026-11-23T10:00:00Z')
const minute = 60_000
const digestsMade = 5

let archive: TestArchive
/** Five digests of three log files each, and two log files that are younger. */
let objects: Objects
let head: TrailHead
let heads: TrailHead[]

beforeAll(async () => {
  archive = await TestArchive.start()
  heads = []
  for (let digest = 0; digest < digestsMade; digest++) {
    for (let file = 0; file < 3; file++) await archive.deliver(account, region, start + digest * 15 * minute)
    heads.push(await archive.close(account, region, start + (digest + 1) * 15 * minute))
  }
  head = heads.at(-1) as TrailHead
  for (let file = 0; file < 2; file++) await archive.deliver(account, region, start + digestsMade * 15 * minute)
  objects = await archive.objects()
})

afterAll(() => archive.stop())

function memory(objects: Objects): Source {
  return {
    title: 'memory',
    list: async () => [...objects.keys()],
    read: async (object) => objects.get(object) ?? null,
  }
}

async function verified(objects: Objects, pinnedHead: Pin['head'] = head) {
  const pin: Pin = { keys: new Map([publicKey(head.publicKey)]), head: pinnedHead }
  const { trails, strangers } = byTrail([...objects.keys()], trailOf)
  const report = await verifyTrail(memory(objects), trails[0] as (typeof trails)[0], pin, () => {})
  return { ...report, strangers, found: report.findings.map(({ kind, object }) => `${kind} ${object}`) }
}

/** Another bucket with what differs. Null takes a name away. */
function but(changes: Record<string, Buffer | null>): Objects {
  const changed = new Map(objects)
  for (const [name, bytes] of Object.entries(changes)) {
    if (bytes === null) changed.delete(name)
    else changed.set(name, bytes)
  }
  return changed
}

const digests = () => [...objects.keys()].filter((name) => /CloudTrail-Digest.*gz$/.test(name)).sort()
const logs = () => [...objects.keys()].filter((name) => /_CloudTrail_/.test(name)).sort()
const nth = (names: readonly string[], at: number) => names.at(at) as string
const bytesOf = (name: string) => objects.get(name) as Buffer

/** The log files that the digest of this place names. */
async function namedBy(at: number): Promise<string[]> {
  const { trails } = byTrail([...objects.keys()], trailOf)
  const { readDigest } = await import('../../src/verify/read-digest.ts')
  const keys = new Map([publicKey(head.publicKey)])
  const read = await readDigest(memory(objects), (trails[0] as (typeof trails)[0]).trail, nth(digests(), at), keys)
  if (read === null || typeof read === 'string') throw new Error(String(read))
  return read.digest.logFiles.map(({ s3Object }) => s3Object)
}

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] as number) ^ (1 << (at % 8))
  return changed
}

describe('an archive as it was written', () => {
  it('holds', async () => {
    const { found, digests, files, uncovered, strangers } = await verified(objects)
    expect(found).toEqual([])
    expect(strangers).toEqual([])
    expect({ digests, files }).toEqual({ digests: digestsMade, files: digestsMade * 3 })
    expect(uncovered).toHaveLength(2)
  })

  it('holds against every head that it ever had, and against none', async () => {
    for (const earlier of heads) expect((await verified(objects, earlier)).found).toEqual([])
    expect((await verified(objects, null)).found).toEqual([])
  })
})

describe('finds', () => {
  it('any byte that is changed in a log file, a digest or a signature', async () => {
    const covered = await namedBy(1)
    const samples = [nth(covered, 0), nth(digests(), 0), nth(digests(), 2), nth(digests(), -1)]
    const rest = [...objects.keys()].filter((name) => !samples.includes(name) && !logs().slice(-2).includes(name))
    const all = process.env.SLOW ? [...samples, ...rest] : samples
    for (const name of [...all, ...all.filter((name) => name.includes('Digest')).map((name) => `${name}.sig`)]) {
      const bytes = objects.get(name)
      if (bytes === undefined) continue
      const unseen: number[] = []
      for (let at = 0; at < bytes.length; at++) {
        const { found } = await verified(but({ [name]: flipped(bytes, at) }))
        if (!found.includes(`changed ${name.replace(/\.sig$/, '')}`)) unseen.push(at)
      }
      expect(unseen, name).toEqual([])
    }
    if (process.env.SLOW) return
    for (const name of rest) {
      for (const at of [0, 4, 9, bytesOf(name).length >> 1, bytesOf(name).length - 1]) {
        const { found } = await verified(but({ [name]: flipped(bytesOf(name), at) }))
        expect(found, `${name} ${at}`).toContain(`changed ${name.replace(/\.sig$/, '')}`)
      }
    }
  }, 300_000)

  it('any file that is removed', async () => {
    const covered = logs().slice(0, -2)
    for (const name of covered) {
      expect((await verified(but({ [name]: null }))).found).toEqual([`removed ${name}`])
    }
    for (const name of digests()) {
      const { found } = await verified(but({ [name]: null }))
      expect(found).toContain(`removed ${name}`)
      expect(
        found.filter((finding) => !finding.startsWith('lost')),
        name,
      ).toEqual([`removed ${name}`])
      expect((await verified(but({ [name]: null, [`${name}.sig`]: null }))).found).toContain(`removed ${name}`)
      const [finding] = (await verified(but({ [`${name}.sig`]: null }))).findings
      expect(finding).toMatchObject({ object: name, why: `its signature is missing: ${name}.sig` })
    }
  })

  it('any file that is added', async () => {
    const log = nth(await namedBy(1), 0)
    const [, stem, tail] = /^(.*_[0-9A-V]{6})([0-9A-V]{10})\.json\.gz$/.exec(log) ?? []
    for (const name of [
      `${stem}${(tail as string).split('').reverse().join('')}.json.gz`,
      log.replace('.json.gz', '_2.json.gz'),
      log.replace(/[^/]*$/, 'notes.txt'),
      nth(digests(), 0).replace(/\d{6}Z/, '100001Z'),
      nth(digests(), 0).replace(/\d{6}Z/, '115959Z'),
    ]) {
      const { found } = await verified(but({ [name]: bytesOf(log) }))
      expect(found, name).toHaveLength(1)
      expect(found[0], name).toMatch(/^(added|changed) /)
      expect(found[0]).toContain(name)
    }
    expect((await verified(but({ 'AWSLogs/notes.txt': Buffer.from('') }))).strangers).toEqual(['AWSLogs/notes.txt'])
  })

  it('that the newest digest is gone with its files, by any head that it had', async () => {
    const gone = [nth(digests(), -1), `${nth(digests(), -1)}.sig`, ...(await namedBy(-1)), ...logs().slice(-2)]
    const without = but(Object.fromEntries(gone.map((name) => [name, null])))
    expect((await verified(without)).found).toEqual([`removed ${head.object}`])
    const bare = { number: head.number, hash: head.hash, object: null }
    expect((await verified(without, bare)).findings).toMatchObject([
      { kind: 'removed', why: 'the chain ends with digest 4, and its head was number 5' },
    ])
    // Only who knows the head can tell.
    expect((await verified(without, null)).found).toEqual([])
    // A file that was written after it gives it away.
    const younger = but(Object.fromEntries(gone.slice(0, 5).map((name) => [name, null])))
    expect((await verified(younger, null)).found).toEqual(
      logs()
        .slice(-2)
        .map((name) => `lost ${name}`),
    )
  })

  it('that everything is gone', async () => {
    const pin: Pin = { keys: new Map([publicKey(head.publicKey)]), head }
    const nothing = { trail: { account, region }, digests: [], seals: [], logs: [] }
    const { findings } = await verifyTrail(memory(new Map()), nothing, pin, () => {})
    expect(findings).toMatchObject([{ kind: 'removed', object: head.object }])
  })

  it('which digests are gone in the middle, and what only they could prove', async () => {
    const [second, third] = digests().slice(1, 3) as [string, string]
    const { findings } = await verified(
      but({ [second]: null, [third]: null, [`${second}.sig`]: null, [`${third}.sig`]: null }),
    )
    const [removed, ...lost] = findings
    expect(removed).toMatchObject({ kind: 'removed', object: third })
    expect(removed?.why).toContain('as number 3, and with it all from 2')
    expect(lost.map(({ kind, object }) => `${kind} ${object}`).sort()).toEqual(
      [...(await namedBy(1)), ...(await namedBy(2))].map((name) => `lost ${name}`).sort(),
    )
  })

  it('a chain that was written anew with another key', async () => {
    const forger = await TestArchive.start()
    await forger.deliver(account, region, start)
    const forged = await forger.close(account, region, start + 15 * minute)
    const all = await forger.objects()
    await forger.stop()
    const { findings } = await verified(all)
    expect(findings[0]?.why).toContain(`it is signed with another key than was given (${forged.fingerprint})`)
    expect(findings.map(({ kind }) => kind)).toContain('removed')
  })

  it('a digest that was exchanged for another of the same trail', async () => {
    const [first, second] = digests() as [string, string]
    const changes = { [second]: bytesOf(first), [`${second}.sig`]: bytesOf(`${first}.sig`) }
    expect((await verified(but(changes))).found).toContain(`changed ${second}`)
  })

  it('a log file whose text was packed anew', async () => {
    const log = nth(await namedBy(0), 0)
    const repacked = gzipSync('{"Records":[]}')
    expect((await verified(but({ [log]: repacked }))).found).toEqual([`changed ${log}`])
  })
})

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number; text: string }>((resolve) => {
    const argv = [join(project, 'src/verify/main.ts'), ...args]
    execFile(process.execPath, argv, { env: { ...process.env, ...env } }, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), text: stdout + stderr })
    })
  })
}

describe('npm run audit:verify', () => {
  const pinned = () => ['--public-key', head.publicKey, '--head', `${head.number}:${head.hash}`]

  it('says what it has seen, and how many', async () => {
    const { code, text } = await run([mirrored(objects), ...pinned()])
    expect(text).toContain('111122223333/us-east-1: 5 digests and 15 log files are as they were written.')
    expect(text).toContain('2 log files are younger than the newest digest, and not covered yet:')
    expect(text).toContain('Everything is as it was written.')
    expect(text).toMatch(/: 22 of 22\n/)
    expect(code).toBe(0)
    const unpinned = await run([mirrored(objects), '--public-key', head.publicKey])
    expect(unpinned.code).toBe(0)
    expect(unpinned.text).toContain('No head was given')
    expect(unpinned.text).toContain(`--head 5:${head.hash}`)
  })

  it('says which file was changed, removed or added', async () => {
    const [one, other] = (await namedBy(1)) as [string, string]
    const added = one.replace('.json.gz', 'X.json.gz')
    const tampered = but({ [one]: flipped(bytesOf(one), 40), [other]: null, [added]: bytesOf(one) })
    const { code, text } = await run([mirrored(tampered), ...pinned()])
    expect(code).toBe(1)
    expect(text).toContain(`CHANGED  ${one}`)
    expect(text).toContain(`REMOVED  ${other}`)
    expect(text).toContain(`ADDED    ${added}`)
    expect(text).toContain('Not as it was written: 3.')
  })

  it.each<[readonly string[], string]>([
    [[], 'Name one folder, --bucket or --state.'],
    [['a', '--bucket', 'b'], 'Name one folder, --bucket or --state.'],
    [['/nowhere'], 'Name the --public-key'],
    [['/nowhere', '--public-key', 'x'], 'x is no public key on P-256'],
    [['/nowhere', '--endpoint', 'x'], '--endpoint takes a URL, not x.'],
    [['/nowhere', '--endpoint', 'http://127.0.0.1:9', '--head', 'x'], '--head takes'],
    [['/nowhere', '--endpoint', 'http://127.0.0.1:9', '--trail', 'x'], '--trail takes'],
    [['/nowhere', '--endpoint', 'http://127.0.0.1:9', '--trail', '111122223333/us-east-1'], 'does not answer'],
    [['--state', '/nowhere', '--endpoint', 'http://127.0.0.1:9'], 'is not the state folder'],
    [['--bucket', 'b', '--endpoint', 'http://127.0.0.1:9'], '--bucket needs R2_ACCESS_KEY_ID'],
    [['--wrong'], "Unknown option '--wrong'"],
  ])('refuses %j with a sentence', async (args, sentence) => {
    const { code, text } = await run(args, { R2_ACCESS_KEY_ID: '', R2_SECRET_ACCESS_KEY: '' })
    expect(text).toContain(sentence)
    expect(text).not.toMatch(/\n +at /)
    expect(code).toBe(2)
  })

  it('cannot tell of a folder that is none', async () => {
    const { code, text } = await run(['/nowhere', '--public-key', head.publicKey])
    expect(text).toContain('/nowhere has no folder AWSLogs')
    expect(code).toBe(2)
  })
})

it('verifies what was written by the first version, for ever', async () => {
  const { publicKey: key, head: end, objects: packed } = frozen
  const all: Objects = new Map(Object.entries(packed).map(([name, text]) => [name, Buffer.from(text, 'base64')]))
  const { trails, strangers } = byTrail([...all.keys()], trailOf)
  const pin = { keys: new Map([publicKey(key)]), head: end }
  const report = await verifyTrail(memory(all), trails[0] as (typeof trails)[0], pin, () => {})
  expect(strangers).toEqual([])
  expect(report).toMatchObject({ findings: [], digests: 3, files: 6, uncovered: [] })
})

it('has the bucket that wrangler.toml has', () => {
  const [, bound] = /^bucket_name = "(.*)"$/m.exec(readFileSync(join(project, 'wrangler.toml'), 'utf8')) ?? []
  expect(archiveBucket).toBe(bound)
})

/** As much of S3 as is asked for: pages of three names. */
it('reads a bucket through S3', async () => {
  const names = [...objects.keys()].sort()
  const seen: string[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://s3')
    seen.push(request.headers.authorization ?? '')
    const object = decodeURIComponent(url.pathname).slice('/trail/'.length)
    if (!url.searchParams.has('list-type')) {
      const bytes = objects.get(object)
      response.writeHead(bytes === undefined ? 404 : 200).end(bytes ?? '<Error><Code>NoSuchKey</Code></Error>')
      return
    }
    const from = Number(url.searchParams.get('continuation-token') ?? 0)
    const keys = names.slice(from, from + 3).map((name) => `<Contents><Key>${name}</Key></Contents>`)
    const next = from + 3 < names.length ? `<NextContinuationToken>${from + 3}</NextContinuationToken>` : ''
    response.end(`<ListBucketResult>${keys.join('')}${next}</ListBucketResult>`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const env = { R2_ENDPOINT: endpoint, R2_ACCESS_KEY_ID: 'id', R2_SECRET_ACCESS_KEY: 'secret' }
    const source = bucketSource('trail', env)
    expect(await source.list()).toEqual(names)
    expect(await source.read('AWSLogs/none')).toBeNull()
    expect(await source.read(nth(names, 0))).toEqual(objects.get(nth(names, 0)))
    expect(seen.every((header) => /^AWS4-HMAC-SHA256 .*\/auto\/s3\//.test(header))).toBe(true)
    const args = ['--bucket', 'trail', '--public-key', head.publicKey, '--head', `${head.number}:${head.hash}`]
    expect(await run(args, env)).toMatchObject({ code: 0 })
  } finally {
    server.close()
  }
})
