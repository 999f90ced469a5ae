import { createHash, createHmac } from 'node:crypto'
import type { EnvelopeKms } from '../../src/envelope/index.ts'

/** A KMS in this process, with real cryptography, for what asks thousands of times: by the members that envelopes use. */
export interface SoftKms extends EnvelopeKms {
  generateMac(input: { KeyId: string; MacAlgorithm: 'HMAC_SHA_256'; Message: Uint8Array }): Promise<{ Mac: Uint8Array }>
  /** The names of the operations that were called. */
  readonly calls: string[]
  /** Makes every call reject from here on. */
  failWith(failure: Error | null): void
}

export const arnOf = (keyId: string, region = 'us-east-1') => `arn:aws:kms:${region}:000000000000:key/${keyId}`

/** Its keys come to be when they are first named; a key id of two Regions is the same key in both. */
export function softKms(region = 'us-east-1', secret = 'of this process'): SoftKms {
  const calls: string[] = []
  const rsa = new Map<string, Promise<CryptoKeyPair>>()
  let failure: Error | null = null
  const called = (operation: string) => {
    calls.push(operation)
    if (failure !== null) throw failure
  }
  const idOf = (keyId: string) => keyId.replace(/^.*:key\//, '').replace(/^(.*:)?alias\//, '')
  const materialOf = (id: string) => createHash('sha256').update(`${secret} ${id}`).digest()
  const aesOf = (id: string) => crypto.subtle.importKey('raw', materialOf(id), 'AES-GCM', false, ['encrypt', 'decrypt'])
  const contextOf = (context: Record<string, string> = {}) =>
    Buffer.from(JSON.stringify(Object.entries(context).sort()))
  const rsaOf = (id: string) => {
    const held =
      rsa.get(id) ??
      (crypto.subtle.generateKey(
        { name: 'RSA-OAEP', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
        true,
        ['encrypt', 'decrypt'],
      ) as Promise<CryptoKeyPair>)
    rsa.set(id, held)
    return held
  }
  const seal = async (id: string, plaintext: Uint8Array, context?: Record<string, string>) => {
    const iv = crypto.getRandomValues(new Uint8Array(12))
    const algorithm = { name: 'AES-GCM', iv, additionalData: contextOf(context) }
    const sealed = await crypto.subtle.encrypt(algorithm, await aesOf(id), plaintext as Uint8Array<ArrayBuffer>)
    return new Uint8Array(Buffer.concat([Buffer.from([id.length]), Buffer.from(id), iv, Buffer.from(sealed)]))
  }
  const refused = (name: string) => Object.assign(new Error(`${name} of the KMS in this process`), { name })
  return {
    calls,
    failWith(next) {
      failure = next
    },
    async generateDataKey({ KeyId, NumberOfBytes, EncryptionContext }) {
      called('GenerateDataKey')
      const Plaintext = crypto.getRandomValues(new Uint8Array(NumberOfBytes))
      const id = idOf(KeyId)
      return { KeyId: arnOf(id, region), Plaintext, CiphertextBlob: await seal(id, Plaintext, EncryptionContext) }
    },
    async encrypt({ KeyId, Plaintext, EncryptionContext }) {
      called('Encrypt')
      const id = idOf(KeyId)
      return { KeyId: arnOf(id, region), CiphertextBlob: await seal(id, Plaintext, EncryptionContext) }
    },
    async decrypt({ KeyId, CiphertextBlob, EncryptionContext, EncryptionAlgorithm }) {
      called('Decrypt')
      const wanted = idOf(KeyId)
      if (EncryptionAlgorithm !== undefined) {
        const { privateKey } = await rsaOf(wanted)
        const opened = await crypto.subtle.decrypt('RSA-OAEP', privateKey, new Uint8Array(CiphertextBlob))
        return { KeyId: arnOf(wanted, region), Plaintext: new Uint8Array(opened) }
      }
      const length = CiphertextBlob[0] ?? 0
      const id = Buffer.from(CiphertextBlob.subarray(1, 1 + length)).toString()
      if (id !== wanted) throw refused('IncorrectKeyException')
      const sealed = new Uint8Array(CiphertextBlob.subarray(1 + length))
      const algorithm = { name: 'AES-GCM', iv: sealed.subarray(0, 12), additionalData: contextOf(EncryptionContext) }
      try {
        const opened = await crypto.subtle.decrypt(algorithm, await aesOf(id), sealed.subarray(12))
        return { KeyId: arnOf(id, region), Plaintext: new Uint8Array(opened) }
      } catch {
        throw refused('InvalidCiphertextException')
      }
    },
    async getPublicKey({ KeyId }) {
      called('GetPublicKey')
      const id = idOf(KeyId)
      const spki = await crypto.subtle.exportKey('spki', (await rsaOf(id)).publicKey)
      return { KeyId: arnOf(id, region), PublicKey: new Uint8Array(spki as ArrayBuffer) }
    },
    async generateMac({ KeyId, Message }) {
      called('GenerateMac')
      return {
        Mac: new Uint8Array(
          createHmac('sha256', materialOf(idOf(KeyId)))
            .update(Message)
            .digest(),
        ),
      }
    },
  }
}
