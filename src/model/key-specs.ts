import { limits } from './limits.ts'

export type SymmetricSpec = 'SYMMETRIC_DEFAULT'
export type HmacSpec = 'HMAC_224' | 'HMAC_256' | 'HMAC_384' | 'HMAC_512'
export type RsaSpec = 'RSA_2048' | 'RSA_3072' | 'RSA_4096'
export type NistCurveSpec = 'ECC_NIST_P256' | 'ECC_NIST_P384' | 'ECC_NIST_P521'
export type WeierstrassSpec = NistCurveSpec | 'ECC_SECG_P256K1'
export type MlDsaSpec = 'ML_DSA_44' | 'ML_DSA_65' | 'ML_DSA_87'
export type MlKemSpec = 'ML_KEM_512' | 'ML_KEM_768' | 'ML_KEM_1024'

/** KMS's, but for SM2, which AWS makes in China alone. */
export type KeySpec =
  | SymmetricSpec
  | HmacSpec
  | RsaSpec
  | WeierstrassSpec
  | 'ECC_NIST_EDWARDS25519'
  | MlDsaSpec
  | MlKemSpec

/** Whose keys are pairs. */
export type AsymmetricSpec = Exclude<KeySpec, SymmetricSpec | HmacSpec>

/** What GenerateDataKeyPair makes. */
export type DataKeyPairSpec = RsaSpec | WeierstrassSpec | 'ECC_NIST_EDWARDS25519' | MlKemSpec

export type KeyUsage =
  | 'ENCRYPT_DECRYPT'
  | 'SIGN_VERIFY'
  | 'GENERATE_VERIFY_MAC'
  | 'KEY_AGREEMENT'
  | 'ENCAPSULATE_DECAPSULATE'

export type OaepAlgorithm = 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256'
export type EncryptionAlgorithm = 'SYMMETRIC_DEFAULT' | OaepAlgorithm
export type SigningAlgorithm =
  | 'RSASSA_PSS_SHA_256'
  | 'RSASSA_PSS_SHA_384'
  | 'RSASSA_PSS_SHA_512'
  | 'RSASSA_PKCS1_V1_5_SHA_256'
  | 'RSASSA_PKCS1_V1_5_SHA_384'
  | 'RSASSA_PKCS1_V1_5_SHA_512'
  | 'ECDSA_SHA_256'
  | 'ECDSA_SHA_384'
  | 'ECDSA_SHA_512'
  | 'ED25519_SHA_512'
  | 'ED25519_PH_SHA_512'
  | 'ML_DSA_SHAKE_256'
export type MacAlgorithm = 'HMAC_SHA_224' | 'HMAC_SHA_256' | 'HMAC_SHA_384' | 'HMAC_SHA_512'
export type KeyAgreementAlgorithm = 'ECDH'
export type EncapsulationAlgorithm = 'ML_KEM'

interface Algorithms {
  readonly encryptionAlgorithms: readonly EncryptionAlgorithm[]
  readonly signingAlgorithms: readonly SigningAlgorithm[]
  readonly macAlgorithms: readonly MacAlgorithm[]
  readonly keyAgreementAlgorithms: readonly KeyAgreementAlgorithm[]
  readonly encapsulationAlgorithms: readonly EncapsulationAlgorithm[]
}

export interface KeySpecRow extends Algorithms {
  /** Only a symmetric key's has a default: its one. */
  readonly usages: readonly KeyUsage[]
  /** Of material that is nothing but bytes; null: a private key, which has a public one beside it. */
  readonly materialBytes: number | null
  /** The longest plaintext of each encryption algorithm. */
  readonly plaintextBytesMax: Readonly<Partial<Record<EncryptionAlgorithm, number>>>
  /** What a grant may allow on a key of this spec, beyond what its usage brings and what every key has. */
  readonly grantOperations: readonly string[]
  /** By RotateKeyOnDemand or by a schedule. */
  readonly canRotate: boolean
  readonly isDataKeyPairSpec: boolean
}

/** Of a pair, which has a public key to ask for. */
const pair: KeySpecRow = {
  usages: [],
  encryptionAlgorithms: [],
  signingAlgorithms: [],
  macAlgorithms: [],
  keyAgreementAlgorithms: [],
  encapsulationAlgorithms: [],
  materialBytes: null,
  plaintextBytesMax: {},
  grantOperations: ['GetPublicKey'],
  canRotate: false,
  isDataKeyPairSpec: false,
}

const rsa: KeySpecRow = {
  ...pair,
  usages: ['ENCRYPT_DECRYPT', 'SIGN_VERIFY'],
  encryptionAlgorithms: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'],
  signingAlgorithms: [
    'RSASSA_PKCS1_V1_5_SHA_256',
    'RSASSA_PKCS1_V1_5_SHA_384',
    'RSASSA_PKCS1_V1_5_SHA_512',
    'RSASSA_PSS_SHA_256',
    'RSASSA_PSS_SHA_384',
    'RSASSA_PSS_SHA_512',
  ],
  isDataKeyPairSpec: true,
}
const signs: KeySpecRow = { ...pair, usages: ['SIGN_VERIFY'] }
const signsOrAgrees: KeySpecRow = {
  ...pair,
  usages: ['SIGN_VERIFY', 'KEY_AGREEMENT'],
  keyAgreementAlgorithms: ['ECDH'],
  isDataKeyPairSpec: true,
}
const mac: KeySpecRow = { ...pair, usages: ['GENERATE_VERIFY_MAC'], grantOperations: [] }
const mlDsa: KeySpecRow = { ...signs, signingAlgorithms: ['ML_DSA_SHAKE_256'] }
const mlKem: KeySpecRow = {
  ...pair,
  usages: ['ENCAPSULATE_DECAPSULATE'],
  encapsulationAlgorithms: ['ML_KEM'],
  isDataKeyPairSpec: true,
}

