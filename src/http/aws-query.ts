import { type ExceptionName, exceptions, isRefusal, refuse } from '../model/errors.ts'
import { parseForm } from './form.ts'
import type { Wire } from './wire.ts'
import { element } from './xml.ts'

/** A service that speaks AWS Query. */
interface QueryService {
  readonly namespace: string
  readonly version: string
}

export const iamQuery = awsQuery({ namespace: 'https://iam.amazonaws.com/doc/2010-05-08/', version: '2010-05-08' })
export const stsQuery = awsQuery({ namespace: 'https://sts.amazonaws.com/doc/2011-06-15/', version: '2011-06-15' })

/** AWS Query: a form in, whose Action is the operation, and XML out. */
function awsQuery({ namespace, version }: QueryService): Wire {
  const document = (name: string, content: string) => `<${name} xmlns="${namespace}">${content}</${name}>\n`
  return {
    read(_headers, body) {
      const parsed = parseForm(body)
      if (isRefusal(parsed)) return parsed
      const { Action, Version } = parsed.form
      if (typeof Action !== 'string' || typeof Version !== 'string') {
        return refuse('UnknownOperationException', 'The request has no Action, or no Version.')
      }
      return Version === version
        ? { operation: Action, input: parsed.form }
        : refuse('UnknownOperationException', noOperation(Action, Version))
    },
    answer(output, { operation }, requestId) {
      const result = output === undefined ? '' : element(`${operation}Result`, output)
      const metadata = element('ResponseMetadata', { RequestId: requestId })
      return respond(200, document(`${operation}Response`, result + metadata), requestId)
    },
    refuse({ refused, message }, asked, requestId) {
      const row = { code: refused, status: exceptions[refused].status, ...refusals[refused] }
      const { code, status } = { ...row, ...(asked === null ? atDoor[refused] : undefined) }
      const isUnknown = refused === 'UnknownOperationException' && asked !== null
      const error = {
        Type: status >= 500 ? 'Receiver' : 'Sender',
        Code: code,
        Message: isUnknown ? noOperation(asked.operation, version) : (message ?? undefined),
      }
      const content = element('Error', error) + element('RequestId', requestId)
      return respond(status, document('ErrorResponse', content), requestId)
    },
  }
}

function noOperation(operation: string, version: string): string {
  return `Could not find operation ${operation} for version ${version}`
}

type Row = { readonly code: string; readonly status: number }
type Rows = { readonly [Name in ExceptionName]?: Row }

/** What goes by another name or status here than on KMS's wire. */
const refusals: Rows = {
  AccessDeniedException: { code: 'AccessDenied', status: 403 },
  DependencyTimeoutException: { code: 'ServiceUnavailable', status: 503 },
  IncompleteSignatureException: { code: 'IncompleteSignature', status: 400 },
  InvalidSignatureException: { code: 'SignatureDoesNotMatch', status: 403 },
  KeyUnavailableException: { code: 'ServiceUnavailable', status: 503 },
  KMSInternalException: { code: 'ServiceFailure', status: 500 },
  MissingAuthenticationTokenException: { code: 'MissingAuthenticationToken', status: 403 },
  RequestEntityTooLargeException: { code: 'RequestEntityTooLarge', status: 413 },
  SerializationException: { code: 'MalformedInput', status: 400 },
  ThrottlingException: { code: 'Throttling', status: 400 },
  UnknownOperationException: { code: 'InvalidAction', status: 400 },
  UnrecognizedClientException: { code: 'InvalidClientTokenId', status: 403 },
  UnsupportedOperationException: { code: 'InvalidAction', status: 400 },
  ValidationException: { code: 'ValidationError', status: 400 },
}

/** What reads otherwise where it is about the caller's own credentials. */
const atDoor: Rows = {
  ExpiredTokenException: { code: 'ExpiredToken', status: 403 },
}

function respond(status: number, body: string, requestId: string): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/xml', 'x-amzn-requestid': requestId } })
}
