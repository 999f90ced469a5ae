import { generateMac, verifyMac } from '../crypto/mac.ts'
import { dryRunSucceeded, refuse } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { arnOf } from './key-metadata.ts'
import { keyNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import { GrantTokenList, KeyIdType, MacAlgorithmSpec, MacType, NullableBooleanType, PlaintextType } from './types.ts'
import { privateOf, useErrors, useRefusal } from './use.ts'

const members = {
  KeyId: required(KeyIdType),
  Message: required(PlaintextType),
  MacAlgorithm: required(MacAlgorithmSpec),
  GrantTokens: optional(GrantTokenList),
  DryRun: optional(NullableBooleanType),
} as const

export const GenerateMac = operation({
  input: shape(members),
  needs: { key: need('kms:GenerateMac', keyNamed('KeyId')) },
  errors: useErrors,
  async handle({ Message, MacAlgorithm, DryRun }, _call, { key }) {
    const refusal = useRefusal(key.record, 'GenerateMac', MacAlgorithm)
    if (refusal !== null) return refusal
    if (DryRun) return dryRunSucceeded()
    return { KeyId: arnOf(key.record), Mac: await generateMac(privateOf(key), MacAlgorithm, Message), MacAlgorithm }
  },
})

export const VerifyMac = operation({
  input: shape({ ...members, Mac: required(MacType) }),
  needs: { key: need('kms:VerifyMac', keyNamed('KeyId')) },
  errors: [...useErrors, 'KMSInvalidMacException'],
  async handle({ Message, MacAlgorithm, Mac, DryRun }, _call, { key }) {
    const refusal = useRefusal(key.record, 'VerifyMac', MacAlgorithm)
    if (refusal !== null) return refusal
    const isValid = await verifyMac(privateOf(key), MacAlgorithm, Message, Mac)
    if (!isValid) return refuse('KMSInvalidMacException', null, 'the MAC does not verify')
    if (DryRun) return dryRunSucceeded()
    return { KeyId: arnOf(key.record), MacValid: true, MacAlgorithm }
  },
})
