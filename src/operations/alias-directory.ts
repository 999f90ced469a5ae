import { type AliasName, findAlias } from '../catalog/aliases.ts'
import type { Database } from '../catalog/database.ts'
import { aliasArn } from '../model/arn.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { FreshCache } from '../model/fresh-cache.ts'
import type { NowOrLater } from '../model/now-or-later.ts'

const aliasesHeldMax = 10_000

/** Which key an alias points at, as of a few seconds ago. An alias that is absent is asked for again every time. */
export class AliasDirectory {
  readonly #cache: FreshCache<string>

  constructor(snapshotSeconds: number, staleSeconds: number) {
    this.#cache = new FreshCache({
      freshMs: snapshotSeconds * 1000,
      staleMs: staleSeconds * 1000,
      entriesMax: aliasesHeldMax,
      isOlder: () => false,
    })
  }

  /** The id of the key. */
  find(
    database: Database,
    alias: AliasName,
    wallTime: number,
    waitUntil: (promise: Promise<unknown>) => void,
  ): NowOrLater<string | Refusal> {
    const load = async () => (await findAlias(database, alias))?.targetKeyId ?? aliasNotFound(alias)
    return this.#cache.get(cacheName(alias), wallTime, load, waitUntil)
  }

  /** After a change made through this isolate. */
  forget(alias: AliasName): void {
    this.#cache.forget(cacheName(alias))
  }
}

export function aliasNotFound({ region, account, aliasName }: AliasName): Refusal<'NotFoundException'> {
  return refuse('NotFoundException', `Alias ${aliasArn(region, account, aliasName)} is not found.`)
}

function cacheName({ account, region, aliasName }: AliasName): string {
  return `${account}/${region}/${aliasName}`
}
