import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { expandBatch } from '../../src/audit/unpack.ts'
import { eventStatements } from '../../src/catalog/events.ts'
import { lookupEvents } from '../../src/iam/lookup-events.ts'
import { type AuditEvent, partsOf } from '../../src/model/audit-event.ts'
import { allow, type Isolate, isolate, root, statement, storedUser } from '../support/isolate.ts'
import { account, env, region } from '../support/workerd.ts'

const Plaintext = btoa('the plaintext that no record holds')

async function newKey(at: Isolate, input: object = {}): Promise<string> {
  const { KeyMetadata } = await at.must('CreateKey', input)
  return (KeyMetadata as { KeyId: string }).KeyId
}

function arnOf(keyId: string): string {
  return `arn:aws:kms:${region}:${account}:key/${keyId}`
}

/** What D1 has of a key, the newest first. */
async function trailOf(at: Isolate, keyId: string, of = account): Promise<AuditEvent[]> {
  const attribute = { key: 'ResourceName', value: arnOf(keyId) } as const
  const query = { account: of, region, from: 0, to: 1e11, attribute, before: null }
  const found = await lookupEvents(at.services.database, query, 100)
  return found.map(({ body }) => JSON.parse(body) as AuditEvent)
}

describe('the record of a crypto call', () => {
  it('has who, what, when, with which context and by which statement, and no plaintext', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    await at.told()
    const policy = statement({ Sid: 'MayEncrypt', Effect: 'Allow', Action: 'kms:Encrypt', Resource: '*' })
    const user = await storedUser({}, policy)
    const EncryptionContext = { Tenant: 'a' }
    await at.must('Encrypt', { KeyId: keyId, Plaintext, EncryptionContext }, user, { accessKeyId: 'AKIATEST' })
    const [event, ...others] = await at.told()
    expect(others).toEqual([])
    expect(event).toMatchObject({
      eventSource: 'kms.amazonaws.com',
      eventName: 'Encrypt',
      awsRegion: region,
      readOnly: true,
      recipientAccountId: account,
      sourceIPAddress: '203.0.113.10',
      userAgent: 'test',
      userIdentity: { type: 'IAMUser', arn: user.arn, principalId: user.id, accessKeyId: 'AKIATEST' },
      requestParameters: { keyId, encryptionContext: EncryptionContext },
      resources: [{ accountId: account, type: 'AWS::KMS::Key', ARN: arnOf(keyId) }],
      additionalEventData: { keyMaterialId: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })
    expect(JSON.stringify(event?.additionalEventData)).toContain('MayEncrypt')
    expect(JSON.stringify(event)).not.toContain(Plaintext)
  })

  it('is there when it is refused, with the reason that the caller is not told', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    await at.told()
    const user = await storedUser()
    await at.ask('Encrypt', { KeyId: keyId, Plaintext }, user)
    await at.ask('Encrypt', { KeyId: keyId }, user)
    await at.ask('Decrypt', { CiphertextBlob: 'AAAA' })
    await at.ask('NoSuchOperation', {})
    const told = await at.told()
    expect(told.map(({ eventName, errorCode }) => [eventName, errorCode])).toEqual([
      ['Encrypt', 'AccessDenied'],
      ['Encrypt', 'ValidationException'],
      ['Decrypt', 'InvalidCiphertextException'],
      ['NoSuchOperation', 'UnknownOperationException'],
    ])
    expect(told[0]?.additionalEventData).toHaveProperty('decidedBy')
  })

  it('is in both accounts where the key is another’s, and in the caller’s alone where it is denied', async () => {
    const at = await isolate()
    const foreign = '444455556666'
    const Policy = JSON.stringify(
      statement(
        { Effect: 'Allow', Principal: { AWS: account }, Action: 'kms:*', Resource: '*' },
        { Effect: 'Allow', Principal: { AWS: foreign }, Action: 'kms:Encrypt', Resource: '*' },
      ),
    )
    const KeyId = arnOf(await newKey(at, { Policy }))
    await at.told()
    const user = await storedUser({ by: foreign }, allow('kms:*'))
    await at.must('Encrypt', { KeyId, Plaintext }, user)
    const [theirs, ours] = await at.told()
    expect([theirs?.recipientAccountId, ours?.recipientAccountId]).toEqual([foreign, account])
    expect(theirs?.sharedEventID).toBe(ours?.sharedEventID)
    expect(theirs?.eventID).not.toBe(ours?.eventID)
    await at.ask('GenerateDataKey', { KeyId, KeySpec: 'AES_256' }, user)
    expect((await at.told()).map(({ recipientAccountId }) => recipientAccountId)).toEqual([foreign])
  })
})

