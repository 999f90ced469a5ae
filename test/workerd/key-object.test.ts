import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, it } from 'vitest'
import { defaultKeyPolicy } from '../../src/access/key-policy.ts'
import { keyObject } from '../../src/key/directory.ts'
import type { Key, KeyCall, KeySnapshot, NewMaterial } from '../../src/key/key.ts'
import type { SharedKey } from '../../src/key/shared-key.ts'
import { servicePrincipal } from '../../src/model/call.ts'
import { isRefusal } from '../../src/model/errors.ts'
import { faults, KeyObject } from '../support/test-worker.ts'
import {
  account,
  callBy,
  createKey,
  dayMs,
  env,
  indexRow,
  newGrant,
  newKey,
  region,
  sweepCall,
  userPrincipal,
} from '../support/workerd.ts'

afterEach(() => {
  Object.assign(faults, { indexIsDown: false, rootsAreUnproven: false })
})

/** Every method of the object, with arguments that would do for its owner. */
const methods: Record<keyof Key, (key: Key, call: KeyCall, keyId: string) => Promise<unknown>> = {
  acceptAlias: (key, call) => key.acceptAlias(call, 'CreateAlias'),
  acceptPrimary: (key, call) => key.acceptPrimary(call),
  cancelDeletion: (key, call) => key.cancelDeletion(call),
  create: (key, call, keyId) => key.create(call, newKey(keyId)),
  createGrant: (key, call) => key.createGrant(call, newGrant(), false),
  deleteMaterial: (key, call) => key.deleteMaterial(call, null),
  describe: (key, call) => key.describe(call, 'DescribeKey'),
  disable: (key, call) => key.disable(call),
  disableRotation: (key, call) => key.disableRotation(call),
  enable: (key, call) => key.enable(call),
  enableRotation: (key, call) => key.enableRotation(call, 365),
  grantsAllowing: (key, call) => key.grantsAllowing(call, call, 'kms:Decrypt'),
  grantsNaming: (key, call) => key.grantsNaming(call, [account], 10),
  importMaterial: (key, call) => key.importMaterial(call, newMaterial),
  listGrants: (key, call) => key.listGrants(call, grantPage),
  lookAgain: (key, call) => key.lookAgain(call, 'eu-west-1'),
  parametersForImport: (key, call) =>
    key.parametersForImport(call, { algorithm: 'RSAES_OAEP_SHA_256', spec: 'RSA_2048' }),
  putPolicy: (key, call) =>
    key.putPolicy(call, { policy: defaultKeyPolicy(account), policyPrincipalIds: {}, isLockoutChecked: false }),
  replicate: (key, call) => key.replicate(call, { ...ownOfReplica, region: 'eu-west-1', isLockoutChecked: false }),
  republish: (key, call) => key.republish(call, ''),
  retireGrant: (key, call) => key.retireGrant(call, '00'.repeat(32), false),
  revokeGrant: (key, call) => key.revokeGrant(call, '00'.repeat(32), false),
  rewrap: (key, call) => key.rewrap(call),
  rootVersions: (key, call) => key.rootVersions(call),
  rotateOnDemand: (key, call) => key.rotateOnDemand(call),
  rotations: (key, call) => key.rotations(call, { after: 0, limit: 10, isWithFirst: true }),
  scheduleDeletion: (key, call) => key.scheduleDeletion(call, 7),
  settle: (key, call) => key.settle(call),
  snapshot: (key, call) => key.snapshot(call),
  synchronise: (key, call, keyId) => key.synchronise(call, shared(keyId), { ...ownOfReplica, ...firstMade }),
  tag: (key, call) => key.tag(call, [{ tagKey: 'stranger', tagValue: '' }]),
  takeOver: (key, call, keyId) => key.takeOver(call, shared(keyId), []),
  untag: (key, call) => key.untag(call, ['x']),
  updateDescription: (key, call) => key.updateDescription(call, 'stranger'),
  updatePrimaryRegion: (key, call) => key.updatePrimaryRegion(call, { ...call, region: 'eu-west-1' }),
  version: (key, call) => key.version(call, '00'.repeat(16)),
}

const newMaterial: NewMaterial = {
  importToken: new Uint8Array(1),
  encrypted: new Uint8Array(1),
  expiresAt: null,
  importType: null,
  description: null,
  keyMaterialId: null,
}
const ownOfReplica = { policy: defaultKeyPolicy(account), policyPrincipalIds: {}, description: '', tags: [] }
const firstMade = { createdAt: 0, createdBy: 'stranger', revisionBefore: 0 }

