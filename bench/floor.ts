// The floor of Encrypt: a bare handler that makes the same seven WebCrypto calls on the same sizes, and nothing else.
const signingKey = crypto.subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, [
  'sign',
  'verify',
])
const material = crypto.subtle.importKey('raw', new Uint8Array(32), 'HKDF', false, ['deriveBits'])
const nonce = new Uint8Array(12)
const signature = new Uint8Array(32)

export default {
  async fetch(request: Request): Promise<Response> {
    const body = new Uint8Array(await request.arrayBuffer())
    await crypto.subtle.digest('SHA-256', body)
    await crypto.subtle.digest('SHA-256', new Uint8Array(400))
    await crypto.subtle.verify('HMAC', await signingKey, signature, new Uint8Array(140))
    const salt = crypto.getRandomValues(new Uint8Array(32))
    const derivation = { name: 'HKDF', hash: 'SHA-512', salt, info: new Uint8Array(120) }
    const derived = new Uint8Array(await crypto.subtle.deriveBits(derivation, await material, 512))
    const key = await crypto.subtle.importKey('raw', derived.subarray(0, 32), 'AES-GCM', false, ['encrypt'])
    const additionalData = new Uint8Array(98)
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData }, key, new Uint8Array(32))
    return Response.json({ CiphertextBlob: new Uint8Array(sealed).toBase64() })
  },
}
