/** What befell a key, in EventBridge's shape: for other Workers. Plain data, and JSON. */
export interface KeyEvent {
  readonly version: '0'
  /** The same however often it is delivered. */
  readonly id: string
  readonly 'detail-type': 'KMS CMK Rotation' | 'KMS CMK Deletion' | 'KMS Imported Key Material Expiration'
  readonly source: 'aws.kms'
  readonly account: string
  /** UTC, to the second: lifecycle time. */
  readonly time: string
  readonly region: string
  /** The key's ARN. */
  readonly resources: readonly string[]
  readonly detail: { readonly 'key-id': string }
}