describe('the record of a change', () => {
  it('is in D1 once the change is answered, and not in the queue', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    await at.must('UpdateKeyDescription', { KeyId: keyId, Description: 'x' })
    await at.must('DisableKey', { KeyId: keyId })
    const trail = await trailOf(at, keyId)
    expect(trail.map(({ eventName }) => eventName).sort()).toEqual(['CreateKey', 'DisableKey', 'UpdateKeyDescription'])
    expect(trail.find(({ eventName }) => eventName === 'DisableKey')).toMatchObject({
      readOnly: false,
      userIdentity: { type: 'Root', accountId: account },
      responseElements: { keyId: arnOf(keyId) },
      additionalEventData: { decidedBy: expect.any(String) },
    })
    expect(await at.told()).toEqual([])
  })

  it('that was refused is in the queue, and not in D1', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    await at.ask('DisableKey', { KeyId: keyId }, await storedUser())
    await at.ask('CancelKeyDeletion', { KeyId: keyId })
    expect((await trailOf(at, keyId)).map(({ eventName }) => eventName)).toEqual(['CreateKey'])
    expect((await at.told()).map(({ errorCode }) => errorCode)).toEqual(['AccessDenied', 'KMSInvalidStateException'])
  })

  it('waits in the object with the change while D1 is away', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const stub = env.KEYS.getByName(`${region}/${keyId}`)
    await runInDurableObject(stub, (_, { storage }) => {
      expect(storage.sql.exec('select * from outbox').toArray()).toEqual([])
    })
    expect(await trailOf(at, keyId)).toHaveLength(1)
  })

  it('of an alias is there when it is answered', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const AliasName = `alias/audited-${crypto.randomUUID()}`
    await at.must('CreateAlias', { AliasName, TargetKeyId: keyId })
    await at.must('DeleteAlias', { AliasName })
    const trail = await trailOf(at, keyId)
    expect(trail.map(({ eventName }) => eventName).sort()).toEqual(['CreateAlias', 'CreateKey', 'DeleteAlias'])
    // Those of one second are in the order of their ids.
    const deletion = trail.find(({ eventName }) => eventName === 'DeleteAlias')
    expect(deletion?.resources?.map(({ type }) => type).sort()).toEqual(['AWS::KMS::Alias', 'AWS::KMS::Key'])
  })

  it('is stored once however often it is told', async () => {
    const at = await isolate()
    const keyId = await newKey(at)
    const [event] = (await trailOf(at, keyId)) as [AuditEvent]
    for (let times = 0; times < 3; times++) {
      await at.services.database.batch(eventStatements(at.services.database, [event]))
    }
    expect(await trailOf(at, keyId)).toHaveLength(1)
  })
})

describe('the buffer', () => {
  it('packs what waits into messages that a queue takes, and keeps what the queue does not take', async () => {
    const { Trail } = await import('../../src/audit/trail.ts')
    const at = await isolate()
    await newKey(at)
    await at.must('ListKeys', {}, root)
    const [event] = (await at.told()) as [AuditEvent]
    const trail = new Trail('packed')
    const sent: string[] = []
    let isDown = true
    const hold = {
      send: async (message: string) => {
        if (isDown) throw new Error('down')
        sent.push(message)
      },
      waitUntil: () => {},
    }
    // Each with a context of its own.
    const numbers = Array.from({ length: 1_000 }, (_, count) => count)
    for (const count of numbers) {
      const requestParameters = { encryptionContext: { count, filling: 'é'.repeat(100) } }
      trail.write([partsOf({ ...event, eventID: String(count), requestParameters })], hold)
    }
    await trail.flush(hold)
    expect(sent).toEqual([])
    expect([trail.waiting, trail.dropped]).toEqual([1_000, 0])
    isDown = false
    await trail.flush(hold)
    expect(sent.length).toBeGreaterThan(1)
    for (const message of sent) expect(new TextEncoder().encode(message).length).toBeLessThan(100_000)
    expect(trail.waiting).toBe(0)
    const ids = sent.flatMap((message) => expandBatch(message).map((e) => e.eventID))
    expect(ids.map(Number).sort((a, b) => a - b)).toEqual(numbers)
  })

  it('in strict mode answers once the queue has the record, and refuses where it has not', async () => {
    const { Trail } = await import('../../src/audit/trail.ts')
    const at = await isolate()
    const keyId = await newKey(at)
    let isDown = false
    const services = {
      ...at.services,
      trail: new Trail('strict'),
      sendAudit: async () => {
        if (isDown) throw new Error('down')
      },
    }
    const { invoke } = await import('../../src/operations/invoke.ts')
    const { callBy } = await import('../support/workerd.ts')
    const input = { KeyId: keyId, Plaintext }
    expect(await invoke('Encrypt', input, callBy(), services)).toHaveProperty('CiphertextBlob')
    isDown = true
    expect(await invoke('Encrypt', input, callBy(), services)).toMatchObject({ refused: 'DependencyTimeoutException' })
  })
})
