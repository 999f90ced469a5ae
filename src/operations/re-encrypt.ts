import { encrypt } from '../crypto/ciphertext.ts'
import { dryRunSucceeded, isRefusal, refuse } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { arnOf } from './key-metadata.ts'
import { isCiphertextIgnored, keyNamed, keyOfCiphertext } from './needs.ts'
import { need, operation } from './operation.ts'
import {
  CiphertextType,
  DryRunModifierList,
  EncryptionAlgorithmSpec,
  EncryptionContextType,
  GrantTokenList,
  KeyIdType,
  NullableBooleanType,
} from './types.ts'
import { currentOf, openCiphertext, useErrors, useRefusal } from './use.ts'

export const ReEncrypt = operation({
  input: shape({
    CiphertextBlob: optional(CiphertextType),
    SourceEncryptionContext: optional(EncryptionContextType),
    SourceKeyId: optional(KeyIdType),
    DestinationKeyId: required(KeyIdType),
    DestinationEncryptionContext: optional(EncryptionContextType),
    SourceEncryptionAlgorithm: optional(EncryptionAlgorithmSpec),
    DestinationEncryptionAlgorithm: optional(EncryptionAlgorithmSpec),
    GrantTokens: optional(GrantTokenList),
    DryRun: optional(NullableBooleanType),
    DryRunModifiers: optional(DryRunModifierList),
  }),
  needs: {
    from: need(
      'kms:ReEncryptFrom',
      keyOfCiphertext({ blob: 'CiphertextBlob', key: 'SourceKeyId', algorithm: 'SourceEncryptionAlgorithm' }),
    ),
    to: need('kms:ReEncryptTo', keyNamed('DestinationKeyId')),
  },
  errors: [...useErrors, 'IncorrectKeyException', 'InvalidCiphertextException'],
  async handle(input, call, { from, to }, services) {
    const refusal =
      useRefusal(from.key.record, 'ReEncrypt', input.SourceEncryptionAlgorithm) ??
      useRefusal(to.record, 'ReEncrypt', input.DestinationEncryptionAlgorithm)
    if (refusal !== null) return refusal
    if (isCiphertextIgnored(input)) return dryRunSucceeded()
    if (input.CiphertextBlob === undefined) return refuse('ValidationException', 'CiphertextBlob is required.')
    const opened = await openCiphertext(from, input.CiphertextBlob, input.SourceEncryptionContext, call, services)
    if (isRefusal(opened)) return opened
    if (input.DryRun) return dryRunSucceeded()
    const current = currentOf(to)
    return {
      CiphertextBlob: await encrypt(current, opened.plaintext, input.DestinationEncryptionContext),
      SourceKeyId: arnOf(from.key.record),
      KeyId: arnOf(to.record),
      SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      SourceKeyMaterialId: opened.keyMaterialId,
      DestinationKeyMaterialId: current.keyMaterialId,
    }
  },
})
