import type { EncryptionAlgorithm, SigningAlgorithm } from '../model/key-specs.ts'
import { limits } from '../model/limits.ts'
import {
  blob,
  boolean,
  integer,
  list,
  optional,
  required,
  string,
  stringMap,
  structure,
  type Type,
  timestamp,
} from '../model/shapes.ts'

/** KMS's own types, with the constraints of its model; where the service is tighter, the service's. */

export const KeyIdType = string('KeyIdType', { min: 1, max: 2048 })
export const RegionType = string('RegionType', { min: 1, max: 32, pattern: '^([a-z]+-){2,3}\\d+$' })
export const AliasNameType = string('AliasNameType', { min: 1, max: 256, pattern: '^[a-zA-Z0-9:/_-]+$' })
export const DescriptionType = string('DescriptionType', { min: 0, max: 8192 })
export const PolicyType = string('PolicyType', {
  min: 1,
  max: 131072,
  pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+',
})
export const PolicyNameType = string('PolicyNameType', { min: 1, max: 128, pattern: '[\\w]+' })
export const MarkerType = string('MarkerType', { min: 1, max: 1024, pattern: '[\\u0020-\\u00FF]*' })
export const CustomKeyStoreIdType = string('CustomKeyStoreIdType', { min: 1, max: 64 })
export const CustomKeyStoreNameType = string('CustomKeyStoreNameType', { min: 1, max: 256 })
export const XksKeyIdType = string('XksKeyIdType', { min: 1, max: 128, pattern: '^[a-zA-Z0-9-_.]+$' })
export const BooleanType = boolean('BooleanType')
export const NullableBooleanType = boolean('NullableBooleanType')

export const KeySpec = string('KeySpec', {
  oneOf: [
    'ECC_NIST_EDWARDS25519',
    'ECC_NIST_P256',
    'ECC_NIST_P384',
    'ECC_NIST_P521',
    'ECC_SECG_P256K1',
    'HMAC_224',
    'HMAC_256',
    'HMAC_384',
    'HMAC_512',
    'ML_DSA_44',
    'ML_DSA_65',
    'ML_DSA_87',
    'ML_KEM_1024',
    'ML_KEM_512',
    'ML_KEM_768',
    'RSA_2048',
    'RSA_3072',
    'RSA_4096',
    'SM2',
    'SYMMETRIC_DEFAULT',
  ],
})
export const CustomerMasterKeySpec = string('CustomerMasterKeySpec', {
  oneOf: [
    'ECC_NIST_P256',
    'ECC_NIST_P384',
    'ECC_NIST_P521',
    'ECC_SECG_P256K1',
    'HMAC_224',
    'HMAC_256',
    'HMAC_384',
    'HMAC_512',
    'RSA_2048',
    'RSA_3072',
    'RSA_4096',
    'SM2',
    'SYMMETRIC_DEFAULT',
  ],
})
export const KeyUsageType = string('KeyUsageType', {
  oneOf: ['ENCAPSULATE_DECAPSULATE', 'ENCRYPT_DECRYPT', 'GENERATE_VERIFY_MAC', 'KEY_AGREEMENT', 'SIGN_VERIFY'],
})
export const OriginType = string('OriginType', { oneOf: ['AWS_CLOUDHSM', 'AWS_KMS', 'EXTERNAL', 'EXTERNAL_KEY_STORE'] })
export const EncryptionAlgorithmSpec = string('EncryptionAlgorithmSpec', {
  oneOf: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'SM2PKE', 'SYMMETRIC_DEFAULT'],
}) as Type<EncryptionAlgorithm>
// No key of ours has SM2's algorithms, so that none is ever used with them.
export const SigningAlgorithmSpec = string('SigningAlgorithmSpec', {
  oneOf: [
    'ECDSA_SHA_256',
    'ECDSA_SHA_384',
    'ECDSA_SHA_512',
    'ED25519_PH_SHA_512',
    'ED25519_SHA_512',
    'ML_DSA_SHAKE_256',
    'RSASSA_PKCS1_V1_5_SHA_256',
    'RSASSA_PKCS1_V1_5_SHA_384',
    'RSASSA_PKCS1_V1_5_SHA_512',
    'RSASSA_PSS_SHA_256',
    'RSASSA_PSS_SHA_384',
    'RSASSA_PSS_SHA_512',
    'SM2DSA',
  ],
}) as Type<SigningAlgorithm>
export const MessageType = string('MessageType', { oneOf: ['DIGEST', 'EXTERNAL_MU', 'RAW'] })
export const MacAlgorithmSpec = string('MacAlgorithmSpec', {
  oneOf: ['HMAC_SHA_224', 'HMAC_SHA_256', 'HMAC_SHA_384', 'HMAC_SHA_512'],
})
export const KeyAgreementAlgorithmSpec = string('KeyAgreementAlgorithmSpec', { oneOf: ['ECDH'] })
export const EncapsulationAlgorithmSpec = string('EncapsulationAlgorithmSpec', { oneOf: ['ML_KEM'] })
export const DataKeyPairSpec = string('DataKeyPairSpec', {
  oneOf: [
    'ECC_NIST_EDWARDS25519',
    'ECC_NIST_P256',
    'ECC_NIST_P384',
    'ECC_NIST_P521',
    'ECC_SECG_P256K1',
    'ML_KEM_1024',
    'ML_KEM_512',
    'ML_KEM_768',
    'RSA_2048',
    'RSA_3072',
    'RSA_4096',
    'SM2',
  ],
})
export const DataKeySpec = string('DataKeySpec', { oneOf: ['AES_128', 'AES_256'] })
export const IncludeKeyMaterial = string('IncludeKeyMaterial', { oneOf: ['ALL_KEY_MATERIAL', 'ROTATIONS_ONLY'] })

