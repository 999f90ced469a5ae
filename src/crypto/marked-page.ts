import { isRefusal, type Refusal } from '../model/errors.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import type { RootKeys } from './root-keys.ts'
import { type MarkerScope, makeMarker, readMarker } from './token.ts'

interface Listing<Item, Fault extends Refusal> {
  /** What selects the items: a marker is good for the same list alone. */
  readonly scope: MarkerScope
  /** Undefined: from the beginning. */
  readonly marker: string | undefined
  readonly limit: number
  readonly wallTime: number
  /** At most `count` items behind `place`; '' is the beginning. */
  fetch(place: string, count: number): NowOrLater<readonly Item[] | Fault>
  placeOf(item: Item): string
}

export interface MarkedPage<Item> {
  readonly items: readonly Item[]
  /** Of the next page; null: this was the last. */
  readonly marker: string | null
}

/** One page of a list, and the marker of the next. Null: the marker is not valid for this list, or no longer. */
export async function markedPage<Item, Fault extends Refusal = never>(
  roots: RootKeys,
  { scope, marker, limit, wallTime, fetch, placeOf }: Listing<Item, Fault>,
): Promise<MarkedPage<Item> | Fault | null> {
  const place = marker === undefined ? '' : await readMarker(roots, scope, marker, wallTime)
  if (place === null) return null
  // One more than is shown tells whether there is another page.
  const rows = await fetch(place, limit + 1)
  if (isRefusal(rows)) return rows
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const isLast = rows.length <= limit || last === undefined
  return { items, marker: isLast ? null : await makeMarker(roots, scope, placeOf(last), wallTime) }
}
