import type { Envelope } from '../envelope/index.ts'
import { utf8 } from '../model/bytes.ts'
import { openAt, sealAt } from './binding.ts'

interface NamespaceOptions {
  /** With a cache: one data key serves many values. */
  readonly envelope: Envelope
  /** What the values are bound to besides their keys; it stays when the binding is renamed. */
  readonly name: string
}

/**
 * A KV namespace whose values are messages of the AWS Encryption SDK. Keys, metadata and expirations stay as they are,
 * and readable. Rejects with `EnvelopeError`: `NotAMessage` for a value that was never encrypted.
 */
export interface EncryptedNamespace {
  put(key: string, value: string | Uint8Array, options?: KVNamespacePutOptions): Promise<void>
  /** Null: there is none. */
  get(key: string): Promise<string | null>
  getBytes(key: string): Promise<Uint8Array<ArrayBuffer> | null>
  /** What `put` was given as JSON text. */
  getJson<Value>(key: string): Promise<Value | null>
  delete(key: string): Promise<void>
  list<Metadata = unknown>(options?: KVNamespaceListOptions): Promise<KVNamespaceListResult<Metadata>>
}

export function encryptedNamespace(namespace: KVNamespace, { envelope, name }: NamespaceOptions): EncryptedNamespace {
  const context = { 'edge-kms:namespace': name }
  const placeOf = (key: string) => ['kv', name, key]
  const getBytes = async (key: string) => {
    const message = await namespace.get(key, 'arrayBuffer')
    return message === null ? null : openAt(envelope, placeOf(key), new Uint8Array(message), context)
  }
  const get = async (key: string) => {
    const bytes = await getBytes(key)
    return bytes === null ? null : new TextDecoder().decode(bytes)
  }
  return {
    async put(key, value, options) {
      const bytes = typeof value === 'string' ? utf8(value) : value
      await namespace.put(key, await sealAt(envelope, placeOf(key), bytes, context), options)
    },
    get,
    getBytes,
    async getJson<Value>(key: string) {
      const text = await get(key)
      return text === null ? null : (JSON.parse(text) as Value)
    },
    delete: (key) => namespace.delete(key),
    list: <Metadata>(options?: KVNamespaceListOptions) => namespace.list<Metadata>(options),
  }
}
