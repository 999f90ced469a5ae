import { type MarkerScope, makeMarker, readMarker } from '../crypto/token.ts'
import type { Call } from '../model/call.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import type { IamServices } from './operation.ts'

export interface PageRequest {
  readonly Marker?: string
  readonly MaxItems?: number
}

interface Listing<Item> {
  /** The operation and all that selects its rows: a marker is good for the same query alone. */
  readonly query: readonly (string | undefined)[]
  /** At most `count` items behind `place`; '' is the beginning. */
  fetch(place: string, count: number): Promise<readonly Item[]> | readonly Item[]
  placeOf(item: Item): string
}

interface Page<Item> {
  readonly items: readonly Item[]
  /** The members that every list of IAM ends with. */
  readonly next: { readonly IsTruncated: boolean; readonly Marker?: string }
}

const itemsDefault = 100

/** One page of a list, and the marker of the next where there is one. */
export async function page<Item>(
  { Marker, MaxItems = itemsDefault }: PageRequest,
  { principal, wallTime }: Call,
  { roots }: IamServices,
  { query, fetch, placeOf }: Listing<Item>,
): Promise<Page<Item> | Refusal<'ValidationException'>> {
  const scope: MarkerScope = {
    account: principal.account,
    region: 'iam',
    query: query.map((part) => (part === undefined ? '-' : `=${part}`)),
  }
  const place = Marker === undefined ? '' : await readMarker(roots, scope, Marker, wallTime)
  if (place === null) return refuse('ValidationException', 'Invalid Marker.')
  const rows = await fetch(place, MaxItems + 1)
  const items = rows.slice(0, MaxItems)
  const last = items.at(-1)
  if (rows.length <= MaxItems || last === undefined) return { items, next: { IsTruncated: false } }
  return { items, next: { IsTruncated: true, Marker: await makeMarker(roots, scope, placeOf(last), wallTime) } }
}

/** As `page`, of what is in memory as a whole, in the order of its places. */
export function pageOf<Item>(
  request: PageRequest,
  call: Call,
  services: IamServices,
  { query, placeOf, items }: Omit<Listing<Item>, 'fetch'> & { readonly items: readonly Item[] },
): Promise<Page<Item> | Refusal<'ValidationException'>> {
  const fetch = (place: string, count: number) => items.filter((item) => placeOf(item) > place).slice(0, count)
  return page(request, call, services, { query, placeOf, fetch })
}
