import { KeyObject } from 'node:crypto'

/** A WebCrypto key for what WebCrypto does not do with it. It can be exported as little as before. */
export function nodeKey(key: CryptoKey): KeyObject {
  // Where Node's own types are about, its CryptoKey is another one.
  return KeyObject.from(key as unknown as Parameters<typeof KeyObject.from>[0])
}
