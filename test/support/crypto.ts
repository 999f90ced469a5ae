import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { KeySpec } from '../../src/model/key-specs.ts'
import { type LoneWorker, startLoneWorker } from './lone-worker.ts'

/** A key that is open in workerd, and OpenSSL's view of it. */
export interface TestKey {
  readonly key: number
  readonly spec: KeySpec
  readonly keyMaterialId: string
  readonly material: Buffer
  readonly publicKey: Buffer | null
  readonly sealed: Buffer
}

interface Options {
  readonly key?: TestKey
  readonly spec?: KeySpec
  readonly algorithm?: string
  readonly messageType?: string
}

type Input = readonly Uint8Array[]

/** src/crypto/ in workerd, which a test in Node drives in bulk. */
export class TestCrypto {
  readonly #worker: LoneWorker

  private constructor(worker: LoneWorker) {
    this.#worker = worker
  }

  static async start(): Promise<TestCrypto> {
    return new TestCrypto(await startLoneWorker('crypto-worker.ts'))
  }

  stop(): Promise<void> {
    return this.#worker.stop()
  }

  generate(spec: KeySpec): Promise<TestKey> {
    return this.#open('generate', { spec }, []) as Promise<TestKey>
  }

  /** Null: the material is refused. */
  accept(spec: KeySpec, material: Uint8Array): Promise<TestKey | null> {
    return this.#open('accept', { spec }, [material])
  }

  /** Whatever the bytes are. */
  take(spec: KeySpec, material: Uint8Array): Promise<TestKey> {
    return this.#open('take', { spec }, [material]) as Promise<TestKey>
  }

  reopen({ spec, keyMaterialId, sealed, publicKey }: Omit<TestKey, 'key' | 'material'>): Promise<TestKey> {
    const inputs = [sealed, publicKey ?? Buffer.alloc(0)]
    return this.#open('reopen', { spec, algorithm: keyMaterialId }, inputs) as Promise<TestKey>
  }

  /** What each input gives; null: refused. */
  async bytes(name: string, options: Options, inputs: readonly Input[]): Promise<(Buffer | null)[]> {
    const outputs = (await this.#run(name, options, inputs)) as (string | null)[]
    return outputs.map((output) => (output === null ? null : Buffer.from(output, 'base64')))
  }

  async booleans(name: string, options: Options, inputs: readonly Input[]): Promise<boolean[]> {
    return (await this.#run(name, options, inputs)) as boolean[]
  }

  async encapsulate(key: TestKey, count: number): Promise<{ sharedSecret: Buffer; ciphertext: Buffer }[]> {
    const outputs = (await this.#run('encapsulate', { key }, Array(count).fill([]))) as [string, string][]
    return outputs.map(([sharedSecret, ciphertext]) => ({
      sharedSecret: Buffer.from(sharedSecret, 'base64'),
      ciphertext: Buffer.from(ciphertext, 'base64'),
    }))
  }

  async #open(name: string, options: Options & { spec: KeySpec }, input: Input): Promise<TestKey | null> {
    const [opened] = (await this.#run(name, options, [input])) as (Record<string, string> | null)[]
    if (opened === null || opened === undefined) return null
    return {
      key: Number(opened.key),
      spec: options.spec,
      keyMaterialId: opened.keyMaterialId as string,
      material: Buffer.from(opened.material as string, 'base64'),
      publicKey: opened.publicKey === null ? null : Buffer.from(opened.publicKey as string, 'base64'),
      sealed: Buffer.from(opened.sealed as string, 'base64'),
    }
  }

  #run(name: string, { key, ...options }: Options, inputs: readonly Input[]): Promise<unknown> {
    const encoded = inputs.map((input) => input.map((bytes) => Buffer.from(bytes).toString('base64')))
    return this.#worker.ask({ name, key: key?.key, ...options, inputs: encoded })
  }
}

export function privateKeyOf({ material }: TestKey): KeyObject {
  return createPrivateKey({ key: material, format: 'der', type: 'pkcs8' })
}

export function publicKeyOf({ publicKey }: TestKey): KeyObject {
  return createPublicKey({ key: publicKey as Buffer, format: 'der', type: 'spki' })
}
