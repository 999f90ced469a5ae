import { CreateAlias, DeleteAlias, ListAliases, UpdateAlias } from './aliases.ts'
import { CreateKey } from './create-key.ts'
import { Decrypt } from './decrypt.ts'
import { DescribeKey } from './describe-key.ts'
import { Encrypt } from './encrypt.ts'
import { GenerateDataKey, GenerateDataKeyWithoutPlaintext } from './generate-data-key.ts'
import { GenerateRandom } from './generate-random.ts'
import { GetKeyLastUsage } from './get-key-last-usage.ts'
import { CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant } from './grants.ts'
import { CancelKeyDeletion, ScheduleKeyDeletion } from './key-deletion.ts'
import { GetKeyPolicy, ListKeyPolicies, PutKeyPolicy } from './key-policy.ts'
import {
  DisableKeyRotation,
  EnableKeyRotation,
  GetKeyRotationStatus,
  ListKeyRotations,
  RotateKeyOnDemand,
} from './key-rotation.ts'
import { ListKeys } from './list-keys.ts'
import type { Operation } from './operation.ts'
import { ReEncrypt } from './re-encrypt.ts'
import { ListResourceTags, TagResource, UntagResource } from './tags.ts'
import { DisableKey, EnableKey, UpdateKeyDescription } from './update-key.ts'

const rows = {
  CancelKeyDeletion,
  ConnectCustomKeyStore: null,
  CreateAlias,
  CreateCustomKeyStore: null,
  CreateGrant,
  CreateKey,
  Decapsulate: null,
  Decrypt,
  DeleteAlias,
  DeleteCustomKeyStore: null,
  DeleteImportedKeyMaterial: null,
  DeriveSharedSecret: null,
  DescribeCustomKeyStores: null,
  DescribeKey,
  DisableKey,
  DisableKeyRotation,
  DisconnectCustomKeyStore: null,
  EnableKey,
  EnableKeyRotation,
  Encapsulate: null,
  Encrypt,
  GenerateDataKey,
  GenerateDataKeyPair: null,
  GenerateDataKeyPairWithoutPlaintext: null,
  GenerateDataKeyWithoutPlaintext,
  GenerateMac: null,
  GenerateRandom,
  GetKeyLastUsage,
  GetKeyPolicy,
  GetKeyRotationStatus,
  GetParametersForImport: null,
  GetPublicKey: null,
  ImportKeyMaterial: null,
  ListAliases,
  ListGrants,
  ListKeyPolicies,
  ListKeyRotations,
  ListKeys,
  ListResourceTags,
  ListRetirableGrants,
  PutKeyPolicy,
  ReEncrypt,
  ReplicateKey: null,
  RetireGrant,
  RevokeGrant,
  RotateKeyOnDemand,
  ScheduleKeyDeletion,
  Sign: null,
  TagResource,
  UntagResource,
  UpdateAlias,
  UpdateCustomKeyStore: null,
  UpdateKeyDescription,
  UpdatePrimaryRegion: null,
  Verify: null,
  VerifyMac: null,
} as const satisfies Record<string, Operation | null>

/** The table with what each row takes and answers; null: not served yet. */
export type OperationTable = typeof rows

export type OperationName = keyof typeof rows

/** All 56 operations of AWS KMS; null: not served yet. */
export const operations: Readonly<Record<OperationName, Operation | null>> = rows

export function isOperationName(name: string): name is OperationName {
  return Object.hasOwn(rows, name)
}
