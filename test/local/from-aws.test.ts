import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createEnvelope } from '../../src/envelope/index.ts'
import type { Kms } from '../../src/sdk/index.ts'
import { appFolder } from '../support/app-folder.ts'
import { blocks } from '../support/docs.ts'
import { startKms } from '../support/server.ts'

/** The blocks of docs/from-aws.md. AWS is another local server: neither has a key of the other's. */

let atAws: Kms
let here: Kms
let page: (name: string) => Promise<Record<string, (...args: unknown[]) => unknown>>
const text = (words: string) => new TextEncoder().encode(words)

beforeAll(async () => {
  const started = () => startKms(['--state', 'memory'])
  const [folder, aws, ours] = await Promise.all([appFolder(), started(), started()])
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
  vi.stubEnv('AWS_SESSION_TOKEN', '')
  for (const block of blocks('from-aws.md', 'ts')) {
    const [, name = ''] = /^\/\/ (\S+)\n/.exec(block) ?? []
    const code = block
      .replace('https://kms.us-east-1.amazonaws.com', aws.endpoint)
      .replace('http://127.0.0.1:8787', ours.endpoint)
      // Which takes a tenth of the time to make.
      .replace('RSA_4096', 'RSA_2048')
    writeFileSync(join(folder, name), code)
  }
  page = (name) => import(join(folder, name))
  const both: unknown = await page('both.ts')
  ;({ atAws, here } = both as { atAws: Kms; here: Kms })
})
afterAll(() => vi.unstubAllEnvs())

const newKey = async (kms: Kms, input: Parameters<Kms['createKey']>[0] = {}) =>
  (await kms.createKey(input)).KeyMetadata.Arn as string

it('moves ciphertexts', async () => {
  const { move } = await page('move.ts')
  const EncryptionContext = { tenant: 'a' }
  const old = await atAws.encrypt({ KeyId: await newKey(atAws), Plaintext: text('hello'), EncryptionContext })
  const CiphertextBlob = (await move?.(old.CiphertextBlob, await newKey(here), EncryptionContext)) as Uint8Array
  expect(await here.decrypt({ CiphertextBlob, EncryptionContext })).toMatchObject({ Plaintext: text('hello') })
  await expect(atAws.decrypt({ CiphertextBlob, EncryptionContext })).rejects.toMatchObject({
    name: 'AccessDeniedException',
  })
})

it("refuses what has AWS's format", async () => {
  const CiphertextBlob = new Uint8Array(170).map((_, at) => [1, 2, 2, 0, 0x78][at] ?? at)
  const KeyId = await newKey(here)
  for (const named of [{}, { KeyId }]) {
    await expect(here.decrypt({ CiphertextBlob, ...named })).rejects.toMatchObject({
      name: 'InvalidCiphertextException',
    })
  }
})

it('moves messages: rewrapped, or where they are signed encrypted anew', async () => {
  const [{ rewrapped }, { encryptedAnew }] = [await page('rewrap.ts'), await page('encrypt-anew.ts')]
  const [old, ours] = [await newKey(atAws), await newKey(here)]
  const reader = createEnvelope({ kms: here, keys: [ours] })
  const message = await createEnvelope({ kms: atAws, keys: [old] }).encrypt(text('hello'))
  const moved = (await rewrapped?.(message, old, ours)) as Uint8Array
  expect((await reader.decrypt(moved)).plaintext).toEqual(text('hello'))
  const signed = await createEnvelope({ kms: atAws, keys: [old], suite: 'signing' }).encrypt(text('signed'))
  await expect(rewrapped?.(signed, old, ours)).rejects.toMatchObject({ name: 'ForbiddenMessage' })
  const anew = encryptedAnew?.(new Blob([signed]).stream(), old, ours) as { stream: ReadableStream }
  const bytes = new Uint8Array(await new Response(anew.stream).arrayBuffer())
  expect((await reader.decrypt(bytes)).plaintext).toEqual(text('signed'))
  const either = createEnvelope({ kms: here, keys: [ours, { keyId: old, kms: atAws }] })
  const both = await either.encrypt(text('both'))
  for (const [kms, key] of [[atAws, old] as const, [here, ours] as const]) {
    expect((await createEnvelope({ kms, keys: [key] }).decrypt(both)).plaintext).toEqual(text('both'))
  }
})

it('imports the same material into both', async () => {
  const { importInto } = await page('import.ts')
  const keyOf = async (kms: Kms, input: object, material: Uint8Array) => {
    const KeyId = await newKey(kms, { ...input, Origin: 'EXTERNAL' })
    await importInto?.(kms, KeyId, material)
    return KeyId
  }
  const pair = async (input: object, material: Uint8Array) =>
    [await keyOf(atAws, input, material), await keyOf(here, input, material)] as const
  const Message = text('4111 1111 1111 1111')
  const hmac = { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' }
  const [oldMac, ourMac] = await pair(hmac, crypto.getRandomValues(new Uint8Array(32)))
  const MacAlgorithm = 'HMAC_SHA_256'
  const { Mac } = await atAws.generateMac({ KeyId: oldMac, MacAlgorithm, Message })
  expect((await here.generateMac({ KeyId: ourMac, MacAlgorithm, Message })).Mac).toEqual(Mac)

  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pkcs8 = new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' }))
  const [signer, verifier] = await pair({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }, pkcs8)
  const SigningAlgorithm = 'ECDSA_SHA_256'
  const { Signature } = await atAws.sign({ KeyId: signer, Message, SigningAlgorithm })
  const verified = await here.verify({ KeyId: verifier, Message, SigningAlgorithm, Signature })
  expect(verified.SignatureValid).toBe(true)

  const [symmetric, sameMaterial] = await pair({}, crypto.getRandomValues(new Uint8Array(32)))
  const { CiphertextBlob } = await atAws.encrypt({ KeyId: symmetric, Plaintext: Message })
  await expect(here.decrypt({ CiphertextBlob, KeyId: sameMaterial })).rejects.toMatchObject({
    name: 'IncorrectKeyException',
  })
})
