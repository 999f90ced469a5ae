import { setBoundary } from '../catalog/entities.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { required, shape } from '../model/shapes.ts'
import { entityNamed, entityWords, notFound } from './entities.ts'
import { query } from './operation.ts'
import { mayBeNamed, notAnArn } from './policies-named.ts'
import { arnType } from './types.ts'

/** Put…PermissionsBoundary and Delete…PermissionsBoundary. */
function boundaryOf(kind: 'user' | 'role') {
  const { word, naming } = entityWords[kind]
  const errors = ['InvalidInput', 'NoSuchEntity', 'PolicyNotAttachable', 'UnmodifiableEntity'] as const
  return {
    Put: query({
      input: shape({ ...naming, PermissionsBoundary: required(arnType) }),
      action: `iam:Put${word}PermissionsBoundary`,
      isReadOnly: false,
      errors,
      on: entityNamed<'user' | 'role'>(kind),
      async handle({ PermissionsBoundary }, call, { id }, { database }) {
        const refusal = boundaryRefusal(PermissionsBoundary, call.principal.account)
        if (refusal !== null) return refusal
        return (await setBoundary(database, kind, id, PermissionsBoundary))
          ? undefined
          : noBoundary(PermissionsBoundary)
      },
    }),
    Delete: query({
      input: shape(naming),
      action: `iam:Delete${word}PermissionsBoundary`,
      isReadOnly: false,
      errors,
      on: entityNamed<'user' | 'role'>(kind),
      async handle(_input, _call, { id, name }, { database }) {
        return (await setBoundary(database, kind, id, null)) ? undefined : notFound(kind, name)
      },
    }),
  }
}

export const boundaries = { user: boundaryOf('user'), role: boundaryOf('role') }

/** Null: it can be a boundary, if it is there. Whether an account's policy is there, the statement that sets it asks. */
export function boundaryRefusal(
  arn: string | undefined,
  account: string,
): Refusal<'InvalidInput' | 'NoSuchEntity'> | null {
  if (arn === undefined) return null
  return notAnArn(arn) ?? (mayBeNamed(arn, account) ? null : noBoundary(arn))
}

export function noBoundary(arn: string | null): Refusal<'NoSuchEntity'> {
  return refuse('NoSuchEntity', `Scope ARN: ${arn} does not exist or is not attachable.`)
}

/** The member that shows a boundary; undefined: there is none. */
export function boundaryMember(arn: string | null) {
  if (arn === null) return undefined
  return { PermissionsBoundaryType: 'PermissionsBoundaryPolicy', PermissionsBoundaryArn: arn }
}
