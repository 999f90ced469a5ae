import { decapsulate, encapsulate } from '../crypto/ml-kem.ts'
import { dryRunSucceeded } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { arnOf } from './key-metadata.ts'
import { keyNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import {
  EncapsulationAlgorithmSpec,
  GrantTokenList,
  KeyIdType,
  NullableBooleanType,
  SharedSecretCiphertextType,
} from './types.ts'
import { invalidCiphertext, privateOf, useErrors, useRefusal } from './use.ts'

const members = {
  KeyId: required(KeyIdType),
  EncapsulationAlgorithm: required(EncapsulationAlgorithmSpec),
  GrantTokens: optional(GrantTokenList),
  DryRun: optional(NullableBooleanType),
} as const

export const Encapsulate = operation({
  input: shape(members),
  needs: { key: need('kms:Encapsulate', keyNamed('KeyId')) },
  errors: useErrors,
  async handle({ EncapsulationAlgorithm, DryRun }, _call, { key }) {
    const refusal = useRefusal(key.record, 'Encapsulate', EncapsulationAlgorithm)
    if (refusal !== null) return refusal
    if (DryRun) return dryRunSucceeded()
    const { sharedSecret: SharedSecret, ciphertext } = await encapsulate(privateOf(key))
    return { KeyId: arnOf(key.record), SharedSecret, SharedSecretCiphertextBlob: ciphertext, EncapsulationAlgorithm }
  },
})

export const Decapsulate = operation({
  input: shape({ ...members, SharedSecretCiphertextBlob: required(SharedSecretCiphertextType) }),
  needs: { key: need('kms:Decapsulate', keyNamed('KeyId')) },
  errors: [...useErrors, 'InvalidCiphertextException'],
  async handle({ EncapsulationAlgorithm, SharedSecretCiphertextBlob, DryRun }, _call, { key }) {
    const refusal = useRefusal(key.record, 'Decapsulate', EncapsulationAlgorithm)
    if (refusal !== null) return refusal
    const SharedSecret = await decapsulate(privateOf(key), SharedSecretCiphertextBlob)
    if (SharedSecret === null) return invalidCiphertext('not as long as this key spec’s')
    if (DryRun) return dryRunSucceeded()
    return { KeyId: arnOf(key.record), SharedSecret, EncapsulationAlgorithm }
  },
})
