import { isRefusal } from '../model/errors.ts'
import { shape } from '../model/shapes.ts'
import { job } from './operator-job.ts'
import { askEach, classMember, idsMember, rootedClass } from './page.ts'

/** What each object needs of the root key, as it says itself: the index is not asked. */
export const scan = job(shape({ class: classMember, ids: idsMember }), async ({ class: name, ids }, call, parts) => {
  const objectOf = rootedClass(parts, name)
  if (isRefusal(objectOf)) return objectOf
  const { answered, empty, failed } = await askEach(ids, (id) => objectOf(id).rootVersions(call))
  return { objects: answered.map(({ id, answer }) => ({ id, ...answer })), empty, failed }
})
