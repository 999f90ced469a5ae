import { createEnvelope } from '../../src/envelope/index.ts'
import { arnOf, softKms } from './soft-kms.ts'

/*
 * A process of its own: encrypts and decrypts `process.argv[2]` bytes in one stream, and prints how much more memory than
 * idle it ever had, in bytes. To be run with a heap as small as a Worker's: Node with a large one collects buffers late,
 * whoever made them, and has a hundred megabytes of garbage beside any stream.
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
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  return received
}

let peak = 0
// What is compiled and loaded once belongs to the idle process.
await stream(2 ** 20)
peak = 0
const idle = process.memoryUsage.rss()
const received = await stream(bytes)
console.log(JSON.stringify({ received, above: peak - idle }))
