import type { Refusal } from '../model/errors.ts'
import type { OperationTable } from './index.ts'
import type { Typed } from './operation.ts'

/** The operations that are served. */
type Served = { [Name in keyof OperationTable]: OperationTable[Name] extends null ? never : Name }[keyof OperationTable]

type InputOf<Row> = Row extends Typed<infer Input, unknown> ? Input : never
type AnswerOf<Row> = Row extends Typed<unknown, infer Answer> ? Exclude<Answer, Refusal> : never

/** What an operation takes: any bytes for a blob, and undefined for what may be left out. */
type Given<Value> = Value extends Uint8Array
  ? Uint8Array
  : Value extends Date
    ? Date
    : Value extends readonly (infer Element)[]
      ? readonly Given<Element>[]
      : Value extends object
        ? string extends keyof Value
          ? Value
          : {
              readonly [Name in keyof Value]:
                | Given<Value[Name]>
                | (Record<never, never> extends Pick<Value, Name> ? undefined : never)
            }
        : Value

/** What it answers, spelled out: of several shapes one, in which what not all of them have may be missing. */
type Answered<Value> = [Value] extends [string | Uint8Array | Date]
  ? Value
  : [Value] extends [readonly (infer Element)[]]
    ? readonly Answered<Element>[]
    : [Value] extends [object]
      ? Members<Pick<Value, keyof Value>>
      : Exclude<Value, object> | ([Extract<Value, object>] extends [never] ? never : Answered<Extract<Value, object>>)

/** No answer of KMS has a null. */
type Members<Value> = { readonly [Name in keyof Value]: Answered<Exclude<Value[Name], null>> }

/** By KMS's names, as the table has them: what src/sdk/operations.ts is made of (`npm run sdk:types`). */
export type Signatures = {
  readonly [Name in Served]: {
    readonly input: Given<InputOf<OperationTable[Name]>>
    readonly output: Answered<AnswerOf<OperationTable[Name]>>
  }
}
