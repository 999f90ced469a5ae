import { constants, createHash, type KeyObject, privateEncrypt, publicDecrypt } from 'node:crypto'
import { concat, fromHex } from '../model/bytes.ts'
import { isEqual } from './key-encoding.ts'
import { nodeKey } from './node-key.ts'
import type { Form } from './open-private.ts'
import { randomBytes } from './random.ts'
import type { Signing } from './signing.ts'
import { subtle } from './web-crypto.ts'

type Bytes = Uint8Array<ArrayBuffer>
export type RsaHash = 'SHA-256' | 'SHA-384' | 'SHA-512'

/** An encoding of a digest into a block that is as long as the modulus (RFC 8017, section 9). */
interface Encoding {
  encode(digest: Bytes, bytes: number): Bytes
  isEncoding(block: Bytes, digest: Bytes): boolean
}

/** RSASSA-PKCS1-v1_5 over a digest, which is not hashed again. */
export function pkcs1OverDigest(hash: RsaHash): Signing {
  return overDigest(emsaPkcs1(hash))
}

/** RSASSA-PSS over a digest, which is not hashed again, with MGF1 of the same hash and a salt as long as the digest. */
export function pssOverDigest(hash: RsaHash): Signing {
  return overDigest(emsaPss(hash))
}

// The hash is WebCrypto's way to tell one key from another; the bare operation has none.
const anyUse = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const
const padding = constants.RSA_NO_PADDING

const privateForm: Form<KeyObject> = async (_, reader) => nodeKey(await reader.unwrap('pkcs8', anyUse, ['sign']))
const publicForm: Form<PublicKey> = async ({ spki }) => {
  const key = await subtle.importKey('spki', spki, anyUse, false, ['verify'])
  return { key: nodeKey(key), bytes: modulusBytes(key) }
}

interface PublicKey {
  readonly key: KeyObject
  readonly bytes: number
}

function modulusBytes({ algorithm }: CryptoKey): number {
  return (algorithm as unknown as { modulusLength: number }).modulusLength / 8
}

function overDigest({ encode, isEncoding }: Encoding): Signing {
  return {
    async sign(key, digest) {
      const { bytes } = await key.form(publicForm)
      return new Uint8Array(privateEncrypt({ key: await key.form(privateForm), padding }, encode(digest, bytes)))
    },

    async verify(key, digest, signature) {
      const publicKey = await key.form(publicForm)
      const block = opened(publicKey, signature)
      return block !== null && isEncoding(block, digest)
    },
  }
}

/** Null: not as long as the modulus, or not below it. */
function opened({ key, bytes }: PublicKey, signature: Bytes): Bytes | null {
  if (signature.length !== bytes) return null
  try {
    return new Uint8Array(publicDecrypt({ key, padding }, signature))
  } catch {
    return null
  }
}

/** A DigestInfo up to its digest (RFC 8017, section 9.2, note 1). */
const digestInfos: Record<RsaHash, string> = {
  'SHA-256': '3031300d060960864801650304020105000420',
  'SHA-384': '3041300d060960864801650304020205000430',
  'SHA-512': '3051300d060960864801650304020305000440',
}

function emsaPkcs1(hash: RsaHash): Encoding {
  const digestInfo = fromHex(digestInfos[hash]) as Bytes
  const encode = (digest: Bytes, bytes: number) => {
    const block = new Uint8Array(bytes).fill(0xff)
    block.set([0, 1])
    block.set(concat([Uint8Array.of(0), digestInfo, digest]), bytes - 1 - digestInfo.length - digest.length)
    return block
  }
  return { encode, isEncoding: (block, digest) => isEqual(block, encode(digest, block.length)) }
}

const trailer = 0xbc
// Every modulus has a multiple of eight bits, and the block one less.
const unusedBit = 0x80

/** `maskedDB ‖ H ‖ 0xbc`, where DB is zeros, 0x01 and the salt (RFC 8017, section 9.1). */
function emsaPss(hash: RsaHash): Encoding {
  const hashOf = (...parts: readonly Uint8Array[]): Bytes => {
    const hashing = createHash(hash.replace('-', ''))
    for (const part of parts) hashing.update(part)
    return new Uint8Array(hashing.digest())
  }
  const salted = (digest: Bytes, salt: Bytes) => hashOf(new Uint8Array(8), digest, salt)

  /** MGF1, into the data and out of it. */
  const masked = (data: Bytes, seed: Bytes): Bytes => {
    const blocks = Math.ceil(data.length / seed.length)
    const mask = concat(Array.from({ length: blocks }, (_, block) => hashOf(seed, Uint8Array.of(0, 0, 0, block))))
    const out = data.map((byte, at) => byte ^ (mask[at] as number))
    out[0] = (out[0] as number) & ~unusedBit
    return out
  }

  return {
    encode(digest, bytes) {
      const salt = randomBytes(digest.length)
      const hashed = salted(digest, salt)
      const data = new Uint8Array(bytes - hashed.length - 1)
      data.set(concat([Uint8Array.of(1), salt]), data.length - 1 - salt.length)
      return concat([masked(data, hashed), hashed, Uint8Array.of(trailer)])
    },

    isEncoding(block, digest) {
      const hashAt = block.length - 1 - digest.length
      const isFramed = block.at(-1) === trailer && ((block[0] as number) & unusedBit) === 0
      if (!isFramed) return false
      const hashed = block.slice(hashAt, -1)
      const data = masked(block.slice(0, hashAt), hashed)
      const saltAt = data.length - digest.length
      const isPadded = data.subarray(0, saltAt).every((byte, at) => byte === (at === saltAt - 1 ? 1 : 0))
      return isPadded && isEqual(hashed, salted(digest, data.slice(saltAt)))
    },
  }
}
