import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Batch, batchOf } from '../../src/audit/archive.ts'
import type { Digest, TrailHead } from '../../src/audit/digest.ts'
import { type TrailObject, trailObject } from '../../src/audit/trail-object.ts'
import { RootKeys } from '../../src/crypto/root-keys.ts'
import { utf8 } from '../../src/model/bytes.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { checkChain, listed, rawSignature, textOf } from '../support/chain.ts'
import { trailSteps } from '../support/test-worker.ts'
import { callBy, env, sweepCall } from '../support/workerd.ts'

const region = 'us-east-1'
const start = Date.parse('2026-11-23T10:00:00Z')
let accounts = 0

/** A trail that no other test has. */
function newTrail() {
  const trail = { account: String(900_000_000_000 + ++accounts), region }
  return { trail, object: trailObject(env.AUDIT_TRAIL, trail) }
}

let events = 0

function batch(count = 2): Promise<Batch> {
  return batchOf(
    Array.from({ length: count }, () => {
      const eventId = `event-${++events}`
      const eventTime = new Date(start + events * 1000).toISOString().replace('.000Z', 'Z')
      return { eventId, eventTime, body: JSON.stringify({ eventID: eventId, eventTime }) }
    }),
  )
}

async function close(object: TrailObject, time = start): Promise<{ made: number; head: TrailHead }> {
  const closed = await object.close(time)
  if (closed === null || isRefusal(closed)) throw new Error(closed?.reason ?? 'no trail')
  return closed
}

const idsOf = ({ text }: Batch) =>
  (JSON.parse(text) as { Records: { eventID: string }[] }).Records.map(({ eventID }) => eventID)

// A bucket that takes nothing twice under one name.
beforeAll(() => {
  trailSteps.isBucketLocked = true
})

afterEach(() => {
  trailSteps.at = null
})

describe('a chain', () => {
  it('names every file once, in digests that name each other', async () => {
    const { trail, object } = newTrail()
    expect(await object.head()).toBeNull()
    expect(await object.close(start)).toBeNull()
    const batches = [await batch(), await batch(1), await batch(3)]
    expect(await object.deliver(trail, batches[0] as Batch, start)).toBeNull()
    const before = await object.head()
    expect(before).toMatchObject({ ...trail, number: 0, hash: null, object: null })
    expect((await close(object, start)).head.number).toBe(1)
    expect(await object.deliver(trail, batches[1] as Batch, start)).toBeNull()
    expect(await object.deliver(trail, batches[2] as Batch, start)).toBeNull()
    const { head, made } = await close(object, start)
    expect(made).toBe(1)
    expect(head).toMatchObject({ ...trail, number: 2, publicKey: before?.publicKey, fingerprint: before?.fingerprint })
    expect(await checkChain(trail.account, head)).toEqual(batches.flatMap(idsOf))
    expect(await object.head()).toEqual(head)
  })

  it("has CloudTrail's paths and members", async () => {
    const { trail, object } = newTrail()
    await object.deliver(trail, await batch(), start)
    const { head } = await close(object, start)
    const { account } = trail
    const names = await listed(account)
    expect(names.sort()).toEqual([
      `AWSLogs/${account}/CloudTrail-Digest/us-east-1/2026/11/23/${account}_CloudTrail-Digest_us-east-1_edge-kms_us-east-1_20261123T100000Z.json.gz`,
      `AWSLogs/${account}/CloudTrail-Digest/us-east-1/2026/11/23/${account}_CloudTrail-Digest_us-east-1_edge-kms_us-east-1_20261123T100000Z.json.gz.sig`,
      expect.stringMatching(
        new RegExp(
          `^AWSLogs/${account}/CloudTrail/us-east-1/2026/11/23/${account}_CloudTrail_us-east-1_20261123T1000Z_[0-9A-Z]{16}.json.gz$`,
        ),
      ),
    ])
    const digest = JSON.parse(await textOf(head.object as string)) as Digest
    expect(digest).toMatchObject({
      awsAccountId: account,
      digestEndTime: '2026-11-23T10:00:00Z',
      digestS3Bucket: 'edge-kms-trail',
      digestSignatureAlgorithm: 'SHA256withECDSA',
      previousDigestS3Bucket: null,
      previousDigestS3Object: null,
      previousDigestHashValue: null,
      previousDigestHashAlgorithm: null,
      previousDigestSignature: null,
      digestNumber: 1,
      logFilesUnderWay: [],
    })
  })

  it('makes no digest where there is nothing to say', async () => {
    const { trail, object } = newTrail()
    await object.deliver(trail, await batch(), start)
    const { head } = await close(object, start)
    expect(await close(object, start + 3_600_000)).toEqual({ made: 0, head })
    await object.deliver(trail, await batch(), start)
    const later = await close(object, start + 7_200_000)
    const digest = JSON.parse(await textOf(later.head.object as string)) as Digest
    expect(digest).toMatchObject({ digestStartTime: '2026-11-23T10:00:00Z', digestEndTime: '2026-11-23T12:00:00Z' })
  })

  it('takes a batch once, before and after its digest', async () => {
    const { trail, object } = newTrail()
    const one = await batch()
    await Promise.all([object.deliver(trail, one, start), object.deliver(trail, one, start + 60_000)])
    expect(await object.deliver(trail, one, start + 120_000)).toBeNull()
    await close(object)
    expect(await object.deliver(trail, one, start + 180_000)).toBeNull()
    const { head, made } = await close(object)
    expect(made).toBe(0)
    expect(await checkChain(trail.account, head)).toEqual(idsOf(one))
  })

  it('is the same for many who write and close at once', async () => {
    const { trail, object } = newTrail()
    const batches = await Promise.all(Array.from({ length: 40 }, () => batch(1)))
    await Promise.all(
      batches.flatMap((one, at) => [
        object.deliver(trail, one, start),
        object.deliver(trail, one, start),
        ...(at % 5 === 0 ? [object.close(start)] : []),
      ]),
    )
    const { head } = await close(object)
    expect((await checkChain(trail.account, head)).sort()).toEqual(batches.flatMap(idsOf).sort())
  })

  it('takes 1,000 files', async () => {
    const { trail, object } = newTrail()
    const batches = await Promise.all(Array.from({ length: 1_010 }, () => batch(1)))
    for (let at = 0; at < batches.length; at += 50) {
      await Promise.all(batches.slice(at, at + 50).map((one) => object.deliver(trail, one, start)))
    }
    const { head, made } = await close(object)
    expect(made).toBe(2)
    expect((await checkChain(trail.account, head)).sort()).toEqual(batches.flatMap(idsOf).sort())
  }, 120_000)
})

