import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { changed } from './change.ts'
import { arnOf, deletionDate } from './key-metadata.ts'
import { keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { KeyIdType, PendingWindowInDaysType } from './types.ts'

const errors = ['InvalidArnException', 'KMSInvalidStateException', 'NotFoundException'] as const

export const ScheduleKeyDeletion = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType), PendingWindowInDays: optional(PendingWindowInDaysType) }),
  needs: { key: need('kms:ScheduleKeyDeletion', keyObjectNamed('KeyId')) },
  errors,
  async handle({ PendingWindowInDays = limits.pendingWindowDaysDefault }, call, { key }, services) {
    return changed(key.object.scheduleDeletion(key.call, PendingWindowInDays), call, services, (record) => ({
      KeyId: arnOf(record),
      ...deletionDate(record),
      KeyState: record.state,
      PendingWindowInDays,
    }))
  },
})

export const CancelKeyDeletion = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType) }),
  needs: { key: need('kms:CancelKeyDeletion', keyObjectNamed('KeyId')) },
  errors,
  async handle(_input, call, { key }, services) {
    return changed(key.object.cancelDeletion(key.call), call, services, (record) => ({ KeyId: arnOf(record) }))
  },
})
