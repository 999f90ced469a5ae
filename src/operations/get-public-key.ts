import { stateRefusal } from '../key/lifecycle.ts'
import { refuse } from '../model/errors.ts'
import { isAsymmetric } from '../model/key-specs.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { algorithmMembers, arnOf } from './key-metadata.ts'
import { keyNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { GrantTokenList, KeyIdType } from './types.ts'
import { privateOf } from './use.ts'

export const GetPublicKey = operation({
  input: shape({ KeyId: required(KeyIdType), GrantTokens: optional(GrantTokenList) }),
  needs: { key: need('kms:GetPublicKey', keyNamed('KeyId')) },
  errors: [
    'InvalidArnException',
    'InvalidGrantTokenException',
    'KMSInvalidStateException',
    'NotFoundException',
    'UnsupportedOperationException',
  ],
  async handle(_input, _call, { key }) {
    const { record } = key
    if (!isAsymmetric(record.spec)) {
      const text = `${arnOf(record)} key spec is ${record.spec} which is not valid for this operation.`
      return refuse('UnsupportedOperationException', text)
    }
    const refusal = stateRefusal(record, 'GetPublicKey')
    if (refusal !== null) return refusal
    return {
      KeyId: arnOf(record),
      PublicKey: privateOf(key).publicKey,
      CustomerMasterKeySpec: record.spec,
      KeySpec: record.spec,
      KeyUsage: record.usage,
      ...algorithmMembers(record),
    }
  },
})
