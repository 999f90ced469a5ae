import { deriveSharedSecret } from '../crypto/key-agreement.ts'
import { dryRunSucceeded, refuse } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { arnOf } from './key-metadata.ts'
import { keyNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import {
  GrantTokenList,
  KeyAgreementAlgorithmSpec,
  KeyIdType,
  NullableBooleanType,
  PublicKeyType,
  RecipientInfo,
} from './types.ts'
import { privateOf, recipientRefusal, useErrors, useRefusal } from './use.ts'

export const DeriveSharedSecret = operation({
  input: shape({
    KeyId: required(KeyIdType),
    KeyAgreementAlgorithm: required(KeyAgreementAlgorithmSpec),
    PublicKey: required(PublicKeyType),
    GrantTokens: optional(GrantTokenList),
    DryRun: optional(NullableBooleanType),
    Recipient: optional(RecipientInfo),
  }),
  needs: { key: need('kms:DeriveSharedSecret', keyNamed('KeyId')) },
  errors: useErrors,
  async handle({ KeyAgreementAlgorithm, PublicKey, DryRun, Recipient }, _call, { key }) {
    const refusal = recipientRefusal(Recipient) ?? useRefusal(key.record, 'DeriveSharedSecret', KeyAgreementAlgorithm)
    if (refusal !== null) return refusal
    const SharedSecret = await deriveSharedSecret(privateOf(key), PublicKey)
    // AWS says no more than that.
    if (SharedSecret === null) return refuse('ValidationException', '', 'no public key on the curve of this key')
    if (DryRun) return dryRunSucceeded()
    return { KeyId: arnOf(key.record), SharedSecret, KeyAgreementAlgorithm, KeyOrigin: key.record.origin }
  },
})
