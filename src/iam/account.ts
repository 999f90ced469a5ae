import { accountSummary } from '../catalog/account-summary.ts'
import { limits } from '../model/limits.ts'
import { shape } from '../model/shapes.ts'
import { anything, query } from './operation.ts'

/** A Map, as it is one on the wire. */
export const GetAccountSummary = query({
  input: shape({}),
  action: 'iam:GetAccountSummary',
  isReadOnly: true,
  errors: [],
  on: anything(),
  async handle(_input, call, _, { database }) {
    const { users, groups, roles, policies, versions, providers } = await accountSummary(
      database,
      call.principal.account,
    )
    const { inlinePolicySizeMax, attachedPoliciesMax } = limits
    const summary: Readonly<Record<string, number>> = {
      Users: users,
      Groups: groups,
      Roles: roles,
      Policies: policies,
      PolicyVersionsInUse: versions,
      Providers: providers,
      AccessKeysPerUserQuota: limits.accessKeysPerUserMax,
      AssumeRolePolicySizeQuota: limits.trustPolicySizeMax,
      AttachedPoliciesPerGroupQuota: attachedPoliciesMax,
      AttachedPoliciesPerRoleQuota: attachedPoliciesMax,
      AttachedPoliciesPerUserQuota: attachedPoliciesMax,
      GroupPolicySizeQuota: inlinePolicySizeMax.group,
      GroupsPerUserQuota: limits.groupsPerUserMax,
      PolicySizeQuota: limits.managedPolicySizeMax,
      RolePolicySizeQuota: inlinePolicySizeMax.role,
      UserPolicySizeQuota: inlinePolicySizeMax.user,
      VersionsPerPolicyQuota: limits.policyVersionsMax,
      AccountMFAEnabled: 0,
      InstanceProfiles: 0,
      MFADevices: 0,
      MFADevicesInUse: 0,
      ServerCertificates: 0,
    }
    return { SummaryMap: new Map(Object.entries(summary)) }
  },
})
