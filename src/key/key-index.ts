import type { IndexedEntry } from '../model/index-entry.ts'

/** What the index says of a grant that somebody may retire. */
export interface IndexedGrant {
  readonly grantId: string
  readonly retiringId: string
}

/** The index as a key's object sees it. Every method throws while the index cannot be reached. */
export interface KeyIndex {
  /** Null: the index has no row for the key. */
  standing(region: string, keyId: string): Promise<{ revision: number; isRestoreAccepted: boolean } | null>
  /** Takes entries in order; one that is older than what the index has changes nothing. Repeating it does no harm. */
  publish(entries: readonly IndexedEntry[]): Promise<void>
  /** At most `limit` of the key's grants behind `after`, in the order of their ids. */
  retirableGrants(region: string, keyId: string, after: string, limit: number): Promise<readonly IndexedGrant[]>
  /** Makes the key show in health until an operator has accepted the restore. */
  reportRolledBack(region: string, keyId: string): Promise<void>
}
