import { EnvelopeError } from './errors.ts'

/** https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/algorithms-reference.html, a row for each. */
export interface Suite {
  readonly id: number
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

const rows: [id: number, keyBytes: 16 | 24 | 32, hash: Suite['hash'], signature: Signature | null][] = [
  [0x0014, 16, null, null],
  [0x0046, 24, null, null],
  [0x0078, 32, null, null],
  [0x0114, 16, 'SHA-256', null],
  [0x0146, 24, 'SHA-256', null],
  [0x0178, 32, 'SHA-256', null],
  [0x0214, 16, 'SHA-256', p256],
  [0x0346, 24, 'SHA-384', p384],
  [0x0378, 32, 'SHA-384', p384],
  [writtenSuites.committing, 32, 'SHA-512', null],
  [writtenSuites.signing, 32, 'SHA-512', p384],
]

/** Throws `UnsupportedMessage` for an id that the format does not have in that version. */
export function suiteOf(id: number, version: number): Suite {
  for (const [row, keyBytes, hash, signature] of rows) {
    if (row === id && version === (hash === 'SHA-512' ? 2 : 1)) return { id, version, keyBytes, hash, signature }
  }
  throw new EnvelopeError('UnsupportedMessage', `Version ${version} of the format has no suite ${suiteName(id)}.`)
}

/** As documents write it: 0x0478. */
export function suiteName(id: number): string {
  return `0x${id.toString(16).padStart(4, '0')}`
}
