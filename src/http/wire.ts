import type { Refusal } from '../model/errors.ts'

export interface Asked {
  readonly operation: string
  /** As it came: whoever serves the operation parses it. */
  readonly input: unknown
}

export type Output = Readonly<Record<string, unknown>> | undefined

/** How calls are asked and answered in one of AWS's protocols. */
export interface Wire {
  read(headers: Headers, body: Uint8Array): Asked | Refusal
  answer(output: Output, asked: Asked, requestId: string): Response
  /** `asked` null: refused at the door, before any operation was asked. */
  refuse(refusal: Refusal, asked: Asked | null, requestId: string): Response
}
