import { dryRunSucceeded, isRefusal, refuse } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { encryptUnder, openCiphertext, plaintextRefusal } from './encryption.ts'
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
import { symmetricOf, useErrors, useRefusal } from './use.ts'

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
    const { CiphertextBlob, SourceEncryptionContext, DestinationEncryptionContext } = input
    const source = input.SourceEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT'
    const destination = input.DestinationEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT'
    const refusal =
      useRefusal(from.key.record, 'ReEncrypt', source) ??
      useRefusal(to.record, 'ReEncrypt', destination) ??
      plaintextRefusal(to, destination, null, DestinationEncryptionContext)
    if (refusal !== null) return refusal
    if (isCiphertextIgnored(input)) return dryRunSucceeded()
    if (CiphertextBlob === undefined) return refuse('ValidationException', 'CiphertextBlob is required.')
    const opened = await openCiphertext(from, source, CiphertextBlob, SourceEncryptionContext, call, services)
    if (isRefusal(opened)) return opened
    const tooLong = plaintextRefusal(to, destination, opened.plaintext, DestinationEncryptionContext)
    if (tooLong !== null) return tooLong
    if (input.DryRun) return dryRunSucceeded()
    return {
      CiphertextBlob: await encryptUnder(to, destination, opened.plaintext, DestinationEncryptionContext),
      SourceKeyId: arnOf(from.key.record),
      KeyId: arnOf(to.record),
      SourceEncryptionAlgorithm: source,
      DestinationEncryptionAlgorithm: destination,
      ...(opened.keyMaterialId === null ? {} : { SourceKeyMaterialId: opened.keyMaterialId }),
      ...(destination === 'SYMMETRIC_DEFAULT' ? { DestinationKeyMaterialId: symmetricOf(to).keyMaterialId } : {}),
    }
  },
})
