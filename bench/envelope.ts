import {
  buildClient,
  CommitmentPolicy,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node'
import { createEnvelope } from '../src/envelope/index.ts'
import { arnOf, softKms } from '../test/support/soft-kms.ts'

const frameBytes = 65_536
const pieceBytes = 65_536
const megabytes = Number(process.env.BENCH_MEGABYTES ?? 128)
const piece = crypto.getRandomValues(new Uint8Array(pieceBytes))
const pieces = (megabytes * 2 ** 20) / pieceBytes

/** Streams through envelopes, through bare AES-GCM over the same frames, and through AWS's own client, in turn. */
export async function measureEnvelope(rounds: number, median: (values: number[]) => number): Promise<void> {
  const measures = {
    stream: byEnvelope,
    bare: byWebCrypto,
    'client-node': () => byClientNode({ frameLength: frameBytes, suiteId: 0x0478 }),
    'client-node-defaults': () => byClientNode({}),
  }
  const speeds: Record<string, number[]> = Object.fromEntries(Object.keys(measures).map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(measures)) speeds[name]?.push(megabytes / (await seconds(measure)))
  }
  const figures = Object.entries(speeds).map(([name, values]) => `${name}=${median(values).toFixed(0)}MB/s`)
  const ratios = ['bare', 'client-node', 'client-node-defaults'].map((name) => {
    const each = (speeds[name] ?? []).map((speed, at) => (speeds.stream?.[at] ?? 0) / speed)
    return `of-${name}=${median(each).toFixed(2)}`
  })
  console.log(`envelope ${figures.join(' ')} ${ratios.join(' ')}`)
  await measureCalls()
}

/** 10,000 messages of 1 KB, with a data key for 1,000 of them. */
async function measureCalls(): Promise<void> {
  const kms = softKms()
  const cache = { secondsMax: 3_600, messagesMax: 1_000, bytesMax: 2 ** 30, entriesMax: 10 }
  const envelope = createEnvelope({ kms, keys: [arnOf('bench')], cache })
  const message = piece.subarray(0, 1_024)
  const took = await seconds(async () => {
    for (let at = 0; at < 10_000; at++) await envelope.encrypt(message)
  })
  console.log(`envelope-cached messages=10000 calls=${kms.calls.length} allowed=10 each=${(took * 100).toFixed(0)}us`)
}

function source(): ReadableStream<Uint8Array> {
  let left = pieces
  return new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(piece)
      else controller.close()
    },
  })
}

async function byEnvelope(): Promise<void> {
  const envelope = createEnvelope({ kms: softKms(), keys: [arnOf('bench')], frameBytes })
  let bytes = 0
  for await (const part of source().pipeThrough(envelope.encryptStream())) bytes += part.length
  if (bytes < megabytes * 2 ** 20) throw new Error('The message is too short')
}

async function byWebCrypto(): Promise<void> {
  const raw = crypto.getRandomValues(new Uint8Array(32))
  const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt'])
  const additionalData = new Uint8Array(72)
  for (let frame = 1; frame <= pieces; frame++) {
    const iv = new Uint8Array(12)
    new DataView(iv.buffer).setUint32(8, frame)
    await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, key, piece)
  }
}

async function byClientNode(settings: { frameLength?: number; suiteId?: number }): Promise<void> {
  const { encryptStream } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  const keyring = new RawAesKeyringNode({
    keyName: 'bench',
    keyNamespace: 'bench',
    unencryptedMasterKey: crypto.getRandomValues(new Uint8Array(32)),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  })
  const stream = encryptStream(keyring, settings)
  const reading = (async () => {
    for await (const _ of stream);
  })()
  for (let left = pieces; left > 0; left--) {
    if (!stream.write(piece)) await new Promise((resolve) => stream.once('drain', resolve))
  }
  stream.end()
  await reading
}

async function seconds(action: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await action()
  return (performance.now() - started) / 1_000
}
