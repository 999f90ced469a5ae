import { createEntity, type EntityRows } from '../catalog/entities.ts'
import { listTags } from '../catalog/iam-tags.ts'
import { setTrustPolicy, updateRole } from '../catalog/roles.ts'
import { isRefusal } from '../model/errors.ts'
import { iamArn } from '../model/iam-arn.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { boundaryMember, boundaryRefusal, noBoundary } from './boundaries.ts'
import { alreadyExists, entityToBe, newEntity, notFound, roleNamed, taggedToo } from './entities.ts'
import { listing, removing } from './entity-operations.ts'
import { tagMembers, tagsOf, tagsRefusal } from './iam-tags.ts'
import { type IamServices, query } from './operation.ts'
import { encodePolicy } from './policy-document.ts'
import { boundTrustPolicy, shownTrustPolicies } from './trust-policies.ts'
import {
  arnType,
  pathType,
  policyDocumentType,
  roleDescriptionType,
  roleMaxSessionDurationType,
  roleNameType,
  tagListType,
} from './types.ts'

type Role = EntityRows['role']

export const CreateRole = query({
  input: shape({
    RoleName: required(roleNameType),
    AssumeRolePolicyDocument: required(policyDocumentType),
    Path: optional(pathType),
    Description: optional(roleDescriptionType),
    MaxSessionDuration: optional(roleMaxSessionDurationType),
    PermissionsBoundary: optional(arnType),
    Tags: optional(tagListType),
  }),
  action: 'iam:CreateRole',
  isReadOnly: false,
  errors: ['EntityAlreadyExists', 'InvalidInput', 'LimitExceeded', 'MalformedPolicyDocument', 'NoSuchEntity'],
  on: entityToBe('role'),
  further: taggedToo('role'),
  async handle(input, call, _, services) {
    const { database } = services
    const tags = tagsOf(input.Tags)
    const refusal = tagsRefusal(tags) ?? boundaryRefusal(input.PermissionsBoundary, call.principal.account)
    if (refusal !== null) return refusal
    const trust = await boundTrustPolicy(database, input.AssumeRolePolicyDocument)
    if (isRefusal(trust)) return trust
    const role: Role = {
      ...newEntity('role', input.RoleName, input.Path, call),
      description: input.Description ?? '',
      maxSessionSeconds: input.MaxSessionDuration ?? limits.maxSessionSecondsDefault,
      trustPolicy: trust.text,
      trustPrincipalIds: JSON.stringify(trust.principalIds),
      boundaryArn: input.PermissionsBoundary ?? null,
      lastUsedAt: null,
      lastUsedRegion: null,
    }
    const outcome = await createEntity(database, 'role', role, tags)
    if (outcome === 'noBoundary') return noBoundary(role.boundaryArn)
    if (outcome === 'exists') return alreadyExists('role', input.RoleName)
    return { Role: { ...roleMembers(role, role.trustPolicy), ...detailMembers(role), Tags: tagMembers(tags) } }
  },
})

const named = { RoleName: required(roleNameType) } as const

export const GetRole = query({
  input: shape(named),
  action: 'iam:GetRole',
  isReadOnly: true,
  errors: ['NoSuchEntity'],
  on: roleNamed,
  handle: async (_input, _call, role, services) => ({ Role: await shownRole(role, services) }),
})

export const ListRoles = listing('role', async (rows, { database }) => {
  const policies = await shownTrustPolicies(database, rows)
  return rows.map((role, index) => ({ ...roleMembers(role, policies[index] ?? ''), ...describingMembers(role) }))
})

export const UpdateRole = query({
  input: shape({
    ...named,
    Description: optional(roleDescriptionType),
    MaxSessionDuration: optional(roleMaxSessionDurationType),
  }),
  action: 'iam:UpdateRole',
  isReadOnly: false,
  errors: ['NoSuchEntity', 'UnmodifiableEntity'],
  on: roleNamed,
  async handle({ Description = null, MaxSessionDuration = null }, _call, { id, name }, { database }) {
    const change = { description: Description, maxSessionSeconds: MaxSessionDuration }
    return (await updateRole(database, id, change)) ? {} : notFound('role', name)
  },
})

export const UpdateRoleDescription = query({
  input: shape({ ...named, Description: required(roleDescriptionType) }),
  action: 'iam:UpdateRoleDescription',
  isReadOnly: false,
  errors: ['NoSuchEntity', 'UnmodifiableEntity'],
  on: roleNamed,
  async handle({ Description }, _call, role, services) {
    const isDone = await updateRole(services.database, role.id, { description: Description })
    if (!isDone) return notFound('role', role.name)
    return { Role: await shownRole({ ...role, description: Description }, services) }
  },
})

export const UpdateAssumeRolePolicy = query({
  input: shape({ ...named, PolicyDocument: required(policyDocumentType) }),
  action: 'iam:UpdateAssumeRolePolicy',
  isReadOnly: false,
  errors: ['LimitExceeded', 'MalformedPolicyDocument', 'NoSuchEntity', 'UnmodifiableEntity'],
  on: roleNamed,
  async handle({ PolicyDocument }, _call, { id, name }, { database }) {
    const trust = await boundTrustPolicy(database, PolicyDocument)
    if (isRefusal(trust)) return trust
    return (await setTrustPolicy(database, id, trust)) ? undefined : notFound('role', name)
  },
})

export const DeleteRole = removing('role')

async function shownRole(role: Role, { database }: IamServices) {
  const [policy = ''] = await shownTrustPolicies(database, [role])
  const tags = await listTags(database, role.id)
  return { ...roleMembers(role, policy), ...detailMembers(role), Tags: tagMembers(tags) }
}

function roleMembers(role: Role, trustPolicy: string) {
  return {
    Path: role.path,
    RoleName: role.name,
    RoleId: role.id,
    Arn: iamArn('role', role),
    CreateDate: new Date(role.createdAt),
    AssumeRolePolicyDocument: encodePolicy(trustPolicy),
  }
}

function describingMembers({ description, maxSessionSeconds }: Role) {
  return { Description: description === '' ? undefined : description, MaxSessionDuration: maxSessionSeconds }
}

/** What a list leaves out. */
function detailMembers(role: Role) {
  const { boundaryArn, lastUsedAt, lastUsedRegion } = role
  return {
    ...describingMembers(role),
    PermissionsBoundary: boundaryMember(boundaryArn),
    RoleLastUsed: lastUsedAt === null ? {} : { LastUsedDate: new Date(lastUsedAt), Region: lastUsedRegion },
  }
}
