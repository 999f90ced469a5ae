import { required, shape } from '../model/shapes.ts'
import { changed, nothing } from './change.ts'
import { keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { DescriptionType, KeyIdType } from './types.ts'

const errors = ['InvalidArnException', 'KMSInvalidStateException', 'NotFoundException'] as const

export const UpdateKeyDescription = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType), Description: required(DescriptionType) }),
  needs: { key: need('kms:UpdateKeyDescription', keyObjectNamed('KeyId')) },
  errors,
  async handle({ Description }, call, { key }, services) {
    return changed(key.object.updateDescription(key.call, Description), call, services, nothing)
  },
})

export const EnableKey = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType) }),
  needs: { key: need('kms:EnableKey', keyObjectNamed('KeyId')) },
  errors: [...errors, 'LimitExceededException'],
  async handle(_input, call, { key }, services) {
    return changed(key.object.enable(key.call), call, services, nothing)
  },
})

export const DisableKey = operation({
  changes: 'key',
  input: shape({ KeyId: required(KeyIdType) }),
  needs: { key: need('kms:DisableKey', keyObjectNamed('KeyId')) },
  errors,
  async handle(_input, call, { key }, services) {
    return changed(key.object.disable(key.call), call, services, nothing)
  },
})
