import {
  createAccessKey,
  deleteAccessKey,
  findAccessKeyUse,
  listAccessKeys,
  setAccessKeyActive,
} from '../catalog/access-keys.ts'
import { newAccessKey, sealAccessKey } from '../crypto/secret.ts'
import { isRefusal, refuse, timedOut } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { userNamedOrCalling } from './entities.ts'
import { anything, query } from './operation.ts'
import { page } from './page.ts'
import { accessKeyIdType, existingUserNameType, paging, statusType } from './types.ts'

const ofUser = { UserName: optional(existingUserNameType) } as const

/** The one answer that has the secret access key. From here on it is there sealed alone. */
export const CreateAccessKey = query({
  input: shape(ofUser),
  action: 'iam:CreateAccessKey',
  isReadOnly: false,
  errors: ['LimitExceeded', 'NoSuchEntity'],
  on: userNamedOrCalling,
  async handle(_input, { wallTime }, { id, account, name }, { database, roots, isProven }) {
    if (!isProven) return timedOut('the root keys are not proven')
    const key = newAccessKey('AKIA')
    const { accessKeyId, secretAccessKey } = key
    const row = { accessKeyId, userId: id, createdAt: wallTime, ...(await sealAccessKey(roots, account, key)) }
    if (!(await createAccessKey(database, row))) {
      return refuse('LimitExceeded', `Cannot exceed quota for AccessKeysPerUser: ${limits.accessKeysPerUserMax}`)
    }
    return {
      AccessKey: {
        UserName: name,
        AccessKeyId: accessKeyId,
        Status: 'Active',
        SecretAccessKey: secretAccessKey,
        CreateDate: new Date(wallTime),
      },
    }
  },
})

export const ListAccessKeys = query({
  input: shape({ ...ofUser, ...paging }),
  action: 'iam:ListAccessKeys',
  isReadOnly: true,
  errors: ['NoSuchEntity'],
  on: userNamedOrCalling,
  async handle(input, call, { id, name }, services) {
    const keys = await page(input, call, services, {
      query: ['ListAccessKeys', id],
      fetch: (place, count) => listAccessKeys(services.database, id, place, count),
      placeOf: ({ accessKeyId }) => accessKeyId,
    })
    if (isRefusal(keys)) return keys
    const AccessKeyMetadata = keys.items.map(({ accessKeyId, isActive, createdAt }) => ({
      UserName: name,
      AccessKeyId: accessKeyId,
      Status: isActive ? 'Active' : 'Inactive',
      CreateDate: new Date(createdAt),
    }))
    return { AccessKeyMetadata, ...keys.next }
  },
})

export const UpdateAccessKey = query({
  input: shape({ ...ofUser, AccessKeyId: required(accessKeyIdType), Status: required(statusType) }),
  action: 'iam:UpdateAccessKey',
  isReadOnly: false,
  errors: ['InvalidInput', 'LimitExceeded', 'NoSuchEntity'],
  on: userNamedOrCalling,
  async handle({ AccessKeyId, Status }, _call, { id }, { database }) {
    const isDone = await setAccessKeyActive(database, id, AccessKeyId, Status === 'Active')
    return isDone ? undefined : keyNotFound(AccessKeyId)
  },
})

export const DeleteAccessKey = query({
  input: shape({ ...ofUser, AccessKeyId: required(accessKeyIdType) }),
  action: 'iam:DeleteAccessKey',
  isReadOnly: false,
  errors: ['LimitExceeded', 'NoSuchEntity'],
  on: userNamedOrCalling,
  async handle({ AccessKeyId }, _call, { id }, { database }) {
    return (await deleteAccessKey(database, id, AccessKeyId)) ? undefined : keyNotFound(AccessKeyId)
  },
})

export const GetAccessKeyLastUsed = query({
  input: shape({ AccessKeyId: required(accessKeyIdType) }),
  action: 'iam:GetAccessKeyLastUsed',
  isReadOnly: true,
  errors: ['NoSuchEntity'],
  on: anything(),
  async handle({ AccessKeyId }, call, _, { database }) {
    const use = await findAccessKeyUse(database, call.principal.account, AccessKeyId)
    if (use === null) return keyNotFound(AccessKeyId)
    const { userName, lastUsedAt, lastUsedService, lastUsedRegion } = use
    return {
      UserName: userName,
      AccessKeyLastUsed: {
        LastUsedDate: lastUsedAt === null ? undefined : new Date(lastUsedAt),
        ServiceName: lastUsedService ?? 'N/A',
        Region: lastUsedRegion ?? 'N/A',
      },
    }
  },
})

function keyNotFound(accessKeyId: string) {
  return refuse('NoSuchEntity', `The Access Key with id ${accessKeyId} cannot be found.`)
}
