import { markedPage } from '../crypto/marked-page.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import type { Services } from './operation.ts'

interface PageRequest {
  readonly Limit?: number
  readonly Marker?: string
}

interface Listing<Item> {
  /** The operation and all that selects its rows: a marker is good for the same query alone. */
  readonly query: readonly string[]
  readonly limitDefault: number
  /** At most `count` items behind `place`; '' is the beginning. */
  fetch(place: string, count: number): Promise<readonly Item[] | Refusal>
  placeOf(item: Item): string
}

interface Page<Item> {
  readonly items: readonly Item[]
  /** The members that every list of KMS ends with. */
  readonly next: { readonly Truncated: boolean; readonly NextMarker?: string }
}

/** One page of a list, and the marker of the next where there is one. */
export async function page<Item>(
  { Limit, Marker }: PageRequest,
  { principal, region, wallTime }: Call,
  { roots }: Services,
  { query, limitDefault, fetch, placeOf }: Listing<Item>,
): Promise<Page<Item> | Refusal<'InvalidMarkerException'> | Refusal<never>> {
  const scope = { account: principal.account, region, query }
  const limit = Limit ?? limitDefault
  const found = await markedPage<Item, Refusal>(roots, { scope, marker: Marker, limit, wallTime, fetch, placeOf })
  if (found === null) return refuse('InvalidMarkerException', 'The marker is not valid for this request.')
  if (isRefusal(found)) return found as Refusal<never>
  const { items, marker } = found
  return { items, next: marker === null ? { Truncated: false } : { Truncated: true, NextMarker: marker } }
}
