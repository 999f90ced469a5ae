import type { CallRecord } from '../audit/call-record.ts'
import { recorded } from '../audit/recorded.ts'
import { isDatabaseFailure } from '../catalog/database.ts'
import { recordingDatabase } from '../catalog/recording.ts'
import { isRetryable } from '../key/directory.ts'
import type { Call } from '../model/call.ts'
import { causeOf, type ExceptionName, isRefusal, type Refusal, refuse, timedOut } from '../model/errors.ts'
import { isOperationName, operations } from './index.ts'
import { type Callers, homeOf, type Operation, type Output, type Services } from './operation.ts'

/**
 * The one pipeline: the row, the input, what it needs found and authorised, the deed, the record. What it throws is a
 * bug.
 */
export async function invoke(name: string, raw: unknown, call: Call, services: Services): Promise<Output | Refusal> {
  const row = isOperationName(name) ? operations[name] : undefined
  const input = row ? row.input.parse(raw) : unserved(name, row)
  const parameters = isRefusal(input) ? null : (input as Input)
  const asked = { service: 'kms', operation: name, isReadOnly: !row?.changes, parameters }
  const home = row ? homeOf(row) : 'queue'
  return recorded(call, asked, home, services, async (record) =>
    isRefusal(input) || !row ? (input as Refusal) : perform(name, row, input, call, services, record),
  )
}

type Input = Readonly<Record<string, unknown>>

/** Undefined: KMS has no such operation; null: this deployment does not serve it. */
function unserved(name: string, row: null | undefined): Refusal {
  if (row === undefined) return refuse('UnknownOperationException', null, 'no such operation')
  const text = `${name} is an operation of AWS KMS that edge-kms does not serve yet.`
  return refuse('UnsupportedOperationException', text)
}

async function perform(
  name: string,
  row: Operation,
  input: unknown,
  call: Call,
  services: Services,
  record: CallRecord,
): Promise<Output | Refusal> {
  const database = row.changes === 'index' ? recordingDatabase(services.database, record) : services.database
  const serving = { ...services, record, database, callers: readOnce(services.callers) }
  try {
    const found: Record<string, unknown> = {}
    for (const [need, { action, on }] of Object.entries(row.needs)) {
      const looking = on(input, call, serving, action)
      const finding = looking instanceof Promise ? await looking : looking
      if (isRefusal(finding)) return asListed(finding, row.errors)
      found[need] = finding
    }
    return await row.handle(input, call, found, serving)
  } catch (failure) {
    if (!isRetryable(failure) && !isDatabaseFailure(failure)) throw failure
    const unanswered = String(causeOf(failure))
    console.warn(JSON.stringify({ requestId: call.requestId, operation: name, unanswered }))
    return timedOut(unanswered)
  }
}

/** A call is one caller, however many needs ask for it. */
function readOnce(callers: Callers): Callers {
  let reading: ReturnType<Callers['fresh']> | undefined
  return {
    fresh(call) {
      reading ??= callers.fresh(call)
      return reading
    },
  }
}

/** Not every operation lists InvalidArnException: to the others a malformed ARN is a key that is not there. */
function asListed(refusal: Refusal, errors: readonly ExceptionName[]): Refusal {
  const isListed = refusal.refused !== 'InvalidArnException' || errors.includes('InvalidArnException')
  return isListed ? refusal : refuse('NotFoundException', refusal.message, refusal.reason)
}
