import type { Database } from '../catalog/database.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import type { Key } from '../key/key.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal } from '../model/errors.ts'
import type { RootedObject } from '../model/root-use.ts'
import type { Shape } from '../model/shapes.ts'

/** What an operator's job works with. */
export interface JobParts {
  readonly database: Database
  /** The root keys, proven to be this deployment's own. Throws while that cannot be proven. */
  sealingRoots(): Promise<RootKeys>
  /** The classes of objects that keep something sealed under the root key: an object by its id, which throws for what is no id of the class. */
  readonly rooted: ReadonlyMap<string, (id: string) => RootedObject>
  keyById(id: string): Key
  /** The id of the object that has the key. */
  keyObjectId(region: string, keyId: string): string
  /** Puts a message on one of the queues that are consumed here. */
  sendTo(queue: string, body: unknown): Promise<unknown>
}

/** One bounded page of an operator's work: JSON in, JSON out. Repeating a page does no harm. */
export type Job = (input: unknown, call: Call, parts: JobParts) => Promise<object | Refusal>

/** `call` is a service's, about any Region. */
export function job<Input>(
  input: Shape<Input>,
  run: (input: Input, call: Call, parts: JobParts) => Promise<object | Refusal>,
): Job {
  return async (raw, call, parts) => {
    const parsed = input.parse(raw)
    return isRefusal(parsed) ? parsed : run(parsed, call, parts)
  }
}