function shared(keyId: string): SharedKey {
  return {
    account,
    keyId,
    spec: 'SYMMETRIC_DEFAULT',
    usage: 'ENCRYPT_DECRYPT',
    origin: 'AWS_KMS',
    rotation: null,
    onDemandRotations: 0,
    rotating: null,
    currentMaterialId: null,
    primaryRegion: 'eu-west-1',
    replicaRegions: [region],
    revision: 99,
    pending: null,
    materials: [],
    sealed: [],
  }
}

const grantPage = { after: '', limit: 10, grantId: null, granteePrincipal: null, granteeServicePrincipal: null }

/** What only this deployment itself may ask. */
const internal: readonly string[] = [
  'grantsAllowing',
  'grantsNaming',
  'lookAgain',
  'republish',
  'rewrap',
  'rootVersions',
  'settle',
  'snapshot',
  'synchronise',
  'takeOver',
  'version',
]

async function stored(keyId: string): Promise<KeySnapshot> {
  const snapshot = await keyObject(env.KEYS, region, keyId).snapshot(sweepCall())
  if (isRefusal(snapshot)) throw new Error(snapshot.reason)
  return snapshot
}

describe('a stranger', () => {
  it('is told of every public method', () => {
    const publicNames = Object.getOwnPropertyNames(KeyObject.prototype)
    // `ping` says nothing of any key, and the platform alone calls `alarm`.
    expect(publicNames.sort()).toEqual([...Object.keys(methods), 'alarm', 'constructor', 'ping'].sort())
  })

  it.each(Object.keys(methods) as (keyof Key)[])('is refused %s, and nothing changes', async (method) => {
    const { keyId, key } = await createKey()
    const before = await stored(keyId)
    const strangers: Record<string, KeyCall> = {
      'another account': callBy({ account: '444455556666' }),
      'another Region': callBy({ region: 'eu-west-1' }),
      'a user without a policy': callBy({ principal: userPrincipal() }),
      'a user of another account': callBy({ principal: userPrincipal('444455556666'), keyAccount: account }),
      'a service, for what is not its own': sweepCall({ principal: servicePrincipal('s3.amazonaws.com') }),
    }
    for (const [who, call] of Object.entries(strangers)) {
      if (internal.includes(method) && call.principal.kind === 'service') continue
      expect(isRefusal(await methods[method](key, call, keyId)), who).toBe(true)
    }
    expect(await stored(keyId)).toEqual(before)
  })

  it.each(internal as (keyof Key)[])('is not this deployment: even the root may not %s', async (method) => {
    const { key, keyId } = await createKey()
    expect(await methods[method](key, callBy(), keyId)).toMatchObject({ refused: 'AccessDeniedException' })
  })

  it('is not served by the sweep for what a caller has to ask for', async () => {
    const { key } = await createKey()
    expect(await key.disable(sweepCall())).toMatchObject({ refused: 'AccessDeniedException' })
  })
})

describe('creation', () => {
  it('is repeated by its own request only', async () => {
    const keyId = crypto.randomUUID()
    const key = keyObject(env.KEYS, region, keyId)
    const wanted = newKey(keyId)
    const made = await key.create(callBy(), wanted)
    expect(await key.create(callBy(), wanted)).toEqual(made)
    expect(await key.create(callBy(), newKey(keyId))).toMatchObject({ refused: 'KMSInternalException' })
  })

  it('leaves nothing where the root keys are unproven', async () => {
    faults.rootsAreUnproven = true
    const keyId = crypto.randomUUID()
    const answer = await keyObject(env.KEYS, region, keyId).create(callBy(), newKey(keyId))
    expect(answer).toMatchObject({ refused: 'DependencyTimeoutException' })
    expect(await keyObject(env.KEYS, region, keyId).snapshot(sweepCall())).toMatchObject({
      refused: 'NotFoundException',
    })
    expect(await indexRow(keyId)).toBeNull()
  })

  it('alone makes tables: asking for a key that never was leaves none', async () => {
    const keyId = crypto.randomUUID()
    for (const [name, method] of Object.entries(methods)) {
      if (name !== 'create') await method(keyObject(env.KEYS, region, keyId), callBy(), keyId)
    }
    const tables = await runInDurableObject(env.KEYS.getByName(`${region}/${keyId}`), (_, { storage }) =>
      storage.sql.exec(`select name from sqlite_master where name not like '\\_cf%' escape '\\'`).toArray(),
    )
    expect(tables).toEqual([])
  })
})

