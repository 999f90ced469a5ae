import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Caller, openKms } from '../support/conformance.ts'
import { openTerraform } from '../support/terraform.ts'

/**
 * Keys, aliases, principals and grants by Terraform: made, found unchanged, changed, destroyed. It is skipped, and says
 * so, where there is no `terraform` or where its AWS provider is not to be had.
 */

const kms = await openKms()
const { account } = kms.caller
const terraform = await openTerraform(kms)
const { why } = terraform
/** The provider waits some seconds after most changes of a key. */
const timeout = 300_000

const keys = (description: string) => `
resource "aws_kms_key" "app" {
  description             = "${description}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  tags                    = { Name = "app", env = "" }
}
resource "aws_kms_alias" "app" {
  name          = "alias/terraform-app"
  target_key_id = aws_kms_key.app.key_id
}
output "key_id" { value = aws_kms_key.app.key_id }
`

const material = randomBytes(32).toString('base64')

const externalKey = (validTo: string, description: string) => `
resource "aws_kms_external_key" "own" {
  description             = "${description}"
  key_material_base64     = "${material}"
  valid_to                = "${validTo}"
  enabled                 = true
  deletion_window_in_days = 7
  tags                    = { Name = "own" }
}
output "key_id" { value = aws_kms_external_key.own.id }
`

const replicaRegion = 'eu-west-1'
const replicated = (description: string) => `
provider "aws" {
  alias                   = "replica"
  region                  = "${replicaRegion}"
  skip_metadata_api_check = true
  endpoints {
    iam = "${kms.endpoint}"
    kms = "${kms.endpoint}"
    sts = "${kms.endpoint}"
  }
}
resource "aws_kms_key" "primary" {
  multi_region            = true
  enable_key_rotation     = true
  deletion_window_in_days = 7
}
resource "aws_kms_replica_key" "replica" {
  provider                = aws.replica
  primary_key_arn         = aws_kms_key.primary.arn
  description             = "${description}"
  deletion_window_in_days = 7
  tags                    = { Name = "replica" }
}
output "key_id" { value = aws_kms_key.primary.key_id }
`

interface Changing {
  readonly department: string
  readonly action: string
  readonly sessionSeconds: number
  readonly clients: string
}

