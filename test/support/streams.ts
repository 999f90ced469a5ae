/** `bytes` in pieces of `pieceBytes`. */
export function streamOf(bytes: Uint8Array, pieceBytes = 1_000): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(at, at + pieceBytes))
      at += pieceBytes
    },
  })
}

/** All that a stream gives before it ends or fails, and what it failed with. */
export async function drained(stream: ReadableStream<Uint8Array>): Promise<{ bytes: Buffer; failure: unknown }> {
  const parts: Uint8Array[] = []
  try {
    for await (const part of stream) parts.push(part)
    return { bytes: Buffer.concat(parts), failure: null }
  } catch (failure) {
    return { bytes: Buffer.concat(parts), failure }
  }
}
