import { compareUtf8, writeUtf8 } from '../model/bytes.ts'

/** Well-formed strings only: the door refuses lone surrogates, which would all encode to the same bytes. */
export type EncryptionContext = Readonly<Record<string, string>>

const scratch = new Uint8Array(16_384)

/**
 * `prefix` and behind it the one encoding of a context (docs/ciphertext.md, section 4): the number of pairs as u32, then
 * the pairs in the order of their names' UTF-8 bytes, each name and value behind its length. Absent and empty are the
 * same. The result may lie in a buffer that the next call overwrites.
 */
export function withCanonicalContext(
  prefix: Uint8Array,
  context: EncryptionContext | undefined,
): Uint8Array<ArrayBuffer> {
  const pairs = Object.entries(context ?? {})
  if (pairs.length > 1) pairs.sort(([a], [b]) => compareUtf8(a, b))
  let room = prefix.length + 4
  for (const [name, value] of pairs) room += 8 + 3 * (name.length + value.length)
  const encoded = room <= scratch.length ? scratch : new Uint8Array(room)
  const view = new DataView(encoded.buffer)
  encoded.set(prefix)
  view.setUint32(prefix.length, pairs.length)
  let at = prefix.length + 4
  for (const pair of pairs) {
    for (const text of pair) {
      const length = writeUtf8(text, encoded, at + 4)
      view.setUint32(at, length)
      at += 4 + length
    }
  }
  return encoded.subarray(0, at)
}
