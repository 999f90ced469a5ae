import type { KeyRecord, KeySnapshot } from '../key/key.ts'
import type { Call } from '../model/call.ts'
import { type ExceptionName, isRefusal, type Refusal } from '../model/errors.ts'
import type { Output, Services } from './operation.ts'

/** Awaits a change of a key and keeps the snapshot it answers with, so that this isolate sees the change at once. */
export async function changed<Name extends ExceptionName, Answer extends Output>(
  change: Promise<KeySnapshot | Refusal<Name>>,
  { wallTime }: Call,
  { keys }: Services,
  answer: (record: KeyRecord) => Answer,
): Promise<Answer | Refusal<Name>> {
  const snapshot = await change
  if (isRefusal(snapshot)) return snapshot
  await keys.keep(snapshot, wallTime)
  return answer(snapshot.record)
}

/** The empty body of the operations that say nothing more than that they are done. */
export function nothing(): undefined {
  return undefined
}
