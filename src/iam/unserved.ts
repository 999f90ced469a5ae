import { refuse } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { roleNamed, userNamed, userNamedOrCalling } from './entities.ts'
import { anything, query, type TargetFinder } from './operation.ts'
import { existingUserNameType, paging, roleNameType } from './types.ts'

/**
 * What IAM also has and nobody has here: passwords, certificates, devices, instance profiles. It is asked all the same, by
 * whoever lists what is in the way of a deletion, and the true answer is that there is none.
 */

/** A list that is always empty, of the one that the input may name. */
function empty(operation: string, list: string, of: 'account' | 'user' | 'role') {
  return query({
    input: shape({
      ...(of === 'user' ? { UserName: optional(existingUserNameType) } : {}),
      ...(of === 'role' ? { RoleName: required(roleNameType) } : {}),
      ...paging,
    }),
    action: `iam:${operation}`,
    isReadOnly: true,
    errors: ['NoSuchEntity'],
    on: owners[of],
    handle: async () => ({ [list]: [], IsTruncated: false }),
  })
}

type AnyTarget = TargetFinder<Readonly<Record<string, unknown>>, unknown>

const account: AnyTarget = anything()
const owners: Readonly<Record<'account' | 'user' | 'role', AnyTarget>> = {
  account,
  role: roleNamed,
  user: (input, call, services) =>
    input.UserName === undefined ? account(input, call, services) : userNamed(input, call, services),
}

export const emptyLists = {
  ListAccountAliases: empty('ListAccountAliases', 'AccountAliases', 'account'),
  ListInstanceProfiles: empty('ListInstanceProfiles', 'InstanceProfiles', 'account'),
  ListInstanceProfilesForRole: empty('ListInstanceProfilesForRole', 'InstanceProfiles', 'role'),
  ListMFADevices: empty('ListMFADevices', 'MFADevices', 'user'),
  ListServerCertificates: empty('ListServerCertificates', 'ServerCertificateMetadataList', 'account'),
  ListServiceSpecificCredentials: empty('ListServiceSpecificCredentials', 'ServiceSpecificCredentials', 'user'),
  ListSigningCertificates: empty('ListSigningCertificates', 'Certificates', 'user'),
  ListSSHPublicKeys: empty('ListSSHPublicKeys', 'SSHPublicKeys', 'user'),
  ListVirtualMFADevices: empty('ListVirtualMFADevices', 'VirtualMFADevices', 'account'),
}

export const ListSAMLProviders = query({
  input: shape({}),
  action: 'iam:ListSAMLProviders',
  isReadOnly: true,
  errors: [],
  on: anything(),
  handle: async () => ({ SAMLProviderList: [] }),
})

function loginProfile(operation: string, isReadOnly: boolean) {
  return query({
    input: shape({ UserName: optional(existingUserNameType) }),
    action: `iam:${operation}`,
    isReadOnly,
    errors: ['NoSuchEntity'],
    on: userNamedOrCalling,
    handle: async (_input, _call, { name }) =>
      refuse('NoSuchEntity', `Login Profile for User ${name} cannot be found.`),
  })
}

export const GetLoginProfile = loginProfile('GetLoginProfile', true)
export const DeleteLoginProfile = loginProfile('DeleteLoginProfile', false)

export const GetAccountPasswordPolicy = query({
  input: shape({}),
  action: 'iam:GetAccountPasswordPolicy',
  isReadOnly: true,
  errors: ['NoSuchEntity'],
  on: anything(),
  handle: async (_input, { principal }) =>
    refuse('NoSuchEntity', `The Password Policy with domain name ${principal.account} cannot be found.`),
})
