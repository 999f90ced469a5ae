/** AWS KMS's quotas and ranges. Where the service is tighter than its model, the service's value stands here. */
export const limits = {
  aliasesPerKeyMax: 50,
  ciphertextBytesMax: 6144,
  grantConstraintPairsMax: 8,
  grantConstraintValueMax: 384,
  grantTokensMax: 10,
  grantsPerKeyMax: 50_000,
  importedMaterialDaysMax: 365,
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
  // IAM's. Sizes of policies are in characters that are no white space.
  accessKeysPerUserMax: 2,
  attachedPoliciesMax: 10,
  clientIdsPerProviderMax: 100,
  groupsPerUserMax: 10,
  iamTagsMax: 50,
  inlinePolicySizeMax: { user: 2048, group: 5120, role: 10_240 },
  managedPolicySizeMax: 6144,
  maxSessionSecondsDefault: 3600,
  policyVersionsMax: 5,
  thumbprintsPerProviderMax: 5,
  trustPolicySizeMax: 2048,
} as const

export const dayMs = 86_400_000

/** How long what is only signed under the root key may be good for. Nothing re-wraps these: they expire. */
export const tokenLifeMs = {
  grantToken: 30 * dayMs,
  importToken: dayMs,
  session: dayMs / 2,
  listMarker: dayMs,
} as const
