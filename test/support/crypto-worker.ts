import { deriveSharedSecret } from '../../src/crypto/key-agreement.ts'
import { generateMac, verifyMac } from '../../src/crypto/mac.ts'
import { acceptMaterial, generateMaterial, type Material, materialIdOf } from '../../src/crypto/material.ts'
import { decapsulate, encapsulate } from '../../src/crypto/ml-kem.ts'
import { OpenPrivate } from '../../src/crypto/open-private.ts'
import { RootKeys } from '../../src/crypto/root-keys.ts'
import { decryptOaep, encryptOaep } from '../../src/crypto/rsa-oaep.ts'
import { type SealedMaterial, sealedReader, sealMaterial } from '../../src/crypto/seal.ts'
import { sign, verify } from '../../src/crypto/sign.ts'
import { fromBase64, toBase64 } from '../../src/model/bytes.ts'
import { type KeySpec, type KeyUsage, keySpecRow } from '../../src/model/key-specs.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What a test in Node asks of the cryptography in workerd: one function, over many inputs. Bytes travel as base64. */
export interface CryptoCommand {
  readonly name: string
  /** The handle of a key that was opened before. */
  readonly key?: number
  readonly spec?: KeySpec
  readonly algorithm?: string
  readonly messageType?: string
  readonly inputs: readonly (readonly string[])[]
}

export const identity = {
  account: '111122223333',
  region: 'us-east-1',
  keyId: '1234abcd-12ab-34cd-56ef-1234567890ab',
} as const

const opened: OpenPrivate[] = []
let roots: RootKeys

/** A pair as Node is to see it, and the handle under which it is open. */
async function open(spec: KeySpec, material: Material | null) {
  if (material === null) return null
  const keyMaterialId = await materialIdOf(identity.keyId, material)
  const whose = { ...identity, keyMaterialId, spec, usage: keySpecRow(spec).usages[0] as KeyUsage }
  return keep(spec, material, keyMaterialId, await sealMaterial(roots, whose, material.bytes))
}

function keep(spec: KeySpec, { bytes, publicKey }: Material, keyMaterialId: string, sealed: SealedMaterial) {
  const whose = { ...identity, keyMaterialId, spec, usage: keySpecRow(spec).usages[0] as KeyUsage }
  const key = opened.push(new OpenPrivate({ keyMaterialId, spec, publicKey }, sealedReader(roots, whose, sealed))) - 1
  return {
    key,
    keyMaterialId,
    material: toBase64(bytes),
    publicKey: publicKey && toBase64(publicKey),
    sealed: toBase64(sealed.sealed),
  }
}

type Command = (command: CryptoCommand, ...inputs: Bytes[]) => Promise<unknown>

const commands: Record<string, Command> = {
  generate: async ({ spec }) => open(spec as KeySpec, await generateMaterial(spec as KeySpec)),
  accept: async ({ spec }, bytes) => open(spec as KeySpec, await acceptMaterial(spec as KeySpec, bytes as Bytes)),
  /** Bytes as they are, with the public key beside them or none. */
  take: async ({ spec }, bytes, publicKey) =>
    open(spec as KeySpec, { bytes: bytes as Bytes, publicKey: publicKey ?? null }),
  reopen: async ({ spec, algorithm }, sealed, publicKey) => {
    const material = { bytes: new Uint8Array(0), publicKey: publicKey?.length === 0 ? null : (publicKey as Bytes) }
    return keep(spec as KeySpec, material, algorithm as string, { rootVersion: 1, sealed: sealed as Bytes })
  },
  sign: (command, message) =>
    sign(keyOf(command), command.algorithm as never, command.messageType as never, message as Bytes),
  verify: (command, message, signature) =>
    verify(
      keyOf(command),
      command.algorithm as never,
      command.messageType as never,
      message as Bytes,
      signature as Bytes,
    ),
  generateMac: (command, message) => generateMac(keyOf(command), command.algorithm as never, message as Bytes),
  verifyMac: (command, message, mac) =>
    verifyMac(keyOf(command), command.algorithm as never, message as Bytes, mac as Bytes),
  deriveSharedSecret: (command, peer) => deriveSharedSecret(keyOf(command), peer as Bytes),
  encapsulate: async (command) => {
    const { sharedSecret, ciphertext } = await encapsulate(keyOf(command))
    return [toBase64(sharedSecret), toBase64(ciphertext)]
  },
  decapsulate: (command, ciphertext) => decapsulate(keyOf(command), ciphertext as Bytes),
  encryptOaep: (command, plaintext) => encryptOaep(keyOf(command), command.algorithm as never, plaintext as Bytes),
  decryptOaep: (command, ciphertext) => decryptOaep(keyOf(command), command.algorithm as never, ciphertext as Bytes),
}

function keyOf({ key }: CryptoCommand): OpenPrivate {
  return opened[key as number] as OpenPrivate
}

/** The cryptography alone, for tests that hold it against OpenSSL. */
export default {
  async fetch(request) {
    roots ??= (await RootKeys.parse('1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=')) as RootKeys
    const command = (await request.json()) as CryptoCommand
    const outputs: unknown[] = []
    for (const input of command.inputs) {
      const bytes = input.map((text) => fromBase64(text) as Bytes)
      const output = await commands[command.name]?.(command, ...bytes)
      outputs.push(output instanceof Uint8Array ? toBase64(output) : output)
    }
    return Response.json(outputs)
  },
} satisfies ExportedHandler
