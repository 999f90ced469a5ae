import { compareBytes, concat, lengthPrefixed, utf8 } from '../model/bytes.ts'

/** Well-formed strings only: the door refuses lone surrogates, which would all encode to the same bytes. */
export type EncryptionContext = Readonly<Record<string, string>>

const noPairs = new Uint8Array(4)

/**
 * The one encoding of a context (docs/ciphertext.md, section 4): the number of pairs as u32, then the pairs in the
 * order of their names' UTF-8 bytes, each name and value behind its length. Absent and empty are the same.
 */
export function canonicalContext(context: EncryptionContext | undefined): Uint8Array<ArrayBuffer> {
  if (context === undefined) return noPairs
  const names = Object.keys(context)
  if (names.length === 0) return noPairs
  const pairs = names.map((name) => [utf8(name), utf8(context[name] as string)] as const)
  if (pairs.length > 1) pairs.sort(([a], [b]) => compareBytes(a, b))
  const count = new Uint8Array(4)
  new DataView(count.buffer).setUint32(0, pairs.length)
  return concat([count, lengthPrefixed(pairs.flat())])
}
