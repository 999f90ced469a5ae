import { rootArn } from '../model/arn.ts'

/** Who a key policy names, by ARN. */
interface KeyPeople {
  readonly administrators: readonly string[]
  readonly users: readonly string[]
}

/**
 * The policy that AWS KMS attaches where none is given, in the form in which its GetKeyPolicy shows it. With people, the
 * one that AWS's console composes for a key with administrators and users.
 */
export function defaultKeyPolicy(account: string, people?: KeyPeople): string {
  if (people !== undefined) return consoleKeyPolicy(account, people)
  return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "${rootArn(account)}"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

const administration =
  'Create* Describe* Enable* List* Put* Update* Revoke* Disable* Get* Delete* TagResource UntagResource ScheduleKeyDeletion CancelKeyDeletion RotateKeyOnDemand'
const use = 'Encrypt Decrypt ReEncrypt* GenerateDataKey* DescribeKey'
const attachment = 'CreateGrant ListGrants RevokeGrant'
/** Grants are for the services that the users work with, not for them to hand out. */
const forServices = { Bool: { 'kms:GrantIsForAWSResource': 'true' } }

/** As AWS's console composes it: the account may delegate, administrators manage the key without using it, users use it. */
function consoleKeyPolicy(account: string, { administrators, users }: KeyPeople): string {
  const allow = (Sid: string, arns: readonly string[], operations: string, Condition?: typeof forServices) => {
    if (arns.length === 0) return []
    const actions = operations.split(' ').map((operation) => `kms:${operation}`)
    const Action = actions.length === 1 ? actions[0] : actions
    return [{ Sid, Effect: 'Allow', Principal: { AWS: arns }, Action, Resource: '*', Condition }]
  }
  const Statement = [
    ...allow('Enable IAM User Permissions', [rootArn(account)], '*'),
    ...allow('Allow access for Key Administrators', administrators, administration),
    ...allow('Allow use of the key', users, use),
    ...allow('Allow attachment of persistent resources', users, attachment, forServices),
  ]
  return JSON.stringify({ Version: '2012-10-17', Id: 'key-consolepolicy-3', Statement }, null, 2)
}
