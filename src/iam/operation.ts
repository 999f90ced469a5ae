import type { Recorder } from '../audit/recorded.ts'
import type { Database } from '../catalog/database.ts'
import type { RootKeys } from '../crypto/root-keys.ts'
import type { Call, Principal } from '../model/call.ts'
import type { CommonException, ExceptionName, Refusal } from '../model/errors.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import type { Shape } from '../model/shapes.ts'
import type { Fetch, Issuers } from './issuers.ts'

/** What the operations of IAM and STS work with: the parts of this deployment, and one request's hold on the platform. */
export interface IamServices extends Recorder {
  readonly roots: RootKeys
  /** True once the roots were compared with the deployment's check values: what is stored is not sealed before. */
  readonly isProven: boolean
  readonly database: Database
  /** What this isolate remembers of access keys and policies. */
  readonly credentials: {
    /** After a change. */
    forgetAll(): void
    /** After one of which it is not known whether it was made. */
    doubtAll(): void
    /** The caller with its documents of this moment; refused where it is gone. */
    fresh(call: Call): NowOrLater<Principal | Refusal>
    /** Null: there is no such access key of a root or a user. */
    accountOf(accessKeyId: string): Promise<string | null>
  }
  readonly issuers: Issuers
  /** Asks an issuer of web tokens. */
  readonly fetch: Fetch
}

/** What a call is about: the resource that policies speak of, and what the handler gets of it. */
export interface Target<Found> {
  /** `*` where it is about no one resource. */
  readonly arn: string
  /** Whose tags are the resource's; null: it has none. */
  readonly ownerId: string | null
  /** The managed policy that bounds the user or role; null: none does, or it is neither. */
  readonly boundaryArn: string | null
  /** A refusal, such as that it does not exist, is told to those alone who may ask. */
  readonly found: Found | Refusal
}

export type TargetFinder<Input, Found> = (input: Input, call: Call, services: IamServices) => NowOrLater<Target<Found>>

/** Something that a call needs beside its own action on its own resource. */
export interface FurtherNeed {
  readonly action: string
  readonly arn: string
}

/** An answer: its members, or nothing at all. Dates, booleans and numbers become text at the door; undefined is left out. */
export type QueryOutput = Readonly<Record<string, unknown>> | undefined

export interface QueryOperation {
  readonly input: Shape<unknown>
  /** What policies have to allow, on the resource that `on` finds. Null: everybody may ask, or the handler authorises. */
  readonly action: string | null
  /** True for what changes nothing. */
  readonly isReadOnly: boolean
  readonly errors: readonly ExceptionName[]
  on(input: unknown, call: Call, services: IamServices): NowOrLater<Target<unknown>>
  /** Asked of what is there. */
  further?(input: unknown, found: unknown, arn: string): readonly FurtherNeed[]
  handle(input: unknown, call: Call, found: unknown, services: IamServices): NowOrLater<QueryOutput | Refusal>
}

/**
 * Declares an operation of IAM or STS: one row of a table. `errors` are those of the reference; a refusal that is neither
 * listed nor common to all does not compile.
 */
export function query<Input, Found, const Listed extends readonly ExceptionName[], Answer extends QueryOutput>(row: {
  readonly input: Shape<Input>
  readonly action: string | null
  readonly isReadOnly: boolean
  readonly errors: Listed
  readonly on: TargetFinder<Input, Found>
  further?(input: NoInfer<Input>, found: NoInfer<Found>, arn: string): readonly FurtherNeed[]
  handle(
    input: Input,
    call: Call,
    found: Found,
    services: IamServices,
  ): NowOrLater<Answer | Refusal<NoInfer<Listed>[number] | CommonException>>
}): QueryOperation {
  return row as unknown as QueryOperation
}

/** Of what is about no one resource. */
export function anything(): TargetFinder<unknown, null> {
  return () => ({ arn: '*', ownerId: null, boundaryArn: null, found: null })
}
