import { authorizeByIdentity } from '../access/decide.ts'
import { denialOf } from '../access/denial-text.ts'
import { requestOf } from '../access/request-of.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, type Refusal, refuse } from '../model/errors.ts'
import type { Via } from '../model/kms-binding.ts'
import { managedKeyNames } from './managed-keys.ts'

/** What an integration asks of KMS on its caller's behalf. */
interface Integration {
  /** What the caller has to be allowed of the integration itself, by the operation that it leads to. */
  readonly actions: Readonly<Record<string, string>>
  /** The member of the encryption context that names what is encrypted: the resource of those actions. */
  readonly resource: string
  readonly resourceForm: RegExp
}

const integrations: Readonly<Record<Via, Integration>> = {
  // Amazon S3's own encryption context, and its permissions.
  s3: {
    actions: { GenerateDataKey: 's3:PutObject', Decrypt: 's3:GetObject' },
    resource: 'aws:s3:arn',
    resourceForm: /^arn:aws:s3:::[^/*?]+\/[^*?]+$/,
  },
}

/**
 * The call as the integration makes it, and its input. `via` comes from a service binding alone. It opens nothing but the
 * integration's own AWS managed key, for the data key of one object, to whom identity policies let read or write that
 * object.
 */
export async function throughService(
  via: unknown,
  operation: string,
  input: Readonly<Record<string, unknown>>,
  call: Call,
): Promise<{ readonly call: Call; readonly input: Readonly<Record<string, unknown>> } | Refusal> {
  const isKnown = typeof via === 'string' && Object.hasOwn(integrations, via)
  if (!isKnown) return denied('There is no such integration.')
  const { actions, resource: member, resourceForm } = integrations[via as Via]
  const action = Object.hasOwn(actions, operation) ? actions[operation] : undefined
  if (action === undefined) return denied(`${operation} is not what ${via} asks of KMS.`)
  const names = await managedKeyNames(via, call)
  const { KeyId = names[0], EncryptionContext } = input
  if (!names.some((name) => name === KeyId)) return denied(`Through ${via} only ${names[0]} is used.`)
  const resource = (EncryptionContext as Readonly<Record<string, unknown>> | undefined)?.[member]
  if (typeof resource !== 'string' || !resourceForm.test(resource)) {
    return denied(`Through ${via} the encryption context names the object: ${member} is its ARN.`)
  }
  const request = requestOf(call, { action, resource, resourceAccount: call.principal.account, parameters: {} })
  const denial = denialOf(request, authorizeByIdentity(request))
  if (isRefusal(denial)) return denial
  return { call: { ...call, viaService: `${via}.${call.region}.amazonaws.com` }, input: { ...input, KeyId } }
}

function denied(text: string): Refusal<'AccessDeniedException'> {
  return refuse('AccessDeniedException', text)
}
