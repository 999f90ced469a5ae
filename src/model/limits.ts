/** AWS KMS's quotas and ranges. Where the service is tighter than its model, the service's value stands here. */
export const limits = {
  aliasesPerKeyMax: 50,
  ciphertextBytesMax: 6144,
  grantTokensMax: 10,
  onDemandRotationsMax: 25,
  pendingWindowDaysDefault: 30,
  pendingWindowDaysMax: 30,
  pendingWindowDaysMin: 7,
  plaintextBytesMax: 4096,
  policyBytesMax: 32_768,
  randomBytesMax: 1024,
  /** One attestation document and one policy fit; more is refused unread. */
  requestBytesMax: 409_600,
  rotationPeriodDaysDefault: 365,
  rotationPeriodDaysMax: 2560,
  rotationPeriodDaysMin: 90,
  signatureSkewSeconds: 300,
  tagsPerKeyMax: 50,
} as const

export const dayMs = 86_400_000
