/** Who is calling. A service is a part of this deployment acting by itself: no door makes one from a request. */
export interface Principal {
  readonly kind: 'root' | 'service'
  readonly account: string
  readonly arn: string
}

/** One call, as it travels from a door to a key's object. Plain data: it crosses RPC. Fields are only ever added. */
export interface Call {
  readonly requestId: string
  readonly principal: Principal
  /** The Region the caller addressed. */
  readonly region: string
  /** Wall time in milliseconds: signatures, cache ages, expiries of tokens. */
  readonly wallTime: number
  /** Lifecycle time in milliseconds: rotation, deletion, and every date shown. Ahead of wall time on a moved local clock. */
  readonly time: number
}
