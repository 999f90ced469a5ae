import { describe, expect, it } from 'vitest'
import { expectOutput, newKey, openKms, type TestKey, uses } from '../support/conformance.ts'

/** What each operation answers where it succeeds, and by which names of a key it does. */

const kms = await openKms()
const operations = Object.entries(uses)

/** A key with which the operation succeeds. */
async function keyFor(operation: string): Promise<TestKey> {
  const key = await newKey(kms, uses[operation]?.kind)
  if (operation === 'CancelKeyDeletion') await kms.ask('ScheduleKeyDeletion', { KeyId: key.id })
  return key
}

describe.each(operations)('%s', (operation, { input, output, names }) => {
  it('answers its members, and no others', async () => {
    const answer = await kms.ask(operation, input(await keyFor(operation)))
    expectOutput(operation, answer)
    // Whether a list goes on depends on what others have made.
    const { NextMarker: _, ...members } = answer.json
    expect(Object.keys(members).sort()).toEqual(
      output
        .split(' ')
        .filter((name) => name !== '')
        .sort(),
    )
  })

  const [member, as] = names ?? []
  const forms = names === undefined ? [] : as === 'key' ? ['id', 'arn'] : ['id', 'arn', 'alias', 'aliasArn']

  it.skipIf(member === undefined).each(forms)('knows the key by its %s', async (form) => {
    const key = await keyFor(operation)
    const aliasArn = `${key.arn.split(':key/')[0]}:${key.alias}`
    const name = { ...key, aliasArn }[form as 'id' | 'arn' | 'alias' | 'aliasArn']
    const answer = await kms.ask(operation, { ...input(key), [member ?? '']: name })
    expectOutput(operation, answer)
    // Cryptography and deletion answer with the ARN, rotation with the id: never with the alias that was given.
    if ('KeyId' in answer.json) expect([key.arn, key.id]).toContain(answer.json.KeyId)
  })
})

it.each(
  Object.keys(uses).filter((name) =>
    /crypt|^Generate(Data|Mac)|^GetPublicKey|Sign|Verify|Secret|apsulate|KeyDeletion/.test(name),
  ),
)('%s answers with the ARN of the key', async (operation) => {
  const key = await keyFor(operation)
  const { json } = await kms.ask(operation, uses[operation]?.input(key))
  expect(json.KeyId).toBe(key.arn)
})

it('a source key may be named in all four forms, too', async () => {
  const key = await newKey(kms)
  for (const name of [key.id, key.arn, key.alias, `${key.arn.split(':key/')[0]}:${key.alias}`]) {
    const input = { CiphertextBlob: key.blob, SourceKeyId: name, DestinationKeyId: key.id }
    const answer = await kms.ask('ReEncrypt', input)
    expect(answer.json, answer.text).toMatchObject({ SourceKeyId: key.arn, KeyId: key.arn })
  }
})
