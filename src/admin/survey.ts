import { setTimeout as sleep } from 'node:timers/promises'
import type { AdminClient } from './client.ts'
import type { Enumerate } from './objects.ts'
import { Progress } from './progress.ts'
import { type Failure, paced, pagesOf } from './walk.ts'

/** What going through every object there is has shown. */
export interface Survey {
  /** That keep something. */
  readonly objects: number
  /** The objects that need a version of the root key, by its number. */
  readonly needs: ReadonlyMap<number, readonly RootedId[]>
  readonly unanswered: readonly Failure[]
  /** Keys that exist and had no row in the index. */
  readonly unindexed: readonly RootedId[]
  /** Names in the index whose objects were not found. */
  readonly objectless: readonly string[]
}

export interface RootedId {
  readonly id: string
  readonly className: string
  readonly name: string
}

interface Scanned {
  readonly objects: readonly { readonly id: string; readonly name: string; readonly rootVersions: readonly number[] }[]
  readonly failed: readonly Failure[]
}

/** The class whose objects the index is about. */
const indexedClass = 'KeyObject'
/** A key that was just made is in the index by then; and what does not answer may, a moment later. */
const momentMs = 1_000
const attempts = 3

/** Asks every enumerated object, and holds what they say against the index as it was before they were asked. */
export async function survey(admin: AdminClient, enumerate: Enumerate, classNames: readonly string[]): Promise<Survey> {
  const ids = new Map<string, string[]>()
  for (const className of classNames) ids.set(className, await enumerate(className))
  await sleep(momentMs)
  const index = await readIndex(admin)
  const found = new Map<string, RootedId>()
  const needs = new Map<number, RootedId[]>()
  const unanswered: Failure[] = []
  const holdersOf = (version: number) => {
    const holders = needs.get(version) ?? []
    needs.set(version, holders)
    return holders
  }
  const total = [...ids.values()].reduce((sum, { length }) => sum + length, 0)
  const progress = new Progress('Asked what they need', total)
  const ask = async (className: string, page: readonly string[]) => {
    const { objects, failed } = await scan(admin, className, page)
    unanswered.push(...failed)
    for (const { id, name, rootVersions } of objects) {
      const object = { id, className, name }
      found.set(id, object)
      for (const version of rootVersions) holdersOf(version).push(object)
    }
  }
  for (const [className, all] of ids) {
    for (const page of pagesOf(all)) {
      await paced(page, () => ask(className, page))
      progress.add(page.length)
    }
  }
  progress.end()
  const isListed = (id: string) => index.get(id)?.isDeleted === false
  const keys = [...found.values()].filter(({ className }) => className === indexedClass)
  const unindexed = keys.filter(({ id }) => !isListed(id))

  const silent = new Set(unanswered.map(({ id }) => id))
  const lacksObject = (id: string) => isListed(id) && !found.has(id) && !silent.has(id)
  let objectless = [...index.keys()].filter(lacksObject)
  if (objectless.length > 0) {
    // They may have been made, or deleted, meanwhile.
    const now = await readIndex(admin)
    const there = new Set(await enumerate(indexedClass))
    const later = objectless.filter((id) => there.has(id) && now.get(id)?.isDeleted === false)
    for (const page of pagesOf(later)) await ask(indexedClass, page)
    objectless = objectless.filter((id) => now.get(id)?.isDeleted === false && !found.has(id))
  }
  return {
    objects: found.size,
    needs,
    unanswered,
    unindexed,
    objectless: objectless.map((id) => index.get(id)?.name ?? id).sort(),
  }
}

/** What fails is asked again, twice. */
async function scan(admin: AdminClient, className: string, ids: readonly string[]): Promise<Scanned> {
  let scanned = await admin.run<Scanned>('scan', { class: className, ids })
  for (let attempt = 1; attempt < attempts && scanned.failed.length > 0; attempt++) {
    await sleep(momentMs)
    const { objects, failed } = await admin.run<Scanned>('scan', {
      class: className,
      ids: scanned.failed.map(({ id }) => id),
    })
    scanned = { objects: [...scanned.objects, ...objects], failed }
  }
  return scanned
}

/** By the id of the key's object. */
export async function readIndex(admin: AdminClient) {
  const index = new Map<string, { readonly name: string; readonly isDeleted: boolean }>()
  for (let after: string | null = ''; after !== null; ) {
    const page: IndexPage = await admin.run<IndexPage>('index', { after })
    for (const { id, name, isDeleted } of page.rows) index.set(id, { name, isDeleted })
    after = page.next
  }
  return index
}

interface IndexPage {
  readonly rows: readonly { readonly id: string; readonly name: string; readonly isDeleted: boolean }[]
  readonly next: string | null
}
