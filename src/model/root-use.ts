import type { Call } from './call.ts'
import type { Refusal } from './errors.ts'

/** Which versions of the root key open what an object keeps. */
export interface RootUse {
  /** What the object is of: `REGION/KEY_ID` for a key. */
  readonly name: string
  readonly rootVersions: readonly number[]
}

/** What one step of re-wrapping has done. */
export interface Rewrapping {
  readonly rewrapped: number
  /** How much is still sealed under another version than the current one. */
  readonly left: number
}

/**
 * An object that keeps something sealed under the root key, as the root key's rotation sees it. For services alone; an
 * object that keeps nothing answers NotFoundException.
 */
export interface RootedObject {
  rootVersions(call: Call): Promise<RootUse | Refusal>
  /** One bounded step, which is one transaction. Repeating it does no harm. */
  rewrap(call: Call): Promise<Rewrapping | Refusal>
}
