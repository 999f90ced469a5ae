export type Binding =
  | 'DB'
  | 'AUDIT_QUEUE'
  | 'LIFECYCLE_QUEUE'
  | 'EVENTS_QUEUE'
  | 'ARCHIVE'
  | 'KEYS'
  | 'AUDIT_TRAIL'
  | 'LOCAL_STATE'

/** What goes wrong from now on. What is left out goes well. */
export interface Faults {
  /** Bindings that refuse every call. */
  readonly refuse?: readonly Binding[]
  /** Bindings that do what they are asked, while every answer is lost. */
  readonly lose?: readonly Binding[]
  /** The processes die at this point, counted from now and from 0. */
  readonly killAt?: number | null
}
