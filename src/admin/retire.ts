import { Stop } from '../local/options.ts'
import type { AdminClient } from './client.ts'
import type { Enumerate } from './objects.ts'
import type { AdminOptions } from './options.ts'
import { readRootKeys } from './root-keys.ts'
import { survey } from './survey.ts'

/** Gives a version of the root key up, once every object there is has said that it does not need it. */
export async function retire(admin: AdminClient, enumerate: Enumerate, options: AdminOptions): Promise<void> {
  const { words, isForced } = options
  const [word = ''] = words
  if (!/^[1-9]\d{0,8}$/.test(word) || words.length > 1) {
    throw new Stop('Say which version of the root key to retire: npm run root:retire -- 1')
  }
  const version = Number(word)
  // What speaks against it by itself is said before everything is gone through.
  await admin.run('retire', { version, isForced })
  const { classes } = await readRootKeys(admin)
  const { objects, needs, unanswered, unindexed, objectless } = await survey(admin, enumerate, classes)
  const { breaks } = await admin.run<{ breaks: readonly string[] }>('retire', {
    version,
    isForced,
    survey: {
      objects,
      dependents: needs.get(version)?.length ?? 0,
      unanswered: unanswered.length,
      unindexed: unindexed.length,
      objectless: objectless.length,
    },
  })
  console.log(`Root key version ${version} is retired: none of ${objects} objects and no access key needs it.`)
  if (breaks.length > 0) console.log(`Once it is out of ROOT_KEYS, these are refused: ${breaks.join(', ')}.`)
  console.log(`Take it out of ROOT_KEYS now, and destroy its copies: that is what makes earlier deletions final.`)
}