describe('the outbox', () => {
  it('tells the index before a change is answered', async () => {
    const { keyId, key } = await createKey()
    expect(await indexRow(keyId)).toMatchObject({ revision: 1, state: 'Enabled', account, due_at: null })
    await key.disable(callBy())
    expect(await indexRow(keyId)).toMatchObject({ revision: 2, state: 'Disabled' })
  })

  it('keeps what the index does not take, and the alarm delivers it', async () => {
    const { keyId, key, stub } = await createKey()
    faults.indexIsDown = true
    expect(isRefusal(await key.disable(callBy()))).toBe(false)
    expect(await indexRow(keyId)).toMatchObject({ revision: 1, state: 'Enabled' })
    await runDurableObjectAlarm(stub)
    expect(await indexRow(keyId)).toMatchObject({ revision: 1 })
    faults.indexIsDown = false
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    expect(await indexRow(keyId)).toMatchObject({ revision: 2, state: 'Disabled' })
    expect(await runDurableObjectAlarm(stub)).toBe(false)
  })

  it('comes back as soon as the index has been away for, however many changes it did not take', async () => {
    const { key, stub } = await createKey()
    faults.indexIsDown = true
    for (let at = 0; at < 10; at++) await key.updateDescription(callBy(), `change ${at}`)
    const waitMs = await runInDurableObject(
      stub,
      async (_, { storage }) => Number(await storage.getAlarm()) - Date.now(),
    )
    // Each of the ten has tried: were those counted, it would be a minute.
    expect(waitMs).toBeLessThan(30_000)
  })

  it('survives the object', async () => {
    const { keyId, key, stub } = await createKey()
    faults.indexIsDown = true
    await key.updateDescription(callBy(), 'told later')
    await evictDurableObject(stub)
    faults.indexIsDown = false
    await runDurableObjectAlarm(stub)
    expect(await indexRow(keyId)).toMatchObject({ revision: 2 })
  })

  it('delivers what many changes at once have left, each once', async () => {
    const { keyId, key, stub } = await createKey()
    const changes = Array.from({ length: 50 }, (_, at) => key.updateDescription(callBy(), `change ${at}`))
    expect((await Promise.all(changes)).some(isRefusal)).toBe(false)
    expect(await indexRow(keyId)).toMatchObject({ revision: 51 })
    const left = await runInDurableObject(stub, (_, { storage }) => storage.sql.exec('select * from outbox').toArray())
    expect(left).toEqual([])
  })

  it('lets no alias in before the key is in the index', async () => {
    const { key } = await createKey()
    faults.indexIsDown = true
    await key.updateDescription(callBy(), 'untold')
    expect(await key.acceptAlias(callBy(), 'CreateAlias')).toMatchObject({ refused: 'DependencyTimeoutException' })
    faults.indexIsDown = false
    expect(isRefusal(await key.acceptAlias(callBy(), 'CreateAlias'))).toBe(false)
  })
})

describe('an object that starts', () => {
  it('serves reads and lets changes wait while the index is away', async () => {
    const { key, stub } = await createKey()
    await evictDurableObject(stub)
    faults.indexIsDown = true
    expect(isRefusal(await key.snapshot(sweepCall()))).toBe(false)
    expect(await key.disable(callBy())).toMatchObject({ refused: 'DependencyTimeoutException' })
    faults.indexIsDown = false
    expect(isRefusal(await key.disable(callBy()))).toBe(false)
  })

  it('rewrites its row where the index is behind', async () => {
    const { keyId, key, stub } = await createKey()
    await key.disable(callBy())
    await env.DB.prepare('delete from keys where key_id = ?').bind(keyId).run()
    await evictDurableObject(stub)
    await key.snapshot(sweepCall())
    expect(await indexRow(keyId)).toMatchObject({ revision: 2, state: 'Disabled' })
  })

  it('refuses everything where the index is ahead, until the restore is accepted', async () => {
    const { keyId, key, stub } = await createKey()
    await key.disable(callBy())
    // What a platform restore does: the object is at revision 1 again, the index is not.
    await runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec(`update kms_key set revision = 1, state = 'Enabled'`)
    })
    await evictDurableObject(stub)
    for (const [name, method] of Object.entries(methods)) {
      if (name === 'create') continue
      const answer = await method(key, internal.includes(name) ? sweepCall() : callBy(), keyId)
      expect(answer, name).toMatchObject({ refused: 'KeyUnavailableException' })
    }
    expect(await indexRow(keyId)).toMatchObject({ revision: 2, fault: 'rolled-back' })
    await env.DB.prepare('update keys set is_restore_accepted = 1 where key_id = ?').bind(keyId).run()
    expect(await key.snapshot(sweepCall())).toMatchObject({ record: { revision: 3, state: 'Enabled' } })
    expect(await indexRow(keyId)).toMatchObject({ revision: 3, state: 'Enabled', fault: null, is_restore_accepted: 0 })
  })
})

