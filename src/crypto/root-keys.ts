import { fromBase64, lengthPrefixed, toHex, utf8 } from '../model/bytes.ts'

/** What a key under the root is for. A label never changes meaning: stored bytes depend on it. */
export type RootLabel = 'edge-kms/root-check' | 'edge-kms/key-material' | 'edge-kms/list-marker'

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

  /**
   * Reads `VERSION:BASE64 VERSION:BASE64 …`, each 32 bytes. A string is the sentence that says what is wrong with it;
   * it never repeats what it read.
   */
  static async parse(text: string | undefined): Promise<RootKeys | string> {
    const entries = (text ?? '').split(/\s+/).filter((entry) => entry !== '')
    if (entries.length === 0) {
      return 'ROOT_KEYS is not set. Set it to VERSION:BASE64 with 32 random bytes, for example "1:<44 characters of base64>".'
    }
    const versions = new Map<number, CryptoKey>()
    for (const [at, entry] of entries.entries()) {
      const [, version, encoded] = /^([1-9]\d{0,8}):(.+)$/.exec(entry) ?? []
      const bytes = fromBase64(encoded ?? '')
      if (version === undefined || bytes?.length !== 32) {
        return `ROOT_KEYS is malformed: entry ${at + 1} is not VERSION:BASE64 with 32 bytes (44 characters of base64).`
      }
      if (versions.has(Number(version))) return `ROOT_KEYS is malformed: version ${version} is there twice.`
      versions.set(
        Number(version),
        await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey', 'deriveBits']),
      )
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
    const usages: KeyUsages = ['encrypt', 'unwrapKey']
    return crypto.subtle.deriveKey(derivation(label, scope), this.#version(version), aesKey, false, usages)
  }

  /** The key that authenticates tokens for exactly this scope. */
  macKey(version: number, label: RootLabel, scope: readonly string[]): Promise<CryptoKey> {
    return crypto.subtle.deriveKey(derivation(label, scope), this.#version(version), macKey, false, ['sign', 'verify'])
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

type KeyUsages = ('encrypt' | 'unwrapKey')[]

function derivation(label: RootLabel, scope: readonly string[]) {
  return { name: 'HKDF', hash: 'SHA-512', salt: new Uint8Array(0), info: lengthPrefixed([label, ...scope].map(utf8)) }
}
