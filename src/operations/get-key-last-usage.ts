import { findKeyUse } from '../catalog/key-usage.ts'
import { isRefusal } from '../model/errors.ts'
import { required, shape } from '../model/shapes.ts'
import { arnOf } from './key-metadata.ts'
import { keyObjectNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { KeyIdType } from './types.ts'

/** From the audit trail, and so as late as that: seconds. A key that was never used has no KeyLastUsage. */
export const GetKeyLastUsage = operation({
  input: shape({ KeyId: required(KeyIdType) }),
  needs: { key: need('kms:GetKeyLastUsage', keyObjectNamed('KeyId')) },
  errors: ['InvalidArnException', 'NotFoundException'],
  async handle(_input, call, { key }, { database }) {
    const record = await key.object.describe(key.call, 'GetKeyLastUsage')
    if (isRefusal(record)) return record
    const use = await findKeyUse(database, call.region, record.keyId)
    const created = new Date(record.createdAt)
    return {
      KeyId: arnOf(record),
      ...(use !== null && {
        KeyLastUsage: {
          Operation: use.operation,
          Timestamp: new Date(use.usedAt * 1000),
          CloudTrailEventId: use.eventId,
          KmsRequestId: use.requestId,
        },
      }),
      TrackingStartDate: created,
      KeyCreationDate: created,
    }
  },
})
