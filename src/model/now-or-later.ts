/** A value that is known already, as in the steady state, or one that has to be waited for. */
export type NowOrLater<Value> = Value | Promise<Value>

/** Goes on at once with what is known: a promise that need not be made costs more than most of what this is used for. */
export function after<Value, Next>(
  value: NowOrLater<Value>,
  next: (value: Value) => NowOrLater<Next>,
): NowOrLater<Next> {
  return value instanceof Promise ? value.then(next) : next(value)
}
