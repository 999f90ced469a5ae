import { createHmac, type KeyObject } from 'node:crypto'
import type { MacAlgorithm } from '../model/key-specs.ts'
import { isEqual } from './key-encoding.ts'
import { nodeKey } from './node-key.ts'
import type { Form, OpenPrivate } from './open-private.ts'
import { subtle } from './web-crypto.ts'

type Bytes = Uint8Array<ArrayBuffer>
type Mac = (key: OpenPrivate, message: Bytes) => Promise<Bytes>

const macs: Record<MacAlgorithm, Mac> = {
  HMAC_SHA_224: sha224,
  HMAC_SHA_256: native('SHA-256'),
  HMAC_SHA_384: native('SHA-384'),
  HMAC_SHA_512: native('SHA-512'),
}

/** HMAC (RFC 2104), as long as the hash. */
export function generateMac(key: OpenPrivate, algorithm: MacAlgorithm, message: Bytes): Promise<Bytes> {
  return macs[algorithm](key, message)
}

/** Compared in constant time. A MAC that is cut short is false. */
export async function verifyMac(
  key: OpenPrivate,
  algorithm: MacAlgorithm,
  message: Bytes,
  mac: Bytes,
): Promise<boolean> {
  return isEqual(await generateMac(key, algorithm, message), mac)
}

function native(hash: string): Mac {
  const form: Form<CryptoKey> = (_, reader) => reader.unwrap('raw', { name: 'HMAC', hash }, ['sign'])
  return async (key, message) => new Uint8Array(await subtle.sign('HMAC', await key.form(form), message))
}

/** WebCrypto's HMAC lacks the hash, and holds the key all the same. */
const sha224Form: Form<KeyObject> = async (_, reader) =>
  nodeKey(await reader.unwrap('raw', { name: 'HMAC', hash: 'SHA-256' }, ['sign']))

async function sha224(key: OpenPrivate, message: Bytes): Promise<Bytes> {
  return new Uint8Array(
    createHmac('sha224', await key.form(sha224Form))
      .update(message)
      .digest(),
  )
}
