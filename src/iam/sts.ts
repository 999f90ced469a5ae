import { refuse } from '../model/errors.ts'
import { required, shape } from '../model/shapes.ts'
import { AssumeRole } from './assume-role.ts'
import { AssumeRoleWithWebIdentity } from './assume-role-with-web-identity.ts'
import { anything, type QueryOperation, query } from './operation.ts'
import { stsAccessKeyIdType } from './sts-types.ts'

/** Everybody may ask who they are, whatever policies say. */
const GetCallerIdentity = query({
  input: shape({}),
  action: null,
  isReadOnly: true,
  errors: [],
  on: anything(),
  handle: (_input, { principal }) => ({ UserId: principal.id, Account: principal.account, Arn: principal.arn }),
})

/** Of a root's and a user's access key; of a session's nothing is stored. */
const GetAccessKeyInfo = query({
  input: shape({ AccessKeyId: required(stsAccessKeyIdType) }),
  action: 'sts:GetAccessKeyInfo',
  isReadOnly: true,
  errors: [],
  on: anything(),
  async handle({ AccessKeyId }, _call, _found, { credentials }) {
    const account = await credentials.accountOf(AccessKeyId)
    return account === null ? refuse('ValidationException', 'The access key ID is invalid.') : { Account: account }
  },
})

/** The operations of STS, by name. */
export const sts: Readonly<Record<string, QueryOperation>> = {
  AssumeRole,
  AssumeRoleWithWebIdentity,
  GetAccessKeyInfo,
  GetCallerIdentity,
}
