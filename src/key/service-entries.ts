import { keyArn } from '../model/arn.ts'
import { eventTimeOf, serviceEvent } from '../model/audit-event.ts'
import type { Call } from '../model/call.ts'
import type { OutboxEntry } from '../model/index-entry.ts'
import type { KeyEvent } from '../model/key-event.ts'
import type { KeyRecord } from './key.ts'

/** What this deployment does to keys by itself: by CloudTrail's name for it, EventBridge's; null: it has none. */
const detailTypes = {
  RotateKey: 'KMS CMK Rotation',
  DeleteKey: 'KMS CMK Deletion',
  DeleteExpiredKeyMaterial: 'KMS Imported Key Material Expiration',
  SynchronizeMultiRegionKey: null,
} as const satisfies Record<string, KeyEvent['detail-type'] | null>

/** For the audit trail and for other Workers: belongs into the transaction of what was done. Ids are drawn here, once. */
export function serviceEntries(
  eventName: keyof typeof detailTypes,
  { region, account, keyId }: KeyRecord,
  { time, requestId }: Pick<Call, 'time' | 'requestId'>,
  details: Readonly<Record<string, unknown>> = {},
): OutboxEntry[] {
  const ARN = keyArn(region, account, keyId)
  const resource = { accountId: account, type: 'AWS::KMS::Key', ARN }
  const record: OutboxEntry = {
    kind: 'event',
    body: serviceEvent({ eventName, time, region, requestId, resource, details: { keyId, ...details } }),
  }
  const detailType = detailTypes[eventName]
  if (detailType === null) return [record]
  return [
    record,
    {
      kind: 'keyEvent',
      body: {
        version: '0',
        id: crypto.randomUUID(),
        'detail-type': detailType,
        source: 'aws.kms',
        account,
        time: eventTimeOf(time),
        region,
        resources: [ARN],
        detail: { 'key-id': keyId },
      },
    },
  ]
}
