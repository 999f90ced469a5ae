import { type PolicyUse, policyUses } from '../catalog/attachments.ts'
import { nameKeyOf } from '../catalog/entities.ts'
import { listTags } from '../catalog/iam-tags.ts'
import {
  createPolicy,
  deletePolicy,
  findPolicy,
  listPolicies,
  type ManagedPolicy,
} from '../catalog/managed-policies.ts'
import { newUniqueId } from '../crypto/random.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { iamArn } from '../model/iam-arn.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { type AwsManagedPolicy, awsManagedPolicies } from './aws-managed-policies.ts'
import { tagMembers, tagsOf, tagsRefusal } from './iam-tags.ts'
import { anything, type IamServices, query } from './operation.ts'
import { page } from './page.ts'
import { ownPolicyNamed, policyNamed, policyNotFound } from './policies-named.ts'
import { documentRefusal, managedSizeLimit } from './policy-document.ts'
import {
  arnType,
  booleanType,
  PolicyUsageType,
  paging,
  policyDescriptionType,
  policyDocumentType,
  policyNameType,
  policyPathType,
  policyScopeType,
  tagListType,
} from './types.ts'

export const CreatePolicy = query({
  input: shape({
    PolicyName: required(policyNameType),
    Path: optional(policyPathType),
    PolicyDocument: required(policyDocumentType),
    Description: optional(policyDescriptionType),
    Tags: optional(tagListType),
  }),
  action: 'iam:CreatePolicy',
  isReadOnly: false,
  errors: ['EntityAlreadyExists', 'InvalidInput', 'LimitExceeded', 'MalformedPolicyDocument'],
  on: ({ PolicyName, Path = '/' }, { principal: { account } }) => {
    const arn = iamArn('policy', { account, path: Path, name: PolicyName })
    return { arn, ownerId: null, boundaryArn: null, found: arn }
  },
  further: ({ Tags = [] }, arn) => (Tags.length === 0 ? [] : [{ action: 'iam:TagPolicy', arn }]),
  async handle({ PolicyName, Path = '/', PolicyDocument, Description = '', Tags }, call, arn, { database }) {
    const tags = tagsOf(Tags)
    const refusal = tagsRefusal(tags, true) ?? documentRefusal(PolicyDocument, 'identity', managedSizeLimit)
    if (refusal !== null) return refusal
    const { principal, wallTime } = call
    const policy = {
      id: newUniqueId('ANPA'),
      account: principal.account,
      name: PolicyName,
      nameKey: nameKeyOf(PolicyName),
      path: Path,
      arn,
      description: Description,
      createdAt: wallTime,
      updatedAt: wallTime,
    }
    if (!(await createPolicy(database, policy, PolicyDocument, tags))) {
      return refuse(
        'EntityAlreadyExists',
        `A policy called ${PolicyName} already exists. Duplicate names are not allowed.`,
      )
    }
    const made = { ...policy, defaultVersion: 1, lastVersion: 1, attachmentCount: 0, boundaryCount: 0 }
    return { Policy: { ...policyMembers(made), Tags: tagMembers(tags) } }
  },
})

const named = { PolicyArn: required(arnType) } as const

export const GetPolicy = query({
  input: shape(named),
  action: 'iam:GetPolicy',
  isReadOnly: true,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: policyNamed,
  async handle(_input, call, policy, services) {
    const [used] = 'account' in policy ? [policy] : await withUse([policy], call.principal.account, services)
    const { description } = policy
    const Tags = tagMembers(await listTags(services.database, policy.id))
    const Description = description === '' ? undefined : description
    return { Policy: { ...(used && policyMembers(used)), Description, Tags } }
  },
})

export const ListPolicies = query({
  input: shape({
    Scope: optional(policyScopeType),
    OnlyAttached: optional(booleanType),
    PathPrefix: optional(policyPathType),
    PolicyUsageFilter: optional(PolicyUsageType),
    ...paging,
  }),
  action: 'iam:ListPolicies',
  isReadOnly: true,
  errors: [],
  on: anything(),
  async handle(input, call, _, services) {
    const { account } = call.principal
    const { Scope = 'All', OnlyAttached = false, PathPrefix = '/', PolicyUsageFilter } = input
    const wanted = {
      account,
      pathPrefix: PathPrefix,
      isAttached: PolicyUsageFilter === 'PermissionsPolicy' || (OnlyAttached && PolicyUsageFilter === undefined),
      isBoundary: PolicyUsageFilter === 'PermissionsBoundary',
    }
    const policies = await page<UsedPolicy>(input, call, services, {
      query: ['ListPolicies', Scope, String(OnlyAttached), PathPrefix, PolicyUsageFilter],
      async fetch(place, count) {
        const own = Scope === 'AWS' ? [] : await listPolicies(services.database, wanted, place, count)
        // An account's own come first in the order of ARNs: digits are before letters.
        if (Scope === 'Local' || own.length >= count) return own
        const behind = awsManagedPolicies().filter((row) => row.arn > place && row.path.startsWith(PathPrefix))
        const used = await withUse(behind, account, services)
        return [...own, ...used.filter((row) => isWanted(row, wanted))].slice(0, count)
      },
      placeOf: ({ arn }) => arn,
    })
    return isRefusal(policies) ? policies : { Policies: policies.items.map(policyMembers), ...policies.next }
  },
})

export const DeletePolicy = query({
  input: shape(named),
  action: 'iam:DeletePolicy',
  isReadOnly: false,
  errors: ['DeleteConflict', 'InvalidInput', 'LimitExceeded', 'NoSuchEntity'],
  on: ownPolicyNamed,
  async handle({ PolicyArn }, _call, { id }, { database }) {
    if (await deletePolicy(database, id)) return undefined
    const policy = await findPolicy(database, PolicyArn)
    if (policy === null) return policyNotFound(PolicyArn)
    if (policy.attachmentCount + policy.boundaryCount > 0) {
      return refuse('DeleteConflict', 'Cannot delete a policy attached to entities.')
    }
    return refuse(
      'DeleteConflict',
      "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
    )
  },
})

type UsedPolicy = ManagedPolicy | (AwsManagedPolicy & PolicyUse)

/** AWS's own are everybody's, so each account's use of them is counted for itself. */
async function withUse(policies: readonly AwsManagedPolicy[], account: string, { database }: IamServices) {
  const arns = policies.map(({ arn }) => arn)
  const uses = arns.length === 0 ? [] : await policyUses(database, account, arns)
  return policies.map((policy, index) => ({ ...policy, attachmentCount: 0, boundaryCount: 0, ...uses[index] }))
}

function isWanted(
  { attachmentCount, boundaryCount }: PolicyUse,
  { isAttached, isBoundary }: { isAttached: boolean; isBoundary: boolean },
) {
  return (!isAttached || attachmentCount > 0) && (!isBoundary || boundaryCount > 0)
}

/** A policy as lists show it. */
function policyMembers(policy: UsedPolicy) {
  return {
    PolicyName: policy.name,
    PolicyId: policy.id,
    Arn: policy.arn,
    Path: policy.path,
    DefaultVersionId: 'account' in policy ? `v${policy.defaultVersion}` : policy.versionId,
    AttachmentCount: policy.attachmentCount,
    PermissionsBoundaryUsageCount: policy.boundaryCount,
    IsAttachable: true,
    CreateDate: new Date(policy.createdAt),
    UpdateDate: new Date(policy.updatedAt),
  }
}
