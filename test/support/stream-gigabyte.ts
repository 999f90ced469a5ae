import { createEnvelope } from '../../src/envelope/index.ts'
import { arnOf, softKms } from './soft-kms.ts'

/*
 * A process of its own: encrypts and decrypts `process.argv[2]` bytes in one stream, and prints how much more memory than
 * idle it needed, in bytes. Node collects buffers when 64 MB of them are garbage, whoever made them; what a stream needs is
 * seen by collecting as it goes: `node --expose-gc`.
 */
const bytes = Number(process.argv[2])
const envelope = createEnvelope({ kms: softKms(), keys: [arnOf('key')] })
const piece = crypto.getRandomValues(new Uint8Array(65_536))

async function stream(total: number): Promise<number> {
  let left = total
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left <= 0) return controller.close()
      controller.enqueue(piece.subarray(0, Math.min(left, piece.length)))
      left -= piece.length
    },
  })
  let received = 0
  for await (const part of source.pipeThrough(envelope.encryptStream()).pipeThrough(envelope.decryptStream())) {
    received += part.length
    if (received % 2 ** 22 === 0) peak = Math.max(peak, collected())
  }
  return received
}

function collected(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss()
}

let peak = 0
// What is compiled and loaded once belongs to the idle process.
await stream(2 ** 20)
peak = 0
const idle = collected()
const received = await stream(bytes)
console.log(JSON.stringify({ received, above: peak - idle }))
