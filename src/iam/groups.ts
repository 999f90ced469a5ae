import { createEntity, type EntityRows, findEntity } from '../catalog/entities.ts'
import { addMember, listGroupsOf, listMembers, removeMember } from '../catalog/memberships.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { iamArn } from '../model/iam-arn.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { alreadyExists, entityToBe, groupNamed, newEntity, notFound, userNamed } from './entities.ts'
import { listing, removing, renaming } from './entity-operations.ts'
import { query } from './operation.ts'
import { page } from './page.ts'
import { existingUserNameType, groupNameType, paging, pathType } from './types.ts'
import { userMembers } from './users.ts'

export const CreateGroup = query({
  input: shape({ GroupName: required(groupNameType), Path: optional(pathType) }),
  action: 'iam:CreateGroup',
  isReadOnly: false,
  errors: ['EntityAlreadyExists', 'LimitExceeded', 'NoSuchEntity'],
  on: entityToBe('group'),
  async handle({ GroupName, Path }, call, _, { database }) {
    const group = newEntity('group', GroupName, Path, call)
    const outcome = await createEntity(database, 'group', group, [])
    return outcome === 'created' ? { Group: groupMembers(group) } : alreadyExists('group', GroupName)
  },
})

export const GetGroup = query({
  input: shape({ GroupName: required(groupNameType), ...paging }),
  action: 'iam:GetGroup',
  isReadOnly: true,
  errors: ['NoSuchEntity'],
  on: groupNamed,
  async handle(input, call, group, services) {
    const users = await page(input, call, services, {
      query: ['GetGroup', group.id],
      fetch: (place, count) => listMembers(services.database, group.id, place, count),
      placeOf: ({ nameKey }) => nameKey,
    })
    return isRefusal(users) ? users : { Group: groupMembers(group), Users: users.items.map(userMembers), ...users.next }
  },
})

export const ListGroups = listing('group', (rows) => rows.map(groupMembers))
export const UpdateGroup = renaming('group')
export const DeleteGroup = removing('group')

const membership = { GroupName: required(groupNameType), UserName: required(existingUserNameType) } as const

export const AddUserToGroup = query({
  input: shape(membership),
  action: 'iam:AddUserToGroup',
  isReadOnly: false,
  errors: ['LimitExceeded', 'NoSuchEntity'],
  on: groupNamed,
  async handle({ UserName }, call, group, { database }) {
    const user = await findEntity(database, 'user', call.principal.account, UserName)
    if (user === null) return notFound('user', UserName)
    const outcome = await addMember(database, group.id, user.id)
    if (outcome === 'absent') return notFound('group', group.name)
    return outcome === 'member'
      ? undefined
      : refuse('LimitExceeded', `Cannot exceed quota for GroupsPerUser: ${limits.groupsPerUserMax}`)
  },
})

export const RemoveUserFromGroup = query({
  input: shape(membership),
  action: 'iam:RemoveUserFromGroup',
  isReadOnly: false,
  errors: ['LimitExceeded', 'NoSuchEntity'],
  on: groupNamed,
  async handle({ UserName }, call, group, { database }) {
    const user = await findEntity(database, 'user', call.principal.account, UserName)
    if (user === null) return notFound('user', UserName)
    await removeMember(database, group.id, user.id)
    return undefined
  },
})

export const ListGroupsForUser = query({
  input: shape({ UserName: required(existingUserNameType), ...paging }),
  action: 'iam:ListGroupsForUser',
  isReadOnly: true,
  errors: ['NoSuchEntity'],
  on: userNamed,
  async handle(input, call, user, services) {
    const groups = await page(input, call, services, {
      query: ['ListGroupsForUser', user.id],
      fetch: (place, count) => listGroupsOf(services.database, user.id, place, count),
      placeOf: ({ nameKey }) => nameKey,
    })
    return isRefusal(groups) ? groups : { Groups: groups.items.map(groupMembers), ...groups.next }
  },
})

function groupMembers(group: EntityRows['group']) {
  return {
    Path: group.path,
    GroupName: group.name,
    GroupId: group.id,
    Arn: iamArn('group', group),
    CreateDate: new Date(group.createdAt),
  }
}
