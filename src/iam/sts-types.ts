import { optional, required, string, structure } from '../model/shapes.ts'
import { integerText, members } from './types.ts'

/** STS's own types, with the constraints of its model. */

const nameForm = '[\\w+=,.@-]*'

export const stsArnType = string('arnType', { min: 20, max: 2048 })
export const roleSessionNameType = string('roleSessionNameType', { min: 2, max: 64, pattern: nameForm })
export const sourceIdentityType = string('sourceIdentityType', { min: 2, max: 64, pattern: nameForm })
export const externalIdType = string('externalIdType', { min: 2, max: 1224, pattern: '[\\w+=,.@:\\/-]*' })
export const roleDurationSecondsType = integerText('roleDurationSecondsType', { min: 900, max: 43_200 })
export const serialNumberType = string('serialNumberType', { min: 9, max: 256, pattern: '[\\w+=/:,.@-]*' })
export const tokenCodeType = string('tokenCodeType', { min: 6, max: 6, pattern: '[\\d]*' })
export const clientTokenType = string('clientTokenType', { min: 4, max: 20_000 })
export const stsAccessKeyIdType = string('accessKeyIdType', { min: 16, max: 128, pattern: '[\\w]*' })

const tagText = '[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]'
export const tagKeyType = string('tagKeyType', { min: 1, max: 128, pattern: `${tagText}+` })
export const tagValueType = string('tagValueType', { min: 0, max: 256, pattern: `${tagText}*` })
export const sessionTagsType = members(
  'tagListType',
  structure('Tag', { Key: required(tagKeyType), Value: required(tagValueType) }),
  { max: 50 },
)
export const sessionTagKeysType = members('tagKeyListType', tagKeyType, { max: 50 })

/** What narrows a session. */
export const narrowing = {
  Policy: optional(
    string('sessionPolicyDocumentType', {
      min: 1,
      max: 2048,
      pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+',
    }),
  ),
  PolicyArns: optional(
    members('policyDescriptorListType', structure('PolicyDescriptorType', { arn: required(stsArnType) }), { max: 10 }),
  ),
} as const