/** Every kind of principal and policy, each naming others. */
const principals = ({ department, action, sessionSeconds, clients }: Changing) => `
resource "aws_iam_user" "web" {
  name                 = "terraform-web"
  path                 = "/apps/"
  force_destroy        = true
  permissions_boundary = aws_iam_policy.boundary.arn
  tags                 = { department = "${department}" }
}
resource "aws_iam_access_key" "web" { user = aws_iam_user.web.name }
resource "aws_iam_user_policy" "web" {
  name   = "own"
  user   = aws_iam_user.web.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "${action}", Resource = "*" }] })
}
resource "aws_iam_group" "apps" {
  name = "terraform-apps"
  path = "/apps/"
}
resource "aws_iam_group" "others" { name = "terraform-others" }
resource "aws_iam_group_policy" "apps" {
  name   = "own"
  group  = aws_iam_group.apps.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "kms:ListKeys", Resource = "*" }] })
}
resource "aws_iam_group_membership" "apps" {
  name  = "members"
  group = aws_iam_group.apps.name
  users = [aws_iam_user.web.name]
}
resource "aws_iam_user_group_membership" "web" {
  user   = aws_iam_user.web.name
  groups = [aws_iam_group.others.name]
}
resource "aws_iam_policy" "boundary" {
  name   = "terraform-boundary"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })
}
resource "aws_iam_policy" "use" {
  name        = "terraform-use"
  path        = "/apps/"
  description = "use of the key"
  policy      = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["${action}", "kms:DescribeKey"], Resource = aws_kms_key.app.arn }] })
  tags        = { department = "${department}" }
}
resource "aws_iam_user_policy_attachment" "web" {
  user       = aws_iam_user.web.name
  policy_arn = aws_iam_policy.use.arn
}
resource "aws_iam_group_policy_attachment" "apps" {
  group      = aws_iam_group.apps.name
  policy_arn = "arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser"
}
resource "aws_iam_role_policy_attachment" "job" {
  role       = aws_iam_role.job.name
  policy_arn = aws_iam_policy.use.arn
}
resource "aws_iam_openid_connect_provider" "ci" {
  url             = "https://token.actions.githubusercontent.com"
  client_id_list  = [${clients}]
  thumbprint_list = ["6938fd4d98bab03faadb97b34396831e3780aea1"]
  tags            = { department = "${department}" }
}
resource "aws_iam_role" "job" {
  name                 = "terraform-job"
  description          = "in ${department}"
  max_session_duration = ${sessionSeconds}
  force_detach_policies = true
  tags                 = { department = "${department}" }
  assume_role_policy   = jsonencode({
    Version   = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = aws_iam_user.web.arn } },
      {
        Effect    = "Allow"
        Action    = "sts:AssumeRoleWithWebIdentity"
        Principal = { Federated = aws_iam_openid_connect_provider.ci.arn }
        Condition = { StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" } }
      },
    ]
  })
}
resource "aws_iam_role_policy" "job" {
  name   = "own"
  role   = aws_iam_role.job.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "${action}", Resource = "*" }] })
}
data "aws_caller_identity" "me" {}
resource "aws_kms_key" "app" {
  deletion_window_in_days = 7
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [
      { Sid = "account", Effect = "Allow", Principal = { AWS = "arn:aws:iam::\${data.aws_caller_identity.me.account_id}:root" }, Action = "kms:*", Resource = "*" },
      { Sid = "use", Effect = "Allow", Principal = { AWS = [aws_iam_user.web.arn, aws_iam_role.job.arn] }, Action = ["${action}"], Resource = "*" },
    ]
  })
}
resource "aws_kms_grant" "job" {
  name               = "terraform-job"
  key_id             = aws_kms_key.app.key_id
  grantee_principal  = aws_iam_role.job.arn
  retiring_principal = aws_iam_user.web.arn
  operations         = ["Encrypt", "Decrypt"]
  constraints { encryption_context_equals = { department = "${department}" } }
}
output "access_key" { value = aws_iam_access_key.web.id }
output "secret" {
  value     = nonsensitive(aws_iam_access_key.web.secret)
}
output "key_id" { value = aws_kms_key.app.key_id }
`

const output = (text: string, name: string) => new RegExp(`^${name} = "(.*)"`, 'm').exec(text)?.[1] ?? ''

