/** What this isolate has counted since it began. Other isolates have counts of their own. */
export class Counters {
  calls = 0
  refused = 0
  /** Requests that the door refused: no signature, a wrong one, a body it cannot read. */
  unauthenticated = 0
  /** Keys found here, and keys that had to be asked for. */
  snapshotHits = 0
  snapshotMisses = 0
  objectCalls = 0
}
