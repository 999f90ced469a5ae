/**
 * May it be asked again when its answer was lost? Not what makes something, or changes what it found: a second CreateKey
 * makes a second key, and a second RevokeGrant is told that there is no such grant.
 */
type IsRepeatable = boolean | ((input: Readonly<Record<string, unknown>>) => boolean)

/** All operations of AWS KMS. What a deployment does not serve it refuses itself. */
export const methods = {
  CancelKeyDeletion: false,
  ConnectCustomKeyStore: false,
  CreateAlias: false,
  CreateCustomKeyStore: false,
  // A grant with a name is made once, however often it is asked for.
  CreateGrant: ({ Name }) => Name !== undefined,
  CreateKey: false,
  Decapsulate: true,
  Decrypt: true,
  DeleteAlias: false,
  DeleteCustomKeyStore: false,
  DeleteImportedKeyMaterial: false,
  DeriveSharedSecret: true,
  DescribeCustomKeyStores: true,
  DescribeKey: true,
  DisableKey: true,
  DisableKeyRotation: true,
  DisconnectCustomKeyStore: false,
  EnableKey: true,
  EnableKeyRotation: true,
  Encapsulate: true,
  Encrypt: true,
  GenerateDataKey: true,
  GenerateDataKeyPair: true,
  GenerateDataKeyPairWithoutPlaintext: true,
  GenerateDataKeyWithoutPlaintext: true,
  GenerateMac: true,
  GenerateRandom: true,
  GetKeyLastUsage: true,
  GetKeyPolicy: true,
  GetKeyRotationStatus: true,
  GetParametersForImport: true,
  GetPublicKey: true,
  ImportKeyMaterial: false,
  ListAliases: true,
  ListGrants: true,
  ListKeyPolicies: true,
  ListKeyRotations: true,
  ListKeys: true,
  ListResourceTags: true,
  ListRetirableGrants: true,
  PutKeyPolicy: true,
  ReEncrypt: true,
  ReplicateKey: false,
  RetireGrant: false,
  RevokeGrant: false,
  RotateKeyOnDemand: false,
  ScheduleKeyDeletion: false,
  Sign: true,
  TagResource: true,
  UntagResource: true,
  UpdateAlias: true,
  UpdateCustomKeyStore: false,
  UpdateKeyDescription: true,
  UpdatePrimaryRegion: false,
  Verify: true,
  VerifyMac: true,
} as const satisfies Record<string, IsRepeatable>

export type MethodName = keyof typeof methods

export function isRepeatable(operation: MethodName, input: unknown): boolean {
  const row: IsRepeatable = methods[operation]
  return typeof row === 'function' ? row((input ?? {}) as Record<string, unknown>) : row
}
