/** A managed policy that belongs to no account: everybody may attach it, nobody can change it. */
export interface AwsManagedPolicy {
  readonly arn: string
  readonly id: string
  readonly name: string
  readonly description: string
  readonly path: string
  readonly versionId: string
  /** Milliseconds. */
  readonly createdAt: number
  readonly updatedAt: number
  readonly document: string
}

/** Null: AWS has none of that ARN, or it is none of those that are served here. */
export function findAwsManagedPolicy(arn: string): AwsManagedPolicy | null {
  return byArn.get(arn) ?? null
}

/** Its document. Null: as above. */
export function awsManagedPolicy(arn: string): string | null {
  return byArn.get(arn)?.document ?? null
}

/** In the order of their ARNs. */
export function awsManagedPolicies(): readonly AwsManagedPolicy[] {
  return table
}

function policy(
  name: string,
  row: { id: string; versionId: string; created: string; updated: string; description: string; document: object },
): AwsManagedPolicy {
  const { created, updated, document, ...rest } = row
  const arn = `arn:aws:iam::aws:policy/${name}`
  return {
    ...rest,
    arn,
    name,
    path: '/',
    createdAt: Date.parse(created),
    updatedAt: Date.parse(updated),
    document: JSON.stringify(document),
  }
}

const allow = (...Action: string[]) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action, Resource: '*' }],
})

const table: readonly AwsManagedPolicy[] = [
  policy('AWSKeyManagementServicePowerUser', {
    id: 'ANPAJNPP7PPPPMJRV2SA4',
    versionId: 'v1',
    created: '2015-02-06T18:40:40Z',
    updated: '2015-02-06T18:40:40Z',
    description: 'Provides access to AWS Key Management Service (KMS).',
    document: allow(
      'kms:CreateAlias',
      'kms:CreateKey',
      'kms:DeleteAlias',
      'kms:Describe*',
      'kms:GenerateRandom',
      'kms:Get*',
      'kms:List*',
      'kms:TagResource',
      'kms:UntagResource',
      'iam:ListGroups',
      'iam:ListRoles',
      'iam:ListUsers',
    ),
  }),
  policy('AdministratorAccess', {
    id: 'ANPAIWMBCKSKIEE64ZLYK',
    versionId: 'v1',
    created: '2015-02-06T18:39:46Z',
    updated: '2015-02-06T18:39:46Z',
    description: 'Provides full access to AWS services and resources.',
    document: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] },
  }),
  policy('IAMFullAccess', {
    id: 'ANPAI7XKCFMBPM3QQRRVQ',
    versionId: 'v2',
    created: '2015-02-06T18:40:38Z',
    updated: '2019-06-21T19:40:00Z',
    description: 'Provides full access to IAM via the AWS Management Console.',
    document: allow(
      'iam:*',
      'organizations:DescribeAccount',
      'organizations:DescribeOrganization',
      'organizations:DescribeOrganizationalUnit',
      'organizations:DescribePolicy',
      'organizations:ListChildren',
      'organizations:ListParents',
      'organizations:ListPoliciesForTarget',
      'organizations:ListRoots',
      'organizations:ListPolicies',
      'organizations:ListTargetsForPolicy',
    ),
  }),
  policy('IAMReadOnlyAccess', {
    id: 'ANPAJKSO7NDY4T57MWDSQ',
    versionId: 'v4',
    created: '2015-02-06T18:40:39Z',
    updated: '2018-01-25T19:11:27Z',
    description: 'Provides read only access to IAM via the AWS Management Console.',
    document: allow(
      'iam:GenerateCredentialReport',
      'iam:GenerateServiceLastAccessedDetails',
      'iam:Get*',
      'iam:List*',
      'iam:SimulateCustomPolicy',
      'iam:SimulatePrincipalPolicy',
    ),
  }),
]

const byArn: ReadonlyMap<string, AwsManagedPolicy> = new Map(table.map((row) => [row.arn, row]))
