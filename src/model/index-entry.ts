import type { AuditEvent } from './audit-event.ts'
import type { KeyEvent } from './key-event.ts'

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

/** A grant with a retiring principal, for ListRetirableGrants. */
export interface RetirableGrantEntry {
  readonly region: string
  readonly keyId: string
  readonly account: string
  readonly grantId: string
  readonly retiringId: string
  /** The grant as JSON; null: it is gone. */
  readonly body: string | null
}

/** A replica asks its primary to look at it again: it is gone, was restored, or holds other imported material. */
export interface LookAgain {
  readonly account: string
  readonly region: string
  readonly keyId: string
  /** As the replica knows it. */
  readonly primaryRegion: string
  /** Lifecycle time. */
  readonly at: number
}

/** What a key's object has to tell, in the order in which it happened: the index, other Workers, other Regions. */
export type OutboxEntry =
  | IndexedEntry
  | { readonly kind: 'keyEvent'; readonly body: KeyEvent }
  | { readonly kind: 'lookAgain'; readonly body: LookAgain }

/** Whom an entry is for. */
export type Receiver = 'index' | 'workers' | 'peers'

export type IndexedEntry =
  | { readonly kind: 'index'; readonly body: IndexEntry }
  | { readonly kind: 'retirableGrant'; readonly body: RetirableGrantEntry }
  | { readonly kind: 'event'; readonly body: AuditEvent }
