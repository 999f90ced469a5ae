import { fromBase64, lengthPrefixed, toHex, utf8 } from '../model/bytes.ts'
import { parseRootKeys } from '../model/settings.ts'

/** What a key under the root is for. A label never changes meaning: stored bytes depend on it. */
export type RootLabel =
  | 'edge-kms/access-key-secret'
  | 'edge-kms/audit-key'
  | 'edge-kms/grant-token'
  | 'edge-kms/import-key'
  | 'edge-kms/import-token'
  | 'edge-kms/key-material'
  | 'edge-kms/list-marker'
  | 'edge-kms/root-check'
  | 'edge-kms/session-token'

const aesKey = { name: 'AES-GCM', length: 256 } as const
const macKey = { name: 'HMAC', hash: 'SHA-256', length: 256 } as const

/** The root keys of a deployment: several versions may open, the highest one seals. */
export class RootKeys {
  readonly current: number
  readonly #versions: ReadonlyMap<number, CryptoKey>

  private constructor(versions: ReadonlyMap<number, CryptoKey>) {
    this.#versions = versions
    this.current = Math.max(...versions.keys())
  }

  /** From ROOT_KEYS; a string is the sentence that says what is wrong with it. */
  static async parse(text: string | undefined): Promise<RootKeys | string> {
    const keys = parseRootKeys(text, fromBase64)
    if (typeof keys === 'string') return keys
    const versions = new Map<number, CryptoKey>()
    for (const [version, bytes] of keys) {
      versions.set(version, await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey', 'deriveBits']))
    }
    return new RootKeys(versions)
  }

  versions(): readonly number[] {
    return [...this.#versions.keys()]
  }

  /** 16 hex digits by which a root key can be told from another without learning anything about it. */
  async checkValue(version: number): Promise<string> {
    const bits = await crypto.subtle.deriveBits(derivation('edge-kms/root-check', []), this.#version(version), 64)
    return toHex(new Uint8Array(bits))
  }

  /** The key that wraps material for exactly this scope. */
  wrappingKey(version: number, label: RootLabel, scope: readonly string[]): Promise<CryptoKey> {
    const usages: KeyUsages = ['encrypt', 'wrapKey', 'unwrapKey']
    return crypto.subtle.deriveKey(derivation(label, scope), this.#version(version), aesKey, false, usages)
  }

  /** The key that authenticates tokens for exactly this scope. */
  macKey(version: number, label: RootLabel, scope: readonly string[]): Promise<CryptoKey> {
    return crypto.subtle.deriveKey(derivation(label, scope), this.#version(version), macKey, false, ['sign', 'verify'])
  }

  /** A key for one secret of exactly this scope, with a salt that is drawn anew for each. */
  saltedKey(version: number, label: RootLabel, scope: readonly string[], salt: Uint8Array<ArrayBuffer>) {
    const usages: KeyUsages = ['encrypt', 'decrypt']
    return crypto.subtle.deriveKey({ ...derivation(label, scope), salt }, this.#version(version), aesKey, false, usages)
  }

  has(version: number): boolean {
    return this.#versions.has(version)
  }

  #version(version: number): CryptoKey {
    const key = this.#versions.get(version)
    if (key === undefined) throw new Error(`Root key version ${version} is needed and not in ROOT_KEYS. Add it again.`)
    return key
  }
}

type KeyUsages = ('encrypt' | 'decrypt' | 'wrapKey' | 'unwrapKey')[]

function derivation(label: RootLabel, scope: readonly string[]) {
  return { name: 'HKDF', hash: 'SHA-512', salt: new Uint8Array(0), info: lengthPrefixed([label, ...scope].map(utf8)) }
}
