import { markedPage } from '../crypto/marked-page.ts'
import type { Call } from '../model/call.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import type { IamServices } from './operation.ts'

export interface PageRequest {
  readonly Marker?: string
  readonly MaxItems?: number
}

interface Listing<Item> {
  /** The operation and all that selects its rows: a marker is good for the same query alone. */
  readonly query: readonly (string | undefined)[]
  /** At most `count` items behind `place`; '' is the beginning. */
  fetch(place: string, count: number): NowOrLater<readonly Item[]>
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
  const scope = {
    account: principal.account,
    region: 'iam',
    query: query.map((part) => (part === undefined ? '-' : `=${part}`)),
  }
  const found = await markedPage<Item>(roots, { scope, marker: Marker, limit: MaxItems, wallTime, fetch, placeOf })
  if (found === null) return refuse('ValidationException', 'Invalid Marker.')
  const { items, marker } = found
  return { items, next: marker === null ? { IsTruncated: false } : { IsTruncated: true, Marker: marker } }
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