describe('what falls due', () => {
  const settleAt = (key: Key, time: number) => key.settle(sweepCall({ time }))

  it('rotates on its date, once, and keeps the schedule', async () => {
    const { keyId, key } = await createKey()
    const call = callBy()
    await key.enableRotation(call, 90)
    expect(await indexRow(keyId)).toMatchObject({ due_at: call.time + 90 * dayMs })
    expect(await settleAt(key, call.time + 90 * dayMs - 1)).toBe('nothing')
    const late = call.time + 90 * dayMs + 1000
    expect(await settleAt(key, late)).toBe('rotated')
    expect(await settleAt(key, late)).toBe('nothing')
    expect((await stored(keyId)).record.rotation).toEqual({ periodDays: 90, nextAt: call.time + 180 * dayMs })
    const rotations = await key.rotations(callBy(), { after: 0, limit: 10, isWithFirst: true })
    expect(rotations).toMatchObject([
      { isCurrent: false, rotation: null },
      { isCurrent: true, rotation: { type: 'AUTOMATIC', at: late } },
    ])
  })

  it('is decided by the key, whatever many sweeps at once believe', async () => {
    const { key } = await createKey()
    const call = callBy()
    await key.enableRotation(call, 90)
    const settlements = await Promise.all(Array.from({ length: 8 }, () => settleAt(key, call.time + 90 * dayMs)))
    expect(settlements.filter((settlement) => settlement === 'rotated')).toHaveLength(1)
    expect(settlements.filter((settlement) => settlement === 'nothing')).toHaveLength(7)
  })

  it('waits for a disabled key, and is made up for when it is enabled', async () => {
    const { keyId, key } = await createKey()
    const call = callBy()
    await key.enableRotation(call, 90)
    await key.disable(callBy())
    expect(await indexRow(keyId)).toMatchObject({ due_at: null })
    const after = call.time + 100 * dayMs
    expect(await settleAt(key, after)).toBe('nothing')
    const { current } = await stored(keyId)
    const enabled = (await key.enable(callBy({ time: after }))) as KeySnapshot
    expect(enabled.current?.keyMaterialId).not.toBe(current?.keyMaterialId)
    expect(enabled.record.rotation?.nextAt).toBe(call.time + 180 * dayMs)
  })

  it('does not rotate a key that is pending deletion', async () => {
    const { key } = await createKey()
    const call = callBy()
    await key.enableRotation(call, 90)
    await key.scheduleDeletion(callBy({ time: call.time + 85 * dayMs }), 30)
    expect(await settleAt(key, call.time + 91 * dayMs)).toBe('nothing')
  })

  it('deletes at the end of the window: storage, aliases, and for ever', async () => {
    const { keyId, key, stub } = await createKey()
    const call = callBy()
    await env.DB.prepare('insert into aliases values (?, ?, ?, ?, 0, 0)')
      .bind(account, region, `alias/${keyId}`, keyId)
      .run()
    await key.scheduleDeletion(call, 7)
    expect(await settleAt(key, call.time + 7 * dayMs - 1)).toBe('nothing')
    expect(await settleAt(key, call.time + 7 * dayMs)).toBe('deleted')
    expect(await settleAt(key, call.time + 7 * dayMs)).toBe('nothing')
    expect(await key.snapshot(sweepCall())).toMatchObject({ refused: 'NotFoundException' })
    const tables = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec(`select name from sqlite_master where name not like '\\_cf%' escape '\\'`).toArray(),
    )
    expect(tables).toEqual([])
    expect(await indexRow(keyId)).toMatchObject({ deleted_at: call.time + 7 * dayMs, due_at: null })
    const alias = await env.DB.prepare('select * from aliases where target_key_id = ?').bind(keyId).first()
    expect(alias).toBeNull()
  })

  it('keeps the tombstone until the index has it', async () => {
    const { keyId, key, stub } = await createKey()
    const call = callBy()
    await key.scheduleDeletion(call, 7)
    faults.indexIsDown = true
    expect(await settleAt(key, call.time + 7 * dayMs)).toBe('deleted')
    expect(await key.snapshot(sweepCall())).toMatchObject({ refused: 'NotFoundException' })
    expect(await indexRow(keyId)).toMatchObject({ deleted_at: null })
    faults.indexIsDown = false
    await runDurableObjectAlarm(stub)
    expect(await indexRow(keyId)).toMatchObject({ deleted_at: call.time + 7 * dayMs })
  })

  it('is called off by a cancellation that comes first', async () => {
    const { keyId, key } = await createKey()
    const call = callBy()
    await key.scheduleDeletion(call, 7)
    await key.cancelDeletion(callBy())
    expect(await settleAt(key, call.time + 8 * dayMs)).toBe('nothing')
    expect((await stored(keyId)).record).toMatchObject({ state: 'Disabled', deletion: null })
  })
})
