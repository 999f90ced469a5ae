import { Progress } from '../admin/progress.ts'
import { type TrailName, trailOf } from '../audit/digest.ts'
import { Stop } from '../local/options.ts'
import { askHead } from './ask-head.ts'
import { bucketSource } from './bucket.ts'
import { stateSource } from './local-state.ts'
import { parseOptions, publicKey, usage, type VerifyOptions } from './options.ts'
import { folderSource, type Source } from './source.ts'
import { byTrail, type Finding, type Pin, type TrailObjects, type TrailReport, verifyTrail } from './trail.ts'

const shownMax = 1_000

try {
  const options = parseOptions(process.argv.slice(2))
  if (options === 'help') console.log(usage)
  else process.exitCode = (await verify(options)) ? 0 : 1
} catch (failure) {
  if (!(failure instanceof Stop)) console.error(failure)
  else console.error(failure.message)
  process.exitCode = 2
}

/** True: everything is as it was written. */
async function verify(options: VerifyOptions): Promise<boolean> {
  const source = sourceOf(options.place)
  // A trail that is named is asked for first: what is written meanwhile is younger than its head.
  const pins = new Map<string, Pin>()
  if (options.trail !== null) pins.set(nameOf(options.trail), await pinOf(options.trail, options))
  const { trails, strangers } = await chosen(source, options, pins)
  if (options.head !== null && trails.length > 1) {
    throw new Stop(`--head is of one trail, and there are ${trails.length}: name it with --trail ACCOUNT/REGION.`)
  }
  const total = trails.reduce((sum, { digests, logs }) => sum + digests.length + logs.length, 0)
  const progress = new Progress(source.title, total)
  const reports: TrailReport[] = []
  for (const objects of trails) {
    const pin = pins.get(nameOf(objects.trail)) as Pin
    reports.push(await verifyTrail(source, objects, pin, () => progress.add(1)))
  }
  progress.end()
  for (const report of reports) tell(report, pins.get(nameOf(report.trail)) as Pin)
  const unknown = strangers.map((object) => ({ kind: 'added', object, why: 'no trail has such a file' }) as const)
  tellFindings(unknown)
  const count = unknown.length + reports.reduce((sum, { findings }) => sum + findings.length, 0)
  console.log(count === 0 ? 'Everything is as it was written.' : `Not as it was written: ${count}.`)
  return count === 0
}

function sourceOf({ kind, name }: VerifyOptions['place']): Source {
  if (kind === 'folder') return folderSource(name)
  return kind === 'state' ? stateSource(name) : bucketSource(name, process.env)
}

/** The trails to be verified. Where they are not named, the heads are asked for before the last listing of what is there. */
async function chosen(source: Source, options: VerifyOptions, pins: Map<string, Pin>) {
  const { trail } = options
  if (trail === null) {
    const before = byTrail(await source.list(), trailOf)
    if (before.trails.length === 0 && before.strangers.length === 0) {
      throw new Stop(`Nothing is archived in ${source.title}. Name a --trail, and what should be there is looked for.`)
    }
    for (const { trail } of before.trails) pins.set(nameOf(trail), await pinOf(trail, options))
    if (options.endpoint === null) return before
  }
  const { trails, strangers } = byTrail(await source.list(), trailOf)
  const known = trails.filter((found) => pins.has(nameOf(found.trail)))
  if (trail === null) return { trails: known, strangers }
  const nothing: TrailObjects = { trail, digests: [], seals: [], logs: [] }
  return { trails: known.length === 0 ? [nothing] : known, strangers: [] }
}

/** What is given is over what the deployment says: who keeps a head elsewhere need not believe it. */
async function pinOf(trail: TrailName, { keys, head, endpoint }: VerifyOptions): Promise<Pin> {
  if (endpoint === null) return { keys, head }
  const asked = await askHead(endpoint, trail, process.env)
  const pinned = keys.size > 0 ? keys : new Map([publicKey(asked.publicKey)])
  if (!pinned.has(asked.fingerprint)) {
    throw new Stop(`${endpoint} signs ${nameOf(trail)} with another key than was given: ${asked.fingerprint}.`)
  }
  return { keys: pinned, head: head ?? asked }
}

function nameOf({ account, region }: TrailName): string {
  return `${account}/${region}`
}

function tell({ trail, digests, files, findings, uncovered, newest }: TrailReport, { head }: Pin): void {
  console.log(`${nameOf(trail)}: ${digests} digests and ${files} log files are as they were written.`)
  tellFindings(findings)
  if (uncovered.length > 0) {
    console.log(`  ${uncovered.length} log files are younger than the newest digest, and not covered yet:`)
    for (const object of uncovered.slice(0, shownMax)) console.log(`    ${object}`)
  }
  if (newest !== null) console.log(`  Its newest digest: --head ${newest.digest.digestNumber}:${newest.hash}`)
  if (head === null) console.log('  No head was given: digests that are missing at the end of the chain are not seen.')
}

function tellFindings(findings: readonly Finding[]): void {
  for (const { kind, object, why } of findings.slice(0, shownMax)) {
    console.log(`  ${kind.toUpperCase().padEnd(7)}  ${object}: ${why}`)
  }
  if (findings.length > shownMax) console.log(`  … and ${findings.length - shownMax} more.`)
}
