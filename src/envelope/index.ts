export type { CacheLimits } from './data-key-cache.ts'
export {
  createEnvelope,
  type Decrypted,
  type DecryptStream,
  type Envelope,
  type EnvelopeOptions,
  type MessageInfo,
} from './envelope.ts'
export { EnvelopeError, type EnvelopeErrorName } from './errors.ts'
export type { EncryptionContext, EnvelopeKms } from './kms.ts'
export { type DecryptedRange, decryptRange, plaintextLength, type RangeOptions, type RangeSource } from './range.ts'
export { type RewrapOptions, rewrap, rewrapStream } from './rewrap.ts'
export { type RsaKey, rsaKey } from './rsa-key.ts'
export type { WrittenSuite } from './suites.ts'
export type { OtherKey, SymmetricKey, WrappingKey } from './wrapping-key.ts'
