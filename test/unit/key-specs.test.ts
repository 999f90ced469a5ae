import {
  DataKeyPairSpec,
  EncapsulationAlgorithmSpec,
  EncryptionAlgorithmSpec,
  GrantOperation,
  KeyAgreementAlgorithmSpec,
  KeySpec,
  KeyUsageType,
  MacAlgorithmSpec,
  MessageType,
  SigningAlgorithmSpec,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import {
  algorithmsOf,
  isAsymmetric,
  isDataKeyPairSpec,
  isKeySpec,
  type KeySpecRow,
  type KeyUsage,
  keySpecRow,
  keySpecs,
  ungrantable,
} from '../../src/model/key-specs.ts'
import { messageBytesOf, messageTypesOf } from '../../src/model/signing-algorithms.ts'

/** AWS's, but for what it has in China alone. */
const served = (names: object) => new Set(Object.values(names).filter((name) => !name.startsWith('SM2')))
const rows = keySpecs.map((spec) => ({ spec, row: keySpecRow(spec) }))
const all = <Value>(of: (row: KeySpecRow) => readonly Value[]) => new Set(rows.flatMap(({ row }) => of(row)))
const grantOperations = Object.values(GrantOperation)

describe('the table', () => {
  it('knows what AWS knows, but SM2', () => {
    expect(new Set(keySpecs)).toEqual(served(KeySpec))
    expect(Object.values(KeySpec).filter((spec) => !isKeySpec(spec))).toEqual(['SM2'])
    expect(all((row) => row.usages)).toEqual(served(KeyUsageType))
    expect(all((row) => row.encryptionAlgorithms)).toEqual(served(EncryptionAlgorithmSpec))
    expect(all((row) => row.signingAlgorithms)).toEqual(served(SigningAlgorithmSpec))
    expect(all((row) => row.macAlgorithms)).toEqual(served(MacAlgorithmSpec))
    expect(all((row) => row.keyAgreementAlgorithms)).toEqual(served(KeyAgreementAlgorithmSpec))
    expect(all((row) => row.encapsulationAlgorithms)).toEqual(served(EncapsulationAlgorithmSpec))
    expect(new Set(keySpecs.filter(isDataKeyPairSpec))).toEqual(served(DataKeyPairSpec))
  })

  it.each(['constructor', '__proto__', 'SM2', 'rsa_2048', ''])('has no spec %j', (text) => {
    expect(isKeySpec(text)).toBe(false)
    expect(isDataKeyPairSpec(text)).toBe(false)
  })

  it.each(rows)('gives $spec an algorithm for each usage, and none beside', ({ spec, row }) => {
    const used = row.usages.flatMap((usage) => algorithmsOf(spec, usage))
    for (const usage of row.usages) expect(algorithmsOf(spec, usage).length, usage).toBeGreaterThan(0)
    const { encryptionAlgorithms, signingAlgorithms, macAlgorithms, keyAgreementAlgorithms } = row
    const every = [encryptionAlgorithms, signingAlgorithms, macAlgorithms, keyAgreementAlgorithms]
    expect(used.sort()).toEqual([...every.flat(), ...row.encapsulationAlgorithms].sort())
    expect(Object.keys(row.plaintextBytesMax).sort()).toEqual([...encryptionAlgorithms].sort())
  })

  it('rotates symmetric keys alone', () => {
    expect(keySpecs.filter((spec) => keySpecRow(spec).canRotate)).toEqual(['SYMMETRIC_DEFAULT'])
  })

  it.each([
    ['RSA_2048', 256],
    ['RSA_3072', 384],
    ['RSA_4096', 512],
  ] as const)('has the longest plaintexts of %s', (spec, modulusBytes) => {
    // RFC 8017, section 7.1.1.
    const longest = (hashBytes: number) => modulusBytes - 2 * hashBytes - 2
    const expected = { RSAES_OAEP_SHA_1: longest(20), RSAES_OAEP_SHA_256: longest(32) }
    expect(keySpecRow(spec).plaintextBytesMax).toEqual(expected)
  })
})

describe('grants', () => {
  const grantable: Record<KeyUsage, string[]> = {
    ENCRYPT_DECRYPT: ['Decrypt', 'Encrypt', 'ReEncryptFrom', 'ReEncryptTo'],
    SIGN_VERIFY: ['Sign', 'Verify'],
    GENERATE_VERIFY_MAC: ['GenerateMac', 'VerifyMac'],
    KEY_AGREEMENT: ['DeriveSharedSecret'],
    ENCAPSULATE_DECAPSULATE: ['Decapsulate', 'Encapsulate'],
  }
  const kinds = rows.flatMap(({ spec, row }) => row.usages.map((usage) => ({ spec, usage })))

  it.each(kinds)('on $spec for $usage allow what it can do', ({ spec, usage }) => {
    const refused = ungrantable(spec, usage, grantOperations)
    const dataKeys = grantOperations.filter((operation) => operation.startsWith('GenerateDataKey'))
    const expected = [
      'CreateGrant',
      'DescribeKey',
      'RetireGrant',
      ...grantable[usage],
      ...(isAsymmetric(spec) ? ['GetPublicKey'] : []),
      ...(spec === 'SYMMETRIC_DEFAULT' ? dataKeys : []),
    ]
    expect(grantOperations.filter((operation) => !refused.includes(operation)).sort()).toEqual(expected.sort())
  })
})

describe('messages', () => {
  const algorithms = [...all((row) => row.signingAlgorithms)]

  it('are of every type that AWS knows', () => {
    expect(new Set(algorithms.flatMap(messageTypesOf))).toEqual(served(MessageType))
  })

  it.each(algorithms)('of %s have the length of the hash in its name', (algorithm) => {
    for (const messageType of messageTypesOf(algorithm)) {
      const bits = messageType === 'EXTERNAL_MU' ? 512 : Number(algorithm.slice(-3))
      expect(messageBytesOf(algorithm, messageType)).toBe(messageType === 'RAW' ? null : bits / 8)
    }
  })

  it('are taken in no other type', () => {
    expect(messageBytesOf('ED25519_SHA_512', 'DIGEST')).toBeUndefined()
    expect(messageBytesOf('ED25519_PH_SHA_512', 'RAW')).toBeUndefined()
    expect(messageBytesOf('ML_DSA_SHAKE_256', 'DIGEST')).toBeUndefined()
    expect(messageBytesOf('ECDSA_SHA_256', 'EXTERNAL_MU')).toBeUndefined()
  })
})
