/** One of our own integrations, on whose behalf a call is made. */
export type Via = 's3'

/** What a Worker says with a call over a service binding. */
export interface BindingCall {
  /** The Region that is addressed. */
  readonly region: string
  /** The integration that asks; left out: the Worker itself. */
  readonly via?: Via
}

/** A refusal is an answer, too: what is thrown over a binding loses its class. */
export type BindingAnswer =
  | { readonly requestId: string; readonly output: unknown }
  | {
      readonly requestId: string
      /** The exception's name on the wire. */
      readonly refused: string
      /** Null: KMS sends none for this exception. */
      readonly message: string | null
      readonly isRetryable: boolean
    }

/** The entrypoint `Kms` as a bound Worker sees it. Blobs are bytes and timestamps are Dates, in and out. */
export interface KmsBinding {
  invoke(operation: string, input: unknown, call: BindingCall): Promise<BindingAnswer>
}
