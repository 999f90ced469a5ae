import {
  type Dependent,
  deleteEntity,
  type EntityKind,
  type EntityRows,
  listEntities,
  renameEntity,
} from '../catalog/entities.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { iamArn } from '../model/iam-arn.ts'
import type { NowOrLater } from '../model/now-or-later.ts'
import { optional, shape } from '../model/shapes.ts'
import { alreadyExists, entityNamed, entityWords, notFound } from './entities.ts'
import { anything, type IamServices, query } from './operation.ts'
import { page } from './page.ts'
import { groupNameType, paging, pathPrefixType, pathType, userNameType } from './types.ts'

/** What users, groups and roles are asked in the same way. */

/** ListUsers, ListGroups, ListRoles. */
export function listing<Kind extends EntityKind>(
  kind: Kind,
  show: (rows: readonly EntityRows[Kind][], services: IamServices) => NowOrLater<readonly object[]>,
) {
  const listed = `${entityWords[kind].word}s`
  return query({
    input: shape({ PathPrefix: optional(pathPrefixType), ...paging }),
    action: `iam:List${listed}`,
    isReadOnly: true,
    errors: [],
    on: anything(),
    async handle(input, call, _, services) {
      const { account } = call.principal
      const pathPrefix = input.PathPrefix
      const rows = await page(input, call, services, {
        query: [`List${listed}`, pathPrefix],
        fetch: (place, count) => listEntities(services.database, kind, { account, pathPrefix }, place, count),
        placeOf: ({ nameKey }) => nameKey,
      })
      if (isRefusal(rows)) return rows
      return { [listed]: await show(rows.items, services), ...rows.next }
    },
  })
}

/** UpdateUser, UpdateGroup. A new name or path is a new ARN, and both have to be allowed. */
export function renaming(kind: 'user' | 'group') {
  const { word, member, naming } = entityWords[kind]
  const action = `iam:Update${word}`
  return query({
    input: shape({
      ...naming,
      NewPath: optional(pathType),
      [`New${member}`]: optional(kind === 'user' ? userNameType : groupNameType),
    }),
    action,
    isReadOnly: false,
    errors: ['EntityAlreadyExists', 'NoSuchEntity'],
    on: entityNamed<'user' | 'group'>(kind),
    further: (input, found) => [{ action, arn: iamArn(kind, { ...found, ...renamed(kind, input, found) }) }],
    async handle(input, _call, found, { database }) {
      const next = renamed(kind, input, found)
      return (await renameEntity(database, kind, found, next)) ? undefined : alreadyExists(kind, next.name)
    },
  })
}

function renamed(
  kind: 'user' | 'group',
  input: Readonly<Record<string, unknown>>,
  { name, path }: { readonly name: string; readonly path: string },
) {
  const { NewPath = path, [`New${entityWords[kind].member}`]: newName = name } = input
  return { name: String(newName), path: String(NewPath) }
}

const conflicts: Readonly<Record<Dependent, string>> = {
  accessKeys: 'Cannot delete entity, must delete access keys first.',
  attachments: 'Cannot delete entity, must detach all policies first.',
  inlinePolicies: 'Cannot delete entity, must delete policies first.',
  memberships: 'Cannot delete entity, must remove users from group first.',
}

/** DeleteUser, DeleteGroup, DeleteRole. */
export function removing(kind: EntityKind) {
  const { word, naming } = entityWords[kind]
  return query({
    input: shape(naming),
    action: `iam:Delete${word}`,
    isReadOnly: false,
    errors: ['DeleteConflict', 'NoSuchEntity'],
    on: entityNamed<EntityKind>(kind),
    async handle(_input, _call, { id, name }, { database }) {
      const outcome = await deleteEntity(database, kind, id)
      if (outcome === 'deleted') return undefined
      return outcome === 'absent' ? notFound(kind, name) : refuse('DeleteConflict', conflicts[outcome])
    },
  })
}
