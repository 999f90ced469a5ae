/** What WebCrypto lacks. It is loaded by import() alone, when it is first needed. */
export { aeskwp } from '@noble/ciphers/aes.js'
