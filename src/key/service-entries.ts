import { keyArn } from '../model/arn.ts'
import { eventTimeOf, serviceEvent } from '../model/audit-event.ts'
import type { Call } from '../model/call.ts'
import type { OutboxEntry } from '../model/index-entry.ts'
import type { KeyEvent } from '../model/key-event.ts'
import type { KeyRecord } from './key.ts'

/** What this deployment does to keys by itself: by CloudTrail's name for it, EventBridge's. */
const detailTypes = {
  RotateKey: 'KMS CMK Rotation',
  DeleteKey: 'KMS CMK Deletion',
  DeleteExpiredKeyMaterial: 'KMS Imported Key Material Expiration',
} as const satisfies Record<string, KeyEvent['detail-type']>

/** For the audit trail and for other Workers: belongs into the transaction of what was done. Ids are drawn here, once. */
export function serviceEntries(
  eventName: keyof typeof detailTypes,
  { region, account, keyId }: KeyRecord,
  { time, requestId }: Call,
  details: Readonly<Record<string, unknown>> = {},
): OutboxEntry[] {
  const ARN = keyArn(region, account, keyId)
  const resource = { accountId: account, type: 'AWS::KMS::Key', ARN }
  return [
    {
      kind: 'event',
      body: serviceEvent({ eventName, time, region, requestId, resource, details: { keyId, ...details } }),
    },
    {
      kind: 'keyEvent',
      body: {
        version: '0',
        id: crypto.randomUUID(),
        'detail-type': detailTypes[eventName],
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
