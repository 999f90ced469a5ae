import { EnvelopeError } from '../envelope/index.ts'
import { lengthPrefixed, utf8 } from '../model/bytes.ts'

/** What a blind index asks of KMS. */
export interface MacKms {
  generateMac(input: {
    KeyId: string
    MacAlgorithm: 'HMAC_SHA_256'
    Message: Uint8Array
  }): Promise<{ Mac?: Uint8Array | undefined }>
}

interface BlindIndexOptions {
  readonly kms: MacKms
  /** An HMAC_256 key. */
  readonly keyId: string
  /** Of the column: equal values of two columns have different entries. */
  readonly name: string
  /** Of an entry, from 4 to 32; 16 where it is left out. Fewer say less about the values, and find more rows than match. */
  readonly bytes?: number
}

/**
 * What to store beside an encrypted column, and to look for: equal for equal values, and without the key no way back. It
 * says which rows are equal, and how many; a column with few values, such as a country, is better off without. One call
 * to KMS for each value. Bring values into one form first: what differs by a space differs.
 */
export function blindIndex({ kms, keyId, name, bytes = 16 }: BlindIndexOptions): (value: string) => Promise<string> {
  if (!(bytes >= 4 && bytes <= 32)) {
    throw new EnvelopeError('InvalidInput', `A blind index of ${bytes} bytes: there are from 4 to 32.`)
  }
  return async (value) => {
    const parts = ['edge-kms blind index', name, value].map(utf8)
    const Message = new Uint8Array(await crypto.subtle.digest('SHA-256', lengthPrefixed(parts)))
    const { Mac } = await kms.generateMac({ KeyId: keyId, MacAlgorithm: 'HMAC_SHA_256', Message })
    if (Mac === undefined) throw new EnvelopeError('UnexpectedAnswer', 'KMS answered without Mac.')
    return Array.from(Mac.subarray(0, bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
  }
}
