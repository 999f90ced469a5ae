import { dryRunSucceeded, isRefusal, refuse } from '../model/errors.ts'
import { optional, shape } from '../model/shapes.ts'
import { openCiphertext } from './encryption.ts'
import { arnOf } from './key-metadata.ts'
import { isCiphertextIgnored, keyOfCiphertext } from './needs.ts'
import { need, operation } from './operation.ts'
import {
  CiphertextType,
  DryRunModifierList,
  EncryptionAlgorithmSpec,
  EncryptionContextType,
  GrantTokenList,
  KeyIdType,
  NullableBooleanType,
  RecipientInfo,
} from './types.ts'
import { recipientRefusal, useErrors, useRefusal } from './use.ts'

export const Decrypt = operation({
  input: shape({
    CiphertextBlob: optional(CiphertextType),
    EncryptionContext: optional(EncryptionContextType),
    GrantTokens: optional(GrantTokenList),
    KeyId: optional(KeyIdType),
    EncryptionAlgorithm: optional(EncryptionAlgorithmSpec),
    Recipient: optional(RecipientInfo),
    DryRun: optional(NullableBooleanType),
    DryRunModifiers: optional(DryRunModifierList),
  }),
  needs: {
    from: need(
      'kms:Decrypt',
      keyOfCiphertext({ blob: 'CiphertextBlob', key: 'KeyId', algorithm: 'EncryptionAlgorithm' }),
    ),
  },
  errors: [...useErrors, 'IncorrectKeyException', 'InvalidCiphertextException'],
  async handle(input, call, { from }, services) {
    const { record } = from.key
    const { EncryptionAlgorithm = 'SYMMETRIC_DEFAULT' } = input
    const refusal = recipientRefusal(input.Recipient) ?? useRefusal(record, 'Decrypt', EncryptionAlgorithm)
    if (refusal !== null) return refusal
    if (isCiphertextIgnored(input)) return dryRunSucceeded()
    const { CiphertextBlob, EncryptionContext, DryRun } = input
    if (CiphertextBlob === undefined) return refuse('ValidationException', 'CiphertextBlob is required.')
    const opened = await openCiphertext(from, EncryptionAlgorithm, CiphertextBlob, EncryptionContext, call, services)
    if (isRefusal(opened)) return opened
    if (DryRun) return dryRunSucceeded()
    return {
      KeyId: arnOf(record),
      Plaintext: opened.plaintext,
      EncryptionAlgorithm,
      ...(opened.keyMaterialId === null ? {} : { KeyMaterialId: opened.keyMaterialId }),
    }
  },
})
