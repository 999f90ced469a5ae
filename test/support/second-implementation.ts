// Written from docs/ciphertext.md alone, to hold the document and src/crypto against each other. It imports nothing.

type Bytes = Uint8Array<ArrayBuffer>
export type Context = Readonly<Record<string, string>>

interface Parsed {
  readonly keyId: string
  readonly versionId: string
  readonly header: Bytes
  readonly salt: Bytes
  readonly commitment: Bytes
  /** Ciphertext and tag. */
  readonly sealed: Bytes
}

const utf8 = new TextEncoder()

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function fromHex(hex: string): Bytes {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

function join(...parts: readonly Uint8Array[]): Bytes {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

function u32(value: number): Bytes {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

async function hmac(key: Bytes, message: Bytes): Promise<Bytes> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-512' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, message))
}

/** RFC 5869, sections 2.2 and 2.3. */
async function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Promise<Bytes> {
  const pseudorandom = await hmac(salt.length === 0 ? new Uint8Array(64) : join(salt), join(ikm))
  let okm = new Uint8Array()
  let block = new Uint8Array()
  for (let counter = 1; okm.length < length; counter++) {
    block = await hmac(pseudorandom, join(block, info, Uint8Array.of(counter)))
    okm = join(okm, block)
  }
  return okm.slice(0, length)
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

function wellFormed(text: string): Bytes {
  // With the u flag, a surrogate matches only where it is not half of a pair.
  if (/\p{Surrogate}/u.test(text)) throw new TypeError('lone surrogate')
  return join(utf8.encode(text))
}

function canonicalContext(context: Context | null | undefined): Bytes {
  const pairs = Object.entries(context ?? {}).map(([name, value]) => ({
    name: wellFormed(name),
    value: wellFormed(value),
  }))
  pairs.sort((a, b) => compareBytes(a.name, b.name))
  const encoded = pairs.flatMap(({ name, value }) => [u32(name.length), name, u32(value.length), value])
  return join(u32(pairs.length), ...encoded)
}

/** Version, suite and key id. */
function keyHeader(keyId: string): Bytes {
  if (/^mrk-[0-9a-f]{32}$/.test(keyId)) return join(Uint8Array.of(0x01, 0x81), fromHex(keyId.slice(4)))
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(keyId)) {
    return join(Uint8Array.of(0x01, 0x01), fromHex(keyId.replaceAll('-', '')))
  }
  throw new TypeError(`not a key id: ${keyId}`)
}

export async function keyMaterialId(keyId: string, material: Uint8Array): Promise<string> {
  const info = join(utf8.encode('edge-kms/v1/key-material-id'), keyHeader(keyId))
  return toHex(await hkdf(material, new Uint8Array(), info, 32))
}

/** The message key and the commitment, for the first 34 bytes of a header. */
export async function deriveMessage(
  material: Uint8Array,
  salt: Uint8Array,
  header: Uint8Array,
  context: Context | null | undefined,
): Promise<{ messageKey: Bytes; commitment: Bytes }> {
  const info = join(utf8.encode('edge-kms/v1/message'), header.subarray(0, 34), canonicalContext(context))
  const derived = await hkdf(material, salt, info, 64)
  return { messageKey: derived.slice(0, 32), commitment: derived.slice(32, 64) }
}

export function gcm(header: Uint8Array) {
  return { name: 'AES-GCM', iv: new Uint8Array(12), additionalData: join(header), tagLength: 128 }
}

export function parseBlob(blob: Uint8Array): Parsed | null {
  if (blob.length < 115 || blob[0] !== 0x01 || (blob[1] !== 0x01 && blob[1] !== 0x81)) return null
  const id = toHex(blob.slice(2, 18))
  const keyId = blob[1] === 0x81 ? `mrk-${id}` : id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return {
    keyId,
    versionId: toHex(blob.slice(18, 34)),
    header: join(blob.slice(0, 98)),
    salt: join(blob.slice(34, 66)),
    commitment: join(blob.slice(66, 98)),
    sealed: join(blob.slice(98)),
  }
}

export async function sealBlob(options: {
  readonly material: Uint8Array
  readonly keyId: string
  readonly context?: Context | null | undefined
  readonly plaintext: Uint8Array
  readonly salt?: Uint8Array | undefined
}): Promise<Bytes> {
  const { material, keyId, context, plaintext } = options
  const salt = options.salt ?? crypto.getRandomValues(new Uint8Array(32))
  if (material.length !== 32 || salt.length !== 32) throw new RangeError('material and salt are 32 bytes')
  if (plaintext.length < 1 || plaintext.length > 4096) throw new RangeError('a plaintext has 1 to 4096 bytes')
  const versionId = fromHex(await keyMaterialId(keyId, material)).slice(0, 16)
  const named = join(keyHeader(keyId), versionId)
  const { messageKey, commitment } = await deriveMessage(material, salt, named, context)
  const header = join(named, salt, commitment)
  const key = await crypto.subtle.importKey('raw', messageKey, 'AES-GCM', false, ['encrypt'])
  return join(header, new Uint8Array(await crypto.subtle.encrypt(gcm(header), key, join(plaintext))))
}

/** The plaintext; null where anything at all is wrong with blob, key or context. */
export async function openBlob(options: {
  readonly material: Uint8Array
  readonly keyId?: string | undefined
  readonly context?: Context | null | undefined
  readonly blob: Uint8Array
}): Promise<Bytes | null> {
  const { material, keyId, context, blob } = options
  const parsed = parseBlob(blob)
  if (parsed === null || (keyId !== undefined && keyId !== parsed.keyId)) return null
  if ((await keyMaterialId(parsed.keyId, material)).slice(0, 32) !== parsed.versionId) return null
  try {
    const { messageKey, commitment } = await deriveMessage(material, parsed.salt, parsed.header, context)
    if (!constantTimeEqual(commitment, parsed.commitment)) return null
    const key = await crypto.subtle.importKey('raw', messageKey, 'AES-GCM', false, ['decrypt'])
    return new Uint8Array(await crypto.subtle.decrypt(gcm(parsed.header), key, parsed.sealed))
  } catch {
    return null
  }
}
