import { curveOf } from './curves.ts'
import { publicKeyIn } from './key-encoding.ts'
import type { Form, OpenPrivate } from './open-private.ts'
import { imported, subtle } from './web-crypto.ts'

type Bytes = Uint8Array<ArrayBuffer>

/**
 * ECDH: the x-coordinate of the shared point, as long as the curve's field (NIST SP 800-56A, 5.7.1.2). `peer` is a
 * SubjectPublicKeyInfo. Null: it is none, of another curve, or not a point of this one.
 */
export async function deriveSharedSecret(key: OpenPrivate, peer: Bytes): Promise<Bytes | null> {
  if (publicKeyIn(curveOf(key.spec).spec, peer) === null) return null
  const publicKey = await imported('spki', peer, importAs(key), false, [])
  if (publicKey === null) return null
  // `public` is the standard's name; workerd's types add a `$`.
  const agreement = { name: 'ECDH', public: publicKey } as unknown as Parameters<SubtleCrypto['deriveBits']>[0]
  return new Uint8Array(await subtle.deriveBits(agreement, await key.form(privateForm), curveOf(key.spec).bytes * 8))
}

const privateForm: Form<CryptoKey> = (key, reader) => reader.unwrap('pkcs8', importAs(key), ['deriveBits'])

function importAs({ spec }: OpenPrivate) {
  return { name: 'ECDH', namedCurve: curveOf(spec).namedCurve as string }
}
