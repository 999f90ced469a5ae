/** Bytes for a caller who asked for them: data keys, GenerateRandom. `count` is at most 65,536. */
export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(count))
}

/** A key id that no key has. */
export function newKeyId(): string {
  return crypto.randomUUID()
}
