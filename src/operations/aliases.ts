import { createAlias, deleteAlias, listAliases, updateAlias } from '../catalog/aliases.ts'
import { aliasArn, keyArn } from '../model/arn.ts'
import type { Call } from '../model/call.ts'
import { isRefusal, refuse } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { aliasNotFound } from './alias-directory.ts'
import { keyObjectNamed, optionalKeyObject, wholeAccount } from './needs.ts'
import { need, operation } from './operation.ts'
import { page } from './page.ts'
import { optional, required, shape } from './shapes.ts'
import { AliasNameType, KeyIdType, limitType, MarkerType } from './types.ts'

export const CreateAlias = operation({
  input: shape({ AliasName: required(AliasNameType), TargetKeyId: required(KeyIdType) }),
  needs: { key: need('kms:CreateAlias', keyObjectNamed('TargetKeyId', 'noAliases')) },
  errors: [
    'AlreadyExistsException',
    'InvalidAliasNameException',
    'KMSInvalidStateException',
    'LimitExceededException',
    'NotFoundException',
  ],
  async handle({ AliasName }, call, { key }, { database, aliases }) {
    const refusal = aliasNameRefusal(AliasName)
    if (refusal !== null) return refusal
    const record = await key.acceptAlias(call, 'CreateAlias')
    if (isRefusal(record)) return record
    const { account, region, keyId } = record
    const alias = { account, region, aliasName: AliasName }
    const times = { createdAt: call.time, updatedAt: call.time }
    const outcome = await createAlias(database, { ...alias, ...times, targetKeyId: keyId })
    aliases.forget(alias)
    if (outcome === 'exists') {
      const arn = aliasArn(region, account, AliasName)
      return refuse('AlreadyExistsException', `An alias with the name ${arn} already exists`)
    }
    return outcome === 'created' ? undefined : targetRefusal(outcome, call, keyId)
  },
})

export const UpdateAlias = operation({
  input: shape({ AliasName: required(AliasNameType), TargetKeyId: required(KeyIdType) }),
  needs: { key: need('kms:UpdateAlias', keyObjectNamed('TargetKeyId', 'noAliases')) },
  errors: ['KMSInvalidStateException', 'LimitExceededException', 'NotFoundException'],
  async handle({ AliasName }, call, { key }, { database, aliases }) {
    const refusal = aliasNameRefusal(AliasName)
    if (refusal !== null) return refusal
    const record = await key.acceptAlias(call, 'UpdateAlias')
    if (isRefusal(record)) return record
    const { account, region, keyId } = record
    const alias = { account, region, aliasName: AliasName }
    const outcome = await updateAlias(database, { ...alias, targetKeyId: keyId, updatedAt: call.time })
    aliases.forget(alias)
    if (outcome === 'noAlias') return aliasNotFound(alias)
    return outcome === 'updated' ? undefined : targetRefusal(outcome, call, keyId)
  },
})

export const DeleteAlias = operation({
  input: shape({ AliasName: required(AliasNameType) }),
  needs: { account: need('kms:DeleteAlias', wholeAccount()) },
  errors: ['KMSInvalidStateException', 'NotFoundException'],
  async handle({ AliasName }, { principal, region }, _found, { database, aliases }) {
    const refusal = aliasNameRefusal(AliasName)
    if (refusal !== null) return refusal
    const alias = { account: principal.account, region, aliasName: AliasName }
    const wasThere = await deleteAlias(database, alias)
    aliases.forget(alias)
    return wasThere ? undefined : aliasNotFound(alias)
  },
})

export const ListAliases = operation({
  input: shape({ KeyId: optional(KeyIdType), Limit: optional(limitType(100)), Marker: optional(MarkerType) }),
  needs: { target: need('kms:ListAliases', optionalKeyObject('KeyId')) },
  errors: ['InvalidArnException', 'InvalidMarkerException', 'NotFoundException'],
  async handle(input, call, { target }, services) {
    const record = target === null ? null : await target.object.describe(call, 'ListAliases')
    if (isRefusal(record)) return record
    const { account } = call.principal
    const { region } = call
    const targetKeyId = target?.id ?? null
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

/** Null: a customer's alias may have this name. */
function aliasNameRefusal(aliasName: string) {
  if (!aliasName.startsWith('alias/') || aliasName === 'alias/') {
    const page = 'https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html'
    return refuse('ValidationException', `Alias must start with the prefix "alias/". Please see ${page}`)
  }
  if (!aliasName.startsWith('alias/aws/')) return null
  return refuse('NotAuthorizedException', null, 'aliases under alias/aws/ belong to the service')
}

function targetRefusal(outcome: 'full' | 'noKey', { region, principal }: Call, keyId: string) {
  const arn = keyArn(region, principal.account, keyId)
  if (outcome === 'noKey') return refuse('NotFoundException', `Key '${arn}' does not exist`)
  return refuse(
    'LimitExceededException',
    `${arn} has ${limits.aliasesPerKeyMax} aliases, which is as many as a key may have.`,
  )
}