const rows: Record<KeySpec, KeySpecRow> = {
  SYMMETRIC_DEFAULT: {
    ...pair,
    usages: ['ENCRYPT_DECRYPT'],
    encryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
    materialBytes: 32,
    plaintextBytesMax: { SYMMETRIC_DEFAULT: limits.plaintextBytesMax },
    grantOperations: [
      'GenerateDataKey',
      'GenerateDataKeyPair',
      'GenerateDataKeyPairWithoutPlaintext',
      'GenerateDataKeyWithoutPlaintext',
    ],
    canRotate: true,
  },
  HMAC_224: { ...mac, macAlgorithms: ['HMAC_SHA_224'], materialBytes: 28 },
  HMAC_256: { ...mac, macAlgorithms: ['HMAC_SHA_256'], materialBytes: 32 },
  HMAC_384: { ...mac, macAlgorithms: ['HMAC_SHA_384'], materialBytes: 48 },
  HMAC_512: { ...mac, macAlgorithms: ['HMAC_SHA_512'], materialBytes: 64 },
  RSA_2048: { ...rsa, plaintextBytesMax: { RSAES_OAEP_SHA_1: 214, RSAES_OAEP_SHA_256: 190 } },
  RSA_3072: { ...rsa, plaintextBytesMax: { RSAES_OAEP_SHA_1: 342, RSAES_OAEP_SHA_256: 318 } },
  RSA_4096: { ...rsa, plaintextBytesMax: { RSAES_OAEP_SHA_1: 470, RSAES_OAEP_SHA_256: 446 } },
  ECC_NIST_P256: { ...signsOrAgrees, signingAlgorithms: ['ECDSA_SHA_256'] },
  ECC_NIST_P384: { ...signsOrAgrees, signingAlgorithms: ['ECDSA_SHA_384'] },
  ECC_NIST_P521: { ...signsOrAgrees, signingAlgorithms: ['ECDSA_SHA_512'] },
  ECC_SECG_P256K1: { ...signs, signingAlgorithms: ['ECDSA_SHA_256'], isDataKeyPairSpec: true },
  ECC_NIST_EDWARDS25519: {
    ...signs,
    signingAlgorithms: ['ED25519_SHA_512', 'ED25519_PH_SHA_512'],
    isDataKeyPairSpec: true,
  },
  ML_DSA_44: mlDsa,
  ML_DSA_65: mlDsa,
  ML_DSA_87: mlDsa,
  ML_KEM_512: mlKem,
  ML_KEM_768: mlKem,
  ML_KEM_1024: mlKem,
}

interface KeyUsageRow {
  readonly algorithms: keyof Algorithms
  readonly grantOperations: readonly string[]
}

const usageRows: Record<KeyUsage, KeyUsageRow> = {
  ENCRYPT_DECRYPT: {
    algorithms: 'encryptionAlgorithms',
    grantOperations: ['Decrypt', 'Encrypt', 'ReEncryptFrom', 'ReEncryptTo'],
  },
  SIGN_VERIFY: { algorithms: 'signingAlgorithms', grantOperations: ['Sign', 'Verify'] },
  GENERATE_VERIFY_MAC: { algorithms: 'macAlgorithms', grantOperations: ['GenerateMac', 'VerifyMac'] },
  KEY_AGREEMENT: { algorithms: 'keyAgreementAlgorithms', grantOperations: ['DeriveSharedSecret'] },
  ENCAPSULATE_DECAPSULATE: {
    algorithms: 'encapsulationAlgorithms',
    grantOperations: ['Decapsulate', 'Encapsulate'],
  },
}

const everyKeysGrants = ['CreateGrant', 'DescribeKey', 'RetireGrant']

const bySpec: ReadonlyMap<string, KeySpecRow> = new Map(Object.entries(rows))

export function keySpecRow(spec: KeySpec): KeySpecRow {
  return rows[spec]
}

export const keySpecs = Object.keys(rows) as readonly KeySpec[]

/** False for SM2. */
export function isKeySpec(text: string): text is KeySpec {
  return bySpec.has(text)
}

export function isDataKeyPairSpec(text: string): text is DataKeyPairSpec {
  return bySpec.get(text)?.isDataKeyPairSpec === true
}

export function isAsymmetric(spec: KeySpec): spec is AsymmetricSpec {
  return rows[spec].materialBytes === null
}

/** The algorithms of a key of this spec that is used so. */
export function algorithmsOf(spec: KeySpec, usage: KeyUsage): readonly string[] {
  return rows[spec][usageRows[usage].algorithms]
}

/** Those of the operations that a grant cannot allow on a key of this spec and usage. */
export function ungrantable(spec: KeySpec, usage: KeyUsage, operations: readonly string[]): readonly string[] {
  const grantable = [...everyKeysGrants, ...rows[spec].grantOperations, ...usageRows[usage].grantOperations]
  return operations.filter((operation) => !grantable.includes(operation))
}
