import { EnvelopeError } from './errors.ts'

/** https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/algorithms-reference.html, a row for each. */
export interface Suite {
  readonly id: number
  readonly name: string
  /** Of the message format. Version 2 commits to its key; version 1 does not. */
  readonly version: 1 | 2
  /** Of the data key, and of the AES-GCM key that comes from it. */
  readonly keyBytes: 16 | 24 | 32
  /** Of the HKDF; null where the data key itself encrypts. */
  readonly hash: 'SHA-256' | 'SHA-384' | 'SHA-512' | null
  readonly signature: Signature | null
}

export interface Signature {
  readonly namedCurve: 'P-256' | 'P-384'
  readonly hash: 'SHA-256' | 'SHA-384'
  /** Of one coordinate, and of r and s. */
  readonly fieldBytes: 32 | 48
}

const p256: Signature = { namedCurve: 'P-256', hash: 'SHA-256', fieldBytes: 32 }
const p384: Signature = { namedCurve: 'P-384', hash: 'SHA-384', fieldBytes: 48 }

/** What new messages are made of, by the name that `encrypt` takes. */
export const writtenSuites = { committing: 0x0478, signing: 0x0578 } as const
export type WrittenSuite = keyof typeof writtenSuites

const suites = new Map<number, Suite>(
  (
    [
      [0x0014, 'ALG_AES128_GCM_IV12_TAG16', 1, 16, null, null],
      [0x0046, 'ALG_AES192_GCM_IV12_TAG16', 1, 24, null, null],
      [0x0078, 'ALG_AES256_GCM_IV12_TAG16', 1, 32, null, null],
      [0x0114, 'ALG_AES128_GCM_IV12_TAG16_HKDF_SHA256', 1, 16, 'SHA-256', null],
      [0x0146, 'ALG_AES192_GCM_IV12_TAG16_HKDF_SHA256', 1, 24, 'SHA-256', null],
      [0x0178, 'ALG_AES256_GCM_IV12_TAG16_HKDF_SHA256', 1, 32, 'SHA-256', null],
      [0x0214, 'ALG_AES128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256', 1, 16, 'SHA-256', p256],
      [0x0346, 'ALG_AES192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384', 1, 24, 'SHA-384', p384],
      [0x0378, 'ALG_AES256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384', 1, 32, 'SHA-384', p384],
      [writtenSuites.committing, 'ALG_AES256_GCM_HKDF_SHA512_COMMIT_KEY', 2, 32, 'SHA-512', null],
      [writtenSuites.signing, 'ALG_AES256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384', 2, 32, 'SHA-512', p384],
    ] as const
  ).map(([id, name, version, keyBytes, hash, signature]) => [id, { id, name, version, keyBytes, hash, signature }]),
)

/** Throws `UnsupportedMessage` for an id that the format does not have in that version. */
export function suiteOf(id: number, version: number): Suite {
  const suite = suites.get(id)
  if (suite?.version === version) return suite
  const hex = id.toString(16).padStart(4, '0')
  throw new EnvelopeError('UnsupportedMessage', `No algorithm suite 0x${hex} in version ${version} of the format.`)
}
