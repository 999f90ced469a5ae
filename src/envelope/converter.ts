import { concat } from '../model/bytes.ts'
import { EnvelopeError } from './errors.ts'

export type Emit = (bytes: Uint8Array) => void

/** Bytes in, bytes out. After it has thrown, it is not used again. */
export interface Converter {
  write(piece: Uint8Array): Promise<void>
  end(): Promise<void>
}

type MakeConverter = (emit: Emit) => Converter

/** As a pair of web streams. What a converter throws aborts both. */
export function convertStream(make: MakeConverter): ReadableWritablePair<Uint8Array, Uint8Array> {
  let converter: Converter
  const transformer: Transformer<Uint8Array, Uint8Array> = {
    start(controller) {
      converter = make((bytes) => {
        if (bytes.length > 0) controller.enqueue(bytes)
      })
    },
    transform: (piece) => converter.write(asBytes(piece)),
    flush: () => converter.end(),
  }
  // One piece ahead of whoever reads, so that the header is opened before anybody does.
  return new TransformStream(transformer, undefined, { highWaterMark: 1 })
}

/** All at once: nothing comes back unless all is well. */
export async function convertAll(make: MakeConverter, input: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = []
  const converter = make((bytes) => parts.push(bytes))
  await converter.write(asBytes(input))
  await converter.end()
  const [only] = parts
  return parts.length === 1 && only !== undefined ? (only as Uint8Array<ArrayBuffer>) : concat(parts)
}

function asBytes(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece
  throw new EnvelopeError('InvalidInput', 'Bytes go in as Uint8Array: text through a TextEncoder.')
}
