/** How an exception goes out. Every client error of KMS is HTTP 400, whatever the model declares; faults of the server are 500. */
interface ExceptionRow {
  readonly status: 400 | 403 | 404 | 409 | 413 | 500
  readonly retryable: boolean
}

const client: ExceptionRow = { status: 400, retryable: false }
const denied: ExceptionRow = { status: 403, retryable: false }
const absent: ExceptionRow = { status: 404, retryable: false }
const conflict: ExceptionRow = { status: 409, retryable: false }
const server: ExceptionRow = { status: 500, retryable: true }

/** Every exception this service can answer with, by its wire name. */
export const exceptions = {
  // Modelled by AWS KMS.
  AlreadyExistsException: client,
  ConflictException: client,
  CustomKeyStoreNotFoundException: client,
  DependencyTimeoutException: server,
  DisabledException: client,
  DryRunOperationException: client,
  ExpiredImportTokenException: client,
  IncorrectKeyException: client,
  IncorrectKeyMaterialException: client,
  InvalidAliasNameException: client,
  InvalidArnException: client,
  InvalidCiphertextException: client,
  InvalidGrantIdException: client,
  InvalidGrantTokenException: client,
  InvalidImportTokenException: client,
  InvalidKeyUsageException: client,
  InvalidMarkerException: client,
  KeyUnavailableException: server,
  KMSInternalException: server,
  KMSInvalidMacException: client,
  KMSInvalidSignatureException: client,
  KMSInvalidStateException: client,
  LimitExceededException: client,
  MalformedPolicyDocumentException: client,
  NotFoundException: client,
  TagException: client,
  UnsupportedOperationException: client,
  // Not in the model, answered all the same: the pipeline's and the door's.
  AccessDeniedException: client,
  ExpiredTokenException: client,
  IncompleteSignatureException: client,
  InvalidSignatureException: client,
  MissingAuthenticationTokenException: client,
  NotAuthorizedException: client,
  RequestEntityTooLargeException: { status: 413, retryable: false },
  SerializationException: client,
  ThrottlingException: { status: 400, retryable: true },
  UnknownOperationException: client,
  UnrecognizedClientException: client,
  ValidationException: client,
  // CloudTrail's own.
  InvalidEventCategoryException: client,
  InvalidLookupAttributesException: client,
  InvalidMaxResultsException: client,
  InvalidNextTokenException: client,
  InvalidTimeRangeException: client,
  // IAM's and STS's own, by the codes of their wire.
  DeleteConflict: conflict,
  EntityAlreadyExists: conflict,
  IDPCommunicationError: client,
  IDPRejectedClaim: denied,
  InvalidIdentityToken: client,
  InvalidInput: client,
  LimitExceeded: conflict,
  MalformedPolicyDocument: client,
  NoSuchEntity: absent,
  PackedPolicyTooLarge: client,
  PolicyNotAttachable: client,
  UnmodifiableEntity: client,
  ValidationError: client,
} as const satisfies Record<string, ExceptionRow>

export type ExceptionName = keyof typeof exceptions

/** Answered by the pipeline itself, so that no operation has to list them. */
export type CommonException =
  | 'AccessDeniedException'
  | 'DependencyTimeoutException'
  | 'InvalidGrantTokenException'
  | 'KeyUnavailableException'
  | 'KMSInternalException'
  | 'NotAuthorizedException'
  | 'SerializationException'
  | 'ThrottlingException'
  | 'UnsupportedOperationException'
  | 'ValidationException'

/**
 * An expected "no". It is a value, so that it survives RPC between a Worker and an object.
 * `message` goes to the caller (null: AWS sends none for this exception); `reason` is for the log and the audit record.
 */
export interface Refusal<Name extends ExceptionName = ExceptionName> {
  readonly refused: Name
  readonly message: string | null
  readonly reason: string
}

export function refuse<const Name extends ExceptionName>(
  refused: Name,
  message: string | null,
  reason: string = message ?? refused,
): Refusal<Name> {
  return { refused, message, reason }
}

/** What a log may say of a failure: the cause where there is one, as a failed query's own message repeats its parameters. */
export function causeOf(failure: unknown): unknown {
  return failure instanceof Error && failure.cause !== undefined ? causeOf(failure.cause) : failure
}

/** Something this service depends on does not answer: KMS's own text. */
export function timedOut(reason: string): Refusal<'DependencyTimeoutException'> {
  const text = 'The system timed out while trying to fulfill the request. You can retry the request.'
  return refuse('DependencyTimeoutException', text, reason)
}

/** What a dry run of a call that would have succeeded answers: KMS's own text. */
export function dryRunSucceeded(): Refusal<'DryRunOperationException'> {
  return refuse('DryRunOperationException', 'The request would have succeeded, but the DryRun option is set.')
}

export function invalidGrantToken(reason: string): Refusal<'InvalidGrantTokenException'> {
  return refuse('InvalidGrantTokenException', 'The grant token is not valid.', reason)
}

export function isRefusal(value: unknown): value is Refusal {
  // By type, not by presence: an object's stub has every property that it is asked for.
  return typeof value === 'object' && value !== null && typeof (value as Refusal).refused === 'string'
}
