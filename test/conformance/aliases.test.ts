import {
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  EncryptCommand,
  ListAliasesCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { itRefuses, newAlias, openKms, refusalOf, rootPolicy } from '../support/conformance.ts'
import { allow, newUser, policyOf, putUserPolicy } from '../support/principals.ts'

/** CreateAlias, UpdateAlias, DeleteAlias, ListAliases. */

const kms = await openKms()
const client = kms.client()
const arnOf = (resource: string) => `arn:aws:kms:${kms.region}:${kms.caller.account}:${resource}`

async function newKeyId(): Promise<string> {
  return (await client.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? ''
}

async function create(TargetKeyId: string, AliasName = newAlias()): Promise<string> {
  await client.send(new CreateAliasCommand({ AliasName, TargetKeyId }))
  return AliasName
}

async function aliasesOf(KeyId: string) {
  return (await client.send(new ListAliasesCommand({ KeyId, Limit: 100 }))).Aliases ?? []
}

/** The ARN of the key that an alias stands for. */
async function resolved(KeyId: string) {
  return (await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }))).KeyId
}

const [first, second] = [await newKeyId(), await newKeyId()]
const third = await create(first)
const absent = '00000000-0000-4000-8000-000000000000'

describe('CreateAlias', () => {
  it('points at the key', async () => {
    const id = await newKeyId()
    const alias = await create(id)
    expect(await resolved(alias)).toBe(arnOf(`key/${id}`))
    const date = expect.any(Date)
    expect(await aliasesOf(id)).toEqual([
      { AliasName: alias, AliasArn: arnOf(alias), TargetKeyId: id, CreationDate: date, LastUpdatedDate: date },
    ])
  })

  it.each(['alias/a:b/c_d-E9', 'alias/alias/x', 'alias/AWS/x', 'alias/aws-x', `alias/${'a'.repeat(250)}`])(
    'takes the name %s',
    async (name) => {
      const alias = name.length === 256 ? name : `${name}-${newAlias().slice(-36)}`
      expect(await create(first, alias)).toBe(alias)
      await client.send(new DeleteAliasCommand({ AliasName: alias }))
    },
  )

  it('tells names of other case apart', async () => {
    const alias = newAlias()
    await create(first, `${alias}x`)
    await create(second, `${alias}X`)
    expect([await resolved(`${alias}x`), await resolved(`${alias}X`)]).toEqual([
      arnOf(`key/${first}`),
      arnOf(`key/${second}`),
    ])
  })

  it('refuses a name that is taken, by either key', async () => {
    const alias = await create(first)
    const taken = `AlreadyExistsException: An alias with the name ${arnOf(alias)} already exists`
    expect(await refusalOf(create(first, alias))).toBe(taken)
    expect(await refusalOf(create(second, alias))).toBe(taken)
    expect(await resolved(alias)).toBe(arnOf(`key/${first}`))
  })

  it('refuses the 51st of a key, and takes one again where one is gone', async () => {
    const id = await newKeyId()
    const aliases = await Promise.all(Array.from({ length: 50 }, () => create(id)))
    expect(await refusalOf(create(id))).toMatch(/^LimitExceededException: ./)
    const other = await create(first)
    const update = new UpdateAliasCommand({ AliasName: other, TargetKeyId: id })
    expect(await refusalOf(client.send(update))).toMatch(/^LimitExceededException: ./)
    // To the key it has already is no further alias.
    await client.send(new UpdateAliasCommand({ AliasName: aliases[0], TargetKeyId: id }))
    await client.send(new DeleteAliasCommand({ AliasName: aliases[0] }))
    await create(id)
    expect(await aliasesOf(id)).toHaveLength(50)
  })

  it('never lets more than 50 through at once', async () => {
    const id = await newKeyId()
    const made = await Promise.allSettled(Array.from({ length: 55 }, () => create(id)))
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(50)
    expect(await aliasesOf(id)).toHaveLength(50)
  })

  itRefuses(kms, [
    [
      "the service's own prefix",
      'CreateAlias',
      { AliasName: 'alias/aws/s3', TargetKeyId: first },
      /^NotAuthorizedException: /,
    ],
    [
      'a key that is not there',
      'CreateAlias',
      { AliasName: newAlias(), TargetKeyId: absent },
      `NotFoundException: Key '${arnOf(`key/${absent}`)}' does not exist`,
    ],
    [
      'no key id',
      'CreateAlias',
      { AliasName: newAlias(), TargetKeyId: 'fake' },
      "NotFoundException: Invalid keyId 'fake'",
    ],
    [
      'an alias for a key',
      'CreateAlias',
      { AliasName: newAlias(), TargetKeyId: 'alias/x' },
      'ValidationException: Aliases must refer to keys. Not aliases',
    ],
  ])
})

describe('UpdateAlias', () => {
  it('points at the other key, at once, and keeps its date of creation', async () => {
    const alias = await create(first)
    expect(await resolved(alias)).toBe(arnOf(`key/${first}`))
    const [before] = (await aliasesOf(first)).filter(({ AliasName }) => AliasName === alias)
    await client.send(new UpdateAliasCommand({ AliasName: alias, TargetKeyId: second }))
    expect(await resolved(alias)).toBe(arnOf(`key/${second}`))
    expect((await aliasesOf(first)).map(({ AliasName }) => AliasName)).not.toContain(alias)
    const [after] = (await aliasesOf(second)).filter(({ AliasName }) => AliasName === alias)
    expect(after?.CreationDate).toEqual(before?.CreationDate)
    expect(Number(after?.LastUpdatedDate)).toBeGreaterThanOrEqual(Number(before?.LastUpdatedDate))
  })

  const nothing = newAlias()
  itRefuses(kms, [
    [
      'an alias that is not there',
      'UpdateAlias',
      { AliasName: nothing, TargetKeyId: first },
      `NotFoundException: Alias ${arnOf(nothing)} is not found.`,
    ],
    [
      'a key that is not there',
      'UpdateAlias',
      { AliasName: third, TargetKeyId: absent },
      `NotFoundException: Key '${arnOf(`key/${absent}`)}' does not exist`,
    ],
    [
      "the service's own prefix",
      'UpdateAlias',
      { AliasName: 'alias/aws/s3', TargetKeyId: first },
      /^NotAuthorizedException: /,
    ],
  ])
})

