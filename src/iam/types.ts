import { boolean, integer, list, optional, required, string, structure, type Type } from '../model/shapes.ts'

/** IAM's own types, with the constraints of its model. On its wire everything is text. */

/** A number as text. */
export function integerText(name: string, bounds: { min: number; max: number }): Type<number> {
  const number = integer(name, bounds)
  const read = (raw: unknown) => (typeof raw === 'string' && /^-?\d{1,15}$/.test(raw) ? Number(raw) : raw)
  return { name, decode: (raw, at, faults) => number.decode(read(raw), at, faults) }
}

/** `true` or `false` as text. */
export function booleanText(name: string): Type<boolean> {
  const truth = boolean(name)
  const words: Readonly<Record<string, boolean>> = { true: true, false: false }
  const read = (raw: unknown) => (typeof raw === 'string' ? (words[raw.toLowerCase()] ?? raw) : raw)
  return { name, decode: (raw, at, faults) => truth.decode(read(raw), at, faults) }
}

/** A list; the empty one is sent as empty text. */
export function members<Value>(name: string, of: Type<Value>, bounds: { max?: number } = {}): Type<readonly Value[]> {
  const values = list(name, of, bounds)
  return { name, decode: (raw, at, faults) => values.decode(raw === '' ? [] : raw, at, faults) }
}

const nameForm = '[\\w+=,.@-]+'
const policyTextForm = '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+'

export const userNameType = string('userNameType', { min: 1, max: 64, pattern: nameForm })
export const existingUserNameType = string('existingUserNameType', { min: 1, max: 128, pattern: nameForm })
export const groupNameType = string('groupNameType', { min: 1, max: 128, pattern: nameForm })
export const roleNameType = string('roleNameType', { min: 1, max: 64, pattern: nameForm })
export const policyNameType = string('policyNameType', { min: 1, max: 128, pattern: nameForm })

export const pathType = string('pathType', {
  min: 1,
  max: 512,
  pattern: '(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)',
})
export const pathPrefixType = string('pathPrefixType', { min: 1, max: 512, pattern: '\\u002F[\\u0021-\\u007F]*' })
export const policyPathType = string('policyPathType', {
  min: 1,
  max: 512,
  pattern: '((/[A-Za-z0-9\\.,\\+@=_\\-]+)*)/',
})

export const arnType = string('arnType', { min: 20, max: 2048 })
export const policyDocumentType = string('policyDocumentType', { min: 1, max: 131_072, pattern: policyTextForm })
export const policyDescriptionType = string('policyDescriptionType', { max: 1000 })
export const policyVersionIdType = string('policyVersionIdType', { pattern: 'v[1-9][0-9]*(\\.[A-Za-z0-9\\-]*)?' })
export const roleDescriptionType = string('roleDescriptionType', {
  max: 1000,
  pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*',
})
export const roleMaxSessionDurationType = integerText('roleMaxSessionDurationType', { min: 3600, max: 43_200 })
export const accessKeyIdType = string('accessKeyIdType', { min: 16, max: 128, pattern: '[\\w]+' })
export const statusType = string('statusType', { oneOf: ['Active', 'Inactive'] })
export const booleanType = booleanText('booleanType')

export const policyScopeType = string('policyScopeType', { oneOf: ['All', 'AWS', 'Local'] })
export const PolicyUsageType = string('PolicyUsageType', { oneOf: ['PermissionsPolicy', 'PermissionsBoundary'] })
export const EntityType = string('EntityType', {
  oneOf: ['User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'],
})

const tagText = '[\\p{L}\\p{Z}\\p{N}_.:\\/=+\\-@]'
const tagKeyType = string('tagKeyType', { min: 1, max: 128, pattern: `${tagText}+` })
const tagValueType = string('tagValueType', { min: 0, max: 256, pattern: `${tagText}*` })
export const tagKeyListType = members('tagKeyListType', tagKeyType, { max: 50 })
export const tagListType = members(
  'tagListType',
  structure('Tag', { Key: required(tagKeyType), Value: required(tagValueType) }),
  { max: 50 },
)

export const OpenIDConnectProviderUrlType = string('OpenIDConnectProviderUrlType', { min: 1, max: 255 })
export const clientIDType = string('clientIDType', { min: 1, max: 255 })
export const clientIDListType = members('clientIDListType', clientIDType)
export const thumbprintListType = members('thumbprintListType', string('thumbprintType', { min: 40, max: 40 }))

/** Ours are longer than the 320 characters of AWS's own. */
const markerType = string('markerType', { min: 1, max: 4096, pattern: '[\\u0020-\\u00FF]+' })
const maxItemsType = integerText('maxItemsType', { min: 1, max: 1000 })

/** What every list takes. */
export const paging = { Marker: optional(markerType), MaxItems: optional(maxItemsType) } as const

export const ActionNameType = string('ActionNameType', { min: 3, max: 128 })
export const ResourceNameType = string('ResourceNameType', { min: 1, max: 2048 })
export const ResourceHandlingOptionType = string('ResourceHandlingOptionType', { min: 1, max: 64 })
export const ContextEntryType = structure('ContextEntry', {
  ContextKeyName: optional(string('ContextKeyNameType', { min: 5, max: 256 })),
  ContextKeyValues: optional(members('ContextKeyValueListType', string('ContextKeyValueType'))),
  ContextKeyType: optional(string('ContextKeyTypeEnum')),
})
