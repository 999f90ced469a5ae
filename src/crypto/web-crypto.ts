import type { ImportAlgorithm } from './seal.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What workerd has under `webcrypto_modern_algorithms`, and its types do not. */
interface ModernAlgorithms {
  getPublicKey(privateKey: CryptoKey, usages: string[]): Promise<CryptoKey>
  encapsulateBits(algorithm: string, publicKey: CryptoKey): Promise<{ sharedKey: ArrayBuffer; ciphertext: ArrayBuffer }>
  decapsulateBits(algorithm: string, privateKey: CryptoKey, ciphertext: Bytes): Promise<ArrayBuffer>
}

export const subtle = crypto.subtle as SubtleCrypto & ModernAlgorithms

export async function exported(format: 'raw' | 'pkcs8' | 'spki', key: CryptoKey): Promise<Bytes> {
  return new Uint8Array((await subtle.exportKey(format, key)) as ArrayBuffer)
}

// The second: an RSA key whose public exponent workerd does not take.
const refusals = ['DataError', 'OperationError']

/** Null: WebCrypto does not take the bytes for a key of this algorithm. */
export async function imported(
  format: 'pkcs8' | 'spki',
  bytes: Bytes,
  algorithm: ImportAlgorithm,
  isExtractable: boolean,
  usages: string[],
): Promise<CryptoKey | null> {
  try {
    return await subtle.importKey(format, bytes, algorithm, isExtractable, usages)
  } catch (failure) {
    if (refusals.includes((failure as Error).name)) return null
    throw failure
  }
}
