import { sign, verify } from '../crypto/sign.ts'
import { dryRunSucceeded, refuse } from '../model/errors.ts'
import type { SigningAlgorithm } from '../model/key-specs.ts'
import { optional, required, shape } from '../model/shapes.ts'
import { type MessageType as Kind, messageBytesOf } from '../model/signing-algorithms.ts'
import { arnOf } from './key-metadata.ts'
import { keyNamed } from './needs.ts'
import { need, operation } from './operation.ts'
import {
  CiphertextType,
  GrantTokenList,
  KeyIdType,
  MessageType,
  NullableBooleanType,
  PlaintextType,
  SigningAlgorithmSpec,
} from './types.ts'
import { privateOf, useErrors, useRefusal } from './use.ts'

const members = {
  KeyId: required(KeyIdType),
  Message: required(PlaintextType),
  MessageType: optional(MessageType),
  SigningAlgorithm: required(SigningAlgorithmSpec),
  GrantTokens: optional(GrantTokenList),
  DryRun: optional(NullableBooleanType),
} as const

export const Sign = operation({
  input: shape(members),
  needs: { key: need('kms:Sign', keyNamed('KeyId')) },
  errors: useErrors,
  async handle({ Message, MessageType = 'RAW', SigningAlgorithm, DryRun }, _call, { key }) {
    const refusal =
      useRefusal(key.record, 'Sign', SigningAlgorithm) ?? messageRefusal(SigningAlgorithm, MessageType, Message)
    if (refusal !== null) return refusal
    if (DryRun) return dryRunSucceeded()
    const Signature = await sign(privateOf(key), SigningAlgorithm, MessageType, Message)
    return { KeyId: arnOf(key.record), Signature, SigningAlgorithm }
  },
})

export const Verify = operation({
  input: shape({ ...members, Signature: required(CiphertextType) }),
  needs: { key: need('kms:Verify', keyNamed('KeyId')) },
  errors: [...useErrors, 'KMSInvalidSignatureException'],
  async handle({ Message, MessageType = 'RAW', Signature, SigningAlgorithm, DryRun }, _call, { key }) {
    const refusal =
      useRefusal(key.record, 'Verify', SigningAlgorithm) ?? messageRefusal(SigningAlgorithm, MessageType, Message)
    if (refusal !== null) return refusal
    const isValid = await verify(privateOf(key), SigningAlgorithm, MessageType, Message, Signature)
    if (!isValid) return refuse('KMSInvalidSignatureException', null, 'the signature does not verify')
    if (DryRun) return dryRunSucceeded()
    return { KeyId: arnOf(key.record), SignatureValid: true, SigningAlgorithm }
  },
})

/** Null: the algorithm takes such a message. */
function messageRefusal(algorithm: SigningAlgorithm, messageType: Kind, message: Uint8Array) {
  const bytes = messageBytesOf(algorithm, messageType)
  if (bytes === undefined) {
    return refuse('ValidationException', `MessageType ${messageType} is not compatible with ${algorithm}.`)
  }
  if (bytes === null || message.length === bytes) return null
  const what = messageType === 'DIGEST' ? 'Digest' : 'Message'
  return refuse('ValidationException', `${what} is invalid length for algorithm ${algorithm}.`)
}
