/** Members of answers that are base64 on the wire. */
export const blobMembers: ReadonlySet<string> = new Set([
  'CiphertextBlob',
  'CiphertextForRecipient',
  'ImportToken',
  'Mac',
  'Plaintext',
  'PrivateKeyCiphertextBlob',
  'PrivateKeyPlaintext',
  'PublicKey',
  'SharedSecret',
  'SharedSecretCiphertextBlob',
  'Signature',
])

/** Members of answers that are seconds since 1970 on the wire. */
export const timeMembers: ReadonlySet<string> = new Set([
  'CreationDate',
  'DeletionDate',
  'KeyCreationDate',
  'LastUpdatedDate',
  'NextRotationDate',
  'OnDemandRotationStartDate',
  'ParametersValidTo',
  'RotationDate',
  'Timestamp',
  'TrackingStartDate',
  'ValidTo',
])

/** Their members are the caller's own words. */
const asGiven: ReadonlySet<string> = new Set(['EncryptionContextEquals', 'EncryptionContextSubset'])

/** As JSON has it: bytes in base64, times in seconds. */
export function encode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.getTime() / 1000
  if (value instanceof ArrayBuffer) return toBase64(new Uint8Array(value))
  if (ArrayBuffer.isView(value)) return toBase64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  if (Array.isArray(value)) return value.map(encode)
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, encode(member)]))
}

/** An answer as JSON has it, with its bytes and Dates. */
export function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(decode)
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, decodeMember(name, member)]))
}

function decodeMember(name: string, value: unknown): unknown {
  if (asGiven.has(name)) return value
  if (typeof value === 'string' && blobMembers.has(name)) return fromBase64(value)
  if (typeof value === 'number' && timeMembers.has(name)) return new Date(value * 1000)
  return decode(value)
}

/** Node has it from version 25 on. */
type NativeBase64 = { fromBase64?(text: string): Uint8Array<ArrayBuffer> }

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = (Uint8Array as NativeBase64).fromBase64
  return native ? native.call(Uint8Array, text) : Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}

function toBase64(bytes: Uint8Array): string {
  const native = (bytes as { toBase64?(): string }).toBase64
  if (native) return native.call(bytes)
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}
