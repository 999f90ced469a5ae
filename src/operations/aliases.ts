import { authorizeByIdentity } from '../access/decide.ts'
import { denialOf } from '../access/denial-text.ts'
import { requestOf } from '../access/request-of.ts'
import { type AliasName, createAlias, deleteAlias, findAlias, listAliases, updateAlias } from '../catalog/aliases.ts'
import { aliasArn, keyArn } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, refuse, timedOut } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { aliasNotFound } from './alias-directory.ts'
import { accountAndKey, type KeyHandle, keyHandle, keyObjectNamed } from './needs.ts'
import { type Finder, need, operation } from './operation.ts'
import { page } from './page.ts'
import { AliasNameType, KeyIdType, limitType, MarkerType } from './types.ts'

export const CreateAlias = operation({
  changes: 'index',
  input: shape({ AliasName: required(AliasNameType), TargetKeyId: required(KeyIdType) }),
  needs: {
    alias: need('kms:CreateAlias', aliasNamed('AliasName')),
    key: need('kms:CreateAlias', keyObjectNamed('TargetKeyId', 'noAliases')),
  },
  errors: [
    'AlreadyExistsException',
    'InvalidAliasNameException',
    'KMSInvalidStateException',
    'LimitExceededException',
    'NotFoundException',
  ],
  async handle(_input, call, { alias, key }, { database, aliases }) {
    const record = await key.object.acceptAlias(key.call, 'CreateAlias')
    if (isRefusal(record)) return record
    const { account, region, keyId } = record
    const times = { createdAt: call.time, updatedAt: call.time }
    const outcome = await createAlias(database, { ...alias, ...times, targetKeyId: keyId })
    aliases.forget(alias, keyId)
    if (outcome === 'exists') {
      const arn = aliasArn(region, account, alias.aliasName)
      return refuse('AlreadyExistsException', `An alias with the name ${arn} already exists`)
    }
    return outcome === 'created' ? undefined : targetRefusal(outcome, call, keyId)
  },
})

export const UpdateAlias = operation({
  changes: 'index',
  input: shape({ AliasName: required(AliasNameType), TargetKeyId: required(KeyIdType) }),
  needs: {
    alias: need('kms:UpdateAlias', aliasNamed('AliasName')),
    key: need('kms:UpdateAlias', keyObjectNamed('TargetKeyId', 'noAliases')),
    former: need('kms:UpdateAlias', keyObjectBehind('AliasName')),
  },
  errors: ['KMSInvalidStateException', 'LimitExceededException', 'NotFoundException'],
  async handle(_input, call, { alias, key, former }, { database, aliases }) {
    const allowed = await former.object.describe(former.call, 'UpdateAlias')
    if (isRefusal(allowed)) return allowed
    const record = await key.object.acceptAlias(key.call, 'UpdateAlias')
    if (isRefusal(record)) return record
    const update = { ...alias, targetKeyId: record.keyId, updatedAt: call.time }
    const outcome = await updateAlias(database, update, former.keyId)
    aliases.forget(alias, record.keyId, former.keyId)
    if (outcome === 'moved') return movedMeanwhile()
    return outcome === 'updated' ? undefined : targetRefusal(outcome, call, record.keyId)
  },
})

export const DeleteAlias = operation({
  changes: 'index',
  input: shape({ AliasName: required(AliasNameType) }),
  needs: {
    alias: need('kms:DeleteAlias', aliasNamed('AliasName')),
    key: need('kms:DeleteAlias', keyObjectBehind('AliasName')),
  },
  errors: ['KMSInvalidStateException', 'NotFoundException'],
  async handle(_input, _call, { alias, key }, { database, aliases }) {
    const record = await key.object.describe(key.call, 'DeleteAlias')
    if (isRefusal(record)) return record
    const isDeleted = await deleteAlias(database, alias, key.keyId)
    aliases.forget(alias, key.keyId)
    return isDeleted ? undefined : movedMeanwhile()
  },
})

export const ListAliases = operation({
  input: shape({ KeyId: optional(KeyIdType), Limit: optional(limitType(100)), Marker: optional(MarkerType) }),
  needs: { target: need('kms:ListAliases', accountAndKey('KeyId')) },
  errors: ['InvalidArnException', 'InvalidMarkerException', 'NotFoundException'],
  async handle(input, call, { target }, services) {
    const { account } = call.principal
    const { region } = call
    const targetKeyId = target?.keyId ?? null
    const aliases = await page(input, call, services, {
      query: ['ListAliases', targetKeyId ?? ''],
      limitDefault: 50,
      fetch: (place, count) => listAliases(services.database, { account, region, targetKeyId }, place, count),
      placeOf: ({ aliasName }) => aliasName,
    })
    if (isRefusal(aliases)) return aliases
    const Aliases = aliases.items.map((alias) => ({
      AliasName: alias.aliasName,
      AliasArn: aliasArn(region, account, alias.aliasName),
      TargetKeyId: alias.targetKeyId,
      CreationDate: new Date(alias.createdAt),
      LastUpdatedDate: new Date(alias.updatedAt),
    }))
    return { Aliases, ...aliases.next }
  },
})

/** An alias of the caller's account, there or not. The permission on it is by policies of the caller alone. */
function aliasNamed<const Name extends string>(member: Name): Finder<{ readonly [M in Name]: string }, AliasName> {
  return async (input, call, { callers, record }, action) => {
    const aliasName = input[member]
    const refusal = aliasNameRefusal(aliasName)
    if (refusal !== null) return refusal
    const principal = await callers.fresh(call)
    if (isRefusal(principal)) return principal
    const { account } = principal
    const arn = aliasArn(call.region, account, aliasName)
    const asked = { action, resource: arn, resourceAccount: account, parameters: input }
    const request = requestOf({ ...call, principal }, asked)
    const denial = denialOf(request, authorizeByIdentity(request))
    record.about({ accountId: account, type: 'AWS::KMS::Alias', ARN: arn })
    return denial ?? { account, region: call.region, aliasName }
  }
}

/** The key that an alias of the caller's account points at now. */
function keyObjectBehind<const Name extends string>(member: Name): Finder<{ readonly [M in Name]: string }, KeyHandle> {
  return async (input, call, services) => {
    const { account } = call.principal
    const alias = { account, region: call.region, aliasName: input[member] }
    const found = await findAlias(services.database, alias)
    if (found === null) return aliasNotFound(alias)
    return keyHandle({ account, keyId: found.targetKeyId }, null, input, call, services)
  }
}

/** Null: a customer's alias may have this name. */
function aliasNameRefusal(aliasName: string) {
  if (!aliasName.startsWith('alias/') || aliasName === 'alias/') {
    const page = 'https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html'
    return refuse('ValidationException', `Alias must start with the prefix "alias/". Please see ${page}`)
  }
  if (!aliasName.startsWith('alias/aws/')) return null
  return refuse('NotAuthorizedException', null, 'aliases under alias/aws/ belong to the service')
}

function movedMeanwhile() {
  return timedOut('the alias was pointed elsewhere while the change was decided')
}

function targetRefusal(outcome: 'full' | 'noKey', { region, principal }: Call, keyId: string) {
  const arn = keyArn(region, principal.account, keyId)
  if (outcome === 'noKey') return refuse('NotFoundException', `Key '${arn}' does not exist`)
  return refuse(
    'LimitExceededException',
    `${arn} has ${limits.aliasesPerKeyMax} aliases, which is as many as a key may have.`,
  )
}
