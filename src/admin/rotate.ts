import { setTimeout as sleep } from 'node:timers/promises'
import { Stop } from '../local/options.ts'
import type { AdminClient } from './client.ts'
import type { Enumerate } from './objects.ts'
import type { AdminOptions } from './options.ts'
import { type RootKeyState, readRootKeys } from './root-keys.ts'
import { type Survey, survey } from './survey.ts'
import { type Failure, pagesOf, shown, walk } from './walk.ts'

/** Until every isolate of a deployment has the new version, what is sealed under it is out of reach of some. */
const rolloutMs = 10 * 60_000
const rounds = 3

/** Seals everything under the current root key, and proves that nothing needs an older one. */
export async function rotate(admin: AdminClient, enumerate: Enumerate, options: AdminOptions): Promise<void> {
  const roots = await readRootKeys(admin)
  const { current, versions, classes } = roots
  const older = versions.filter(({ version, retiredAt }) => version !== current && retiredAt === null)
  if (older.length === 0) {
    throw new Stop(
      `Root key version ${current} is the only one in use. Add "${current + 1}:$(head -c 32 /dev/urandom | base64)" to ROOT_KEYS first (docs/root-rotation.md).`,
    )
  }
  if (options.state === null) await waitForRollout(roots)
  const failed: Failure[] = []
  for (const className of classes) {
    const ids = await enumerate(className)
    const label = `${className} objects gone through for version ${current}`
    const visit = (page: readonly string[]) => rewrap(admin, className, page)
    failed.push(
      ...(await walk(admin, { name: `rewrap-${className}-${current}`, label, ids, isAnew: options.isAnew, visit })),
    )
  }
  failed.push(...(await rewrapAccessKeys(admin)))
  const proof = await prove(admin, enumerate, roots, failed)
  report(proof, await readRootKeys(admin))
}

/** One page to its end. */
async function rewrap(admin: AdminClient, className: string, ids: readonly string[]): Promise<Failure[]> {
  const failed: Failure[] = []
  for (let left = ids; left.length > 0; ) {
    const page: { more: string[]; failed: Failure[] } = await admin.run('rewrap', { class: className, ids: left })
    failed.push(...page.failed)
    left = page.more
  }
  return failed
}

async function rewrapAccessKeys(admin: AdminClient): Promise<Failure[]> {
  const failed: Failure[] = []
  let rewrapped = 0
  for (let after: string | null = ''; after !== null; ) {
    const page: { rewrapped: number; failed: Failure[]; next: string | null } = await admin.run('rewrap-access-keys', {
      after,
    })
    rewrapped += page.rewrapped
    failed.push(...page.failed)
    after = page.next
  }
  console.log(`Access keys sealed anew: ${rewrapped}`)
  return failed
}

/** Surveys, and goes after what is left: made by an isolate that did not know the version yet, or away when it was asked. */
async function prove(admin: AdminClient, enumerate: Enumerate, roots: RootKeyState, failed: readonly Failure[]) {
  const reasons = new Map(failed.map(({ id, reason }) => [id, reason]))
  for (let round = 1; ; round++) {
    const proof = await survey(admin, enumerate, roots.classes)
    const left = [...proof.needs].flatMap(([version, objects]) => (version === roots.current ? [] : objects))
    if (left.length === 0 || round === rounds) return { proof, reasons }
    for (const className of roots.classes) {
      const ids = left.filter((object) => object.className === className).map(({ id }) => id)
      for (const page of pagesOf(ids)) {
        for (const { id, reason } of await rewrap(admin, className, page)) reasons.set(id, reason)
      }
    }
  }
}

function report(
  { proof, reasons }: { proof: Survey; reasons: ReadonlyMap<string, string> },
  { current, versions }: RootKeyState,
): void {
  const { objects, needs, unanswered, unindexed } = proof
  const held = [...needs].flatMap(([version, holders]) => (version === current ? [] : holders))
  const accessKeys = versions.filter(({ version }) => version !== current)
  const keysLeft = accessKeys.reduce((sum, { accessKeys: count }) => sum + count, 0)
  const problems = [
    ...held.map(({ id, name }) => `${name} (object ${id}): ${reasons.get(id) ?? 'sealed under an older version'}`),
    ...unanswered.map(({ id, reason }) => `object ${id}: ${reason}`),
    ...(keysLeft === 0 ? [] : [`${keysLeft} access keys are sealed under an older version`]),
  ]
  if (problems.length > 0) {
    throw new Stop(`Not everything is under the current version:\n${shown(problems)}`)
  }
  console.log(`Everything is sealed under root key version ${current}: all ${objects} objects were asked, and say so.`)
  if (unindexed.length > 0) {
    console.log(`${unindexed.length} keys had no row in the index: npm run index:rebuild before a version is retired.`)
  }
  for (const { version, retirableAt, retiredAt } of versions) {
    if (retirableAt === null || retiredAt !== null) continue
    const when = new Date(retirableAt).toISOString()
    console.log(`Version ${version} may be retired from ${when} on: npm run root:retire -- ${version}`)
  }
}

async function waitForRollout({ versions }: RootKeyState): Promise<void> {
  const since = Math.max(...versions.map(({ supersededAt }) => supersededAt ?? 0))
  const waitMs = since + rolloutMs - Date.now()
  if (waitMs <= 0) return
  console.log(`Waiting ${Math.ceil(waitMs / 60_000)} minutes, until every location has the new version.`)
  await sleep(waitMs)
}