describe.skipIf(why !== null)(`terraform${why === null ? '' : `: skipped, as ${why}`}`, () => {
  it('keys and aliases', { timeout }, async () => {
    terraform.configure(keys('first'))
    const made = await terraform.apply()
    expect(made).toContain('Resources: 2 added, 0 changed, 0 destroyed.')
    const KeyId = output(made, 'key_id')
    const metadata = async () => (await kms.ask('DescribeKey', { KeyId })).json.KeyMetadata
    expect(await metadata()).toMatchObject({ Description: 'first', KeyState: 'Enabled' })
    const rotation = await kms.ask('GetKeyRotationStatus', { KeyId })
    expect(rotation.json).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 365 })
    await terraform.expectNoChanges()

    terraform.configure(keys('second'))
    expect(await terraform.apply()).toContain('Resources: 0 added, 1 changed, 0 destroyed.')
    expect(await metadata()).toMatchObject({ Description: 'second', KeyState: 'Enabled' })

    await terraform.destroy()
    expect(await metadata()).toMatchObject({ KeyState: 'PendingDeletion' })
    expect((await kms.ask('ListAliases', { KeyId })).json.Aliases).toEqual([])
  })

  it('keys with material of one’s own', { timeout }, async () => {
    const date = (days: number) => `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 19)}Z`
    const [soon, later] = [date(10), date(20)]
    terraform.configure(externalKey(soon, 'first'))
    const made = await terraform.apply()
    expect(made).toContain('Resources: 1 added, 0 changed, 0 destroyed.')
    const KeyId = output(made, 'key_id')
    const metadata = async () => (await kms.ask('DescribeKey', { KeyId })).json.KeyMetadata
    const expires = { Origin: 'EXTERNAL', KeyState: 'Enabled', ExpirationModel: 'KEY_MATERIAL_EXPIRES' }
    expect(await metadata()).toMatchObject({ ...expires, ValidTo: Date.parse(soon) / 1000 })
    await terraform.expectNoChanges()

    // An expiry is moved by importing the same material again.
    terraform.configure(externalKey(later, 'second'))
    expect(await terraform.apply()).toContain('Resources: 0 added, 1 changed, 0 destroyed.')
    expect(await metadata()).toMatchObject({ ...expires, Description: 'second', ValidTo: Date.parse(later) / 1000 })
    await terraform.expectNoChanges()

    await terraform.destroy()
    expect(await metadata()).toMatchObject({ KeyState: 'PendingDeletion' })
  })

  it('a key and its replica', { timeout: 2 * timeout }, async () => {
    terraform.configure(replicated('first'))
    const made = await terraform.apply()
    expect(made).toContain('Resources: 2 added, 0 changed, 0 destroyed.')
    const KeyId = output(made, 'key_id')
    const metadata = async (region: string) => (await kms.ask('DescribeKey', { KeyId }, { region })).json.KeyMetadata
    expect(await metadata(replicaRegion)).toMatchObject({
      KeyId,
      Description: 'first',
      MultiRegionConfiguration: { MultiRegionKeyType: 'REPLICA' },
    })
    await terraform.expectNoChanges()

    terraform.configure(replicated('second'))
    expect(await terraform.apply()).toContain('Resources: 0 added, 1 changed, 0 destroyed.')
    await terraform.expectNoChanges()

    await terraform.destroy()
    expect(await metadata(replicaRegion)).toMatchObject({ KeyState: 'PendingDeletion' })
    expect(await metadata(kms.region)).toMatchObject({ KeyState: 'PendingReplicaDeletion' })
  })

  it('principals, policies and grants', { timeout }, async () => {
    const first = { department: 'a', action: 'kms:Encrypt', sessionSeconds: 3600, clients: '"sts.amazonaws.com"' }
    terraform.configure(principals(first))
    const made = await terraform.apply()
    expect(made).toContain('Resources: 18 added, 0 changed, 0 destroyed.')
    await terraform.expectNoChanges()
    const web: Caller = { account, accessKeyId: output(made, 'access_key'), secretAccessKey: output(made, 'secret') }
    const KeyId = output(made, 'key_id')
    const encrypted = async () => (await kms.ask('Encrypt', { KeyId, Plaintext: 'YQ==' }, { ...web })).status
    expect(await encrypted()).toBe(200)

    terraform.configure(
      principals({
        department: 'b',
        action: 'kms:Decrypt',
        sessionSeconds: 7200,
        clients: '"sts.amazonaws.com", "another"',
      }),
    )
    // A grant cannot be changed: it is replaced.
    expect(await terraform.apply()).toMatch(/Resources: 1 added, \d+ changed, 1 destroyed\./)
    await terraform.expectNoChanges()
    expect(await encrypted()).toBe(400)

    await terraform.destroy()
    expect((await kms.query('iam', 'GetCallerIdentity', {}, web)).refusal).toMatch(/^InvalidClientTokenId: /)
    for (const [action, list] of [
      ['ListUsers', 'Users'],
      ['ListGroups', 'Groups'],
      ['ListRoles', 'Roles'],
      ['ListOpenIDConnectProviders', 'OpenIDConnectProviderList'],
    ] as const) {
      const { result } = await kms.query('iam', action)
      expect(result[list], action).toBe('')
    }
    expect((await kms.query('iam', 'ListPolicies', { Scope: 'Local' })).result.Policies).toBe('')
  })
})
