export type KeySpec = 'SYMMETRIC_DEFAULT'
export type KeyUsage = 'ENCRYPT_DECRYPT'
export type EncryptionAlgorithm = 'SYMMETRIC_DEFAULT'

interface KeySpecRow {
  /** The first usage is the default where KMS has one. */
  readonly usages: readonly KeyUsage[]
  readonly encryptionAlgorithms: readonly EncryptionAlgorithm[]
  /** What a grant may allow on a key of this kind, beyond what it may on any. */
  readonly grantOperations: readonly string[]
  readonly materialBytes: number
  readonly canRotate: boolean
}

const rows: Record<KeySpec, KeySpecRow> = {
  SYMMETRIC_DEFAULT: {
    usages: ['ENCRYPT_DECRYPT'],
    encryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
    grantOperations: [
      'Decrypt',
      'Encrypt',
      'GenerateDataKey',
      'GenerateDataKeyPair',
      'GenerateDataKeyPairWithoutPlaintext',
      'GenerateDataKeyWithoutPlaintext',
      'ReEncryptFrom',
      'ReEncryptTo',
    ],
    materialBytes: 32,
    canRotate: true,
  },
}

const bySpec: ReadonlyMap<string, KeySpecRow> = new Map(Object.entries(rows))

export function keySpecRow(spec: KeySpec): KeySpecRow {
  return rows[spec]
}

const everyKeysGrantOperations = ['CreateGrant', 'DescribeKey', 'RetireGrant']

/** Those of the operations that a grant cannot allow on a key of this spec. */
export function ungrantable(spec: KeySpec, operations: readonly string[]): readonly string[] {
  const grantable = [...everyKeysGrantOperations, ...rows[spec].grantOperations]
  return operations.filter((operation) => !grantable.includes(operation))
}

/** False for a spec that KMS knows and this service does not make yet. */
export function isKeySpec(text: string): text is KeySpec {
  return bySpec.has(text)
}
