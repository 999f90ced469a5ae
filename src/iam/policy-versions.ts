import {
  createVersion,
  deleteVersion,
  findPolicy,
  findVersion,
  listVersions,
  type PolicyVersion,
  setDefaultVersion,
} from '../catalog/managed-policies.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import type { AwsManagedPolicy } from './aws-managed-policies.ts'
import { query } from './operation.ts'
import { pageOf } from './page.ts'
import { notAttachable, ownPolicyNamed, policyNamed, policyNotFound } from './policies-named.ts'
import { documentRefusal, encodePolicy, managedSizeLimit } from './policy-document.ts'
import { arnType, booleanType, paging, policyDocumentType, policyVersionIdType } from './types.ts'

const named = { PolicyArn: required(arnType) } as const
const versioned = { ...named, VersionId: required(policyVersionIdType) } as const

export const CreatePolicyVersion = query({
  input: shape({ ...named, PolicyDocument: required(policyDocumentType), SetAsDefault: optional(booleanType) }),
  action: 'iam:CreatePolicyVersion',
  isReadOnly: false,
  errors: ['InvalidInput', 'LimitExceeded', 'MalformedPolicyDocument', 'NoSuchEntity'],
  on: ownPolicyNamed,
  async handle({ PolicyArn, PolicyDocument, SetAsDefault = false }, call, { id }, { database }) {
    const refusal = documentRefusal(PolicyDocument, 'identity', managedSizeLimit)
    if (refusal !== null) return refusal
    const { wallTime: time } = call
    const version = await createVersion(database, { id, document: PolicyDocument, isDefault: SetAsDefault, time })
    if (version === null) {
      if ((await findPolicy(database, PolicyArn))?.id !== id) return policyNotFound(PolicyArn)
      return refuse(
        'LimitExceeded',
        `A managed policy can have up to ${limits.policyVersionsMax} versions. Before you create a new version, you must delete an existing version.`,
      )
    }
    const PolicyVersion = { VersionId: `v${version}`, IsDefaultVersion: SetAsDefault, CreateDate: new Date(time) }
    return { PolicyVersion }
  },
})

export const GetPolicyVersion = query({
  input: shape(versioned),
  action: 'iam:GetPolicyVersion',
  isReadOnly: true,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: policyNamed,
  async handle({ VersionId }, _call, policy, { database }) {
    const version =
      'account' in policy
        ? await findVersion(database, policy.id, numberOf(VersionId))
        : (awsVersions(policy).find(({ version }) => version === numberOf(VersionId)) ?? null)
    if (version === null) return versionNotFound(policy.arn, VersionId)
    return { PolicyVersion: { Document: encodePolicy(version.document), ...versionMembers(version, policy) } }
  },
})

export const ListPolicyVersions = query({
  input: shape({ ...named, ...paging }),
  action: 'iam:ListPolicyVersions',
  isReadOnly: true,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: policyNamed,
  async handle(input, call, policy, services) {
    const items = 'account' in policy ? await listVersions(services.database, policy.id) : awsVersions(policy)
    const versions = await pageOf(input, call, services, {
      query: ['ListPolicyVersions', policy.arn],
      items,
      // The newest come first.
      placeOf: ({ version }) => String(1e9 - version),
    })
    if (isRefusal(versions)) return versions
    return { Versions: versions.items.map((version) => versionMembers(version, policy)), ...versions.next }
  },
})

export const SetDefaultPolicyVersion = query({
  input: shape(versioned),
  action: 'iam:SetDefaultPolicyVersion',
  isReadOnly: false,
  errors: ['InvalidInput', 'LimitExceeded', 'NoSuchEntity'],
  on: ownPolicyNamed,
  async handle({ VersionId }, call, { id, arn }, { database }) {
    const isDone = await setDefaultVersion(database, id, numberOf(VersionId), call.wallTime)
    return isDone ? undefined : versionNotFound(arn, VersionId)
  },
})

export const DeletePolicyVersion = query({
  input: shape(versioned),
  action: 'iam:DeletePolicyVersion',
  isReadOnly: false,
  errors: ['DeleteConflict', 'InvalidInput', 'LimitExceeded', 'NoSuchEntity'],
  on: ownPolicyNamed,
  async handle({ VersionId }, _call, { id, arn }, { database }) {
    const version = numberOf(VersionId)
    if (await deleteVersion(database, id, version)) return undefined
    if ((await findVersion(database, id, version)) === null) return versionNotFound(arn, VersionId)
    return refuse('DeleteConflict', 'Cannot delete the default version of a policy.')
  },
})

/** Of AWS's own, only the newest is kept. */
function awsVersions({ id, versionId, document, updatedAt }: AwsManagedPolicy): PolicyVersion[] {
  return [{ policyId: id, version: numberOf(versionId), document, createdAt: updatedAt }]
}

function versionMembers(
  { version, createdAt }: PolicyVersion,
  policy: AwsManagedPolicy | { readonly defaultVersion: number },
) {
  const isDefault = 'defaultVersion' in policy ? version === policy.defaultVersion : true
  return { VersionId: `v${version}`, IsDefaultVersion: isDefault, CreateDate: new Date(createdAt) }
}

function versionNotFound(arn: string, versionId: string) {
  return notAttachable(`${arn} version ${versionId}`)
}

/** `v3` is 3. */
function numberOf(versionId: string): number {
  return Number(versionId.slice(1))
}
