import { accessKeysNotUnder, resealAccessKeys } from '../catalog/access-keys.ts'
import { openAccessKey, sealAccessKey } from '../crypto/secret.ts'
import { isRefusal } from '../model/errors.ts'
import { optional, shape, string } from '../model/shapes.ts'
import { job } from './operator-job.ts'
import { askEach, classMember, idsMember, rootedClass } from './page.ts'

const accessKeysMax = 50

/** Has objects seal a step's worth of what they keep under the current root key. `more` have not come to their end. */
export const rewrap = job(shape({ class: classMember, ids: idsMember }), async ({ class: name, ids }, call, parts) => {
  const objectOf = rootedClass(parts, name)
  if (isRefusal(objectOf)) return objectOf
  const { answered, empty, failed } = await askEach(ids, (id) => objectOf(id).rewrap(call))
  return {
    rewrapped: answered.filter(({ answer }) => answer.rewrapped > 0).length,
    more: answered.filter(({ answer }) => answer.left > 0).map(({ id }) => id),
    empty: empty.length,
    failed,
  }
})

/** A page of the access keys that another version than the current one has sealed. `next` null: that was the last. */
export const rewrapAccessKeys = job(
  shape({ after: optional(string('AccessKeyId', { max: 128 })) }),
  async ({ after = '' }, _call, { database, sealingRoots }) => {
    const roots = await sealingRoots()
    const page = await accessKeysNotUnder(database, roots.current, after, accessKeysMax)
    const failed: { id: string; reason: string }[] = []
    const changes = []
    for (const before of page) {
      const { account, accessKeyId, rootVersion } = before
      const secretAccessKey = account === null ? null : await openAccessKey(roots, account, before)
      if (account === null || secretAccessKey === null) {
        const reason = account === null ? 'its user is gone' : `it does not open under root key version ${rootVersion}`
        failed.push({ id: accessKeyId, reason })
      } else {
        changes.push({ before, after: await sealAccessKey(roots, account, { accessKeyId, secretAccessKey }) })
      }
    }
    const rewrapped = await resealAccessKeys(database, changes)
    return { rewrapped, failed, next: page.length < accessKeysMax ? null : page.at(-1)?.accessKeyId }
  },
)
