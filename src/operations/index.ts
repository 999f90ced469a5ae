import { CreateAlias, DeleteAlias, ListAliases, UpdateAlias } from './aliases.ts'
import { CreateKey } from './create-key.ts'
import { DescribeCustomKeyStores } from './custom-key-stores.ts'
import { Decrypt } from './decrypt.ts'
import { DeriveSharedSecret } from './derive-shared-secret.ts'
import { DescribeKey } from './describe-key.ts'
import { Decapsulate, Encapsulate } from './encapsulate.ts'
import { Encrypt } from './encrypt.ts'
import { GenerateDataKey, GenerateDataKeyWithoutPlaintext } from './generate-data-key.ts'
import { GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext } from './generate-data-key-pair.ts'
import { GenerateRandom } from './generate-random.ts'
import { GetKeyLastUsage } from './get-key-last-usage.ts'
import { GetPublicKey } from './get-public-key.ts'
import { CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant } from './grants.ts'
import { DeleteImportedKeyMaterial, GetParametersForImport, ImportKeyMaterial } from './imports.ts'
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
import { GenerateMac, VerifyMac } from './mac.ts'
import { ReplicateKey, UpdatePrimaryRegion } from './multi-region.ts'
import type { Operation } from './operation.ts'
import { ReEncrypt } from './re-encrypt.ts'
import { Sign, Verify } from './sign.ts'
import { ListResourceTags, TagResource, UntagResource } from './tags.ts'
import { DisableKey, EnableKey, UpdateKeyDescription } from './update-key.ts'

const rows = {
  CancelKeyDeletion,
  ConnectCustomKeyStore: null,
  CreateAlias,
  CreateCustomKeyStore: null,
  CreateGrant,
  CreateKey,
  Decapsulate,
  Decrypt,
  DeleteAlias,
  DeleteCustomKeyStore: null,
  DeleteImportedKeyMaterial,
  DeriveSharedSecret,
  DescribeCustomKeyStores,
  DescribeKey,
  DisableKey,
  DisableKeyRotation,
  DisconnectCustomKeyStore: null,
  EnableKey,
  EnableKeyRotation,
  Encapsulate,
  Encrypt,
  GenerateDataKey,
  GenerateDataKeyPair,
  GenerateDataKeyPairWithoutPlaintext,
  GenerateDataKeyWithoutPlaintext,
  GenerateMac,
  GenerateRandom,
  GetKeyLastUsage,
  GetKeyPolicy,
  GetKeyRotationStatus,
  GetParametersForImport,
  GetPublicKey,
  ImportKeyMaterial,
  ListAliases,
  ListGrants,
  ListKeyPolicies,
  ListKeyRotations,
  ListKeys,
  ListResourceTags,
  ListRetirableGrants,
  PutKeyPolicy,
  ReEncrypt,
  ReplicateKey,
  RetireGrant,
  RevokeGrant,
  RotateKeyOnDemand,
  ScheduleKeyDeletion,
  Sign,
  TagResource,
  UntagResource,
  UpdateAlias,
  UpdateCustomKeyStore: null,
  UpdateKeyDescription,
  UpdatePrimaryRegion,
  Verify,
  VerifyMac,
} as const satisfies Record<string, Operation | null>

/** The table with what each row takes and answers; null: not served yet. */
export type OperationTable = typeof rows

export type OperationName = keyof typeof rows

/** All 56 operations of AWS KMS; null: not served yet. */
export const operations: Readonly<Record<OperationName, Operation | null>> = rows

export function isOperationName(name: string): name is OperationName {
  return Object.hasOwn(rows, name)
}
