/** What is wrong, for programs; the message says it, and what to do, for people. */
export type EnvelopeErrorName =
  | 'NotAMessage'
  | 'TruncatedMessage'
  | 'TamperedMessage'
  | 'UnsupportedMessage'
  | 'ForbiddenMessage'
  | 'WrongEncryptionContext'
  | 'NoWrappingKey'
  | 'TooLarge'
  | 'InvalidInput'
  | 'UnexpectedAnswer'

/** Everything that this library refuses. `cause` has what KMS said, where KMS was asked. */
export class EnvelopeError extends Error {
  override readonly name: EnvelopeErrorName

  constructor(name: EnvelopeErrorName, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = name
  }
}
