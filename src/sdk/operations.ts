/** What each operation takes and answers. Made by `npm run sdk:types` from the table of operations. */
export type Operations = {
  readonly CancelKeyDeletion: {
    readonly input: {
      readonly KeyId: string
    }
    readonly output: {
      readonly KeyId: string
    }
  }
  readonly CreateAlias: {
    readonly input: {
      readonly AliasName: string
      readonly TargetKeyId: string
    }
    readonly output: undefined
  }
  readonly CreateGrant: {
    readonly input: {
      readonly Constraints?:
        | {
            readonly EncryptionContextEquals?: Readonly<Record<string, string>> | undefined
            readonly EncryptionContextSubset?: Readonly<Record<string, string>> | undefined
            readonly SourceArn?: string | undefined
          }
        | undefined
      readonly DryRun?: boolean | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly GranteePrincipal?: string | undefined
      readonly GranteeServicePrincipal?: string | undefined
      readonly KeyId: string
      readonly Name?: string | undefined
      readonly Operations: readonly (
        | 'CreateGrant'
        | 'Decapsulate'
        | 'Decrypt'
        | 'DeriveSharedSecret'
        | 'DescribeKey'
        | 'Encapsulate'
        | 'Encrypt'
        | 'GenerateDataKey'
        | 'GenerateDataKeyPair'
        | 'GenerateDataKeyPairWithoutPlaintext'
        | 'GenerateDataKeyWithoutPlaintext'
        | 'GenerateMac'
        | 'GetPublicKey'
        | 'ReEncryptFrom'
        | 'ReEncryptTo'
        | 'RetireGrant'
        | 'Sign'
        | 'Verify'
        | 'VerifyMac'
      )[]
      readonly RetiringPrincipal?: string | undefined
      readonly RetiringServicePrincipal?: string | undefined
    }
    readonly output: {
      readonly GrantToken: string
      readonly GrantId: string
    }
  }
  readonly CreateKey: {
    readonly input: {
      readonly BypassPolicyLockoutSafetyCheck?: boolean | undefined
      readonly CustomKeyStoreId?: string | undefined
      readonly CustomerMasterKeySpec?:
        | 'ECC_NIST_P256'
        | 'ECC_NIST_P384'
        | 'ECC_NIST_P521'
        | 'ECC_SECG_P256K1'
        | 'HMAC_224'
        | 'HMAC_256'
        | 'HMAC_384'
        | 'HMAC_512'
        | 'RSA_2048'
        | 'RSA_3072'
        | 'RSA_4096'
        | 'SM2'
        | 'SYMMETRIC_DEFAULT'
        | undefined
      readonly Description?: string | undefined
      readonly KeySpec?:
        | 'ECC_NIST_EDWARDS25519'
        | 'ECC_NIST_P256'
        | 'ECC_NIST_P384'
        | 'ECC_NIST_P521'
        | 'ECC_SECG_P256K1'
        | 'HMAC_224'
        | 'HMAC_256'
        | 'HMAC_384'
        | 'HMAC_512'
        | 'ML_DSA_44'
        | 'ML_DSA_65'
        | 'ML_DSA_87'
        | 'ML_KEM_1024'
        | 'ML_KEM_512'
        | 'ML_KEM_768'
        | 'RSA_2048'
        | 'RSA_3072'
        | 'RSA_4096'
        | 'SM2'
        | 'SYMMETRIC_DEFAULT'
        | undefined
      readonly KeyUsage?:
        | 'ENCAPSULATE_DECAPSULATE'
        | 'ENCRYPT_DECRYPT'
        | 'GENERATE_VERIFY_MAC'
        | 'KEY_AGREEMENT'
        | 'SIGN_VERIFY'
        | undefined
      readonly MultiRegion?: boolean | undefined
      readonly Origin?: 'AWS_CLOUDHSM' | 'AWS_KMS' | 'EXTERNAL' | 'EXTERNAL_KEY_STORE' | undefined
      readonly Policy?: string | undefined
      readonly Tags?:
        | readonly {
            readonly TagKey: string
            readonly TagValue: string
          }[]
        | undefined
      readonly XksKeyId?: string | undefined
    }
    readonly output: {
      readonly KeyMetadata: {
        readonly AWSAccountId: string
        readonly KeyId: string
        readonly Arn: string
        readonly CreationDate: Date
        readonly Enabled: boolean
        readonly Description: string
        readonly KeyUsage:
          | 'ENCAPSULATE_DECAPSULATE'
          | 'ENCRYPT_DECRYPT'
          | 'GENERATE_VERIFY_MAC'
          | 'KEY_AGREEMENT'
          | 'SIGN_VERIFY'
        readonly KeyState:
          | 'Creating'
          | 'Disabled'
          | 'Enabled'
          | 'PendingDeletion'
          | 'PendingImport'
          | 'PendingReplicaDeletion'
          | 'Unavailable'
          | 'Updating'
        readonly PendingDeletionWindowInDays?: number
        readonly Origin: 'AWS_KMS' | 'EXTERNAL'
        readonly KeyManager: 'AWS' | 'CUSTOMER'
        readonly CustomerMasterKeySpec:
          | 'ECC_NIST_EDWARDS25519'
          | 'ECC_NIST_P256'
          | 'ECC_NIST_P384'
          | 'ECC_NIST_P521'
          | 'ECC_SECG_P256K1'
          | 'HMAC_224'
          | 'HMAC_256'
          | 'HMAC_384'
          | 'HMAC_512'
          | 'ML_DSA_44'
          | 'ML_DSA_65'
          | 'ML_DSA_87'
          | 'ML_KEM_1024'
          | 'ML_KEM_512'
          | 'ML_KEM_768'
          | 'RSA_2048'
          | 'RSA_3072'
          | 'RSA_4096'
          | 'SYMMETRIC_DEFAULT'
        readonly KeySpec:
          | 'ECC_NIST_EDWARDS25519'
          | 'ECC_NIST_P256'
          | 'ECC_NIST_P384'
          | 'ECC_NIST_P521'
          | 'ECC_SECG_P256K1'
          | 'HMAC_224'
          | 'HMAC_256'
          | 'HMAC_384'
          | 'HMAC_512'
          | 'ML_DSA_44'
          | 'ML_DSA_65'
          | 'ML_DSA_87'
          | 'ML_KEM_1024'
          | 'ML_KEM_512'
          | 'ML_KEM_768'
          | 'RSA_2048'
          | 'RSA_3072'
          | 'RSA_4096'
          | 'SYMMETRIC_DEFAULT'
        readonly MultiRegion: boolean
        readonly CurrentKeyMaterialId?: string
        readonly ExpirationModel?: string
        readonly ValidTo?: Date
        readonly DeletionDate?: Date
        readonly MultiRegionConfiguration?: {
          readonly MultiRegionKeyType: string
          readonly PrimaryKey: {
            readonly Arn: string
            readonly Region: string
          }
          readonly ReplicaKeys: readonly {
            readonly Arn: string
            readonly Region: string
          }[]
        }
      }
    }
  }
  readonly Decapsulate: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly EncapsulationAlgorithm: 'ML_KEM'
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly SharedSecretCiphertextBlob: Uint8Array<ArrayBufferLike>
    }
    readonly output: {
      readonly KeyId: string
      readonly SharedSecret: Uint8Array<ArrayBuffer>
      readonly EncapsulationAlgorithm: 'ML_KEM'
    }
  }
  readonly Decrypt: {
    readonly input: {
      readonly CiphertextBlob?: Uint8Array<ArrayBufferLike> | undefined
      readonly DryRun?: boolean | undefined
      readonly DryRunModifiers?: readonly 'IGNORE_CIPHERTEXT'[] | undefined
      readonly EncryptionAlgorithm?: ('RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'SYMMETRIC_DEFAULT') | undefined
      readonly EncryptionContext?: Readonly<Record<string, string>> | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId?: string | undefined
      readonly Recipient?:
        | {
            readonly AttestationDocument?: Uint8Array<ArrayBufferLike> | undefined
            readonly KeyEncryptionAlgorithm?: 'RSAES_OAEP_SHA_256' | undefined
          }
        | undefined
    }
    readonly output: {
      readonly KeyId: string
      readonly Plaintext: Uint8Array<ArrayBuffer>
      readonly EncryptionAlgorithm: 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'SYMMETRIC_DEFAULT'
      readonly KeyMaterialId?: string
    }
  }
  readonly DeleteAlias: {
    readonly input: {
      readonly AliasName: string
    }
    readonly output: undefined
  }
  readonly DeleteImportedKeyMaterial: {
    readonly input: {
      readonly KeyId: string
      readonly KeyMaterialId?: string | undefined
    }
    readonly output: {
      readonly KeyId: string
      readonly KeyMaterialId?: string
    }
  }
  readonly DeriveSharedSecret: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyAgreementAlgorithm: 'ECDH'
      readonly KeyId: string
      readonly PublicKey: Uint8Array<ArrayBufferLike>
      readonly Recipient?:
        | {
            readonly AttestationDocument?: Uint8Array<ArrayBufferLike> | undefined
            readonly KeyEncryptionAlgorithm?: 'RSAES_OAEP_SHA_256' | undefined
          }
        | undefined
    }
    readonly output: {
      readonly KeyId: string
      readonly SharedSecret: Uint8Array<ArrayBuffer>
      readonly KeyAgreementAlgorithm: 'ECDH'
      readonly KeyOrigin: 'AWS_KMS' | 'EXTERNAL'
    }
  }
  readonly DescribeCustomKeyStores: {
    readonly input: {
      readonly CustomKeyStoreId?: string | undefined
      readonly CustomKeyStoreName?: string | undefined
      readonly Limit?: number | undefined
      readonly Marker?: string | undefined
    }
    readonly output: {
      readonly CustomKeyStores: readonly never[]
      readonly Truncated: boolean
    }
  }
  readonly DescribeKey: {
    readonly input: {
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
    }
    readonly output: {
      readonly KeyMetadata: {
        readonly AWSAccountId: string
        readonly KeyId: string
        readonly Arn: string
        readonly CreationDate: Date
        readonly Enabled: boolean
        readonly Description: string
        readonly KeyUsage:
          | 'ENCAPSULATE_DECAPSULATE'
          | 'ENCRYPT_DECRYPT'
          | 'GENERATE_VERIFY_MAC'
          | 'KEY_AGREEMENT'
          | 'SIGN_VERIFY'
        readonly KeyState:
          | 'Creating'
          | 'Disabled'
          | 'Enabled'
          | 'PendingDeletion'
          | 'PendingImport'
          | 'PendingReplicaDeletion'
          | 'Unavailable'
          | 'Updating'
        readonly PendingDeletionWindowInDays?: number
        readonly Origin: 'AWS_KMS' | 'EXTERNAL'
        readonly KeyManager: 'AWS' | 'CUSTOMER'
        readonly CustomerMasterKeySpec:
          | 'ECC_NIST_EDWARDS25519'
          | 'ECC_NIST_P256'
          | 'ECC_NIST_P384'
          | 'ECC_NIST_P521'
          | 'ECC_SECG_P256K1'
          | 'HMAC_224'
          | 'HMAC_256'
          | 'HMAC_384'
          | 'HMAC_512'
          | 'ML_DSA_44'
          | 'ML_DSA_65'
          | 'ML_DSA_87'
          | 'ML_KEM_1024'
          | 'ML_KEM_512'
          | 'ML_KEM_768'
          | 'RSA_2048'
          | 'RSA_3072'
          | 'RSA_4096'
          | 'SYMMETRIC_DEFAULT'
        readonly KeySpec:
          | 'ECC_NIST_EDWARDS25519'
          | 'ECC_NIST_P256'
          | 'ECC_NIST_P384'
          | 'ECC_NIST_P521'
          | 'ECC_SECG_P256K1'
          | 'HMAC_224'
          | 'HMAC_256'
          | 'HMAC_384'
          | 'HMAC_512'
          | 'ML_DSA_44'
          | 'ML_DSA_65'
          | 'ML_DSA_87'
          | 'ML_KEM_1024'
          | 'ML_KEM_512'
          | 'ML_KEM_768'
          | 'RSA_2048'
          | 'RSA_3072'
          | 'RSA_4096'
          | 'SYMMETRIC_DEFAULT'
        readonly MultiRegion: boolean
        readonly CurrentKeyMaterialId?: string
        readonly ExpirationModel?: string
        readonly ValidTo?: Date
        readonly DeletionDate?: Date
        readonly MultiRegionConfiguration?: {
          readonly MultiRegionKeyType: string
          readonly PrimaryKey: {
            readonly Arn: string
            readonly Region: string
          }
          readonly ReplicaKeys: readonly {
            readonly Arn: string
            readonly Region: string
          }[]
        }
      }
    }
  }
  readonly DisableKey: {
    readonly input: {
      readonly KeyId: string
    }
    readonly output: undefined
  }
  readonly DisableKeyRotation: {
    readonly input: {
      readonly KeyId: string
    }
    readonly output: undefined
  }
  readonly EnableKey: {
    readonly input: {
      readonly KeyId: string
    }
    readonly output: undefined
  }
  readonly EnableKeyRotation: {
    readonly input: {
      readonly KeyId: string
      readonly RotationPeriodInDays?: number | undefined
    }
    readonly output: undefined
  }
  readonly Encapsulate: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly EncapsulationAlgorithm: 'ML_KEM'
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
    }
    readonly output: {
      readonly KeyId: string
      readonly SharedSecret: Uint8Array<ArrayBuffer>
      readonly SharedSecretCiphertextBlob: Uint8Array<ArrayBuffer>
      readonly EncapsulationAlgorithm: 'ML_KEM'
    }
  }
  readonly Encrypt: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly EncryptionAlgorithm?: ('RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'SYMMETRIC_DEFAULT') | undefined
      readonly EncryptionContext?: Readonly<Record<string, string>> | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly Plaintext: Uint8Array<ArrayBufferLike>
    }
    readonly output: {
      readonly CiphertextBlob: Uint8Array<ArrayBuffer>
      readonly KeyId: string
      readonly EncryptionAlgorithm: 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'SYMMETRIC_DEFAULT'
    }
  }
  readonly GenerateDataKey: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly EncryptionContext?: Readonly<Record<string, string>> | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly KeySpec?: 'AES_128' | 'AES_256' | undefined
      readonly NumberOfBytes?: number | undefined
      readonly Recipient?:
        | {
            readonly AttestationDocument?: Uint8Array<ArrayBufferLike> | undefined
            readonly KeyEncryptionAlgorithm?: 'RSAES_OAEP_SHA_256' | undefined
          }
        | undefined
    }
    readonly output: {
      readonly CiphertextBlob: Uint8Array<ArrayBuffer>
      readonly Plaintext: Uint8Array<ArrayBuffer>
      readonly KeyId: string
      readonly KeyMaterialId: string
    }
  }
  readonly GenerateDataKeyPair: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly EncryptionContext?: Readonly<Record<string, string>> | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly KeyPairSpec:
        | 'ECC_NIST_EDWARDS25519'
        | 'ECC_NIST_P256'
        | 'ECC_NIST_P384'
        | 'ECC_NIST_P521'
        | 'ECC_SECG_P256K1'
        | 'ML_KEM_1024'
        | 'ML_KEM_512'
        | 'ML_KEM_768'
        | 'RSA_2048'
        | 'RSA_3072'
        | 'RSA_4096'
        | 'SM2'
      readonly Recipient?:
        | {
            readonly AttestationDocument?: Uint8Array<ArrayBufferLike> | undefined
            readonly KeyEncryptionAlgorithm?: 'RSAES_OAEP_SHA_256' | undefined
          }
        | undefined
    }
    readonly output: {
      readonly PrivateKeyCiphertextBlob: Uint8Array<ArrayBuffer>
      readonly PrivateKeyPlaintext: Uint8Array<ArrayBuffer>
      readonly PublicKey: Uint8Array<ArrayBuffer>
      readonly KeyId: string
      readonly KeyPairSpec:
        | 'ECC_NIST_EDWARDS25519'
        | 'ECC_NIST_P256'
        | 'ECC_NIST_P384'
        | 'ECC_NIST_P521'
        | 'ECC_SECG_P256K1'
        | 'ML_KEM_1024'
        | 'ML_KEM_512'
        | 'ML_KEM_768'
        | 'RSA_2048'
        | 'RSA_3072'
        | 'RSA_4096'
      readonly KeyMaterialId: string
    }
  }
  readonly GenerateDataKeyPairWithoutPlaintext: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly EncryptionContext?: Readonly<Record<string, string>> | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly KeyPairSpec:
        | 'ECC_NIST_EDWARDS25519'
        | 'ECC_NIST_P256'
        | 'ECC_NIST_P384'
        | 'ECC_NIST_P521'
        | 'ECC_SECG_P256K1'
        | 'ML_KEM_1024'
        | 'ML_KEM_512'
        | 'ML_KEM_768'
        | 'RSA_2048'
        | 'RSA_3072'
        | 'RSA_4096'
        | 'SM2'
    }
    readonly output: {
      readonly PrivateKeyCiphertextBlob: Uint8Array<ArrayBuffer>
      readonly PublicKey: Uint8Array<ArrayBuffer>
      readonly KeyId: string
      readonly KeyPairSpec:
        | 'ECC_NIST_EDWARDS25519'
        | 'ECC_NIST_P256'
        | 'ECC_NIST_P384'
        | 'ECC_NIST_P521'
        | 'ECC_SECG_P256K1'
        | 'ML_KEM_1024'
        | 'ML_KEM_512'
        | 'ML_KEM_768'
        | 'RSA_2048'
        | 'RSA_3072'
        | 'RSA_4096'
      readonly KeyMaterialId: string
    }
  }
  readonly GenerateDataKeyWithoutPlaintext: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly EncryptionContext?: Readonly<Record<string, string>> | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly KeySpec?: 'AES_128' | 'AES_256' | undefined
      readonly NumberOfBytes?: number | undefined
    }
    readonly output: {
      readonly CiphertextBlob: Uint8Array<ArrayBuffer>
      readonly KeyId: string
      readonly KeyMaterialId: string
    }
  }
  readonly GenerateMac: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly MacAlgorithm: 'HMAC_SHA_224' | 'HMAC_SHA_256' | 'HMAC_SHA_384' | 'HMAC_SHA_512'
      readonly Message: Uint8Array<ArrayBufferLike>
    }
    readonly output: {
      readonly KeyId: string
      readonly Mac: Uint8Array<ArrayBuffer>
      readonly MacAlgorithm: 'HMAC_SHA_224' | 'HMAC_SHA_256' | 'HMAC_SHA_384' | 'HMAC_SHA_512'
    }
  }
  readonly GenerateRandom: {
    readonly input: {
      readonly CustomKeyStoreId?: string | undefined
      readonly NumberOfBytes?: number | undefined
      readonly Recipient?:
        | {
            readonly AttestationDocument?: Uint8Array<ArrayBufferLike> | undefined
            readonly KeyEncryptionAlgorithm?: 'RSAES_OAEP_SHA_256' | undefined
          }
        | undefined
    }
    readonly output: {
      readonly Plaintext: Uint8Array<ArrayBuffer>
    }
  }
  readonly GetKeyLastUsage: {
    readonly input: {
      readonly KeyId: string
    }
    readonly output: {
      readonly KeyId: string
      readonly KeyLastUsage?: {
        Operation: string
        Timestamp: Date
        CloudTrailEventId: string
        KmsRequestId: string
      }
      readonly TrackingStartDate: Date
      readonly KeyCreationDate: Date
    }
  }
  readonly GetKeyPolicy: {
    readonly input: {
      readonly KeyId: string
      readonly PolicyName?: string | undefined
    }
    readonly output: {
      readonly Policy: string
      readonly PolicyName: string
    }
  }
  readonly GetKeyRotationStatus: {
    readonly input: {
      readonly KeyId: string
    }
    readonly output: {
      readonly OnDemandRotationStartDate?: Date
      readonly KeyId: string
      readonly KeyRotationEnabled: boolean
    }
  }
  readonly GetParametersForImport: {
    readonly input: {
      readonly KeyId: string
      readonly WrappingAlgorithm:
        | 'RSAES_OAEP_SHA_1'
        | 'RSAES_OAEP_SHA_256'
        | 'RSAES_PKCS1_V1_5'
        | 'RSA_AES_KEY_WRAP_SHA_1'
        | 'RSA_AES_KEY_WRAP_SHA_256'
        | 'SM2PKE'
      readonly WrappingKeySpec: 'RSA_2048' | 'RSA_3072' | 'RSA_4096' | 'SM2'
    }
    readonly output: {
      readonly KeyId: string
      readonly ImportToken: Uint8Array<ArrayBuffer>
      readonly PublicKey: Uint8Array<ArrayBuffer>
      readonly ParametersValidTo: Date
    }
  }
  readonly GetPublicKey: {
    readonly input: {
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
    }
    readonly output: {
      readonly KeyId: string
      readonly PublicKey: Uint8Array<ArrayBuffer>
      readonly CustomerMasterKeySpec:
        | 'ECC_NIST_EDWARDS25519'
        | 'ECC_NIST_P256'
        | 'ECC_NIST_P384'
        | 'ECC_NIST_P521'
        | 'ECC_SECG_P256K1'
        | 'ML_DSA_44'
        | 'ML_DSA_65'
        | 'ML_DSA_87'
        | 'ML_KEM_1024'
        | 'ML_KEM_512'
        | 'ML_KEM_768'
        | 'RSA_2048'
        | 'RSA_3072'
        | 'RSA_4096'
      readonly KeySpec:
        | 'ECC_NIST_EDWARDS25519'
        | 'ECC_NIST_P256'
        | 'ECC_NIST_P384'
        | 'ECC_NIST_P521'
        | 'ECC_SECG_P256K1'
        | 'ML_DSA_44'
        | 'ML_DSA_65'
        | 'ML_DSA_87'
        | 'ML_KEM_1024'
        | 'ML_KEM_512'
        | 'ML_KEM_768'
        | 'RSA_2048'
        | 'RSA_3072'
        | 'RSA_4096'
      readonly KeyUsage:
        | 'ENCAPSULATE_DECAPSULATE'
        | 'ENCRYPT_DECRYPT'
        | 'GENERATE_VERIFY_MAC'
        | 'KEY_AGREEMENT'
        | 'SIGN_VERIFY'
    }
  }
  readonly ImportKeyMaterial: {
    readonly input: {
      readonly EncryptedKeyMaterial: Uint8Array<ArrayBufferLike>
      readonly ExpirationModel?: 'KEY_MATERIAL_DOES_NOT_EXPIRE' | 'KEY_MATERIAL_EXPIRES' | undefined
      readonly ImportToken: Uint8Array<ArrayBufferLike>
      readonly ImportType?: 'EXISTING_KEY_MATERIAL' | 'NEW_KEY_MATERIAL' | undefined
      readonly KeyId: string
      readonly KeyMaterialDescription?: string | undefined
      readonly KeyMaterialId?: string | undefined
      readonly ValidTo?: Date | undefined
    }
    readonly output: {
      readonly KeyId: string
      readonly KeyMaterialId?: string
    }
  }
  readonly ListAliases: {
    readonly input: {
      readonly KeyId?: string | undefined
      readonly Limit?: number | undefined
      readonly Marker?: string | undefined
    }
    readonly output: {
      readonly Truncated: boolean
      readonly NextMarker?: string
      readonly Aliases: readonly {
        readonly AliasName: string
        readonly AliasArn: string
        readonly TargetKeyId: string
        readonly CreationDate: Date
        readonly LastUpdatedDate: Date
      }[]
    }
  }
  readonly ListGrants: {
    readonly input: {
      readonly GrantId?: string | undefined
      readonly GranteePrincipal?: string | undefined
      readonly GranteeServicePrincipal?: string | undefined
      readonly KeyId: string
      readonly Limit?: number | undefined
      readonly Marker?: string | undefined
    }
    readonly output: {
      readonly Truncated: boolean
      readonly NextMarker?: string
      readonly Grants: readonly {
        readonly KeyId: string
        readonly GrantId: string
        readonly CreationDate: Date
        readonly IssuingAccount: string
        readonly Operations: readonly string[]
        readonly Constraints?: {
          readonly [x: string]: unknown
          readonly [x: number]: unknown
        }
      }[]
    }
  }
  readonly ListKeyPolicies: {
    readonly input: {
      readonly KeyId: string
      readonly Limit?: number | undefined
      readonly Marker?: string | undefined
    }
    readonly output: {
      readonly PolicyNames: readonly string[]
      readonly Truncated: boolean
    }
  }
  readonly ListKeyRotations: {
    readonly input: {
      readonly IncludeKeyMaterial?: 'ALL_KEY_MATERIAL' | 'ROTATIONS_ONLY' | undefined
      readonly KeyId: string
      readonly Limit?: number | undefined
      readonly Marker?: string | undefined
    }
    readonly output: {
      readonly Truncated: boolean
      readonly NextMarker?: string
      readonly Rotations: readonly {
        readonly KeyId: string
        readonly KeyMaterialId: string
        readonly KeyMaterialState: string
        readonly RotationDate?: Date
        readonly RotationType?: 'AUTOMATIC' | 'ON_DEMAND'
        readonly KeyMaterialDescription?: string
        readonly ImportState?: string
      }[]
    }
  }
  readonly ListKeys: {
    readonly input: {
      readonly Limit?: number | undefined
      readonly Marker?: string | undefined
    }
    readonly output: {
      readonly Truncated: boolean
      readonly NextMarker?: string
      readonly Keys: readonly {
        readonly KeyId: string
        readonly KeyArn: string
      }[]
    }
  }
  readonly ListResourceTags: {
    readonly input: {
      readonly KeyId: string
      readonly Limit?: number | undefined
      readonly Marker?: string | undefined
    }
    readonly output: {
      readonly Truncated: boolean
      readonly NextMarker?: string
      readonly Tags: readonly {
        readonly TagKey: string
        readonly TagValue: string
      }[]
    }
  }
  readonly ListRetirableGrants: {
    readonly input: {
      readonly Limit?: number | undefined
      readonly Marker?: string | undefined
      readonly RetiringPrincipal?: string | undefined
      readonly RetiringServicePrincipal?: string | undefined
    }
    readonly output: {
      readonly Truncated: boolean
      readonly NextMarker?: string
      readonly Grants: readonly {
        readonly KeyId: string
        readonly GrantId: string
        readonly CreationDate: Date
        readonly IssuingAccount: string
        readonly Operations: readonly string[]
        readonly Constraints?: {
          readonly [x: string]: unknown
          readonly [x: number]: unknown
        }
      }[]
    }
  }
  readonly PutKeyPolicy: {
    readonly input: {
      readonly BypassPolicyLockoutSafetyCheck?: boolean | undefined
      readonly KeyId: string
      readonly Policy: string
      readonly PolicyName?: string | undefined
    }
    readonly output: undefined
  }
  readonly ReEncrypt: {
    readonly input: {
      readonly CiphertextBlob?: Uint8Array<ArrayBufferLike> | undefined
      readonly DestinationEncryptionAlgorithm?:
        | ('RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'SYMMETRIC_DEFAULT')
        | undefined
      readonly DestinationEncryptionContext?: Readonly<Record<string, string>> | undefined
      readonly DestinationKeyId: string
      readonly DryRun?: boolean | undefined
      readonly DryRunModifiers?: readonly 'IGNORE_CIPHERTEXT'[] | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly SourceEncryptionAlgorithm?: ('RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'SYMMETRIC_DEFAULT') | undefined
      readonly SourceEncryptionContext?: Readonly<Record<string, string>> | undefined
      readonly SourceKeyId?: string | undefined
    }
    readonly output: {
      readonly CiphertextBlob: Uint8Array<ArrayBuffer>
      readonly SourceKeyId: string
      readonly KeyId: string
      readonly SourceEncryptionAlgorithm: 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'SYMMETRIC_DEFAULT'
      readonly DestinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256' | 'SYMMETRIC_DEFAULT'
      readonly SourceKeyMaterialId?: string
      readonly DestinationKeyMaterialId?: string
    }
  }
  readonly ReplicateKey: {
    readonly input: {
      readonly BypassPolicyLockoutSafetyCheck?: boolean | undefined
      readonly Description?: string | undefined
      readonly KeyId: string
      readonly Policy?: string | undefined
      readonly ReplicaRegion: string
      readonly Tags?:
        | readonly {
            readonly TagKey: string
            readonly TagValue: string
          }[]
        | undefined
    }
    readonly output: {
      readonly ReplicaKeyMetadata: {
        readonly AWSAccountId: string
        readonly KeyId: string
        readonly Arn: string
        readonly CreationDate: Date
        readonly Enabled: boolean
        readonly Description: string
        readonly KeyUsage:
          | 'ENCAPSULATE_DECAPSULATE'
          | 'ENCRYPT_DECRYPT'
          | 'GENERATE_VERIFY_MAC'
          | 'KEY_AGREEMENT'
          | 'SIGN_VERIFY'
        readonly KeyState:
          | 'Creating'
          | 'Disabled'
          | 'Enabled'
          | 'PendingDeletion'
          | 'PendingImport'
          | 'PendingReplicaDeletion'
          | 'Unavailable'
          | 'Updating'
        readonly PendingDeletionWindowInDays?: number
        readonly Origin: 'AWS_KMS' | 'EXTERNAL'
        readonly KeyManager: 'AWS' | 'CUSTOMER'
        readonly CustomerMasterKeySpec:
          | 'ECC_NIST_EDWARDS25519'
          | 'ECC_NIST_P256'
          | 'ECC_NIST_P384'
          | 'ECC_NIST_P521'
          | 'ECC_SECG_P256K1'
          | 'HMAC_224'
          | 'HMAC_256'
          | 'HMAC_384'
          | 'HMAC_512'
          | 'ML_DSA_44'
          | 'ML_DSA_65'
          | 'ML_DSA_87'
          | 'ML_KEM_1024'
          | 'ML_KEM_512'
          | 'ML_KEM_768'
          | 'RSA_2048'
          | 'RSA_3072'
          | 'RSA_4096'
          | 'SYMMETRIC_DEFAULT'
        readonly KeySpec:
          | 'ECC_NIST_EDWARDS25519'
          | 'ECC_NIST_P256'
          | 'ECC_NIST_P384'
          | 'ECC_NIST_P521'
          | 'ECC_SECG_P256K1'
          | 'HMAC_224'
          | 'HMAC_256'
          | 'HMAC_384'
          | 'HMAC_512'
          | 'ML_DSA_44'
          | 'ML_DSA_65'
          | 'ML_DSA_87'
          | 'ML_KEM_1024'
          | 'ML_KEM_512'
          | 'ML_KEM_768'
          | 'RSA_2048'
          | 'RSA_3072'
          | 'RSA_4096'
          | 'SYMMETRIC_DEFAULT'
        readonly MultiRegion: boolean
        readonly CurrentKeyMaterialId?: string
        readonly ExpirationModel?: string
        readonly ValidTo?: Date
        readonly DeletionDate?: Date
        readonly MultiRegionConfiguration?: {
          readonly MultiRegionKeyType: string
          readonly PrimaryKey: {
            readonly Arn: string
            readonly Region: string
          }
          readonly ReplicaKeys: readonly {
            readonly Arn: string
            readonly Region: string
          }[]
        }
      }
      readonly ReplicaPolicy: string
      readonly ReplicaTags: readonly {
        readonly TagKey: string
        readonly TagValue: string
      }[]
    }
  }
  readonly RetireGrant: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly GrantId?: string | undefined
      readonly GrantToken?: string | undefined
      readonly KeyId?: string | undefined
    }
    readonly output: undefined
  }
  readonly RevokeGrant: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly GrantId: string
      readonly KeyId: string
    }
    readonly output: undefined
  }
  readonly RotateKeyOnDemand: {
    readonly input: {
      readonly KeyId: string
    }
    readonly output: {
      readonly KeyId: string
    }
  }
  readonly ScheduleKeyDeletion: {
    readonly input: {
      readonly KeyId: string
      readonly PendingWindowInDays?: number | undefined
    }
    readonly output: {
      readonly DeletionDate?: Date
      readonly KeyId: string
      readonly KeyState:
        | 'Creating'
        | 'Disabled'
        | 'Enabled'
        | 'PendingDeletion'
        | 'PendingImport'
        | 'PendingReplicaDeletion'
        | 'Unavailable'
        | 'Updating'
      readonly PendingWindowInDays: number
    }
  }
  readonly Sign: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly Message: Uint8Array<ArrayBufferLike>
      readonly MessageType?: 'DIGEST' | 'EXTERNAL_MU' | 'RAW' | undefined
      readonly SigningAlgorithm:
        | 'ECDSA_SHA_256'
        | 'ECDSA_SHA_384'
        | 'ECDSA_SHA_512'
        | 'ED25519_PH_SHA_512'
        | 'ED25519_SHA_512'
        | 'ML_DSA_SHAKE_256'
        | 'RSASSA_PKCS1_V1_5_SHA_256'
        | 'RSASSA_PKCS1_V1_5_SHA_384'
        | 'RSASSA_PKCS1_V1_5_SHA_512'
        | 'RSASSA_PSS_SHA_256'
        | 'RSASSA_PSS_SHA_384'
        | 'RSASSA_PSS_SHA_512'
    }
    readonly output: {
      readonly KeyId: string
      readonly Signature: Uint8Array<ArrayBuffer>
      readonly SigningAlgorithm:
        | 'ECDSA_SHA_256'
        | 'ECDSA_SHA_384'
        | 'ECDSA_SHA_512'
        | 'ED25519_PH_SHA_512'
        | 'ED25519_SHA_512'
        | 'ML_DSA_SHAKE_256'
        | 'RSASSA_PKCS1_V1_5_SHA_256'
        | 'RSASSA_PKCS1_V1_5_SHA_384'
        | 'RSASSA_PKCS1_V1_5_SHA_512'
        | 'RSASSA_PSS_SHA_256'
        | 'RSASSA_PSS_SHA_384'
        | 'RSASSA_PSS_SHA_512'
    }
  }
  readonly TagResource: {
    readonly input: {
      readonly KeyId: string
      readonly Tags: readonly {
        readonly TagKey: string
        readonly TagValue: string
      }[]
    }
    readonly output: undefined
  }
  readonly UntagResource: {
    readonly input: {
      readonly KeyId: string
      readonly TagKeys: readonly string[]
    }
    readonly output: undefined
  }
  readonly UpdateAlias: {
    readonly input: {
      readonly AliasName: string
      readonly TargetKeyId: string
    }
    readonly output: undefined
  }
  readonly UpdateKeyDescription: {
    readonly input: {
      readonly Description: string
      readonly KeyId: string
    }
    readonly output: undefined
  }
  readonly UpdatePrimaryRegion: {
    readonly input: {
      readonly KeyId: string
      readonly PrimaryRegion: string
    }
    readonly output: undefined
  }
  readonly Verify: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly Message: Uint8Array<ArrayBufferLike>
      readonly MessageType?: 'DIGEST' | 'EXTERNAL_MU' | 'RAW' | undefined
      readonly Signature: Uint8Array<ArrayBufferLike>
      readonly SigningAlgorithm:
        | 'ECDSA_SHA_256'
        | 'ECDSA_SHA_384'
        | 'ECDSA_SHA_512'
        | 'ED25519_PH_SHA_512'
        | 'ED25519_SHA_512'
        | 'ML_DSA_SHAKE_256'
        | 'RSASSA_PKCS1_V1_5_SHA_256'
        | 'RSASSA_PKCS1_V1_5_SHA_384'
        | 'RSASSA_PKCS1_V1_5_SHA_512'
        | 'RSASSA_PSS_SHA_256'
        | 'RSASSA_PSS_SHA_384'
        | 'RSASSA_PSS_SHA_512'
    }
    readonly output: {
      readonly KeyId: string
      readonly SignatureValid: boolean
      readonly SigningAlgorithm:
        | 'ECDSA_SHA_256'
        | 'ECDSA_SHA_384'
        | 'ECDSA_SHA_512'
        | 'ED25519_PH_SHA_512'
        | 'ED25519_SHA_512'
        | 'ML_DSA_SHAKE_256'
        | 'RSASSA_PKCS1_V1_5_SHA_256'
        | 'RSASSA_PKCS1_V1_5_SHA_384'
        | 'RSASSA_PKCS1_V1_5_SHA_512'
        | 'RSASSA_PSS_SHA_256'
        | 'RSASSA_PSS_SHA_384'
        | 'RSASSA_PSS_SHA_512'
    }
  }
  readonly VerifyMac: {
    readonly input: {
      readonly DryRun?: boolean | undefined
      readonly GrantTokens?: readonly string[] | undefined
      readonly KeyId: string
      readonly Mac: Uint8Array<ArrayBufferLike>
      readonly MacAlgorithm: 'HMAC_SHA_224' | 'HMAC_SHA_256' | 'HMAC_SHA_384' | 'HMAC_SHA_512'
      readonly Message: Uint8Array<ArrayBufferLike>
    }
    readonly output: {
      readonly KeyId: string
      readonly MacValid: boolean
      readonly MacAlgorithm: 'HMAC_SHA_224' | 'HMAC_SHA_256' | 'HMAC_SHA_384' | 'HMAC_SHA_512'
    }
  }
}
