import { Stop } from '../local/options.ts'
import type { AdminClient } from './client.ts'
import type { Enumerate } from './objects.ts'
import type { AdminOptions } from './options.ts'
import { readIndex, survey } from './survey.ts'
import { type Failure, pagesOf, shown, walk } from './walk.ts'

const className = 'KeyObject'

interface Republished {
  /** Keys whose grants have not all been told: from where to go on. */
  readonly more: readonly { readonly id: string; readonly after: string }[]
  readonly failed: readonly Failure[]
}

/** Has every key there is tell the index of itself again, and names the rows that no key stands behind. */
export async function rebuild(admin: AdminClient, enumerate: Enumerate, { isAnew }: AdminOptions): Promise<void> {
  const before = await readIndex(admin)
  const ids = await enumerate(className)
  const visit = (page: readonly string[]) => republish(admin, page)
  const label = 'Keys told the index of themselves'
  const failed = await walk(admin, { name: 'rebuild', label, ids, isAnew, visit })
  const { objects, unindexed, unanswered, objectless } = await survey(admin, enumerate, [className])
  // Of a part that an earlier run had done, or made just now.
  for (const page of pagesOf(unindexed.map(({ id }) => id))) failed.push(...(await republish(admin, page)))
  const after = await readIndex(admin)
  const problems = [
    ...[...failed, ...unanswered].map(({ id, reason }) => `object ${id}: ${reason}`),
    ...unindexed.filter(({ id }) => !after.has(id)).map(({ name }) => `${name} has no row`),
  ]
  const restored = [...after.keys()].filter((id) => !before.has(id)).length
  console.log(`The index has all ${objects} keys that were asked; ${restored} rows are new.`)
  if (objectless.length > 0) {
    console.log(`${objectless.length} rows of the index name keys whose objects were not found:\n${shown(objectless)}`)
  }
  if (problems.length > 0) throw new Stop(`Not every key told the index of itself:\n${shown(problems)}`)
}

/** One page to its end. */
async function republish(admin: AdminClient, ids: readonly string[]): Promise<Failure[]> {
  const first = await admin.run<Republished>('republish', { ids })
  const failed = [...first.failed]
  const left = [...first.more]
  for (let next = left.shift(); next !== undefined; next = left.shift()) {
    const { id, after } = next
    const page = await admin.run<Republished>('republish', { ids: [id], after })
    failed.push(...page.failed)
    left.push(...page.more)
  }
  return failed
}
