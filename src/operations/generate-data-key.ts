import { encrypt } from '../crypto/ciphertext.ts'
import type { EncryptionContext } from '../crypto/encryption-context.ts'
import { randomBytes } from '../crypto/random.ts'
import type { OpenKey } from '../key/directory.ts'
import { dryRunSucceeded, isRefusal, refuse } from '../model/errors.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { arnOf } from './key-metadata.ts'
import { keyNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import {
  DataKeySpec,
  EncryptionContextType,
  GrantTokenList,
  KeyIdType,
  NullableBooleanType,
  NumberOfBytesType,
  RecipientInfo,
} from './types.ts'
import { recipientRefusal, symmetricOf, useErrors, useRefusal } from './use.ts'

const members = {
  KeyId: required(KeyIdType),
  EncryptionContext: optional(EncryptionContextType),
  NumberOfBytes: optional(NumberOfBytesType),
  KeySpec: optional(DataKeySpec),
  GrantTokens: optional(GrantTokenList),
  DryRun: optional(NullableBooleanType),
} as const

const bytesOf = { AES_128: 16, AES_256: 32 } as const

export const GenerateDataKey = operation({
  input: shape({ ...members, Recipient: optional(RecipientInfo) }),
  needs: { key: need('kms:GenerateDataKey', keyNamed('KeyId')) },
  errors: useErrors,
  async handle(input, _call, { key }) {
    return recipientRefusal(input.Recipient) ?? generate(input, key, 'GenerateDataKey')
  },
})

export const GenerateDataKeyWithoutPlaintext = operation({
  input: shape(members),
  needs: { key: need('kms:GenerateDataKeyWithoutPlaintext', keyNamed('KeyId')) },
  errors: useErrors,
  async handle(input, _call, { key }) {
    const generated = await generate(input, key, 'GenerateDataKeyWithoutPlaintext')
    if (isRefusal(generated)) return generated
    const { CiphertextBlob, KeyId, KeyMaterialId } = generated
    return { CiphertextBlob, KeyId, KeyMaterialId }
  },
})

interface DataKeyInput {
  readonly NumberOfBytes?: number
  readonly KeySpec?: keyof typeof bytesOf
  readonly EncryptionContext?: EncryptionContext
  readonly DryRun?: boolean
}

async function generate(
  { NumberOfBytes, KeySpec, EncryptionContext, DryRun }: DataKeyInput,
  key: OpenKey,
  operationName: 'GenerateDataKey' | 'GenerateDataKeyWithoutPlaintext',
) {
  if ((NumberOfBytes === undefined) === (KeySpec === undefined)) {
    return refuse('ValidationException', 'Please specify either number of bytes or key spec.')
  }
  const refusal = useRefusal(key.record, operationName, 'SYMMETRIC_DEFAULT')
  if (refusal !== null) return refusal
  if (DryRun) return dryRunSucceeded()
  const current = symmetricOf(key)
  const Plaintext = randomBytes(KeySpec === undefined ? (NumberOfBytes as number) : bytesOf[KeySpec])
  return {
    CiphertextBlob: await encrypt(current, Plaintext, EncryptionContext),
    Plaintext,
    KeyId: arnOf(key.record),
    KeyMaterialId: current.keyMaterialId,
  }
}