describe('whatever fails', () => {
  /** Runs `work` on a new trail until it comes through, ended at the `n`th step of its first run. True: it had that many. */
  async function endedAt(
    n: number,
    prepare: (object: TrailObject, trail: { account: string; region: string }) => Promise<unknown>,
    work: (object: TrailObject, trail: { account: string; region: string }) => Promise<unknown>,
  ) {
    const { trail, object } = newTrail()
    await prepare(object, trail)
    let steps = 0
    let endedBy: string | null = null
    trailSteps.at = (step) => {
      if (++steps !== n) return
      endedBy = step
      throw new Error(`ended ${step}`)
    }
    const first = await work(object, trail)
    trailSteps.at = null
    if (endedBy !== null) expect(isRefusal(first)).toBe(true)
    return { trail, object, endedBy }
  }

  it('at any step of a delivery, the batch is there once after the next', async () => {
    const ended: string[] = []
    for (let n = 1; ; n++) {
      const one = await batch()
      const deliver = (object: TrailObject, trail: { account: string; region: string }) =>
        object.deliver(trail, one, start + n)
      const { trail, object, endedBy } = await endedAt(n, async () => {}, deliver)
      if (endedBy === null) break
      ended.push(endedBy)
      expect(await deliver(object, trail)).toBeNull()
      const { head } = await close(object)
      expect(await checkChain(trail.account, head)).toEqual(idsOf(one))
    }
    expect(ended).toEqual(['before roots', 'after roots', 'before put', 'after put'])
  })

  it('at any step of a delivery that nobody repeats, what is in the bucket is in the chain', async () => {
    for (let n = 1; n <= 4; n++) {
      const [one, other] = [await batch(), await batch()]
      const { trail, object } = await endedAt(
        n,
        async () => {},
        (object, trail) => object.deliver(trail, one, start),
      )
      await object.deliver(trail, other, start)
      const { head } = await close(object)
      const ids = await checkChain(trail.account, head)
      expect(ids).toEqual(n === 4 ? [...idsOf(one), ...idsOf(other)] : idsOf(other))
    }
  })

  it('at any step of a digest, there is one of its number', async () => {
    const ended: string[] = []
    for (let n = 1; ; n++) {
      const batches = [await batch(), await batch(), await batch()] as const
      const { trail, object, endedBy } = await endedAt(
        n,
        async (object, trail) => {
          await object.deliver(trail, batches[0], start)
          await close(object)
          await object.deliver(trail, batches[1], start)
        },
        (object) => object.close(start + 60_000),
      )
      if (endedBy === null) break
      ended.push(endedBy)
      const between = await listed(trail.account)
      await object.deliver(trail, batches[2], start)
      const { head } = await close(object, start + 120_000)
      expect((await checkChain(trail.account, head)).sort()).toEqual(batches.flatMap(idsOf).sort())
      // What was there has stayed: nobody who has fetched it has fetched what is no longer true.
      expect(await listed(trail.account)).toEqual(expect.arrayContaining(between))
    }
    const twice = ['before head', 'after head', 'before put', 'after put']
    expect(ended).toEqual(['before roots', 'after roots', ...twice, ...twice])
  })

  it('a bucket that refuses for a while loses and doubles nothing', async () => {
    const { trail, object } = newTrail()
    const batches = await Promise.all(Array.from({ length: 20 }, () => batch()))
    let asked = 0
    trailSteps.at = (step) => {
      if (step === 'before put' && ++asked % 3 !== 0) throw new Error('the bucket takes nothing')
    }
    let waiting = batches
    for (let time = start; waiting.length > 0; time += 60_000) {
      const answers = await Promise.all(waiting.map((one) => object.deliver(trail, one, time)))
      waiting = waiting.filter((_, at) => answers[at] !== null)
      await object.close(time)
    }
    trailSteps.at = null
    const { head } = await close(object, start + 86_400_000)
    expect((await checkChain(trail.account, head)).sort()).toEqual(batches.flatMap(idsOf).sort())
  })

  it('refuses where the bucket does, and registers nothing', async () => {
    const { trail, object } = newTrail()
    trailSteps.at = (step) => {
      if (step === 'before put') throw new Error('the bucket takes nothing')
    }
    const refusal = await object.deliver(trail, await batch(), start)
    expect(refusal).toMatchObject({ refused: 'DependencyTimeoutException' })
    expect(refusal?.reason).toContain('the bucket takes nothing')
    expect(await close(object)).toMatchObject({ made: 0, head: { number: 0 } })
    expect(await listed(trail.account)).toEqual([])
  })

  it('is named in the digest while it is being written', async () => {
    const { trail, object } = newTrail()
    const [one, late] = [await batch(), await batch()]
    await object.deliver(trail, one, start)
    let isHeld = false
    let isReleased = false
    trailSteps.at = async (step) => {
      if (step !== 'before put' || isHeld) return
      isHeld = true
      while (!isReleased) await scheduler.wait(5)
    }
    const delivering = object.deliver(trail, late, start)
    while (!isHeld) await scheduler.wait(5)
    const first = await close(object)
    isReleased = true
    expect(await delivering).toBeNull()
    const { logFilesUnderWay, logFiles } = JSON.parse(await textOf(first.head.object as string)) as Digest
    expect(logFiles).toHaveLength(1)
    expect(logFilesUnderWay).toHaveLength(1)
    const { head } = await close(object)
    const { logFiles: next } = JSON.parse(await textOf(head.object as string)) as Digest
    expect(next.map(({ s3Object }) => s3Object)).toEqual(logFilesUnderWay)
    expect(await checkChain(trail.account, head)).toEqual([...idsOf(one), ...idsOf(late)])
  })
})

