import { createEntity, type EntityRows } from '../catalog/entities.ts'
import { listTags } from '../catalog/iam-tags.ts'
import type { Call } from '../model/call.ts'
import { iamArn } from '../model/iam-arn.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { boundaryMember, boundaryRefusal, noBoundary } from './boundaries.ts'
import { alreadyExists, entityToBe, newEntity, taggedToo, userNamedOrCalling } from './entities.ts'
import { listing, removing, renaming } from './entity-operations.ts'
import { tagMembers, tagsOf, tagsRefusal } from './iam-tags.ts'
import { query, type TargetFinder } from './operation.ts'
import { arnType, existingUserNameType, pathType, tagListType, userNameType } from './types.ts'

type User = EntityRows['user']

export const CreateUser = query({
  input: shape({
    UserName: required(userNameType),
    Path: optional(pathType),
    PermissionsBoundary: optional(arnType),
    Tags: optional(tagListType),
  }),
  action: 'iam:CreateUser',
  isReadOnly: false,
  errors: ['EntityAlreadyExists', 'InvalidInput', 'LimitExceeded', 'NoSuchEntity'],
  on: entityToBe('user'),
  further: taggedToo('user'),
  async handle({ UserName, Path, PermissionsBoundary, Tags }, call, _, { database }) {
    const tags = tagsOf(Tags)
    const refusal = tagsRefusal(tags) ?? boundaryRefusal(PermissionsBoundary, call.principal.account)
    if (refusal !== null) return refusal
    const user = { ...newEntity('user', UserName, Path, call), boundaryArn: PermissionsBoundary ?? null }
    const outcome = await createEntity(database, 'user', user, tags)
    if (outcome === 'noBoundary') return noBoundary(user.boundaryArn)
    if (outcome === 'exists') return alreadyExists('user', UserName)
    return { User: { ...userMembers(user), ...boundaryMembers(user), Tags: tagMembers(tags) } }
  },
})

/** Root may ask about itself, who is no user and has no name. */
const userOrRoot: TargetFinder<Readonly<Record<string, unknown>>, User | null> = (input, call, services) => {
  if (input.UserName !== undefined || call.principal.kind !== 'root') return userNamedOrCalling(input, call, services)
  return { arn: call.principal.arn, ownerId: null, boundaryArn: null, found: null }
}

export const GetUser = query({
  input: shape({ UserName: optional(existingUserNameType) }),
  action: 'iam:GetUser',
  isReadOnly: true,
  errors: ['NoSuchEntity'],
  on: userOrRoot,
  async handle(_input, call, user, { database }) {
    if (user === null) return { User: rootMembers(call) }
    const Tags = tagMembers(await listTags(database, user.id))
    return { User: { ...userMembers(user), ...boundaryMembers(user), Tags } }
  },
})

export const ListUsers = listing('user', (rows) => rows.map(userMembers))
export const UpdateUser = renaming('user')
export const DeleteUser = removing('user')

/** A user as lists show it. */
export function userMembers(user: User) {
  return {
    Path: user.path,
    UserName: user.name,
    UserId: user.id,
    Arn: iamArn('user', user),
    CreateDate: new Date(user.createdAt),
  }
}

function boundaryMembers({ boundaryArn }: User) {
  return { PermissionsBoundary: boundaryMember(boundaryArn) }
}

/** Nobody made root: it is there from the beginning. */
function rootMembers({ principal: { id, arn } }: Call) {
  return { Path: '/', UserId: id, Arn: arn, CreateDate: new Date(0) }
}
