// Loaded by import() alone, so that it costs nothing where it is not used.
export { ed25519ph } from '@noble/curves/ed25519.js'
export { p256, p384, p521 } from '@noble/curves/nist.js'
export { secp256k1 } from '@noble/curves/secp256k1.js'
