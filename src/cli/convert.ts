import { createEnvelope, type Envelope, rewrapStream, type WrappingKey } from '../envelope/index.ts'
import { Stop } from '../local/options.ts'
import { openInput, writeOutput } from './files.ts'
import { Meter } from './meter.ts'
import type { CliOptions } from './options.ts'
import { kmsOf } from './target.ts'
import { whicheverKey } from './whichever-key.ts'

/** One way to make a file of another. */
interface Conversion {
  /** Where it goes if nobody says. */
  output(file: string): string
  /** The pair of streams, which throws `EnvelopeError` and `KmsError`. */
  through(options: CliOptions, bytes: number | null): ReadableWritablePair<Uint8Array, Uint8Array>
  readonly label: string
  /** True for what replaces its own input. */
  readonly isInPlace: boolean
}

const suffix = '.enc'

const conversions = {
  encrypt: {
    label: 'encrypted',
    isInPlace: false,
    output: (file) => `${file}${suffix}`,
    through: ({ context, ...options }, bytes) =>
      envelopeOf(options, keysOf(options.keys)).encryptStream({
        encryptionContext: context,
        ...(bytes === null ? {} : { plaintextBytes: bytes }),
      }),
  },
  decrypt: {
    label: 'decrypted',
    isInPlace: false,
    output(file) {
      if (file.endsWith(suffix) && file.length > suffix.length) return file.slice(0, -suffix.length)
      throw new Stop(`${file} has no ${suffix} that could be left out: name an --output.`)
    },
    through: ({ context, ...options }) => opener(options).decryptStream({ encryptionContext: context }),
  },
  rewrap: {
    label: 'rewrapped',
    isInPlace: true,
    output: (file) => file,
    through: ({ context, to, ...options }) =>
      rewrapStream({ from: opener(options), to: keysOf(to), encryptionContext: context }),
  },
} as const satisfies Record<string, Conversion>

export type ConversionName = keyof typeof conversions

/** What was done: the file it went to, and the bytes that came in. */
export interface Converted {
  readonly output: string
  readonly bytes: number
}

export async function convert(name: ConversionName, options: CliOptions, signal: AbortSignal): Promise<Converted> {
  const { output, through, label, isInPlace }: Conversion = conversions[name]
  const file = options.file as string
  const to = options.output ?? (file === '-' ? '-' : output(file))
  const input = openInput(file)
  const meter = new Meter(label, input.bytes)
  const stream = input.stream.pipeThrough(meter.through()).pipeThrough(through(options, input.bytes))
  try {
    await writeOutput(to, stream, { isForced: options.isForced || (isInPlace && options.output === null), signal })
  } finally {
    meter.clear()
  }
  return { output: to, bytes: meter.bytes }
}

type Keys = readonly [WrappingKey, ...WrappingKey[]]

function envelopeOf({ target, isSigned }: Pick<CliOptions, 'target' | 'isSigned'>, keys: Keys): Envelope {
  return createEnvelope({ kms: kmsOf(target), keys, suite: isSigned ? 'signing' : 'committing' })
}

function opener(options: Pick<CliOptions, 'target' | 'isSigned' | 'keys'>): Envelope {
  return envelopeOf(options, options.keys.length === 0 ? [whicheverKey(options.target)] : keysOf(options.keys))
}

/** Options have seen to it that there is one. */
function keysOf(names: readonly string[]): Keys {
  return names as readonly string[] as Keys
}
