import { lengthPrefixed, toHex, utf8 } from '../model/bytes.ts'

/** The key id of a key that there is once: the same for the same words, in the form of a UUID (RFC 9562, version 8). */
export async function fixedKeyId(words: readonly string[]): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', lengthPrefixed(['edge-kms/fixed-key-id', ...words].map(utf8)))
  const bytes = new Uint8Array(digest).subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
