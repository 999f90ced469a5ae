import { listTags } from '../catalog/iam-tags.ts'
import {
  addClientId,
  createProvider,
  deleteProvider,
  findProvider,
  listProviders,
  removeClientId,
  setThumbprints,
} from '../catalog/oidc-providers.ts'
import { type Refusal, refuse } from '../model/errors.ts'
import { oidcProviderArn } from '../model/iam-arn.ts'
import { limits } from '../model/limits.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { tagMembers, tagsOf, tagsRefusal } from './iam-tags.ts'
import { anything, query } from './operation.ts'
import { providerNamed } from './providers-named.ts'
import {
  arnType,
  clientIDListType,
  clientIDType,
  OpenIDConnectProviderUrlType,
  tagListType,
  thumbprintListType,
} from './types.ts'

export const CreateOpenIDConnectProvider = query({
  input: shape({
    Url: required(OpenIDConnectProviderUrlType),
    ClientIDList: optional(clientIDListType),
    ThumbprintList: optional(thumbprintListType),
    Tags: optional(tagListType),
  }),
  action: 'iam:CreateOpenIDConnectProvider',
  isReadOnly: false,
  errors: ['EntityAlreadyExists', 'InvalidInput', 'LimitExceeded'],
  on: ({ Url }, { principal: { account } }) => {
    const arn = oidcProviderArn(account, Url.replace(/^https:\/\//i, ''))
    return { arn, ownerId: null, boundaryArn: null, found: arn }
  },
  further: ({ Tags = [] }, arn) => (Tags.length === 0 ? [] : [{ action: 'iam:TagOpenIDConnectProvider', arn }]),
  async handle({ Url, ClientIDList = [], ThumbprintList = [], Tags }, call, _arn, { database }) {
    const url = plainUrl(Url)
    if (url === null) return refuse('InvalidInput', 'Invalid Open ID Connect Provider URL')
    const clientIds = [...new Set(ClientIDList)]
    const tags = tagsOf(Tags)
    const refusal = tagsRefusal(tags, true) ?? clientsRefusal(clientIds) ?? thumbprintsRefusal(ThumbprintList)
    if (refusal !== null) return refusal
    const { account } = call.principal
    const arn = oidcProviderArn(account, url)
    const provider = { arn, account, url, clientIds, thumbprints: ThumbprintList, createdAt: call.wallTime }
    if (!(await createProvider(database, provider, tags))) {
      return refuse('EntityAlreadyExists', `Provider with url https://${url} already exists.`)
    }
    return { OpenIDConnectProviderArn: arn, Tags: tagMembers(tags) }
  },
})

const named = { OpenIDConnectProviderArn: required(arnType) } as const

export const GetOpenIDConnectProvider = query({
  input: shape(named),
  action: 'iam:GetOpenIDConnectProvider',
  isReadOnly: true,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: providerNamed,
  async handle(_input, _call, { arn, url, clientIds, thumbprints, createdAt }, { database }) {
    return {
      Url: url,
      ClientIDList: clientIds,
      ThumbprintList: thumbprints,
      CreateDate: new Date(createdAt),
      Tags: tagMembers(await listTags(database, arn)),
    }
  },
})

export const ListOpenIDConnectProviders = query({
  input: shape({}),
  action: 'iam:ListOpenIDConnectProviders',
  isReadOnly: true,
  errors: [],
  on: anything(),
  async handle(_input, call, _, { database }) {
    const arns = await listProviders(database, call.principal.account)
    return { OpenIDConnectProviderList: arns.map((Arn) => ({ Arn })) }
  },
})

export const DeleteOpenIDConnectProvider = query({
  input: shape(named),
  action: 'iam:DeleteOpenIDConnectProvider',
  isReadOnly: false,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: providerNamed,
  async handle(_input, _call, { arn }, { database }) {
    await deleteProvider(database, arn)
    return undefined
  },
})

export const AddClientIDToOpenIDConnectProvider = query({
  input: shape({ ...named, ClientID: required(clientIDType) }),
  action: 'iam:AddClientIDToOpenIDConnectProvider',
  isReadOnly: false,
  errors: ['InvalidInput', 'LimitExceeded', 'NoSuchEntity'],
  on: providerNamed,
  async handle({ ClientID }, _call, { arn }, { database }) {
    if (await addClientId(database, arn, ClientID)) return undefined
    if ((await findProvider(database, arn)) !== null) return tooManyClients()
    return refuse('NoSuchEntity', `OpenIDConnect Provider not found for arn ${arn}`)
  },
})

export const RemoveClientIDFromOpenIDConnectProvider = query({
  input: shape({ ...named, ClientID: required(clientIDType) }),
  action: 'iam:RemoveClientIDFromOpenIDConnectProvider',
  isReadOnly: false,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: providerNamed,
  async handle({ ClientID }, _call, { arn }, { database }) {
    await removeClientId(database, arn, ClientID)
    return undefined
  },
})

export const UpdateOpenIDConnectProviderThumbprint = query({
  input: shape({ ...named, ThumbprintList: required(thumbprintListType) }),
  action: 'iam:UpdateOpenIDConnectProviderThumbprint',
  isReadOnly: false,
  errors: ['InvalidInput', 'NoSuchEntity'],
  on: providerNamed,
  async handle({ ThumbprintList }, _call, { arn }, { database }) {
    const refusal = thumbprintsRefusal(ThumbprintList)
    if (refusal !== null) return refusal
    await setThumbprints(database, arn, ThumbprintList)
    return undefined
  },
})

/** What stands behind `https://`; null for anything but the https URL of a host and maybe a path. A port is none of it. */
function plainUrl(text: string): string | null {
  return /^https:\/\/([a-z0-9.-]+(?:\/[^?#\\\s]*)?)$/i.exec(text)?.[1] ?? null
}

function clientsRefusal(clientIds: readonly string[]) {
  return clientIds.length > limits.clientIdsPerProviderMax ? tooManyClients() : null
}

function tooManyClients(): Refusal<'LimitExceeded'> {
  const max = limits.clientIdsPerProviderMax
  return refuse('LimitExceeded', `Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: ${max}`)
}

function thumbprintsRefusal(thumbprints: readonly string[]): Refusal<'InvalidInput'> | null {
  if (thumbprints.length > limits.thumbprintsPerProviderMax) {
    return refuse('InvalidInput', 'Thumbprint list must contain fewer than 5 entries.')
  }
  const isHex = thumbprints.every((thumbprint) => /^[0-9a-f]{40}$/i.test(thumbprint))
  return isHex ? null : refuse('InvalidInput', 'Thumbprints must be 40 hexadecimal digits.')
}
