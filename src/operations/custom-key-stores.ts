import { refuse } from '../model/errors.ts'
import { optional, shape } from '../model/shapes.ts'
import { wholeAccount } from './needs.ts'
import { need, operation } from './operation.ts'
import { CustomKeyStoreIdType, CustomKeyStoreNameType, limitType, MarkerType } from './types.ts'

/** There are none, in any account: neither CloudHSM clusters nor external key stores are served. */
export const DescribeCustomKeyStores = operation({
  input: shape({
    CustomKeyStoreId: optional(CustomKeyStoreIdType),
    CustomKeyStoreName: optional(CustomKeyStoreNameType),
    Limit: optional(limitType(1000)),
    Marker: optional(MarkerType),
  }),
  needs: { account: need('kms:DescribeCustomKeyStores', wholeAccount()) },
  errors: ['CustomKeyStoreNotFoundException', 'InvalidMarkerException'],
  async handle({ CustomKeyStoreId, CustomKeyStoreName, Marker }) {
    if (CustomKeyStoreId !== undefined && CustomKeyStoreName !== undefined) {
      return refuse('ValidationException', 'Please specify either CustomKeyStoreId or CustomKeyStoreName.')
    }
    const named = CustomKeyStoreId ?? CustomKeyStoreName
    if (named !== undefined) return noCustomKeyStore(named)
    // An empty list has no second page.
    if (Marker !== undefined) return refuse('InvalidMarkerException', 'The marker is not valid.')
    return { CustomKeyStores: [], Truncated: false }
  },
})

export function noCustomKeyStore(name: string) {
  return refuse('CustomKeyStoreNotFoundException', `Custom key store '${name}' does not exist`)
}