/** SM2 and SM2PKE are of China's Regions. */
export const AlgorithmSpec = string('AlgorithmSpec', {
  oneOf: [
    'RSAES_OAEP_SHA_1',
    'RSAES_OAEP_SHA_256',
    'RSAES_PKCS1_V1_5',
    'RSA_AES_KEY_WRAP_SHA_1',
    'RSA_AES_KEY_WRAP_SHA_256',
    'SM2PKE',
  ],
})
export const WrappingKeySpecType = string('WrappingKeySpec', { oneOf: ['RSA_2048', 'RSA_3072', 'RSA_4096', 'SM2'] })
export const ExpirationModelType = string('ExpirationModelType', {
  oneOf: ['KEY_MATERIAL_DOES_NOT_EXPIRE', 'KEY_MATERIAL_EXPIRES'],
})
export const ImportTypeType = string('ImportType', { oneOf: ['EXISTING_KEY_MATERIAL', 'NEW_KEY_MATERIAL'] })
export const KeyMaterialDescriptionType = string('KeyMaterialDescriptionType', {
  min: 0,
  max: 256,
  pattern: '^[a-zA-Z0-9:/_\\s.-]+$',
})
export const BackingKeyIdType = string('BackingKeyIdType', { min: 64, max: 64, pattern: '^[a-f0-9]+$' })
export const DateType = timestamp('DateType')

export const PlaintextType = blob('PlaintextType', { min: 1, max: limits.plaintextBytesMax })
export const CiphertextType = blob('CiphertextType', { min: 1, max: limits.ciphertextBytesMax })
export const MacType = blob('MacType', { min: 1, max: limits.ciphertextBytesMax })
export const PublicKeyType = blob('PublicKeyType', { min: 1, max: 8192 })
export const SharedSecretCiphertextType = blob('SharedSecretCiphertextType', { min: 0, max: limits.ciphertextBytesMax })
export const NumberOfBytesType = integer('NumberOfBytesType', { min: 1, max: limits.randomBytesMax })
export const RotationPeriodInDaysType = integer('RotationPeriodInDaysType', {
  min: limits.rotationPeriodDaysMin,
  max: limits.rotationPeriodDaysMax,
})
/** The model says 1 to 365; the service takes 7 to 30. */
export const PendingWindowInDaysType = integer('PendingWindowInDaysType', {
  min: limits.pendingWindowDaysMin,
  max: limits.pendingWindowDaysMax,
})

/** The model says 1000 for every list; each list has its own maximum. */
export function limitType(max: number) {
  return integer('LimitType', { min: 1, max })
}

export const GrantTokenType = string('GrantTokenType', { min: 1, max: 8192 })
export const GrantTokenList = list('GrantTokenList', GrantTokenType, { max: limits.grantTokensMax })
export const GrantIdType = string('GrantIdType', { min: 1, max: 128 })
export const GrantNameType = string('GrantNameType', { min: 1, max: 256, pattern: '^[a-zA-Z0-9:/_-]+$' })
export const PrincipalIdType = string('PrincipalIdType', { min: 1, max: 256, pattern: '^[\\w+=,.@:/-]+$' })
export const ServicePrincipalType = string('ServicePrincipalType', {
  min: 1,
  max: 128,
  pattern: '^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$',
})
export const GrantOperationList = list(
  'GrantOperationList',
  string('GrantOperation', {
    oneOf: [
      'CreateGrant',
      'Decapsulate',
      'Decrypt',
      'DeriveSharedSecret',
      'DescribeKey',
      'Encapsulate',
      'Encrypt',
      'GenerateDataKey',
      'GenerateDataKeyPair',
      'GenerateDataKeyPairWithoutPlaintext',
      'GenerateDataKeyWithoutPlaintext',
      'GenerateMac',
      'GetPublicKey',
      'ReEncryptFrom',
      'ReEncryptTo',
      'RetireGrant',
      'Sign',
      'Verify',
      'VerifyMac',
    ],
  }),
)
export const EncryptionContextType = stringMap('EncryptionContextType')
export const GrantConstraints = structure('GrantConstraints', {
  EncryptionContextSubset: optional(EncryptionContextType),
  EncryptionContextEquals: optional(EncryptionContextType),
  SourceArn: optional(
    string('GrantConstraintSourceArnType', {
      min: 20,
      max: 512,
      pattern: '^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$',
    }),
  ),
})
export const DryRunModifierList = list(
  'DryRunModifierList',
  string('DryRunModifierType', { oneOf: ['IGNORE_CIPHERTEXT'] }),
)

const TagKeyType = string('TagKeyType', { min: 1, max: 128 })
const TagValueType = string('TagValueType', { min: 0, max: 256 })
export const TagKeyList = list('TagKeyList', TagKeyType)
export const TagList = list(
  'TagList',
  structure('Tag', { TagKey: required(TagKeyType), TagValue: required(TagValueType) }),
)

export const RecipientInfo = structure('RecipientInfo', {
  KeyEncryptionAlgorithm: optional(string('KeyEncryptionMechanism', { oneOf: ['RSAES_OAEP_SHA_256'] })),
  AttestationDocument: optional(blob('AttestationDocumentType', { min: 1, max: 262_144 })),
})
