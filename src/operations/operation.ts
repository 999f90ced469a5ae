import type { CallRecord, Home } from '../audit/call-record.ts'
import type { Recorder } from '../audit/recorded.ts'
import type { Database } from '../catalog/database.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import type { KeyDirectory, KeyNamespace } from '../key/directory.ts'
import type { Call, Principal } from '../model/call.ts'
import type { CommonException, ExceptionName, Refusal } from '../model/errors.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import type { Shape } from '../model/shapes.ts'
import type { AliasDirectory } from './alias-directory.ts'

/** The callers as the index knows them. */
export interface Callers {
  /** The caller with its documents of this moment; refused where it is gone. For changes, which never trust a cache. */
  fresh(call: Call): NowOrLater<Principal | Refusal>
}

/** What operations work with: the parts of this deployment, and one request's hold on the platform. */
export interface Services extends Recorder {
  readonly roots: RootKeys
  readonly keys: KeyDirectory
  readonly aliases: AliasDirectory
  readonly callers: Callers
  readonly database: Database
  readonly namespace: KeyNamespace
  /** True where this deployment serves keys there. */
  isRegionServed(region: string): boolean
}

/** The services for one call. */
export interface Serving extends Services {
  readonly record: CallRecord
}

/** Finds what a need is about, from the input. It authorises what it finds, or hands out what authorises itself. */
export type Finder<Input, Found> = (
  input: Input,
  call: Call,
  services: Serving,
  action: string,
) => NowOrLater<Found | Refusal>

/** One permission an operation needs, and on what. */
export interface Need<Input, Found> {
  readonly action: string
  readonly on: Finder<Input, Found>
}

/** Its types are inferred from the finder, which an object literal's are not. */
export function need<Input, Found>(action: string, on: Finder<Input, Found>): Need<Input, Found> {
  return { action, on }
}

/** The needs of an operation, by the names under which its handler gets what they find. */
export type Needs<Input, Found> = { readonly [Name in keyof Found]: Need<Input, Found[Name]> }

/** An answer of KMS: its members, or nothing at all. Blobs are bytes, timestamps are Dates. */
export type Output = Readonly<Record<string, unknown>> | undefined

export interface Operation {
  readonly input: Shape<unknown>
  readonly needs: Needs<unknown, Record<string, unknown>>
  readonly errors: readonly ExceptionName[]
  /** What it changes, and so where its record is written; null: nothing. */
  readonly changes: 'key' | 'index' | null
  handle(
    input: unknown,
    call: Call,
    found: Readonly<Record<string, unknown>>,
    services: Serving,
  ): Promise<Output | Refusal>
}

/** What a row takes and answers, for the types of whoever calls it: nothing of it is there at run time. */
export interface Typed<Input, Answer> {
  readonly types?: { readonly input: Input; readonly answer: Answer }
}

/**
 * Declares an operation: one row of the table. `errors` are those of KMS's reference; a refusal that is neither listed
 * nor common to all does not compile.
 */
export function operation<Input, Found, const Listed extends readonly ExceptionName[], Answer extends Output>(row: {
  readonly input: Shape<Input>
  readonly needs: Needs<Input, Found>
  readonly errors: Listed
  /** `key`: by a change of the key's object, which records it. `index`: in D1 alone. */
  readonly changes?: 'key' | 'index'
  handle(
    input: Input,
    call: Call,
    found: Found,
    services: Serving,
  ): Promise<Answer | Refusal<NoInfer<Listed>[number] | CommonException>>
}): Operation & Typed<Input, Answer> {
  return { changes: null, ...row } as unknown as Operation
}

/** Who writes the record of a call that succeeds. */
export function homeOf({ changes }: Pick<Operation, 'changes'>): Home {
  return changes === 'key' ? 'object' : (changes ?? 'queue')
}
