import { isRefusal } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { keyMetadata } from './key-metadata.ts'
import { keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { GrantTokenList, KeyIdType } from './types.ts'

export const DescribeKey = operation({
  input: shape({ KeyId: required(KeyIdType), GrantTokens: optional(GrantTokenList) }),
  needs: { key: need('kms:DescribeKey', keyObjectNamed('KeyId', 'orAlias')) },
  errors: ['InvalidArnException', 'NotFoundException'],
  async handle(_input, _call, { key }) {
    const record = await key.object.describe(key.call, 'DescribeKey')
    return isRefusal(record) ? record : { KeyMetadata: keyMetadata(record) }
  },
})
