import { findPolicy, type ManagedPolicy } from '../catalog/managed-policies.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { isAwsPolicyArn, isPolicyArn } from '../model/iam-arn.ts'
import { type AwsManagedPolicy, findAwsManagedPolicy } from './aws-managed-policies.ts'
import type { TargetFinder } from './operation.ts'

/** A managed policy by its ARN: the account's own, or AWS's. */
export const policyNamed: TargetFinder<{ readonly PolicyArn: string }, ManagedPolicy | AwsManagedPolicy> = async (
  { PolicyArn: arn },
  { principal },
  { database },
) => {
  const own = mayBeNamed(arn, principal.account) && !isAwsPolicyArn(arn) ? await findPolicy(database, arn) : null
  const found = own ?? findAwsManagedPolicy(arn) ?? notAnArn(arn) ?? policyNotFound(arn)
  return { arn, ownerId: own?.id ?? null, boundaryArn: null, found }
}

/** As `policyNamed`, for a change: AWS's own are not the account's to change. */
export const ownPolicyNamed: TargetFinder<{ readonly PolicyArn: string }, ManagedPolicy> = async (
  input,
  call,
  services,
) => {
  const target = await policyNamed(input, call, services)
  const { found } = target
  if ('refused' in found || 'account' in found) return { ...target, found }
  return { ...target, found: refuse('AccessDeniedException', 'Policy is outside your own account.') }
}

/** True where the account may name it: its own, be it there or not, and those of AWS that are served here. */
export function mayBeNamed(arn: string, account: string): boolean {
  return isAwsPolicyArn(arn) ? findAwsManagedPolicy(arn) !== null : arn.startsWith(`arn:aws:iam::${account}:policy/`)
}

/** Null: the text is an ARN of a managed policy. */
export function notAnArn(text: string): Refusal<'InvalidInput'> | null {
  return isPolicyArn(text) ? null : refuse('InvalidInput', `ARN ${text} is not valid.`)
}

export function policyNotFound(arn: string): Refusal<'NoSuchEntity'> {
  return refuse('NoSuchEntity', `Policy ${arn} was not found.`)
}

export function notAttachable(what: string): Refusal<'NoSuchEntity'> {
  return refuse('NoSuchEntity', `Policy ${what} does not exist or is not attachable.`)
}
