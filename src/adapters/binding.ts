import { type Envelope, EnvelopeError } from '../envelope/index.ts'
import { concat, lengthPrefixed, utf8 } from '../model/bytes.ts'

/*
 * Many small values share a data key, and so an encryption context. What one of them belongs to is inside of it: the
 * SHA-256 of the names of its place comes before the value. A value that is moved to another place does not open there.
 */

const bindingBytes = 32

/** The names of a place: the kind of store, the store, the column, the key. */
export type Place = readonly string[]

/** A message that opens at its place alone. */
export async function sealAt(
  envelope: Envelope,
  place: Place,
  value: Uint8Array,
  encryptionContext: Record<string, string>,
): Promise<Uint8Array<ArrayBuffer>> {
  return envelope.encrypt(concat([await bindingOf(place), value]), { encryptionContext })
}

/** Rejects with `TamperedMessage` for a value of another place, and what `decrypt` rejects with. */
export async function openAt(
  envelope: Envelope,
  place: Place,
  message: Uint8Array,
  encryptionContext: Record<string, string>,
): Promise<Uint8Array<ArrayBuffer>> {
  const { plaintext } = await envelope.decrypt(message, { encryptionContext })
  const binding = await bindingOf(place)
  if (plaintext.length >= bindingBytes && binding.every((byte, at) => byte === plaintext[at])) {
    return plaintext.slice(bindingBytes)
  }
  throw new EnvelopeError('TamperedMessage', `The value at ${place.join(' ')} was encrypted for another place.`)
}

async function bindingOf(place: Place): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', lengthPrefixed(place.map(utf8))))
}
