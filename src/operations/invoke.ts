import { isDatabaseFailure } from '../catalog/database.ts'
import { isRetryable } from '../key/directory.ts'
import type { Call } from '../model/call.ts'
import { causeOf, type ExceptionName, isRefusal, type Refusal, refuse, timedOut } from '../model/errors.ts'
import { isOperationName, operations } from './index.ts'
import type { Output, Services } from './operation.ts'

/**
 * The one pipeline: the row, the input, what it needs found and authorised, the deed. What it throws is a bug.
 */
export async function invoke(name: string, raw: unknown, call: Call, services: Services): Promise<Output | Refusal> {
  if (!isOperationName(name)) return refuse('UnknownOperationException', null, 'no such operation')
  const row = operations[name]
  if (row === null) {
    return refuse(
      'UnsupportedOperationException',
      `${name} is an operation of AWS KMS that edge-kms does not serve yet.`,
    )
  }
  const input = row.input.parse(raw)
  if (isRefusal(input)) return input
  try {
    const found: Record<string, unknown> = {}
    for (const [need, { action, on }] of Object.entries(row.needs)) {
      const looking = on(input, call, services, action)
      const finding = looking instanceof Promise ? await looking : looking
      if (isRefusal(finding)) return asListed(finding, row.errors)
      found[need] = finding
    }
    return await row.handle(input, call, found, services)
  } catch (failure) {
    if (!isRetryable(failure) && !isDatabaseFailure(failure)) throw failure
    const unanswered = String(causeOf(failure))
    console.warn(JSON.stringify({ requestId: call.requestId, operation: name, unanswered }))
    return timedOut(unanswered)
  }
}

/** Not every operation lists InvalidArnException: to the others a malformed ARN is a key that is not there. */
function asListed(refusal: Refusal, errors: readonly ExceptionName[]): Refusal {
  const isListed = refusal.refused !== 'InvalidArnException' || errors.includes('InvalidArnException')
  return isListed ? refusal : refuse('NotFoundException', refusal.message, refusal.reason)
}
