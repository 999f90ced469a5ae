/** As much of Node's module as this service uses of workerd's; `nodejs_compat` has it. */
declare module 'node:crypto' {
  interface Digest {
    update(bytes: Uint8Array): Digest
    digest(): Uint8Array
  }

  interface PaddedKey {
    readonly key: KeyObject
    readonly padding: number
  }

  export interface KeyObject {
    readonly type: 'secret' | 'public' | 'private'
  }

  export const KeyObject: { from(key: CryptoKey): KeyObject }
  export const constants: { readonly RSA_NO_PADDING: number }
  export function createHash(algorithm: string): Digest
  export function createHmac(algorithm: string, key: KeyObject): Digest
  export function privateEncrypt(key: PaddedKey, block: Uint8Array): Uint8Array
  export function publicDecrypt(key: PaddedKey, block: Uint8Array): Uint8Array
}
