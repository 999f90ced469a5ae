import { asksFor } from '../access/check-policy.ts'
import { type AliasName, aliasesOfKey, findAlias } from '../catalog/aliases.ts'
import type { Database } from '../catalog/database.ts'
import { aliasArn } from '../model/arn.ts'
import type { Principal } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import { FreshCache } from '../model/fresh-cache.ts'
import { after, type NowOrLater } from '../model/now-or-later.ts'

const aliasesHeldMax = 10_000

/** Which key an alias points at, as of a few seconds ago. An alias that is absent is asked for again every time. */
export class AliasDirectory {
  readonly #cache: FreshCache<string>
  readonly #ofKeys: FreshCache<readonly string[]>

  constructor(snapshotSeconds: number, staleSeconds: number) {
    const freshness = { freshMs: snapshotSeconds * 1000, staleMs: staleSeconds * 1000, weightMax: aliasesHeldMax }
    this.#cache = new FreshCache({ ...freshness, isOlder: () => false })
    this.#ofKeys = new FreshCache({ ...freshness, weigh: (names) => 1 + names.length, isOlder: () => false })
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

  /** The names of the key's aliases where a policy of the caller asks for them; else null. */
  asked(
    database: Database,
    principal: Principal,
    key: KeyPlace,
    wallTime: number,
    waitUntil: (promise: Promise<unknown>) => void,
  ): NowOrLater<readonly string[] | null> {
    if (!asksForAliases(principal)) return null
    const load = () => aliasesOfKey(database, key)
    const names = this.#ofKeys.get(`${key.region}/${key.keyId}`, wallTime, load, waitUntil)
    return after(names, (names) => (isRefusal(names) ? null : names))
  }

  /** After a change of an alias made through this isolate, of all keys that it points at or did. */
  forget(alias: AliasName, ...keyIds: string[]): void {
    this.#cache.forget(cacheName(alias))
    for (const keyId of keyIds) this.#ofKeys.forget(`${alias.region}/${keyId}`)
  }
}

interface KeyPlace {
  readonly account: string
  readonly region: string
  readonly keyId: string
}

/** As `AliasDirectory.asked`, of this moment. */
export async function aliasesAsked(principal: Principal, key: KeyPlace, database: Database) {
  return asksForAliases(principal) ? aliasesOfKey(database, key) : null
}

function asksForAliases({ documents }: Principal): boolean {
  return documents !== null && asksFor(documents, 'kms:resourcealiases')
}

export function aliasNotFound({ region, account, aliasName }: AliasName): Refusal<'NotFoundException'> {
  return refuse('NotFoundException', `Alias ${aliasArn(region, account, aliasName)} is not found.`)
}

function cacheName({ account, region, aliasName }: AliasName): string {
  return `${account}/${region}/${aliasName}`
}
