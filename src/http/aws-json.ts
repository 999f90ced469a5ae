import { fromUtf8, toBase64 } from '../model/bytes.ts'
import { exceptions, type Refusal, refuse } from '../model/errors.ts'
import type { Asked, Output, Wire } from './wire.ts'

export const kmsJson = awsJson('TrentService.')
export const cloudtrailJson = awsJson('com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.')

/** awsJson1_1: the operation in a header behind the service's own prefix, JSON in and out. */
function awsJson(targetPrefix: string): Wire {
  return {
    read(headers, body) {
      const target = headers.get('x-amz-target') ?? ''
      if (target.startsWith(targetPrefix)) return asked(target.slice(targetPrefix.length), body)
      return refuse('UnknownOperationException', null, 'no X-Amz-Target of this service')
    },
    answer: (output, _asked, requestId) => success(output, requestId),
    refuse: (refused, _asked, requestId) => refusal(refused, requestId),
  }
}

function asked(operation: string, body: Uint8Array): Asked | Refusal {
  const text = fromUtf8(body)
  if (text === null) return malformed('The request is not valid UTF-8')
  let input: unknown
  try {
    input = JSON.parse(text)
  } catch {
    return malformed('The request is not valid JSON')
  }
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return { operation, input }
  return malformed('The request is not a JSON object')
}

/** An exception as it goes over the wire. */
export function refusal(
  { refused, message }: Refusal,
  requestId: string,
  status: number = exceptions[refused].status,
): Response {
  const body = JSON.stringify(message === null ? { __type: refused } : { __type: refused, message })
  return new Response(body, { status, headers: headersOf(requestId) })
}

function malformed(message: string): Refusal<'SerializationException'> {
  return refuse('SerializationException', message)
}

function success(output: Output, requestId: string): Response {
  return new Response(output === undefined ? null : JSON.stringify(encode(output)), { headers: headersOf(requestId) })
}

function headersOf(requestId: string): Record<string, string> {
  return { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': requestId }
}

/** Bytes become base64 and dates become seconds. */
function encode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return toBase64(value)
  if (value instanceof Date) return value.getTime() / 1000
  if (Array.isArray(value)) return value.map(encode)
  const encoded: Record<string, unknown> = {}
  for (const name of Object.keys(value)) encoded[name] = encode((value as Record<string, unknown>)[name])
  return encoded
}
