import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keySpecRow, keySpecs } from '../../src/model/key-specs.ts'
import { messageBytesOf, messageTypesOf } from '../../src/model/signing-algorithms.ts'
import { TestCrypto, type TestKey } from './crypto.ts'

/*
 * Wrote test/vectors/key-material-v1.json, once: those vectors must open and verify for ever, so it is run again only for
 * a file of another name. `node test/support/make-crypto-vectors.ts FILE`
 */

/** What was done with a key. Bytes are in base64. */
export interface Proof {
  readonly name: 'sign' | 'generateMac' | 'encryptOaep' | 'deriveSharedSecret' | 'encapsulate'
  readonly algorithm?: string
  readonly messageType?: string
  /** A message, a plaintext, a peer's public key; of an encapsulation the shared secret. */
  readonly input: string
  readonly output: string
}

export interface KeyVector {
  readonly spec: string
  readonly keyMaterialId: string
  readonly material: string
  readonly publicKey: string | null
  readonly sealed: string
  readonly proofs: readonly Proof[]
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const curves: Record<string, string> = { ECC_NIST_P256: 'P-256', ECC_NIST_P384: 'P-384', ECC_NIST_P521: 'P-521' }

async function proofsOf(crypto: TestCrypto, key: TestKey): Promise<Proof[]> {
  const { signingAlgorithms, macAlgorithms, encryptionAlgorithms, keyAgreementAlgorithms, encapsulationAlgorithms } =
    keySpecRow(key.spec)
  const proofs: Proof[] = []
  const prove = async (
    name: Proof['name'],
    input: Uint8Array,
    options: Pick<Proof, 'algorithm' | 'messageType'> = {},
  ) => {
    const [output] = await crypto.bytes(name, { key, ...options }, [[input]])
    proofs.push({ name, ...options, input: base64(input), output: base64(output as Buffer) })
  }
  for (const algorithm of signingAlgorithms) {
    for (const messageType of messageTypesOf(algorithm)) {
      await prove('sign', randomBytes(messageBytesOf(algorithm, messageType) ?? 40), { algorithm, messageType })
    }
  }
  for (const algorithm of macAlgorithms) await prove('generateMac', randomBytes(40), { algorithm })
  for (const algorithm of encryptionAlgorithms) await prove('encryptOaep', randomBytes(40), { algorithm })
  for (const _ of keyAgreementAlgorithms) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: curves[key.spec] as string })
    await prove('deriveSharedSecret', publicKey.export({ format: 'der', type: 'spki' }))
  }
  for (const _ of encapsulationAlgorithms) {
    for (const { sharedSecret, ciphertext } of await crypto.encapsulate(key, 1)) {
      proofs.push({ name: 'encapsulate', input: base64(sharedSecret), output: base64(ciphertext) })
    }
  }
  return proofs
}

if (import.meta.main) {
  const crypto = await TestCrypto.start()
  const vectors: KeyVector[] = []
  for (const spec of keySpecs) {
    const key = await crypto.generate(spec)
    vectors.push({
      spec,
      keyMaterialId: key.keyMaterialId,
      material: base64(key.material),
      publicKey: key.publicKey && base64(key.publicKey),
      sealed: base64(key.sealed),
      proofs: spec === 'SYMMETRIC_DEFAULT' ? [] : await proofsOf(crypto, key),
    })
  }
  await crypto.stop()
  const file = process.argv[2] ?? 'key-material-v1.json'
  writeFileSync(join(import.meta.dirname, '../vectors', file), `${JSON.stringify(vectors, null, 2)}\n`, { flag: 'wx' })
}
