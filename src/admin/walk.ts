import { setTimeout as sleep } from 'node:timers/promises'
import type { AdminClient } from './client.ts'
import { Progress } from './progress.ts'

const pageObjects = 32
/** 100 objects a second: calls go on beside them, and an object that was asked is gone from memory in ten seconds. */
const pageMsDefault = 320
const shownMax = 10
/** A place is noted every so many pages: what is repeated after a kill is less than that. */
const pagesBetweenNotes = 8
/** A place that is older says nothing of what has happened since. */
const placeSecondsMax = 24 * 60 * 60

export interface Failure {
  readonly id: string
  readonly reason: string
}

interface Walk {
  /** By which its place is noted in the deployment. */
  readonly name: string
  readonly label: string
  /** Sorted. */
  readonly ids: readonly string[]
  readonly isAnew: boolean
  /** What a page takes at least. */
  readonly pageMs?: number
  /** One page, to its end. Doing it again does no harm. */
  visit(ids: readonly string[]): Promise<readonly Failure[]>
}

/** Goes through objects in the order of their ids, from where an earlier run was cut short. */
export async function walk(
  admin: AdminClient,
  { name, label, ids, isAnew, pageMs = pageMsDefault, visit }: Walk,
): Promise<Failure[]> {
  const noted = await admin.run<{ reached: string | null; secondsAgo?: number }>('progress', { walk: name })
  const { reached, secondsAgo = 0 } = noted
  const isResumed = reached !== null && !isAnew && secondsAgo < placeSecondsMax
  const behind = isResumed ? ids.filter((id) => id <= reached).length : 0
  if (behind > 0) console.log(`Going on behind the ${behind} that an earlier run has done (--anew begins anew).`)
  const progress = new Progress(label, ids.length, behind)
  const failed: Failure[] = []
  for (const [at, page] of pagesOf(ids.slice(behind)).entries()) {
    failed.push(...(await paced(page, visit, pageMs)))
    progress.add(page.length)
    // What has failed is not behind us.
    if (failed.length === 0 && at % pagesBetweenNotes === pagesBetweenNotes - 1) {
      await admin.run('progress', { walk: name, reached: page.at(-1) })
    }
  }
  progress.end()
  await admin.run('progress', { walk: name, isDone: true })
  return failed
}

/** Does not come back sooner than a whole page may take. */
export async function paced<Answer>(
  page: readonly string[],
  visit: (page: readonly string[]) => Promise<Answer>,
  pageMs = pageMsDefault,
): Promise<Answer> {
  const [answer] = await Promise.all([visit(page), page.length < pageObjects ? null : sleep(pageMs)])
  return answer
}

/** At most ten of them in full. */
export function shown(lines: readonly string[]): string {
  const first = lines.slice(0, shownMax).map((line) => `  ${line}`)
  return [...first, ...(lines.length > shownMax ? [`  and ${lines.length - shownMax} more`] : [])].join('\n')
}

export function pagesOf(ids: readonly string[]): string[][] {
  const pages: string[][] = []
  for (let at = 0; at < ids.length; at += pageObjects) pages.push(ids.slice(at, at + pageObjects))
  return pages
}
