/** What the index knows of a key, at one revision of it. `deletedAt` makes it a tombstone, which is kept for ever. */
export interface IndexEntry {
  readonly region: string
  readonly keyId: string
  readonly account: string
  readonly revision: number
  readonly state: string
  readonly createdAt: number
  /** The lifecycle time at which the key next wants attention; null: never. */
  readonly dueAt: number | null
  readonly deletedAt: number | null
}
