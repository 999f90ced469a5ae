import {
  type Entity,
  type EntityKind,
  type EntityRows,
  findEntity,
  findEntityById,
  nameKeyOf,
} from '../catalog/entities.ts'
import { newUniqueId } from '../crypto/random.ts'
import type { Call } from '../model/call.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { iamArn, nameInArn } from '../model/iam-arn.ts'
import { required } from '../model/shapes.ts'
import type { FurtherNeed, Target, TargetFinder } from './operation.ts'
import { existingUserNameType, groupNameType, roleNameType } from './types.ts'

/** What IAM calls each kind of entity. */
export const entityWords = {
  user: { word: 'User', member: 'UserName', idPrefix: 'AIDA', naming: { UserName: required(existingUserNameType) } },
  group: { word: 'Group', member: 'GroupName', idPrefix: 'AGPA', naming: { GroupName: required(groupNameType) } },
  role: { word: 'Role', member: 'RoleName', idPrefix: 'AROA', naming: { RoleName: required(roleNameType) } },
} as const

/** The columns that every new entity has. */
export function newEntity(kind: EntityKind, name: string, path: string | undefined, call: Call): Entity {
  const id = newUniqueId(entityWords[kind].idPrefix)
  return {
    id,
    account: call.principal.account,
    name,
    nameKey: nameKeyOf(name),
    path: path ?? '/',
    createdAt: call.wallTime,
  }
}

/** What is about to be made, by the name and path that the input gives it. */
export function entityToBe(kind: EntityKind): TargetFinder<Readonly<Record<string, unknown>>, null> {
  return (input, call) => {
    const path = typeof input.Path === 'string' ? input.Path : '/'
    const arn = iamArn(kind, { account: call.principal.account, path, name: String(input[entityWords[kind].member]) })
    return { arn, ownerId: null, boundaryArn: null, found: null }
  }
}

/** The one that the input names. */
export function entityNamed<Kind extends EntityKind>(
  kind: Kind,
): TargetFinder<Readonly<Record<string, unknown>>, EntityRows[Kind]> {
  const { member } = entityWords[kind]
  return async (input, call, { database }) => {
    const name = String(input[member])
    const row = await findEntity(database, kind, call.principal.account, name)
    return row === null ? absent(kind, name, call) : entityTarget(kind, row)
  }
}

/** The user that the input names; where it names none, the one who calls. */
export const userNamedOrCalling: TargetFinder<Readonly<Record<string, unknown>>, EntityRows['user']> = async (
  input,
  call,
  services,
) => {
  if (typeof input.UserName === 'string') return entityNamed('user')(input, call, services)
  const { kind, account, id, arn } = call.principal
  if (kind !== 'user') {
    const found = refuse('ValidationException', 'Must specify userName when calling with non-User credentials')
    return { arn, ownerId: null, boundaryArn: null, found }
  }
  const row = await findEntityById(services.database, 'user', account, id)
  return row === null ? absent('user', nameInArn(arn), call) : entityTarget('user', row)
}

export function entityTarget<Kind extends EntityKind>(kind: Kind, row: EntityRows[Kind]): Target<EntityRows[Kind]> {
  const boundaryArn = 'boundaryArn' in row ? row.boundaryArn : null
  return { arn: iamArn(kind, row), ownerId: row.id, boundaryArn, found: row }
}

function absent(kind: EntityKind, name: string, { principal }: Call): Target<never> {
  const arn = iamArn(kind, { account: principal.account, path: '/', name })
  return { arn, ownerId: null, boundaryArn: null, found: notFound(kind, name) }
}

export function notFound(kind: EntityKind, name: string): Refusal<'NoSuchEntity'> {
  return refuse('NoSuchEntity', `The ${kind} with name ${name} cannot be found.`)
}

export function alreadyExists(kind: EntityKind, name: string): Refusal<'EntityAlreadyExists'> {
  return refuse('EntityAlreadyExists', `${entityWords[kind].word} with name ${name} already exists.`)
}

/** Who makes something with tags also has to be allowed to tag it. */
export function taggedToo(
  kind: 'user' | 'role',
): (input: { readonly Tags?: readonly unknown[] }, found: unknown, arn: string) => readonly FurtherNeed[] {
  const action = `iam:Tag${entityWords[kind].word}`
  return ({ Tags = [] }, _found, arn) => (Tags.length === 0 ? [] : [{ action, arn }])
}

export const userNamed = entityNamed('user')
export const groupNamed = entityNamed('group')
export const roleNamed = entityNamed('role')
