import { listIndex as listIndexedKeys } from '../catalog/keys.ts'
import { isRefusal } from '../model/errors.ts'
import { optional, shape, string } from '../model/shapes.ts'
import { job } from './operator-job.ts'
import { askEach, idsMember } from './page.ts'

const rowsMax = 1_000

/**
 * Has keys tell the index of themselves again, and of their grants that somebody may retire, those that are gone
 * included; `after` goes on with one key's grants. `more` have not come to their end.
 */
export const republish = job(
  shape({ ids: idsMember, after: optional(string('GrantId', { max: 128 })) }),
  async ({ ids, after = '' }, call, { keyById }) => {
    const { answered, empty, failed } = await askEach(ids, async (id) => {
      const next = await keyById(id).republish(call, after)
      return isRefusal(next) ? next : { next }
    })
    const more = answered.flatMap(({ id, answer: { next } }) => (next === null ? [] : [{ id, after: next }]))
    return { told: answered.length, more, empty: empty.length, failed }
  },
)

/** A page of the index, each row with the id that the key's object has. `next` null: that was the last. */
export const listIndex = job(
  shape({ after: optional(string('Name', { max: 256 })) }),
  async ({ after = '' }, _call, { database, keyObjectId }) => {
    const [region = '', keyId = ''] = after.split('/')
    const page = await listIndexedKeys(database, { region, keyId }, rowsMax)
    const rows = page.map((row) => ({
      id: keyObjectId(row.region, row.keyId),
      name: `${row.region}/${row.keyId}`,
      isDeleted: row.isDeleted,
    }))
    return { rows, next: page.length < rowsMax ? null : rows.at(-1)?.name }
  },
)
