export type KeySpec = 'SYMMETRIC_DEFAULT'
export type KeyUsage = 'ENCRYPT_DECRYPT'
export type EncryptionAlgorithm = 'SYMMETRIC_DEFAULT'

interface KeySpecRow {
  /** The first usage is the default where KMS has one. */
  readonly usages: readonly KeyUsage[]
  readonly encryptionAlgorithms: readonly EncryptionAlgorithm[]
  readonly materialBytes: number
  readonly canRotate: boolean
}

const rows: Record<KeySpec, KeySpecRow> = {
  SYMMETRIC_DEFAULT: {
    usages: ['ENCRYPT_DECRYPT'],
    encryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
    materialBytes: 32,
    canRotate: true,
  },
}

const bySpec: ReadonlyMap<string, KeySpecRow> = new Map(Object.entries(rows))

export function keySpecRow(spec: KeySpec): KeySpecRow {
  return rows[spec]
}

/** False for a spec that KMS knows and this service does not make yet. */
export function isKeySpec(text: string): text is KeySpec {
  return bySpec.has(text)
}
