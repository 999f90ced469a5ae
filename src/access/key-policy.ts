import { rootArn } from '../model/arn.ts'
import { utf8 } from '../model/bytes.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'

/** The policy that AWS KMS attaches where none is given, in the form in which its GetKeyPolicy shows it. */
export function defaultKeyPolicy(account: string): string {
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

type PolicyRefusal = Refusal<
  'LimitExceededException' | 'MalformedPolicyDocumentException' | 'UnsupportedOperationException'
>

/**
 * Null: the document may be stored as given. Only what says the same as the default is taken, because nothing but the
 * default is enforced, and a stored policy that nobody enforces is worse than a refusal.
 */
export function checkKeyPolicy(document: string, account: string): PolicyRefusal | null {
  if (utf8(document).length > limits.policyBytesMax) {
    return refuse('LimitExceededException', `The key policy is longer than ${limits.policyBytesMax} bytes.`)
  }
  const policy = parseObject(document)
  if (policy === null) return refuse('MalformedPolicyDocumentException', 'The policy is not a valid JSON document.')
  if (saysTheDefault(policy, account)) return null
  return refuse(
    'UnsupportedOperationException',
    'Key policies are not evaluated yet, so only the default key policy is accepted: one statement that allows kms:* on * to the root of the account.',
  )
}

function saysTheDefault({ Version, Statement, Id, ...others }: Record<string, unknown>, account: string): boolean {
  if (Object.keys(others).length > 0 || (Id !== undefined && typeof Id !== 'string')) return false
  if (Version !== undefined && Version !== '2012-10-17' && Version !== '2008-10-17') return false
  const statement = only(Statement)
  if (typeof statement !== 'object' || statement === null) return false
  const { Sid, Effect, Principal, Action, Resource, ...more } = statement as Record<string, unknown>
  if (Object.keys(more).length > 0 || (Sid !== undefined && typeof Sid !== 'string')) return false
  if (Effect !== 'Allow' || only(Action) !== 'kms:*' || only(Resource) !== '*') return false
  if (typeof Principal !== 'object' || Principal === null || Object.keys(Principal).join() !== 'AWS') return false
  const principal = only((Principal as Record<string, unknown>).AWS)
  return principal === account || principal === rootArn(account)
}

/** The element of a one-element list, or the value that is no list: policies may write either. */
function only(value: unknown): unknown {
  return Array.isArray(value) && value.length === 1 ? value[0] : value
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
