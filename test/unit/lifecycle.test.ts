import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KeyRecord, KeyState } from '../../src/key/key.ts'
import {
  nextDue,
  recordAt,
  rotationAfter,
  type StatefulOperation,
  stateRefusal,
  stateWithoutMaterial,
} from '../../src/key/lifecycle.ts'
import { newMultiRegion } from '../../src/key/shared-key.ts'
import { dayMs } from '../../src/model/limits.ts'

const arn = 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const enabled: KeyRecord = {
  keyId: '1234abcd-12ab-34cd-56ef-1234567890ab',
  account: '111122223333',
  region: 'eu-west-1',
  revision: 1,
  state: 'Enabled',
  spec: 'SYMMETRIC_DEFAULT',
  usage: 'ENCRYPT_DECRYPT',
  origin: 'AWS_KMS',
  multiRegion: null,
  manager: 'CUSTOMER',
  description: '',
  policy: '{}',
  policyPrincipalIds: {},
  tags: [],
  createdAt: 0,
  deletion: null,
  rotation: null,
  onDemandRotations: 0,
  rotating: null,
  materialExpiresAt: null,
  leftoverExpiresAt: null,
  currentMaterialId: '00'.repeat(32),
}

/*
 * "Key states of KMS keys" of the AWS KMS Developer Guide, with its footnotes' numbers. 7 and 12 refuse keys of other
 * origins, or succeed later: to a key made by KMS they are a yes.
 */
const columns: readonly KeyState[] = [
  'Enabled',
  'Disabled',
  'PendingDeletion',
  'PendingReplicaDeletion',
  'PendingImport',
  'Unavailable',
  'Creating',
  'Updating',
]
const guide: readonly (readonly [cells: string, operations: string])[] = [
  ['✓ 1 3 3r 5 11 14 ✓', 'Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext'],
  [
    '✓ ✓ ✓ ✓ ✓ ✓ ✓ ✓',
    'DeleteAlias ListGrants RetireGrant RevokeGrant ListKeyPolicies ListResourceTags ListKeyRotations DescribeKey',
  ],
  ['✓ ✓ ✓ ✓ ✓ ✓ ✓ ✓', 'GetKeyPolicy PutKeyPolicy'],
  ['✓ 1 3 3r 5 ✓ 14 ✓', 'CreateGrant'],
  ['✓ ✓ 3 3r ✓ ✓ ✓ ✓', 'CreateAlias UpdateAlias TagResource UntagResource UpdateKeyDescription'],
  ['✓ ✓ 3 3r 5 12 14 15', 'EnableKey DisableKey'],
  ['7 1 3 3r 6 7 14 7', 'EnableKeyRotation DisableKeyRotation'],
  ['7 7 7 7 6 7 7 7', 'GetKeyRotationStatus'],
  ['✓ 1 3 3r 5 7 14 15', 'RotateKeyOnDemand'],
  ['✓ 1 3 3r 5 11 14 15', 'ReplicateKey'],
  ['✓ 1 3 3r 5 11 14 ✓', 'UpdatePrimaryRegion'],
  ['✓ ✓ 3 3r ✓ ✓ ✓ 15', 'ScheduleKeyDeletion'],
  ['9 9 9 9 9 9 9 9', 'GetParametersForImport ImportKeyMaterial DeleteImportedKeyMaterial'],
  ['4 4 ✓ ✓ 4 4 4 4', 'CancelKeyDeletion'],
]
const footnotes: Readonly<Record<string, readonly [name: string, message: string]>> = {
  1: ['DisabledException', `${arn} is disabled.`],
  3: ['KMSInvalidStateException', `${arn} is pending deletion.`],
  '3r': ['KMSInvalidStateException', `${arn} is pending replica deletion.`],
  4: ['KMSInvalidStateException', `${arn} is not pending deletion.`],
  5: ['KMSInvalidStateException', `${arn} is pending import.`],
  6: ['UnsupportedOperationException', `${arn} origin is EXTERNAL which is not valid for this operation.`],
  9: ['UnsupportedOperationException', `${arn} origin is AWS_KMS which is not valid for this operation.`],
  11: ['KMSInvalidStateException', `${arn} is unavailable.`],
  14: ['KMSInvalidStateException', `${arn} is creating.`],
  15: ['KMSInvalidStateException', `${arn} is updating.`],
}
function cellsOf(rows: typeof guide) {
  return rows.flatMap(([row, operations]) =>
    operations.split(' ').flatMap((operation) =>
      row.split(' ').map((cell, column) => ({
        operation: operation as StatefulOperation,
        state: columns[column] as KeyState,
        footnote: footnotes[cell] ?? null,
      })),
    ),
  )
}
const cells = cellsOf(guide)

it('covers every state of every operation once', () => {
  expect(new Set(cells.map(({ operation, state }) => `${operation} ${state}`)).size).toBe(34 * columns.length)
})

it.each(cells)('$operation of a key that is $state', ({ operation, state, footnote }) => {
  const refusal = stateRefusal({ ...enabled, state }, operation)
  expect(refusal === null ? null : [refusal.refused, refusal.message]).toEqual(footnote)
})

/** The same guide, of a key with imported material: what it says of 7 and 9, and of keys that wait for an import. */
const external = { ...enabled, origin: 'EXTERNAL' } as const
const ofExternal: typeof guide = [
  ['✓ ✓ 3 3r ✓ 11 14 15', 'GetParametersForImport'],
  ['✓ ✓ 3 3r ✓ 11 14 ✓', 'ImportKeyMaterial'],
  ['✓ ✓ ✓ ✓ ✓ 11 14 15', 'DeleteImportedKeyMaterial'],
  ['6 6 6 6 6 6 6 6', 'EnableKeyRotation DisableKeyRotation GetKeyRotationStatus'],
  ['✓ 1 3 3r 5 7 14 15', 'RotateKeyOnDemand'],
]

