import { compareUtf8, concat } from '../model/bytes.ts'
import { EnvelopeError } from './errors.ts'
import type { EncryptionContext } from './kms.ts'
import { field, Reader, uint } from './wire.ts'

/** Names that begin so are the format's own. */
const reservedPrefix = 'aws-crypto-'
/** Where a signed message has its public key. */
export const publicKeyName = 'aws-crypto-public-key'

/** The pairs as the header has them and as RSA wrapping binds them; no bytes for an empty context. */
export function encodeContext(context: EncryptionContext): Uint8Array<ArrayBuffer> {
  const pairs = Object.entries(context).sort(([a], [b]) => compareUtf8(a, b))
  if (pairs.length === 0) return new Uint8Array(0)
  const parts = pairs.flatMap(([name, value]) => [
    ...field(name, `The name "${name.slice(0, 40)}" in the encryption context`),
    ...field(value, `The value of "${name}" in the encryption context`),
  ])
  return concat([uint(pairs.length, 2), ...parts])
}

/** The inverse of `encodeContext`. Throws `TamperedMessage` for what it does not write. */
export function parseContext(encoded: Uint8Array): EncryptionContext {
  const malformed = () => new EnvelopeError('TamperedMessage', 'The encryption context is not well-formed.')
  const reader = new Reader(encoded, malformed)
  // No prototype: the names are a stranger's.
  const context: Record<string, string> = Object.create(null)
  for (let left = encoded.length === 0 ? 0 : reader.uint(2); left > 0; left--) {
    const name = reader.text()
    if (name in context) throw malformed()
    context[name] = reader.text()
  }
  if (reader.at === encoded.length) return { ...context }
  throw malformed()
}

/** Throws `InvalidInput` for what a message cannot carry. */
export function checkOwnContext(context: EncryptionContext): void {
  for (const [name, value] of Object.entries(context)) {
    if (typeof value === 'string' && !name.startsWith(reservedPrefix)) continue
    throw new EnvelopeError(
      'InvalidInput',
      `"${name}" in the encryption context: values are strings, and no name begins with ${reservedPrefix}.`,
    )
  }
}

/** Throws `WrongEncryptionContext` where a pair of `required` is not in the message. More may be there. */
export function requireContext(context: EncryptionContext, required: EncryptionContext): void {
  for (const [name, value] of Object.entries(required)) {
    if (Object.hasOwn(context, name) && context[name] === value) continue
    throw new EnvelopeError(
      'WrongEncryptionContext',
      `"${name}" is ${Object.hasOwn(context, name) ? 'another' : 'missing'} in the message's encryption context: it belongs elsewhere.`,
    )
  }
}
