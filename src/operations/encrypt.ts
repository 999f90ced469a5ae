import { dryRunSucceeded } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { encryptUnder, plaintextRefusal } from './encryption.ts'
import { arnOf } from './key-metadata.ts'
import { keyNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import {
  EncryptionAlgorithmSpec,
  EncryptionContextType,
  GrantTokenList,
  KeyIdType,
  NullableBooleanType,
  PlaintextType,
} from './types.ts'
import { useErrors, useRefusal } from './use.ts'

export const Encrypt = operation({
  input: shape({
    KeyId: required(KeyIdType),
    Plaintext: required(PlaintextType),
    EncryptionContext: optional(EncryptionContextType),
    GrantTokens: optional(GrantTokenList),
    EncryptionAlgorithm: optional(EncryptionAlgorithmSpec),
    DryRun: optional(NullableBooleanType),
  }),
  needs: { key: need('kms:Encrypt', keyNamed('KeyId')) },
  errors: useErrors,
  async handle({ Plaintext, EncryptionContext, EncryptionAlgorithm = 'SYMMETRIC_DEFAULT', DryRun }, _call, { key }) {
    const refusal =
      useRefusal(key.record, 'Encrypt', EncryptionAlgorithm) ??
      plaintextRefusal(key, EncryptionAlgorithm, Plaintext, EncryptionContext)
    if (refusal !== null) return refusal
    if (DryRun) return dryRunSucceeded()
    const CiphertextBlob = await encryptUnder(key, EncryptionAlgorithm, Plaintext, EncryptionContext)
    return { CiphertextBlob, KeyId: arnOf(key.record), EncryptionAlgorithm }
  },
})
