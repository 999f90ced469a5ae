interface Failure {
  /** KMS's name for the exception, such as `DisabledException`. */
  readonly name: string
  /** Null: KMS sends none for this exception. */
  readonly message: string | null
  readonly requestId?: string | null
  readonly retryable?: boolean
  readonly remedy?: string | null
  readonly cause?: unknown
}

/**
 * What KMS refuses, by its own name, and what keeps it from being asked: `EndpointError` where nothing answers, or
 * something that is not KMS; `CredentialsError` where there are none to sign with.
 */
export class KmsError extends Error {
  /** Of the request that was refused; null: it had none. */
  readonly requestId: string | null
  /** True where the same request may succeed later. */
  readonly retryable: boolean
  /** What to do about it, in a sentence; null: the message says it. */
  readonly remedy: string | null

  constructor({ name, message, requestId = null, retryable = false, remedy = null, cause }: Failure) {
    super(message ?? name, cause === undefined ? undefined : { cause })
    this.name = name
    this.requestId = requestId
    this.retryable = retryable
    this.remedy = remedy ?? remedyFor(name, message ?? '')
  }
}

const remedies: Readonly<Record<string, string>> = {
  AccessDeniedException:
    'Let the key policy, a grant or an identity policy allow it. For a key that is not there the answer is the same: check the id and the Region.',
  DisabledException: 'Enable the key (EnableKey), or use another.',
  ExpiredTokenException: 'The session is over: get new credentials.',
  IncorrectKeyException: 'The ciphertext was made by another key: leave KeyId out, or name that one.',
  InvalidCiphertextException:
    'Pass the ciphertext whole and unchanged, with the encryption context that it was made with.',
  KMSInvalidStateException: 'DescribeKey tells the state: CancelKeyDeletion and EnableKey bring a key back.',
  NotFoundException: 'Check the id or alias, the Region and the account.',
  ThrottlingException: 'Ask less often, or later.',
  UnrecognizedClientException: 'The access key is unknown, inactive or deleted: check which one is in use.',
}

function remedyFor(name: string, message: string): string | null {
  if (name !== 'InvalidSignatureException') return remedies[name] ?? null
  return skewRemedy(message) ?? 'Check the secret access key.'
}

/** Null: the message is not about the time. KMS says both: `SIGNED is now earlier than … (NOW - 5 min.)`. */
function skewRemedy(message: string): string | null {
  const [, signed, now] = /(\d{8}T\d{6}Z).*\((\d{8}T\d{6}Z) [-+]/.exec(message) ?? []
  if (signed === undefined || now === undefined) return null
  const minutes = Math.round((timeOf(signed) - timeOf(now)) / 60_000)
  const direction = minutes < 0 ? 'behind' : 'ahead of'
  return `This machine's clock is ${Math.abs(minutes)} minutes ${direction} the server's: set it.`
}

/** Of `20270102T030405Z`. */
function timeOf(text: string): number {
  return Date.parse(text.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'))
}
