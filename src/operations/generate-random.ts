import { randomBytes } from '../crypto/random.ts'
import { refuse } from '../model/errors.ts'
import { optional, shape } from '../model/shapes.ts'
import { noCustomKeyStore } from './custom-key-stores.ts'
import { wholeAccount } from './needs.ts'
import { need, operation } from './operation.ts'
import { CustomKeyStoreIdType, NumberOfBytesType, RecipientInfo } from './types.ts'
import { recipientRefusal } from './use.ts'

export const GenerateRandom = operation({
  input: shape({
    NumberOfBytes: optional(NumberOfBytesType),
    CustomKeyStoreId: optional(CustomKeyStoreIdType),
    Recipient: optional(RecipientInfo),
  }),
  needs: { account: need('kms:GenerateRandom', wholeAccount()) },
  errors: ['CustomKeyStoreNotFoundException', 'UnsupportedOperationException'],
  async handle({ NumberOfBytes, CustomKeyStoreId, Recipient }) {
    const refusal = recipientRefusal(Recipient)
    if (refusal !== null) return refusal
    if (NumberOfBytes === undefined) return refuse('ValidationException', 'NumberOfBytes is required.')
    if (CustomKeyStoreId !== undefined) return noCustomKeyStore(CustomKeyStoreId)
    return { Plaintext: randomBytes(NumberOfBytes) }
  },
})
