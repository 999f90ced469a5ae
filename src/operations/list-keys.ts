import { listKeyIds } from '../catalog/keys.ts'
import { keyArn } from '../model/arn.ts'
import { isRefusal } from '../model/errors.ts'
import { optional, shape } from '../model/shapes.ts'
import { wholeAccount } from './needs.ts'
import { need, operation } from './operation.ts'
import { page } from './page.ts'
import { limitType, MarkerType } from './types.ts'

export const ListKeys = operation({
  input: shape({ Limit: optional(limitType(1000)), Marker: optional(MarkerType) }),
  needs: { account: need('kms:ListKeys', wholeAccount()) },
  errors: ['InvalidMarkerException'],
  async handle(input, call, _found, services) {
    const { account } = call.principal
    const keyIds = await page(input, call, services, {
      query: ['ListKeys'],
      limitDefault: 100,
      fetch: (place, count) => listKeyIds(services.database, account, call.region, place, count),
      placeOf: (keyId) => keyId,
    })
    if (isRefusal(keyIds)) return keyIds
    const Keys = keyIds.items.map((keyId) => ({ KeyId: keyId, KeyArn: keyArn(call.region, account, keyId) }))
    return { Keys, ...keyIds.next }
  },
})
