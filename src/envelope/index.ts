export type { CacheLimits } from './data-key-cache.ts'
export {
  createEnvelope,
  type Decrypted,
  type DecryptedRange,
  type DecryptStream,
  type Envelope,
  type EnvelopeOptions,
  type MessageInfo,
} from './envelope.ts'
export { EnvelopeError, type EnvelopeErrorName } from './errors.ts'
export type { EncryptionContext, EnvelopeKms } from './kms.ts'
export type { RangeSource } from './range.ts'
export type { WrittenSuite } from './suites.ts'
export type { RsaKey, SymmetricKey, WrappingKey } from './wrapping-key.ts'