it.each(cellsOf(ofExternal))(
  '$operation of a key with imported material that is $state',
  ({ operation, state, footnote }) => {
    const refusal = stateRefusal({ ...external, state }, operation)
    expect(refusal === null ? null : [refusal.refused, refusal.message]).toEqual(footnote)
  },
)

describe('recordAt', () => {
  const expiring = { ...external, materialExpiresAt: 9 }

  it.each([
    ['before its material expires', expiring, 8, 'Enabled'],
    ['as its material expires', expiring, 9, 'PendingImport'],
    ['disabled, after', { ...expiring, state: 'Disabled' }, 10, 'PendingImport'],
    ['pending deletion, after', { ...expiring, state: 'PendingDeletion' }, 10, 'PendingDeletion'],
    ['whose material does not expire', external, 10, 'Enabled'],
  ] as const)('of a key %s', (_name, record, time, state) => {
    expect(recordAt(record, time)).toEqual({ ...record, state })
  })
})

describe('nextDue', () => {
  const deletion = { at: 7, windowDays: 7 }
  const rotation = { periodDays: 90, nextAt: 5 }
  const rotating = { keyMaterialId: '11'.repeat(32), type: 'AUTOMATIC' as const, startedAt: 5, requestId: '' }
  const rotate = { work: 'rotate', at: 5 }
  const erase = { work: 'delete', at: 7 }

  it.each([
    ['an enabled key without a schedule', {}, null],
    ['an enabled key with one', { rotation }, rotate],
    ['a disabled key', { state: 'Disabled', rotation }, null],
    ['a key pending deletion', { state: 'PendingDeletion', deletion }, erase],
    ['a key pending deletion with a schedule', { state: 'PendingDeletion', deletion, rotation }, erase],
    [
      'a primary that waits for its replicas',
      { state: 'PendingReplicaDeletion', deletion: { ...deletion, at: null } },
      null,
    ],
    ['a primary with a schedule', { rotation, multiRegion: newMultiRegion('eu-west-1') }, rotate],
    ['a replica with one', { rotation, multiRegion: newMultiRegion('us-east-1') }, null],
    ['a key whose rotation waits for replicas', { rotation, rotating }, null],
    ['a key pending import', { state: 'PendingImport', rotation }, null],
    ['a key whose material expires', { materialExpiresAt: 9 }, { work: 'expire', at: 9 }],
    ['a disabled key whose material expires', { state: 'Disabled', materialExpiresAt: 9 }, { work: 'expire', at: 9 }],
    ['a key with a wrapping key', { state: 'PendingImport', leftoverExpiresAt: 4 }, { work: 'expire', at: 4 }],
    ['the first of both', { materialExpiresAt: 9, leftoverExpiresAt: 4 }, { work: 'expire', at: 4 }],
    ['one pending deletion first', { state: 'PendingDeletion', deletion, materialExpiresAt: 9 }, erase],
    [
      'one pending deletion after',
      { state: 'PendingDeletion', deletion, materialExpiresAt: 6 },
      { work: 'expire', at: 6 },
    ],
    ['one pending deletion at once', { state: 'PendingDeletion', deletion, materialExpiresAt: 7 }, erase],
  ] as const)('of %s', (_name, change, due) => {
    expect(nextDue({ ...enabled, ...change })).toEqual(due)
  })

  it('is never to rotate a key that may not be rotated', () => {
    fc.assert(
      fc.property(fc.constantFrom(...columns), (state) => {
        const due = nextDue({ ...enabled, state, rotation, deletion })
        expect(due?.work === 'rotate').toBe(state === 'Enabled')
        expect(due?.work === 'delete').toBe(state === 'PendingDeletion')
      }),
    )
  })
})

describe('a key without its material', () => {
  it.each([
    ['Enabled', 'PendingImport'],
    ['Disabled', 'PendingImport'],
    ['PendingImport', 'PendingImport'],
    ['PendingDeletion', 'PendingDeletion'],
    ['PendingReplicaDeletion', 'PendingReplicaDeletion'],
  ] as const)('that was %s is %s', (before, after) => {
    expect(stateWithoutMaterial(before)).toBe(after)
  })
})

describe('rotationAfter', () => {
  const schedule = fc.record({
    periodDays: fc.integer({ min: 90, max: 2560 }),
    nextAt: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  })
  const time = fc.integer({ min: 0, max: 8_000_000_000_000 })

  it('is after the time, and by one period at most', () => {
    fc.assert(
      fc.property(schedule, time, (rotation, now) => {
        const next = rotationAfter(rotation, now)
        expect(next).toBeGreaterThan(now)
        expect(next).toBeLessThanOrEqual(now + rotation.periodDays * dayMs)
      }),
    )
  })

  it('keeps the phase of the schedule, however late the sweep', () => {
    fc.assert(
      fc.property(schedule, time, (rotation, now) => {
        expect(Math.abs(rotationAfter(rotation, now) - rotation.nextAt) % (rotation.periodDays * dayMs)).toBe(0)
      }),
    )
  })

  it('is the same from any time of one period, as from its beginning', () => {
    fc.assert(
      fc.property(
        schedule,
        fc.nat(40),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (rotation, missed, part) => {
          const periodMs = rotation.periodDays * dayMs
          const from = rotation.nextAt + missed * periodMs
          expect(rotationAfter(rotation, from)).toBe(from + periodMs)
          expect(rotationAfter(rotation, from + Math.floor(part * periodMs))).toBe(from + periodMs)
        },
      ),
    )
  })
})
