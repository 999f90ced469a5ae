import type { OaepAlgorithm } from '../model/key-specs.ts'
import type { Form, OpenPrivate } from './open-private.ts'
import { subtle } from './web-crypto.ts'

type Bytes = Uint8Array<ArrayBuffer>

const oaep = { name: 'RSA-OAEP' } as const

interface Forms {
  readonly privateForm: Form<CryptoKey>
  readonly publicForm: Form<CryptoKey>
}

/** The hash is that of MGF1 too; the label is empty. */
const forms: Record<OaepAlgorithm, Forms> = {
  RSAES_OAEP_SHA_1: formsOf('SHA-1'),
  RSAES_OAEP_SHA_256: formsOf('SHA-256'),
}

/** Throws where the plaintext is longer than `plaintextBytesMax` says. */
export async function encryptOaep(key: OpenPrivate, algorithm: OaepAlgorithm, plaintext: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle.encrypt(oaep, await key.form(forms[algorithm].publicForm), plaintext))
}

/** Null: not a ciphertext of this key and algorithm. What is wrong with it is not told. */
export async function decryptOaep(
  key: OpenPrivate,
  algorithm: OaepAlgorithm,
  ciphertext: Bytes,
): Promise<Bytes | null> {
  const opened = await key.form(forms[algorithm].privateForm)
  try {
    return new Uint8Array(await subtle.decrypt(oaep, opened, ciphertext))
  } catch {
    return null
  }
}

function formsOf(hash: 'SHA-1' | 'SHA-256'): Forms {
  return {
    privateForm: (_, reader) => reader.unwrap('pkcs8', { ...oaep, hash }, ['decrypt']),
    publicForm: ({ spki }) => subtle.importKey('spki', spki, { ...oaep, hash }, false, ['encrypt']),
  }
}
