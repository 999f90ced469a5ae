import { randomBytes } from '../crypto/random.ts'
import { concat, fromUtf8 } from '../model/bytes.ts'
import { encodeContext, publicKeyName } from './context.ts'
import { type CacheLimits, DataKeyCache } from './data-key-cache.ts'
import { EnvelopeError } from './errors.ts'
import { type EncryptedDataKey, encodeDataKeys, type ParsedHeader } from './header.ts'
import type { EncryptionContext } from './kms.ts'
import { importDataKey } from './message-key.ts'
import { newSigningKey, type SigningKey } from './signature.ts'
import type { Suite } from './suites.ts'
import { field, uint } from './wire.ts'
import type { Wrapper } from './wrapping-key.ts'

/** What one data key brings to the messages that it encrypts. */
export interface Materials {
  readonly dataKey: CryptoKey
  readonly encryptedDataKeys: readonly EncryptedDataKey[]
  /** The caller's, and the public key of a signed message. */
  readonly encryptionContext: EncryptionContext
  /** Null: the suite does not sign. */
  readonly signingKey: SigningKey | null
}

/** Data keys from KMS, or from the cache. */
export class DataKeys {
  readonly #wrappers: readonly Wrapper[]
  readonly #forEncryption: DataKeyCache<Materials> | null
  readonly #forDecryption: DataKeyCache<CryptoKey> | null

  constructor(wrappers: readonly Wrapper[], limits: CacheLimits | undefined) {
    this.#wrappers = wrappers
    this.#forEncryption = limits === undefined ? null : new DataKeyCache(limits)
    this.#forDecryption = limits === undefined ? null : new DataKeyCache(limits)
  }

  /** For a message of `bytes`; null where nobody knows how many: such a message has a data key of its own. */
  async forEncryption(suite: Suite, context: EncryptionContext, bytes: number | null): Promise<Materials> {
    const load = () => newMaterials(this.#wrappers, suite, context)
    if (this.#forEncryption === null || bytes === null) return load()
    return this.#forEncryption.get(`${suite.id} ${contextName(context)}`, bytes, load)
  }

  /** The data key of a message whose header is still to be verified with it. */
  async forDecryption(header: ParsedHeader): Promise<CryptoKey> {
    const load = async () => {
      const dataKey = await unwrapDataKey(this.#wrappers, header)
      const imported = await importDataKey(header.suite, dataKey)
      dataKey.fill(0)
      return imported
    }
    if (this.#forDecryption === null) return load()
    return this.#forDecryption.get(await headerName(header), null, load)
  }

  clear(): void {
    this.#forEncryption?.clear()
    this.#forDecryption?.clear()
  }
}

async function newMaterials(
  wrappers: readonly Wrapper[],
  suite: Suite,
  ownContext: EncryptionContext,
): Promise<Materials> {
  const signingKey = suite.signature === null ? null : await newSigningKey(suite.signature)
  const context = signingKey === null ? ownContext : { ...ownContext, [publicKeyName]: signingKey.publicKey }
  const [first] = wrappers
  const generated = await first?.generate?.(suite.keyBytes, context)
  const dataKey = generated?.dataKey ?? randomBytes(suite.keyBytes)
  checkLength(suite, dataKey)
  const others = generated === undefined ? wrappers : wrappers.slice(1)
  const wrapped = await wrapDataKey(others, dataKey, context)
  const imported = await importDataKey(suite, dataKey)
  dataKey.fill(0)
  const encryptedDataKeys = generated === undefined ? wrapped : [generated.wrapped, ...wrapped]
  return { dataKey: imported, encryptedDataKeys, encryptionContext: context, signingKey }
}

/** In the order of the keys. */
export function wrapDataKey(
  wrappers: readonly Wrapper[],
  dataKey: Uint8Array<ArrayBuffer>,
  context: EncryptionContext,
): Promise<EncryptedDataKey[]> {
  return Promise.all(wrappers.map((wrapper) => wrapper.wrap(dataKey, context)))
}

/** By the first key that can. Throws `NoWrappingKey`. */
export async function unwrapDataKey(
  wrappers: readonly Wrapper[],
  { suite, encryptedDataKeys, encryptionContext }: ParsedHeader,
): Promise<Uint8Array<ArrayBuffer>> {
  const failures: unknown[] = []
  for (const wrapped of encryptedDataKeys) {
    for (const wrapper of wrappers.filter((candidate) => candidate.canUnwrap(wrapped))) {
      try {
        const dataKey = await wrapper.unwrap(wrapped, encryptionContext)
        checkLength(suite, dataKey)
        return dataKey
      } catch (failure) {
        failures.push(failure)
      }
    }
  }
  throw noWrappingKey(wrappers, encryptedDataKeys, failures)
}

function noWrappingKey(
  wrappers: readonly Wrapper[],
  encryptedDataKeys: readonly EncryptedDataKey[],
  failures: readonly unknown[],
): EnvelopeError {
  const [first] = failures
  if (first !== undefined) {
    const cause = failures.length === 1 ? first : new AggregateError(failures)
    return new EnvelopeError('NoWrappingKey', `KMS did not open the message's data key: ${first}`, cause)
  }
  const names = encryptedDataKeys.map(({ providerInfo, providerId }) => fromUtf8(providerInfo) ?? providerId)
  return new EnvelopeError(
    'NoWrappingKey',
    `The message was encrypted for ${names}, none of which is among the keys here: ${wrappers.map(({ keyId }) => keyId)}.`,
  )
}

function checkLength({ keyBytes }: Suite, dataKey: Uint8Array): void {
  if (dataKey.length === keyBytes) return
  throw new EnvelopeError('UnexpectedAnswer', `KMS gave a data key of ${dataKey.length} bytes.`)
}

/** Equal for equal contexts, and for no others. */
function contextName(context: EncryptionContext): string {
  return JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Equal for messages of one data key, context and suite, and for no others. */
async function headerName({ suite, encryptedDataKeys, encryptionContext }: ParsedHeader): Promise<string> {
  const context = field(encodeContext(encryptionContext), 'The encryption context')
  const name = concat([uint(suite.id, 2), ...context, ...encodeDataKeys(encryptedDataKeys)])
  return new Uint8Array(await crypto.subtle.digest('SHA-256', name)).join()
}
