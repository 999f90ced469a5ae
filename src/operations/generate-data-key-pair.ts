import { encrypt } from '../crypto/ciphertext.ts'
import type { EncryptionContext } from '../crypto/encryption-context.ts'
import { generateMaterial } from '../crypto/material.ts'
import type { OpenKey } from '../key/directory.ts'
import { dryRunSucceeded, isRefusal, refuse } from '../model/errors.ts'
import { isDataKeyPairSpec } from '../model/key-specs.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { arnOf } from './key-metadata.ts'
import { keyNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import {
  DataKeyPairSpec,
  EncryptionContextType,
  GrantTokenList,
  KeyIdType,
  NullableBooleanType,
  RecipientInfo,
} from './types.ts'
import { recipientRefusal, symmetricOf, useErrors, useRefusal } from './use.ts'

const members = {
  KeyId: required(KeyIdType),
  KeyPairSpec: required(DataKeyPairSpec),
  EncryptionContext: optional(EncryptionContextType),
  GrantTokens: optional(GrantTokenList),
  DryRun: optional(NullableBooleanType),
} as const
const errors = [...useErrors, 'UnsupportedOperationException'] as const

export const GenerateDataKeyPair = operation({
  input: shape({ ...members, Recipient: optional(RecipientInfo) }),
  needs: { key: need('kms:GenerateDataKeyPair', keyNamed('KeyId')) },
  errors,
  async handle(input, _call, { key }) {
    return recipientRefusal(input.Recipient) ?? generate(input, key, 'GenerateDataKeyPair')
  },
})

export const GenerateDataKeyPairWithoutPlaintext = operation({
  input: shape(members),
  needs: { key: need('kms:GenerateDataKeyPairWithoutPlaintext', keyNamed('KeyId')) },
  errors,
  async handle(input, _call, { key }) {
    const generated = await generate(input, key, 'GenerateDataKeyPairWithoutPlaintext')
    if (isRefusal(generated)) return generated
    const { PrivateKeyPlaintext, ...answer } = generated
    PrivateKeyPlaintext.fill(0)
    return answer
  },
})

interface PairInput {
  readonly KeyPairSpec: string
  readonly EncryptionContext?: EncryptionContext
  readonly DryRun?: boolean
}

async function generate(
  { KeyPairSpec, EncryptionContext, DryRun }: PairInput,
  key: OpenKey,
  operationName: 'GenerateDataKeyPair' | 'GenerateDataKeyPairWithoutPlaintext',
) {
  const refusal = useRefusal(key.record, operationName, 'SYMMETRIC_DEFAULT')
  if (refusal !== null) return refusal
  if (!isDataKeyPairSpec(KeyPairSpec)) {
    const text = `KeyPairSpec ${KeyPairSpec} is a feature of AWS KMS that edge-kms does not serve.`
    return refuse('UnsupportedOperationException', text)
  }
  if (DryRun) return dryRunSucceeded()
  const current = symmetricOf(key)
  const { bytes: PrivateKeyPlaintext, publicKey: PublicKey } = await generateMaterial(KeyPairSpec)
  return {
    PrivateKeyCiphertextBlob: await encrypt(current, PrivateKeyPlaintext, EncryptionContext),
    PrivateKeyPlaintext,
    PublicKey,
    KeyId: arnOf(key.record),
    KeyPairSpec,
    KeyMaterialId: current.keyMaterialId,
  }
}