describe('the key', () => {
  it('is sealed anew under the current root key and signs on', async () => {
    const { trail, object } = newTrail()
    await object.deliver(trail, await batch(), start)
    const { head } = await close(object)
    expect(await object.rootVersions(callBy())).toMatchObject({ refused: 'AccessDeniedException' })
    expect(await object.rewrap(callBy())).toMatchObject({ refused: 'AccessDeniedException' })
    expect(await object.rootVersions(sweepCall())).toEqual({ name: `${trail.account}/us-east-1`, rootVersions: [1] })
    expect(await object.rewrap(sweepCall())).toEqual({ rewrapped: 0, left: 0 })
    const { object: never } = newTrail()
    expect(await never.rootVersions(sweepCall())).toMatchObject({ refused: 'NotFoundException' })
    expect((await object.head())?.publicKey).toBe(head.publicKey)
  })

  it('opens for its trail, beside its public key, alone', async () => {
    const { generateAuditKey, openAuditKey, rewrapAuditKey, signDer } = await import('../../src/crypto/audit-key.ts')
    const old = (await RootKeys.parse(env.ROOT_KEYS)) as RootKeys
    const both = (await RootKeys.parse(`${env.ROOT_KEYS} 2:${'A'.repeat(43)}=`)) as RootKeys
    const made = await generateAuditKey(old, { account: '111122223333', region })
    expect(made.rootVersion).toBe(1)
    const rewrapped = await rewrapAuditKey(both, made, made)
    expect(rewrapped.rootVersion).toBe(2)
    const key = await openAuditKey(both, made, rewrapped)
    expect(key.extractable).toBe(false)
    const verifying = await crypto.subtle.importKey(
      'spki',
      made.publicKey,
      { name: 'ECDSA', namedCurve: 'P-256' },
      false,
      ['verify'],
    )
    for (let at = 0; at < 100; at++) {
      const der = await signDer(key, `text ${at}`)
      const isSigned = await crypto.subtle.verify(
        { name: 'ECDSA', hash: 'SHA-256' },
        verifying,
        rawSignature(der.toHex()),
        utf8(`text ${at}`),
      )
      expect(isSigned).toBe(true)
    }
    const other = await generateAuditKey(old, made)
    await expect(openAuditKey(old, made, rewrapped)).rejects.toThrow()
    await expect(openAuditKey(old, { ...made, region: 'us-east-2' }, made)).rejects.toThrow()
    await expect(openAuditKey(old, { ...made, account: '111122223334' }, made)).rejects.toThrow()
    await expect(openAuditKey(old, { ...made, publicKey: other.publicKey }, made)).rejects.toThrow()
  })
})