it('takes permission on the alias by an identity policy, and on each key', async () => {
  const [from, to] = [await newKeyId(), await newKeyId()]
  const alias = newAlias()
  const actions = ['kms:CreateAlias', 'kms:UpdateAlias', 'kms:DeleteAlias']
  const user = await newUser(kms)
  const by = kms.client({ by: user })
  const denied = (action: string, resource: string) =>
    `AccessDeniedException: User: ${user.arn} is not authorized to perform: kms:${action} on resource: ${arnOf(resource)} because no identity-based policy allows the kms:${action} action`
  const may = (...resources: string[]) =>
    putUserPolicy(kms, user.name, [allow(actions, { Resource: resources.map(arnOf) })])
  const make = () => by.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: from }))
  const move = () => by.send(new UpdateAliasCommand({ AliasName: alias, TargetKeyId: to }))
  const remove = () => by.send(new DeleteAliasCommand({ AliasName: alias }))

  // A key policy says nothing of aliases.
  const named = { Effect: 'Allow', Principal: { AWS: user.arn }, Action: 'kms:*', Resource: '*' }
  const { Statement } = JSON.parse(rootPolicy(kms.caller.account)) as { Statement: object[] }
  const Policy = policyOf(...Statement, named)
  await client.send(new PutKeyPolicyCommand({ KeyId: from, Policy }))
  expect(await refusalOf(make())).toBe(denied('CreateAlias', alias))
  await client.send(new PutKeyPolicyCommand({ KeyId: from, Policy: rootPolicy(kms.caller.account) }))

  await may(alias)
  expect(await refusalOf(make())).toBe(denied('CreateAlias', `key/${from}`))
  await may(alias, `key/${from}`)
  await make()
  expect(await refusalOf(move())).toBe(denied('UpdateAlias', `key/${to}`))
  await may(alias, `key/${to}`)
  expect(await refusalOf(move())).toBe(denied('UpdateAlias', `key/${from}`))
  expect(await refusalOf(remove())).toBe(denied('DeleteAlias', `key/${from}`))
  await may(alias, `key/${from}`, `key/${to}`)
  await move()
  await may(`key/${to}`)
  expect(await refusalOf(remove())).toBe(denied('DeleteAlias', alias))
  await may(alias, `key/${to}`)
  await remove()
})

describe('DeleteAlias', () => {
  it('is seen at once, and the name is free', async () => {
    const alias = await create(first)
    await resolved(alias)
    await client.send(new DeleteAliasCommand({ AliasName: alias }))
    const gone = `NotFoundException: Alias ${arnOf(alias)} is not found.`
    expect(await refusalOf(resolved(alias))).toBe(gone)
    expect(await refusalOf(client.send(new DeleteAliasCommand({ AliasName: alias })))).toBe(gone)
    await create(second, alias)
    expect(await resolved(alias)).toBe(arnOf(`key/${second}`))
  })

  it('is allowed while the key waits for its deletion', async () => {
    const id = await newKeyId()
    const alias = await create(id)
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    expect(await aliasesOf(id)).toHaveLength(1)
    await client.send(new DeleteAliasCommand({ AliasName: alias }))
    expect(await aliasesOf(id)).toEqual([])
  })

  itRefuses(kms, [
    ["the service's own prefix", 'DeleteAlias', { AliasName: 'alias/aws/s3' }, /^NotAuthorizedException: /],
    [
      'an ARN',
      'DeleteAlias',
      { AliasName: arnOf('alias/x') },
      /^ValidationException: Alias must start with the prefix "alias\/"/,
    ],
  ])
})

describe('ListAliases', () => {
  it('lists those of the account, or of one key', async () => {
    const id = await newKeyId()
    const alias = await create(id)
    const all = (await client.send(new ListAliasesCommand({ Limit: 100 }))).Aliases ?? []
    expect(all.length).toBeGreaterThan(0)
    expect((await aliasesOf(id)).map(({ AliasName }) => AliasName)).toEqual([alias])
    expect((await aliasesOf(arnOf(`key/${id}`))).map(({ AliasName }) => AliasName)).toEqual([alias])
  })

  it('lists nothing of another Region or another account', async () => {
    const elsewhere = kms.client({ region: 'eu-south-2' })
    const created = await elsewhere.send(new CreateKeyCommand({}))
    const alias = newAlias()
    await elsewhere.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: created.KeyMetadata?.KeyId }))
    expect(await refusalOf(resolved(alias))).toBe(`NotFoundException: Alias ${arnOf(alias)} is not found.`)
    if (kms.stranger === null) return
    const others = await kms.client({ region: 'eu-south-2', by: kms.stranger }).send(new ListAliasesCommand({}))
    expect(others.Aliases?.map(({ AliasName }) => AliasName)).not.toContain(alias)
  })

  itRefuses(kms, [
    [
      'a key that is not there',
      'ListAliases',
      { KeyId: absent },
      `NotFoundException: Key '${arnOf(`key/${absent}`)}' does not exist`,
    ],
    ['an alias for a key', 'ListAliases', { KeyId: 'alias/x' }, "NotFoundException: Invalid keyId 'alias/x'"],
  ])
})
