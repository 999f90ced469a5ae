import { countAccessKeys } from '../catalog/access-keys.ts'
import { listRootKeys, type RootKeyRow, retireRootKey } from '../catalog/root-keys.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { tokenLifeMs } from '../model/limits.ts'
import { boolean, integer, optional, type Parsed, required, shape, structure } from '../model/shapes.ts'
import { job } from './operator-job.ts'

/** Isolates that know nothing of a new version yet may seal under the one before it for some minutes. */
const graceMs = 60 * 60 * 1000

const tokens: Record<keyof typeof tokenLifeMs, string> = {
  grantToken: 'grant tokens (30 days; the grants themselves stay)',
  importToken: 'import tokens (24 hours)',
  session: "roles' sessions (12 hours)",
  listMarker: 'markers of lists (24 hours)',
}

/** The versions of the root key, and how long each has to stay for what is only signed under it. */
export const rootKeys = job(shape({}), async (_input, _call, { database, sealingRoots, rooted }) => {
  const roots = await sealingRoots()
  const accessKeys = await countAccessKeys(database)
  const versions = (await listRootKeys(database)).map((row) => ({
    version: row.version,
    isThere: roots.has(row.version),
    accessKeys: accessKeys.get(row.version) ?? 0,
    supersededAt: row.supersededAt,
    retirableAt: retirableAt(row),
    retiredAt: row.retiredAt,
  }))
  return { current: roots.current, versions, classes: [...rooted.keys()] }
})

const count = required(integer('Count', { min: 0, max: Number.MAX_SAFE_INTEGER }))

/** What going through every object has shown. The caller enumerates them: a Worker cannot. */
const survey = structure('Survey', {
  objects: count,
  /** Objects that need the version. */
  dependents: count,
  /** Objects that did not say. */
  unanswered: count,
  /** Keys without a row in the index. */
  unindexed: count,
  /** Rows of the index whose objects were not found. */
  objectless: count,
})

const retirement = {
  version: required(integer('Version', { min: 1, max: 999_999_999 })),
  /** Left out: nothing is retired, and only what speaks against it without a survey is said. */
  survey: optional(survey),
  /** True: before what is signed under it has expired. */
  isForced: optional(boolean('Boolean')),
} as const

/** Gives a version up, where nothing needs it. From then on a deploy does not ask for it. */
export const retire = job(shape(retirement), async (input, { wallTime, requestId }, { database, sealingRoots }) => {
  const { version, isForced = false } = input
  const { current } = await sealingRoots()
  const rows = await listRootKeys(database)
  const row = rows.find((known) => known.version === version)
  if (row === undefined) return neverUsed(version, rows)
  const early = isForced ? null : earlyRefusal(row, wallTime)
  const accessKeys = (await countAccessKeys(database)).get(version) ?? 0
  const refusal = currentRefusal(row, current) ?? early ?? needRefusal(input, accessKeys)
  if (refusal !== null) return refusal
  const breaks = validTokens(row, wallTime)
  if (row.retiredAt !== null || input.survey === undefined) return { retiredAt: row.retiredAt, breaks }
  const supersededBy = isForced ? wallTime : wallTime - longestMs
  if (!(await retireRootKey(database, version, supersededBy, wallTime))) {
    return refuse('ConflictException', `Root key version ${version} was put to use again meanwhile. Run root:rotate.`)
  }
  console.log(JSON.stringify({ requestId, retiredRootKey: version, isForced }))
  return { retiredAt: wallTime, breaks }
})

const longestMs = Math.max(...Object.values(tokenLifeMs)) + graceMs

function retirableAt({ supersededAt }: RootKeyRow): number | null {
  return supersededAt === null ? null : supersededAt + longestMs
}

function neverUsed(version: number, rows: readonly RootKeyRow[]): Refusal {
  const known = rows.map((row) => row.version).join(', ')
  return refuse('NotFoundException', `This deployment never used root key version ${version}, only ${known}.`)
}

function currentRefusal({ version, supersededAt }: RootKeyRow, current: number): Refusal | null {
  if (supersededAt !== null) return null
  const what = version === current ? 'seals what is made now' : 'has sealed and may seal again'
  return refuse('ConflictException', `Root key version ${version} ${what}. Add a higher one to ROOT_KEYS first.`)
}

const unseen = { dependents: 0, unanswered: 0, unindexed: 0, objectless: 0 }

function needRefusal({ version, survey }: Parsed<typeof retirement>, accessKeys: number): Refusal | null {
  const { dependents, unanswered, unindexed, objectless } = survey ?? unseen
  const needed = `Root key version ${version} stays: `
  if (dependents > 0 || accessKeys > 0) {
    const who = `${counted(dependents, 'object')} and ${counted(accessKeys, 'access key')}`
    return refuse('ConflictException', `${needed}${who} still need it. Run root:rotate.`)
  }
  const needs = [
    [unanswered, 'object', 'did not answer. Run root:rotate, which says why'],
    [unindexed, 'existing key', 'had no row in the index. Run index:rebuild'],
    [objectless, 'key', 'of the index had no object. Run index:rebuild, which names them'],
  ] as const
  const [need] = needs.filter(([count]) => count > 0)
  if (need === undefined) return null
  const [count, noun, what] = need
  return refuse('ConflictException', `${needed}${counted(count, noun)} ${what}.`)
}

/** Null: nothing that is only signed under the version can still be valid. */
function earlyRefusal(row: RootKeyRow, wallTime: number): Refusal | null {
  if (wallTime >= (retirableAt(row) ?? 0)) return null
  const breaks = validTokens(row, wallTime)
  const until = new Date(retirableAt(row) ?? wallTime).toISOString()
  const text = `Root key version ${row.version} stays until ${until}: what was made under it before then is still valid. With --force, once it is out of ROOT_KEYS, these are refused: ${breaks.join(', ')}.`
  return refuse('ConflictException', text)
}

function validTokens({ supersededAt }: RootKeyRow, wallTime: number): string[] {
  const kinds = Object.keys(tokens) as (keyof typeof tokens)[]
  const valid = kinds.filter((kind) => (supersededAt ?? wallTime) + tokenLifeMs[kind] + graceMs > wallTime)
  return valid.map((kind) => tokens[kind])
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
