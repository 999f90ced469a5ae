import type { OpenPrivate } from './open-private.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** One way to sign one type of message. */
export interface Signing {
  sign(key: OpenPrivate, message: Bytes): Promise<Bytes>
  /** False for whatever is no valid signature, however malformed. */
  verify(key: OpenPrivate, message: Bytes, signature: Bytes): Promise<boolean>
}
