import type { RootKeys } from '../crypto/root-keys.ts'
import type { Database } from './database.ts'
import { rootKeys } from './schema.ts'

/**
 * Compares each root key with the check value that was stored when its version was first used here. Null: they are
 * this deployment's own; else the sentence that names the one that is not. Throws while D1 does not answer.
 */
export async function wrongRootKey(db: Database, roots: RootKeys): Promise<string | null> {
  const stored = new Map((await db.select().from(rootKeys)).map((row) => [row.version, row.checkValue]))
  const unknown = roots.versions().filter((version) => !stored.has(version))
  for (const version of roots.versions()) {
    const checkValue = stored.get(version)
    if (checkValue !== undefined && checkValue !== (await roots.checkValue(version))) return notOurs(version)
  }
  if (unknown.length === 0) return null
  if (unknown.length === roots.versions().length && stored.size > 0) return noneIsOurs([...stored.keys()])
  for (const version of unknown) {
    const checkValue = await roots.checkValue(version)
    await db.insert(rootKeys).values({ version, checkValue }).onConflictDoNothing()
  }
  // Another isolate may have stored another key under that number first.
  return wrongRootKey(db, roots)
}

function notOurs(version: number): string {
  return `Root key version ${version} in ROOT_KEYS is not the one that this deployment's keys were sealed with. Set ROOT_KEYS to the value it had.`
}

function noneIsOurs(versions: readonly number[]): string {
  return `This deployment's keys were sealed with root key version ${versions.join(', ')}, and ROOT_KEYS has none of them. Add it again.`
}
