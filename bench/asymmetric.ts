import { call, type Load } from './drive.ts'

type Against = 'echo' | 'primitive'

interface Measure {
  readonly creation: { readonly KeySpec: string; readonly KeyUsage: string }
  readonly operation: string
  readonly input: Readonly<Record<string, unknown>>
  readonly against: Against
}

const Message = Buffer.alloc(64, 7).toString('base64')
const signing = { operation: 'Sign', KeyUsage: 'SIGN_VERIFY' } as const

function signs(KeySpec: string, SigningAlgorithm: string, against: Against): Measure {
  const { operation, KeyUsage } = signing
  return { creation: { KeySpec, KeyUsage }, operation, input: { Message, SigningAlgorithm }, against }
}

const mac = { Message, MacAlgorithm: 'HMAC_SHA_256' }

export const asymmetric: Readonly<Record<string, Measure>> = {
  'sign-p256': signs('ECC_NIST_P256', 'ECDSA_SHA_256', 'echo'),
  'verify-mac': {
    creation: { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' },
    operation: 'VerifyMac',
    input: mac,
    against: 'echo',
  },
  'sign-rsa-2048': signs('RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_256', 'primitive'),
  'sign-secp256k1': signs('ECC_SECG_P256K1', 'ECDSA_SHA_256', 'primitive'),
  'sign-ml-dsa-65': signs('ML_DSA_65', 'ML_DSA_SHAKE_256', 'primitive'),
}

/** The load of a measure, on a key that is made for it. */
export async function loadOf({ creation, operation, input }: Measure, port: number): Promise<Load> {
  const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>(port, 'CreateKey', creation)
  const KeyId = KeyMetadata.Arn
  if (operation !== 'VerifyMac') return { port, operation, input: { KeyId, ...input } }
  const { Mac } = await call<{ Mac: string }>(port, 'GenerateMac', { KeyId, ...input })
  return { port, operation, input: { KeyId, ...input, Mac } }
}

const specs = ['RSA_2048', 'RSA_3072', 'RSA_4096'] as const

/**
 * What it costs to make RSA keys, and how long an Encrypt under another key waits meanwhile at worst: locally the isolate
 * and the objects share one thread.
 */
export async function measureKeyGeneration(
  port: number,
  rounds: number,
  median: (values: readonly number[]) => number,
) {
  const { KeyMetadata } = await call<{ KeyMetadata: { Arn: string } }>(port, 'CreateKey', {})
  const encrypt = () => call(port, 'Encrypt', { KeyId: KeyMetadata.Arn, Plaintext: Message })
  const timed = async (work: () => Promise<unknown>) => {
    const started = performance.now()
    await work()
    return performance.now() - started
  }
  await encrypt()
  for (const KeySpec of specs) {
    const made: number[] = []
    const waited: number[] = []
    for (let round = 0; round < rounds; round++) {
      let isMade = false
      const making = timed(() => call(port, 'CreateKey', { KeySpec, KeyUsage: 'SIGN_VERIFY' })).finally(() => {
        isMade = true
      })
      let worst = 0
      while (!isMade) worst = Math.max(worst, await timed(encrypt))
      made.push(await making)
      waited.push(worst)
    }
    const [create, worst] = [median(made).toFixed(0), median(waited).toFixed(0)]
    console.log(`generate-${KeySpec.toLowerCase().replace('_', '-')} create=${create}ms encrypt-worst=${worst}ms`)
  }
}
