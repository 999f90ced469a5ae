import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Key } from '../../src/key/key.ts'
import { eventsSent, faults } from '../support/test-worker.ts'
import { account, callBy, createKey, dayMs, env, indexRow, region, sweepCall } from '../support/workerd.ts'
import { importInto, newMaterial } from './import.ts'

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  eventsSent.splice(0)
})

afterEach(() => {
  Object.assign(faults, { indexIsDown: false, eventsAreRefused: false })
  vi.restoreAllMocks()
})

const sentOf = (keyId: string) => eventsSent.filter(({ detail }) => detail['key-id'] === keyId)
const settleAt = (key: Key, time: number) => key.settle(sweepCall({ time }))

/** What the audit trail has of a key, by name. */
async function recordsOf(keyId: string, name: string) {
  const { results } = await env.DB.prepare(
    `select body from events join event_resources as place using (sequence)
     where resource_name = ? and name = ? order by sequence`,
  )
    .bind(`arn:aws:kms:${region}:${account}:key/${keyId}`, name)
    .all<{ body: string }>()
  return results.map(({ body }) => JSON.parse(body))
}

describe('what befalls a key', () => {
  it('is told in the shape of EventBridge, and recorded as CloudTrail records it', async () => {
    const { keyId, key, snapshot } = await createKey()
    const call = callBy({ time: Date.parse('2027-01-01T00:00:00Z') })
    await key.enableRotation(call, 90)
    expect(await settleAt(key, call.time + 90 * dayMs)).toBe('rotated')
    await expect.poll(() => sentOf(keyId)).toHaveLength(1)
    const arn = `arn:aws:kms:${region}:${account}:key/${keyId}`
    expect(sentOf(keyId)).toEqual([
      {
        version: '0',
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        'detail-type': 'KMS CMK Rotation',
        source: 'aws.kms',
        account,
        time: '2027-04-01T00:00:00Z',
        region,
        resources: [arn],
        detail: { 'key-id': keyId },
      },
    ])
    const [rotation, ...others] = await recordsOf(keyId, 'RotateKey')
    expect(others).toEqual([])
    expect(rotation).toMatchObject({
      userIdentity: { accountId: account, invokedBy: 'AWS Internal' },
      eventTime: '2027-04-01T00:00:00Z',
      eventType: 'AwsServiceEvent',
      resources: [{ ARN: arn }],
      serviceEventDetails: {
        keyId,
        rotationType: 'AUTOMATIC',
        previousKeyMaterialId: snapshot.current?.keyMaterialId,
        currentKeyMaterialId: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    })
  })

  it('is told of a rotation on demand, too', async () => {
    const { keyId, key } = await createKey()
    await key.rotateOnDemand(callBy())
    await expect.poll(() => sentOf(keyId).map((event) => event['detail-type'])).toEqual(['KMS CMK Rotation'])
    expect(await recordsOf(keyId, 'RotateKey')).toMatchObject([{ serviceEventDetails: { rotationType: 'ON_DEMAND' } }])
  })

  it('is told of a deletion before the object forgets it', async () => {
    const { keyId, key, stub } = await createKey()
    const call = callBy()
    await key.scheduleDeletion(call, 7)
    faults.eventsAreRefused = true
    expect(await settleAt(key, call.time + 7 * dayMs)).toBe('deleted')
    // The index and the trail are told although the queue takes nothing.
    expect(await indexRow(keyId)).toMatchObject({ deleted_at: call.time + 7 * dayMs })
    expect(await recordsOf(keyId, 'DeleteKey')).toMatchObject([{ serviceEventDetails: { keyId } }])
    expect(sentOf(keyId)).toEqual([])
    await evictDurableObject(stub)
    faults.eventsAreRefused = false
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    expect(sentOf(keyId)).toMatchObject([{ 'detail-type': 'KMS CMK Deletion' }])
    const tables = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec(`select name from sqlite_master where name not like '\\_cf%' escape '\\'`).toArray(),
    )
    expect(tables).toEqual([])
    expect(await runDurableObjectAlarm(stub)).toBe(false)
  })

  it('keeps its id when it is told again', async () => {
    const { keyId, key, stub } = await createKey()
    faults.eventsAreRefused = true
    await key.rotateOnDemand(callBy())
    const waiting = () =>
      runInDurableObject(stub, (_, { storage }) =>
        storage.sql.exec(`select body from outbox where kind = 'keyEvent'`).toArray(),
      )
    const [entry] = await waiting()
    const { id } = JSON.parse(entry?.body as string)
    faults.eventsAreRefused = false
    await runDurableObjectAlarm(stub)
    expect(sentOf(keyId).map((event) => event.id)).toEqual([id])
    // What a kill between the queue's answer and the dequeueing leaves.
    await runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec(`insert into outbox (kind, body) values ('keyEvent', ?)`, entry?.body as string)
      void storage.setAlarm(Date.now() + 60_000)
    })
    await runDurableObjectAlarm(stub)
    expect(sentOf(keyId).map((event) => event.id)).toEqual([id, id])
    expect(await waiting()).toEqual([])
  })

  it('holds nothing up while the queue takes nothing', async () => {
    const { keyId, key, stub } = await createKey()
    faults.eventsAreRefused = true
    await key.rotateOnDemand(callBy())
    for (let change = 0; change < 110; change++) await key.updateDescription(callBy(), `change ${change}`)
    expect(await indexRow(keyId)).toMatchObject({ revision: 112 })
    expect(await key.acceptAlias(callBy(), 'CreateAlias')).not.toHaveProperty('refused')
    faults.eventsAreRefused = false
    await runDurableObjectAlarm(stub)
    expect(sentOf(keyId)).toHaveLength(1)
  })
})

describe('imported material', () => {
  it.each([
    ['Enabled', 'PendingImport'],
    ['Disabled', 'PendingImport'],
    ['PendingDeletion', 'PendingDeletion'],
  ])('of a key that is %s expires on its date, once', async (before, after) => {
    const { keyId, key, stub } = await createKey(undefined, { origin: 'EXTERNAL' })
    const call = callBy()
    const at = call.time + 5 * dayMs
    const keyMaterialId = await importInto(key, newMaterial(), { expiresAt: at }, call)
    if (before === 'Disabled') await key.disable(callBy())
    if (before === 'PendingDeletion') await key.scheduleDeletion(callBy(), 7)
    // The wrapping key is gone after a day.
    expect(await indexRow(keyId)).toMatchObject({ state: before, due_at: call.time + dayMs })
    expect(await settleAt(key, call.time + dayMs)).toBe('expired')
    expect(sentOf(keyId)).toEqual([])
    expect(await settleAt(key, at - 1)).toBe('nothing')
    expect(await indexRow(keyId)).toMatchObject({ due_at: at })
    expect(await settleAt(key, at)).toBe('expired')
    expect(await settleAt(key, at)).toBe('nothing')
    expect(await indexRow(keyId)).toMatchObject({ state: after })
    const left = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec('select key_material_id, length(sealed) as bytes from material').toArray(),
    )
    expect(left).toEqual([{ key_material_id: keyMaterialId, bytes: 0 }])
    await expect.poll(() => sentOf(keyId)).toMatchObject([{ 'detail-type': 'KMS Imported Key Material Expiration' }])
    expect(await recordsOf(keyId, 'DeleteExpiredKeyMaterial')).toMatchObject([
      { serviceEventDetails: { keyId, keyMaterialId } },
    ])
    const end = await settleAt(key, at + 10 * dayMs)
    expect(end).toBe(before === 'PendingDeletion' ? 'deleted' : 'nothing')
  })
})
